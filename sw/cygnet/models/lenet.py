# SPDX-License-Identifier: Apache-2.0
"""A small convolutional network in the manner of LeNet-5."""

from __future__ import annotations

from torch import nn

from cygnet.models.activation import Activation, activation_layer

__all__ = ["lenet5"]


def lenet5(
    channels: int = 1,
    classes: int = 10,
    *,
    size: int = 28,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 4.0,
) -> nn.Sequential:
    """6C5 (padding 2) - P2 - 16C5 - P2 - 120 - 84 - classes, with average pooling.

    Takes float[n, channels, size, size] and gives float[n, classes].

    :param size: height and width of an image; a multiple of 4, at least 16
    :param activation: ``"qcfs"`` or ``"relu"``
    :param levels: L of QCFS
    :param start: lambda of QCFS before training
    :raises ValueError: another size
    """
    if size < 16 or size % 4:
        raise ValueError(f"size must be a multiple of 4 from 16, not {size!r}")
    side = (size // 2 - 4) // 2

    def act() -> nn.Module:
        return activation_layer(activation, levels, start)

    return nn.Sequential(
        *(nn.Conv2d(channels, 6, 5, padding=2), act(), nn.AvgPool2d(2)),
        *(nn.Conv2d(6, 16, 5), act(), nn.AvgPool2d(2)),
        nn.Flatten(),
        *(nn.Linear(16 * side * side, 120), act()),
        *(nn.Linear(120, 84), act()),
        nn.Linear(84, classes),
    )
