# SPDX-License-Identifier: Apache-2.0
"""Small networks that are written to files of every kind."""

from __future__ import annotations

import io
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.models import ResNet, mlp
from cygnet.network import InputSpec
from cygnet.neurons import QCFS

SPEC = InputSpec("pixels", (8, 8, 2), scale=1 / 255, mean=(0.5, 0.4), std=(0.3, 0.2))
THETAS = (0.73, 0.91, 1.3)


class PublishedQCFS(nn.Module):
    """The activation as its authors wrote it."""

    def __init__(self, levels: int, threshold: float) -> None:
        super().__init__()
        self.L = levels
        self.thresh = nn.Parameter(torch.tensor([threshold]))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.clamp(x / self.thresh, 0, 1)
        x = torch.floor(x * self.L + 0.5) / self.L
        return x * self.thresh


class Functional(nn.Module):
    """Layers written as functions, a view, a mean, grouped and strided convolutions."""

    def __init__(self, *activations: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, 4, 3, padding="same", bias=False)
        self.second = nn.Conv2d(4, 8, (3, 1), (2, 1), (1, 0), groups=2)
        self.third = nn.Conv2d(8, 6, 3, dilation=2, padding=2)
        self.last = nn.Linear(6 * 4, 3)
        self.activations = nn.ModuleList(activations)

    def forward(self, x: Tensor) -> Tensor:
        one, two, three = self.activations or [functional.relu] * 3
        x = functional.avg_pool2d(one(self.first(x)), 2)
        x = two(self.second(x))
        x = functional.dropout(three(self.third(x)), training=self.training)
        x = functional.adaptive_avg_pool2d(x, (2, 2))
        return self.last(x.view(x.size(0), -1))  # type: ignore[no-any-return]


def residual(*, statistics: bool) -> nn.Module:
    """A residual network; with running statistics as after training, or as at its start."""
    model = ResNet((4, 6), (1, 1), channels=2, classes=5, levels=3, start=1.37)
    if statistics:
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.running_mean, 0, 0.3)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 1.7)  # type: ignore[arg-type]
                nn.init.uniform_(module.weight, 0.6, 1.4)
                nn.init.normal_(module.bias, 0.1, 0.2)
    return model


def make(name: str) -> nn.Module:
    """One of the networks, the same every time."""
    torch.manual_seed(11)
    made = {
        "mlp": lambda: mlp(2 * 8 * 8, (9, 7), classes=4, levels=4, start=1.1),
        "residual": lambda: residual(statistics=False),
        "trained": lambda: residual(statistics=True),
        "published": lambda: Functional(*(PublishedQCFS(5, theta) for theta in THETAS)),
        "functional": lambda: Functional(*(QCFS(7, theta) for theta in THETAS)),
        "relu": Functional,
    }[name]()
    return made.eval()


NAMES = ("mlp", "residual", "trained", "published", "functional", "relu")


def exported(model: nn.Module, path: Path) -> Path:
    """The network in a file of torch.export."""
    torch.export.save(torch.export.export(model, (torch.zeros(1, 2, 8, 8),)), path)
    return path


def onnx_file(model: nn.Module, path: Path, *, dynamo: bool) -> Path:
    """The network in an ONNX file, by torch's newer exporter or its older one."""
    logger = logging.getLogger("torch.onnx")
    level, logger.level = logger.level, logging.ERROR
    try:
        with warnings.catch_warnings():
            # The older exporter is deprecated, and the newer one uses what is.
            warnings.simplefilter("ignore")
            options = {"verbose": False} if dynamo else {}
            torch.onnx.export(
                model, (torch.zeros(1, 2, 8, 8),), str(path), dynamo=dynamo, **options
            )
    finally:
        logger.level = level
    return path


def saved(value: object) -> bytes:
    """What torch.save writes."""
    stream = io.BytesIO()
    torch.save(value, stream)
    return stream.getvalue()
