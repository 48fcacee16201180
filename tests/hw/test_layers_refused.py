# SPDX-License-Identifier: Apache-2.0
"""Networks and configurations that the gateware does not build."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.layer_plan import plan_layers
from cygnet.network import Bounds, Convolution, Dense, InputSpec, Layer, Network, Neurons, SumPool
from networks import dense_network


def _neurons(channels: int) -> Neurons:
    levels = np.full(channels, 9)
    return Neurons("if", levels, levels, levels >> 1, np.ones(channels))


def _overlapping_pool() -> Network:
    weight = np.ones((2, 3, 3, 1), dtype=np.int8)
    layers = (
        Layer("conv", Convolution(weight), np.zeros(2, int), _neurons(2), -1),
        Layer(
            "output",
            Dense(np.ones((3, 8), dtype=np.int8)),
            np.zeros(3, int),
            None,
            0,
            SumPool((2, 2), (1, 1)),
        ),
    )
    return Network("net", InputSpec("pixels", (5, 5, 1)), layers, 1)


def _counts() -> Network:
    layers = (Layer("output", Dense(np.ones((3, 8), dtype=np.int8)), np.zeros(3, int), None, -1),)
    return Network("net", InputSpec("counts", (1, 1, 8), bounds=Bounds(-129, 1)), layers, 1)


def _second_reader() -> Network:
    synapses = Dense(np.ones((3, 8), dtype=np.int8))
    layers = (
        Layer("unread", synapses, np.zeros(3, int), _neurons(3), -1),
        Layer("output", synapses, np.zeros(3, int), None, -1),
    )
    return Network("net", InputSpec("pixels", (1, 1, 8)), layers, 1)


def _spiking_end() -> Network:
    synapses = Dense(np.ones((3, 8), dtype=np.int8))
    layers = (Layer("output", synapses, np.zeros(3, int), _neurons(3), -1),)
    return Network("net", InputSpec("pixels", (1, 1, 8)), layers, 1)


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (
            _overlapping_pool(),
            "layer 'output': gateware pools windows that do not overlap; "
            "run this network in the golden model",
        ),
        (
            _counts(),
            "layer 'output': gateware takes counts of 8 bits, not -129..1; "
            "run this network in the golden model",
        ),
        (
            _second_reader(),
            "layer 'output': gateware gives its input to the first layer only; "
            "run this network in the golden model",
        ),
        (
            _spiking_end(),
            "layer 'output': gateware is built for a last layer that accumulates; "
            "run this network in the golden model",
        ),
    ],
)
def test_networks(network: Network, message: str) -> None:
    with pytest.raises(CygnetError, match=f"^{re.escape(message)}$"):
        plan_layers(network, HardwareConfig.uniform(network, steps=1, beat=1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda n: HardwareConfig.uniform(n, steps=5), "steps must be at most 4, the T_max"),
        (
            lambda n: HardwareConfig.uniform(n, steps=0),
            "steps must be an integer in 1..4096, not 0",
        ),
        (lambda n: HardwareConfig.uniform(n, steps=1, beat=65), "beat must be an integer in 1..64"),
        (
            lambda n: HardwareConfig.uniform(n, steps=1, lanes=0),
            "lanes must be an integer in 1..512",
        ),
        (
            lambda n: HardwareConfig(1, 8, (LayerHardware(11),) * 3).check(n),
            "lanes of layer 'layer1' must be at most its 10 outputs, not 11",
        ),
        (
            lambda n: HardwareConfig(1, 8, (LayerHardware(4),)).check(n),
            "layers must be 3 as in the network, not 1",
        ),
        (
            lambda n: LayerHardware(4, "tiny"),
            "neuron variant must be 'fast' or 'small', not 'tiny'",
        ),
    ],
)
def test_configurations(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        make(dense_network(1))  # type: ignore[operator]


def test_beat_of_a_convolution_is_a_pixel() -> None:
    network = _overlapping_pool()
    message = "beat must be 1, one pixel, where a convolution reads the input, not 8"
    with pytest.raises(CygnetError, match=f"^{message}$"):
        plan_layers(network, HardwareConfig.uniform(network, steps=1, beat=8))


def test_arithmetic() -> None:
    with pytest.raises(
        ValueError, match=r"^arithmetic must be 'lut' or 'lut6' or 'dsp', not 'alu'$"
    ):
        LayerHardware(6, arithmetic="alu")  # type: ignore[arg-type]


def test_cores() -> None:
    message = "^cores must be a divisor of the {} lanes, such as {}, not {}$"
    for lanes, cores, nearest in ((6, 4, 3), (6, 0, 1), (16, 7, 8), (7, 5, 7), (12, 99, 12)):
        with pytest.raises(ValueError, match=message.format(lanes, nearest, cores)):
            LayerHardware(lanes, cores=cores)
    with pytest.raises(TypeError, match=r"^cores must be an integer, not 1\.5$"):
        LayerHardware(6, cores=1.5)  # type: ignore[arg-type]
    hardware = HardwareConfig(1, 4, (LayerHardware(4), LayerHardware(4), LayerHardware(4, cores=2)))
    with pytest.raises(ValueError, match=r"^cores of layer 'layer3', the last, must be 1, not 2$"):
        hardware.check(dense_network(1))
