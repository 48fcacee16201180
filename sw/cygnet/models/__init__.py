# SPDX-License-Identifier: Apache-2.0
"""The networks of the three papers, and how a user's own is found and filled."""

from __future__ import annotations

from cygnet.models.lenet import lenet5
from cygnet.models.mlp import mlp
from cygnet.models.reference import build
from cygnet.models.resnet import BasicBlock, ResNet, resnet18, resnet20, resnet34
from cygnet.models.vgg import vgg16
from cygnet.models.weights import load_weights, read_weights, save_weights

__all__ = [
    "BasicBlock",
    "ResNet",
    "build",
    "lenet5",
    "load_weights",
    "mlp",
    "read_weights",
    "resnet18",
    "resnet20",
    "resnet34",
    "save_weights",
    "vgg16",
]
