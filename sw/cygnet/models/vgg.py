# SPDX-License-Identifier: Apache-2.0
"""VGG-16 for images of 32 x 32, as the conversion papers use it."""

from __future__ import annotations

from torch import nn

from cygnet.models.activation import Activation, activation_layer
from cygnet.models.initial import initialise

__all__ = ["vgg16"]

_PLAN = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(
    channels: int = 3,
    classes: int = 10,
    *,
    size: int = 32,
    width: float = 1.0,
    third: int = 3,
    hidden: int = 4096,
    dropout: float = 0.5,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 8.0,
) -> nn.Sequential:
    """Thirteen 3x3 convolutions with batch norm, five average poolings, three dense layers.

    Takes float[n, channels, size, size] and gives float[n, classes]; 33.6 M parameters as it
    stands.

    :param size: height and width of an image; a multiple of 32
    :param width: factor on the channels of the convolutions
    :param third: kernel of the third convolution in a block of three; 1 is the VGG-16 of the SNM
        paper's authors
    :param hidden: width of the two dense layers
    :param dropout: probability after each of the two
    :param activation: ``"qcfs"`` or ``"relu"``
    :param levels: L of QCFS
    :param start: lambda of QCFS before training
    :raises ValueError: another size, or another kernel
    """
    if third not in (1, 3):
        raise ValueError(f"third must be 1 or 3, not {third!r}")
    if size < 32 or size % 32:
        raise ValueError(f"size must be a multiple of 32, not {size!r}")

    def act() -> nn.Module:
        return activation_layer(activation, levels, start)

    layers: list[nn.Module] = []
    before = channels
    for block in _PLAN:
        for number, wide in enumerate(block):
            after = max(1, round(wide * width))
            kernel = third if number == 2 else 3
            layers += [
                nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False),
                nn.BatchNorm2d(after),
                act(),
            ]
            before = after
        layers.append(nn.AvgPool2d(2))
    inputs = before * (size // 32) ** 2
    model = nn.Sequential(
        *layers,
        nn.Flatten(),
        *(nn.Linear(inputs, hidden), act(), nn.Dropout(dropout)),
        *(nn.Linear(hidden, hidden), act(), nn.Dropout(dropout)),
        nn.Linear(hidden, classes),
    )
    initialise(model)
    return model
