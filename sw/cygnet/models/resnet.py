# SPDX-License-Identifier: Apache-2.0
"""Residual networks of basic blocks for small images, as the conversion papers use them.

A 3x3 stem, no pooling but the global average, and a 1x1 convolution with batch norm as the
shortcut where the shape changes (He et al., CVPR 2016, option B).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import nn

from cygnet.models.activation import Activation, activation_layer
from cygnet.models.initial import initialise

__all__ = ["BasicBlock", "ResNet", "resnet18", "resnet20", "resnet34"]


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut into one activation.

    :param before: channels in
    :param after: channels out
    :param stride: of the first convolution and of the shortcut
    :param act: makes an activation
    """

    def __init__(self, before: int, after: int, stride: int, act: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.act1 = act()
        self.conv2 = nn.Conv2d(after, after, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )
        self.act2 = act()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.act1(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        out: torch.Tensor = self.act2(y + self.shortcut(x))
        return out


class ResNet(nn.Module):
    """A stem, stages of basic blocks, a global average and a dense layer.

    Takes float[n, channels, h, w] and gives float[n, classes].

    :param widths: channels of each stage; the stem has those of the first
    :param blocks: blocks of each stage; every stage but the first begins with stride 2
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int],
        *,
        channels: int = 3,
        classes: int = 10,
        activation: Activation = "qcfs",
        levels: int = 4,
        start: float = 8.0,
    ) -> None:
        super().__init__()

        def act() -> nn.Module:
            return activation_layer(activation, levels, start)

        self.stem = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(widths[0])
        self.act = act()
        stages = []
        before = widths[0]
        for number, (after, count) in enumerate(zip(widths, blocks, strict=True)):
            stage = []
            for block in range(count):
                stride = 2 if number and not block else 1
                stage.append(BasicBlock(before, after, stride, act))
                before = after
            stages.append(nn.Sequential(*stage))
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.flatten = nn.Flatten()
        self.classifier = nn.Linear(before, classes)
        initialise(self)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.stages(self.act(self.bn(self.stem(x))))
        out: torch.Tensor = self.classifier(self.flatten(self.pool(y)))
        return out


def resnet20(
    channels: int = 3,
    classes: int = 10,
    *,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 8.0,
) -> ResNet:
    """Three stages of three blocks, 16, 32, 64 channels: 0.27 M parameters, 19 activations."""
    return ResNet(
        (16, 32, 64),
        (3, 3, 3),
        channels=channels,
        classes=classes,
        activation=activation,
        levels=levels,
        start=start,
    )


def resnet18(
    channels: int = 3,
    classes: int = 10,
    *,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 8.0,
) -> ResNet:
    """Four stages of two blocks, 64 to 512 channels: 11.2 M parameters, 17 activations."""
    return ResNet(
        (64, 128, 256, 512),
        (2, 2, 2, 2),
        channels=channels,
        classes=classes,
        activation=activation,
        levels=levels,
        start=start,
    )


def resnet34(
    channels: int = 3,
    classes: int = 10,
    *,
    activation: Activation = "qcfs",
    levels: int = 4,
    start: float = 8.0,
) -> ResNet:
    """Stages of 3, 4, 6, 3 blocks, 64 to 512 channels: 21.3 M parameters, 33 activations."""
    return ResNet(
        (64, 128, 256, 512),
        (3, 4, 6, 3),
        channels=channels,
        classes=classes,
        activation=activation,
        levels=levels,
        start=start,
    )
