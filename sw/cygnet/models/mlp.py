# SPDX-License-Identifier: Apache-2.0
"""Multilayer perceptrons."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from cygnet.models.activation import Activation, activation_layer

__all__ = ["mlp"]


def mlp(
    inputs: int = 784,
    hidden: Sequence[int] = (128, 128),
    classes: int = 10,
    *,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 4.0,
) -> nn.Sequential:
    """Dense layers with an activation after each but the last.

    Takes float[n, ...] of ``inputs`` values an image and gives float[n, classes].

    :param hidden: the widths between
    :param activation: ``"qcfs"`` or ``"relu"``
    :param levels: L of QCFS
    :param start: lambda of QCFS before training
    """
    widths = [inputs, *hidden]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), activation_layer(activation, levels, start)]
    return nn.Sequential(*layers, nn.Linear(widths[-1], classes))
