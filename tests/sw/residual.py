# SPDX-License-Identifier: Apache-2.0
"""A small residual network with every kind of layer, for tests of quantisation."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from cygnet.network import InputSpec
from cygnet.neurons import QCFS

MEAN, STD = (0.5, 0.4), (0.3, 0.2)
SPEC = InputSpec("pixels", (8, 8, 2), scale=1 / 255, mean=MEAN, std=STD)


def images(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *SPEC.shape), dtype=np.uint8)


def qcfs(start: float = 0.6, levels: int = 4) -> QCFS:
    return QCFS(levels, start)


def values(module: nn.Module, name: str) -> np.ndarray:
    return np.asarray(module.get_parameter(name).detach().numpy())


def threshold(module: nn.Module) -> float:
    assert isinstance(module, QCFS)
    return module.threshold.item()


class Residual(nn.Module):
    def __init__(self, levels: int = 4) -> None:
        super().__init__()
        torch.manual_seed(5)
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 6, 3, 2, padding=1)
        self.skip = nn.Conv2d(4, 6, 1, 2)
        self.acts = nn.ModuleList(QCFS(levels, 0.5 + 0.2 * i) for i in range(4))
        self.pool = nn.AvgPool2d(2)
        self.hidden = nn.Linear(24, 7)
        self.out = nn.Linear(7, 3)
        with torch.no_grad():  # so that every layer fires
            for layer in (self.stem, self.a, self.b, self.skip, self.hidden):
                layer.weight.mul_(2)
            self.hidden.bias.add_(0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.acts[0](self.stem(x))
        x = self.acts[1](self.a(x) + x)
        x = self.acts[2](self.skip(x) + self.b(x))
        x = self.acts[3](self.hidden(self.pool(x).flatten(1)))
        return self.out(x)  # type: ignore[no-any-return]
