# SPDX-License-Identifier: Apache-2.0
"""The activation of a network in the zoo, chosen by name."""

from __future__ import annotations

from typing import Literal

from torch import nn

from cygnet.neurons import QCFS

__all__ = ["Activation", "activation_layer"]

Activation = Literal["qcfs", "relu"]


def activation_layer(kind: Activation, levels: int, start: float) -> nn.Module:
    """A new activation.

    :param kind: ``"qcfs"`` (Bu et al., ICLR 2022) or ``"relu"``
    :param levels: L of QCFS; not used by ReLU
    :param start: the trainable lambda of QCFS before training; not used by ReLU
    :raises ValueError: another kind
    """
    if kind == "qcfs":
        return QCFS(levels, start)
    if kind == "relu":
        return nn.ReLU()
    raise ValueError(f"activation must be 'qcfs' or 'relu', not {kind!r}")
