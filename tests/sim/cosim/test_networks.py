# SPDX-License-Identifier: Apache-2.0
"""Networks of the zoo on digits, as Verilog, against the golden model: logits, labels, cycles.

They are not trained: thresholds come from the images, so every layer fires.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.conversion import to_spiking
from cygnet.cosim import accelerator
from cygnet.data import digits
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.models import lenet5
from cygnet.models.resnet import ResNet
from cygnet.network import InputSpec, Network
from cygnet.quantization import quantize


def images(count: int, size: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Digits of 8 x 8 made larger, in a black frame."""
    scale = size // 8 if size % 8 == 0 else size // 9
    x = (digits("test").x[:count].reshape(count, 8, 8) * 15).astype(np.uint8)
    x = x.repeat(scale, 1).repeat(scale, 2)
    edge = (size - x.shape[1]) // 2
    return np.pad(x, ((0, 0), (edge, edge), (edge, edge)))[..., None]


def spiking(
    model: nn.Module,
    size: int,
    steps: int,
    *,
    neuron: Literal["gn", "snm"] = "gn",
    normalization: Literal["channel", "neuron"] = "channel",
) -> Network:
    converted = to_spiking(
        model.eval(),
        images(64, size),
        input=InputSpec("pixels", (size, size, 1), 1 / 255),
        neuron=neuron,
        tau=4 if neuron == "gn" else 1,
        normalization=normalization,
    )
    return quantize(converted, steps=steps, name="net")


def check(network: Network, hardware: HardwareConfig, count: int, folder: Path) -> None:
    size = network.input.shape[0]
    found = accelerator.predict(network, hardware, images(count, size))
    assert len(np.unique(found.logits, axis=0)) > 1
    write_images(network, hardware, folder)
    compiled = accelerator.simulator(network, hardware, folder)
    for back_to_back in (True, False):
        accelerator.run_and_check(compiled, found, back_to_back=back_to_back)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [1, 2, 4, 8])
def test_lenet(steps: int, tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = spiking(lenet5(activation="relu"), 28, 8)
    hardware = HardwareConfig.uniform(network, steps=steps, lanes=6)
    check(network, hardware, 6, tmp_path)


@pytest.mark.slow
def test_signed_neurons_with_a_threshold_each(tmp_path: Path) -> None:
    torch.manual_seed(2)
    network = spiking(
        lenet5(size=16, activation="relu"), 16, 32, neuron="snm", normalization="neuron"
    )
    neurons = network.layers[0].neurons
    assert neurons is not None
    assert neurons.reset.shape == (16, 16, 6)
    hardware = HardwareConfig.uniform(network, steps=32, lanes=6, block=4)
    check(network, hardware, 3, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("cores", [1, 2])
def test_residual(cores: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = ResNet((8, 16), (1, 1), channels=1, activation="relu")
    network = spiking(model, 28, 4)
    assert [type(layer.shortcut).__name__ for layer in network.layers] == [
        *("NoneType", "NoneType", "Identity", "NoneType", "Projection", "NoneType")
    ]
    hardware = HardwareConfig.uniform(network, steps=2, lanes=8, cores=cores)
    layers = [replace(layer, arithmetic="dsp") for layer in hardware.layers]
    check(network, replace(hardware, layers=tuple(layers)), 4, tmp_path)
