# SPDX-License-Identifier: Apache-2.0
"""The counting in the experiments, against loops that count one by one."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.conversion import fold, to_spiking
from cygnet.data import digits, input_spec
from cygnet.models import mlp, save_weights

EXPERIMENTS = Path(__file__).parents[2] / "experiments"


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(EXPERIMENTS))
    return importlib.import_module("signed")


@pytest.mark.parametrize(
    ("channels", "outputs", "kernel", "stride", "padding", "groups"),
    [(2, 3, 3, 1, 1, 1), (2, 4, 3, 2, 1, 2), (1, 2, 5, 1, 0, 1), (3, 3, 1, 2, 0, 1)],
)
def test_additions_are_what_a_loop_counts(
    signed: ModuleType,
    channels: int,
    outputs: int,
    kernel: int,
    stride: int,
    padding: int,
    groups: int,
) -> None:
    layer = nn.Conv2d(channels, outputs, kernel, stride, padding, groups=groups)
    spikes = torch.from_numpy(np.random.default_rng(1).integers(0, 3, (2, channels, 6, 6))).float()
    side = (6 + 2 * padding - kernel) // stride + 1
    count = 0
    for image in spikes.int().tolist():
        for output in range(outputs):
            group = output // (outputs // groups)
            for channel in range(channels // groups):
                plane = image[group * (channels // groups) + channel]
                for y in range(side):
                    for x in range(side):
                        for dy in range(kernel):
                            for dx in range(kernel):
                                row, column = y * stride + dy - padding, x * stride + dx - padding
                                if 0 <= row < 6 and 0 <= column < 6:
                                    count += plane[row][column]
    assert float(signed.additions(layer, spikes)) == count
    dense = nn.Linear(12, 7)
    assert float(signed.additions(dense, torch.ones(3, 12))) == 3 * 12 * 7


def test_a_dense_network_adds_once_for_each_spike_and_output(signed: ModuleType) -> None:
    torch.manual_seed(0)
    data = digits("test").take(slice(0, 20))
    spec = input_spec(data)
    model = mlp(64, (12, 9), activation="relu")
    folded = fold(model, spec)
    network = to_spiking(folded, data.x, input=spec, neuron="snm")
    counter = signed.Counter(network)
    spikes = {0: 0, 1: 0}

    def count(step: int, number: int, stage: object, value: torch.Tensor) -> None:
        if number < 2:
            spikes[number] += int((value != 0).sum())
        counter(step, number, stage, value)

    with torch.no_grad():
        network(network.input(data.x), 10, see=count)
    assert counter.spikes[:2] == [spikes[0], spikes[1]]
    assert spikes[0] > 0
    assert counter.additions == spikes[0] * 9 + spikes[1] * 10
    assert [signed.products(stage) for stage in folded] == [64 * 12, 12 * 9, 9 * 10]


def test_methods_write_accuracy_and_origin(
    signed: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    methods = importlib.import_module("methods")
    torch.manual_seed(0)
    save_weights(tmp_path / "w.safetensors", mlp(64, (12,), levels=4).state_dict())
    options = ["mlp(inputs=64, hidden=(12,))", "--weights", str(tmp_path / "w.safetensors")]
    options += ["--train", "digits", "--test", "digits", "--calibrate", "50", "--limit", "30"]
    out = tmp_path / "r.json"
    names = ["gn4", "qcfs", "opi99.5", "rmp", "srp2", "cos2", "snm-layer", "gn4+cal2"]
    options += ["--methods", ",".join(names), "--steps", "1,3", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", ["methods.py", *options])
    methods.main()
    found = json.loads(out.read_text())
    assert list(found["methods"]) == names
    assert found["origin"]["test_images"] == 30
    assert found["origin"]["command"].count("/") == found["origin"]["command"].count("/w.safe")
    # tau = L and T = 1: the network that was trained.
    assert found["methods"]["gn4"]["mse"][0] < 1e-9
    assert found["methods"]["gn4"]["accuracy"][0] == found["ann"]
    assert found["methods"]["qcfs"]["mse"][0] > 1e-6
