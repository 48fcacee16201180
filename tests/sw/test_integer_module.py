# SPDX-License-Identifier: Apache-2.0
"""The torch road to integer logits against the golden model."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import cygnet
from cygnet.golden.values import run
from cygnet.models import lenet5, resnet20
from cygnet.network import Bounds, Dense, InputSpec, Layer, Network
from cygnet.neurons import QCFS
from cygnet.quantization.integer_module import integer_logits


def lively(model: nn.Module, shape: tuple[int, ...], theta: float) -> nn.Module:
    torch.manual_seed(0)
    for _ in range(2):
        model(torch.randn(16, *shape))
    for module in model.modules():
        if isinstance(module, QCFS):
            nn.init.constant_(module.weight, theta)
    return model.eval()


@pytest.mark.parametrize("kind", ["gn", "if", "snm"])
@pytest.mark.parametrize("name", ["lenet5", "resnet20"])
def test_equals_golden(name: str, kind: str) -> None:
    torch.manual_seed(1)
    if name == "lenet5":
        spec = InputSpec("pixels", (16, 16, 1), scale=1 / 255)
        model = lively(lenet5(size=16, activation="relu"), (1, 16, 16), 0.1)
        normalization = "neuron" if kind == "snm" else "channel"
    else:
        mean, std = (0.5, 0.4, 0.45), (0.2, 0.3, 0.25)
        spec = InputSpec("pixels", (16, 16, 3), scale=1 / 255, mean=mean, std=std)
        model = lively(resnet20(), (3, 16, 16), 1.0)
        normalization = "layer"
    x = np.random.default_rng(0).integers(0, 256, (6, *spec.shape), dtype=np.uint8)
    network = cygnet.convert(
        model,
        x,
        input=spec,
        neuron=kind,  # type: ignore[arg-type]
        normalization=normalization,  # type: ignore[arg-type]
        membrane_width=22 if kind == "if" else None,
    )
    got = integer_logits(network, x, steps=4, batch=4)
    for steps in (1, 2, 4):
        assert got[steps - 1].tolist() == run(network, x, steps=steps).logits.tolist()
    assert got[3].unique().numel() > 10


@pytest.mark.parametrize(
    ("kind", "steps", "message"),
    [
        ("pixels", 9, "steps must be an integer in 1..4, not 9"),
        ("counts", 1, "input kind must be 'pixels', not 'counts'"),
    ],
)
def test_refusals(kind: str, steps: int, message: str) -> None:
    bounds = Bounds(0, 255) if kind == "pixels" else Bounds(-1, 1)
    spec = InputSpec(kind, (1, 1, 2), bounds=bounds)  # type: ignore[arg-type]
    layer = Layer("out", Dense(np.ones((2, 2), np.int8)), np.zeros(2, np.int64), None, -1)
    network = Network("net", spec, (layer,), steps=4)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        integer_logits(network, np.zeros((1, 1, 1, 2), np.uint8), steps=steps)
