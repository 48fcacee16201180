# SPDX-License-Identifier: Apache-2.0
"""The neuron cores' parameter object: derived values, rows, refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cygnet.hardware import HardwareConfig
from cygnet.network import INPUT, Bounds, Dense, InputSpec, Layer, Network, Neurons
from cygnet.neuron_core import NeuronCoreConfig, RowField

GOOD: dict[str, Any] = {
    "kind": "gn",
    "tau": 4,
    "membrane_width": 24,
    "current_width": 20,
    "threshold_width": 16,
    "depth": 32,
    "channels": 8,
}
CONSTANT = {"threshold": "constant"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"kind": "lif"}, ValueError, r"^neuron kind must be one of gn, if, snm, not 'lif'$"),
        ({"tau": 0}, ValueError, r"^tau must be an integer in 1..16, not 0$"),
        ({"tau": 17}, ValueError, r"^tau must be an integer in 1..16, not 17$"),
        ({"tau": 4.0}, TypeError, r"^tau must be an integer, not 4.0$"),
        ({"kind": "if"}, ValueError, r"^tau of kind 'if' must be 1, not 4$"),
        ({"membrane_width": 1}, ValueError, r"^membrane width must be an integer in 2..48, not 1$"),
        ({"current_width": 0}, ValueError, r"^current width must be an integer in 1..48, not 0$"),
        ({"current_width": 25}, ValueError, r"^current width must be at most .* 24 bits .*not 25$"),
        ({"threshold_width": 0}, ValueError, r"^threshold width must be .* in 1..23, not 0$"),
        ({"threshold_width": 24}, ValueError, r"^threshold width must be .* in 1..23, not 24$"),
        (CONSTANT | {"reset": 0}, ValueError, r"^reset must be an integer in 1..65535, not 0$"),
        (CONSTANT | {"reset": 1 << 16}, ValueError, r"^reset must be .* 1..65535, not 65536$"),
        (CONSTANT | {"fire": 0}, ValueError, r"^fire must be an integer in 1..65535, not 0$"),
        (CONSTANT | {"initial": 2**23}, ValueError, r"^initial must be .*8388607, not 8388608$"),
        ({"threshold": "float"}, ValueError, r"^threshold must be one of .*, not 'float'$"),
        (
            {"threshold": "pow2", "reset": 6, "fire": 6},
            ValueError,
            r"^reset must be a power of two for pow2, not 6$",
        ),
        (
            {"threshold": "pow2", "reset": 4, "fire": 5},
            ValueError,
            r"^fire must be the reset 4 for pow2, not 5$",
        ),
        ({"depth": 2}, ValueError, r"^depth must be at least the interleave of \d+, not 2$"),
        ({"depth": True}, TypeError, r"^depth must be an integer, not True$"),
        ({"channels": 0}, ValueError, r"^channels must be an integer in 1..1048576, not 0$"),
        ({"amplitude_width": 8}, ValueError, r"^amplitude width must be 0 for kind 'gn', not 8$"),
        ({"memory_width": 3}, ValueError, r"^memory width must be 0 for kind 'gn', not 3$"),
        ({"kind": "snm", "tau": 1}, ValueError, r"^memory width must be at least 1 .*, not 0$"),
        ({"saturate": 1}, TypeError, r"^saturate must be a boolean, not 1$"),
        ({"variant": "tiny"}, ValueError, r"^variant must be one of fast, small, not 'tiny'$"),
        ({"state_memory": "flash"}, ValueError, r"^state memory must be .*, not 'flash'$"),
    ],
)
def test_refuses(change: dict[str, Any], error: type[Exception], message: str) -> None:
    NeuronCoreConfig(**GOOD)
    with pytest.raises(error, match=message):
        NeuronCoreConfig(**GOOD | change)


def test_refuses_steps() -> None:
    config = NeuronCoreConfig(**GOOD)
    for steps, message in (
        ([(32, 0, True)], r"^index must be an integer in 0..31, not 32$"),
        ([(0, 2**19, True)], r"^current must fit into 20 bits, not be 524288$"),
        ([(0, 0, False)], r"^index must have had a first step, not be 0$"),
        (
            [(0, 0, True), (0, 0, False)],
            rf"^steps of index 0 must be at least {config.interleave} clocks apart, not 1$",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            config.check_steps(steps)
    config.check_steps([(0, 0, True), (0, 0, False)], clocks=[0, config.interleave])


def network(**neurons: Any) -> Network:
    weight = np.arange(-12, 12, dtype=np.int8).reshape(4, 6)
    channels = {"reset": [9, 8, 7, 16], "fire": [9, 8, 7, 16], "initial": [4, 4, 3, 8]}
    values: dict[str, Any] = {"kind": "gn", "tau": 2, "step": np.ones(4)} | channels | neurons
    first = Layer(
        name="first",
        synapses=Dense(weight, 5),
        bias=np.array([3, 0, -2, 1]),
        neurons=Neurons(**values),
        source=-1,
    )
    last = Layer(
        name="last",
        synapses=Dense(np.ones((3, 4), dtype=np.int8), 2),
        bias=np.zeros(3, dtype=np.int64),
        neurons=None,
        source=0,
    )
    return Network("net", InputSpec("pixels", (1, 2, 3)), (first, last), steps=4)


def for_layer(network: Network, lanes: int = 4) -> NeuronCoreConfig:
    hardware = HardwareConfig.uniform(network, steps=4, lanes=lanes)
    return NeuronCoreConfig.for_layer(network, 0, hardware)


def test_for_layer_takes_widths_from_the_bounds() -> None:
    net = network()
    config = for_layer(net)
    assert (config.kind, config.tau, config.channels) == ("gn", 2, 4)
    assert config.row_fields == (RowField("reset", 5),)
    assert config.depth == config.interleave
    for bounds, width in (
        (net.current(0), config.current_width),
        (net.potential(0), config.membrane_width),
    ):
        half = 1 << (width - 1)
        assert -half <= bounds.low
        assert bounds.high < half
        assert max(-bounds.low - 1, bounds.high) >= half // 2
    with pytest.raises(ValueError, match=r"^layer 'last' accumulates; it has no neuron core$"):
        NeuronCoreConfig.for_layer(net, 1, HardwareConfig.uniform(net, steps=1))


@pytest.mark.parametrize(
    ("neurons", "threshold", "fields"),
    [
        ({}, "memory", ["reset"]),
        ({"fire": [10, 9, 8, 17]}, "memory", ["reset", "fire"]),
        ({"initial": [4, 4, 3, 9]}, "memory", ["reset", "initial"]),
        ({"initial": [0, 0, 0, 0]}, "memory", ["reset"]),
        ({"enabled": np.array([True, False, True, True])}, "memory", ["reset", "enabled"]),
        (
            {"reset": [8] * 4, "fire": [8] * 4, "enabled": np.array([True, False, True, True])}
            | {"initial": [1] * 4},
            "pow2",
            ["enabled"],
        ),
        ({"reset": [9] * 4, "fire": [10] * 4, "initial": [-2] * 4}, "constant", []),
        ({"kind": "snm", "tau": 1, "amplitude": [1, 2, 3, 255]}, "memory", ["reset", "amplitude"]),
    ],
)
def test_for_layer_keeps_only_the_fields_that_vary(
    neurons: dict[str, Any], threshold: str, fields: list[str]
) -> None:
    config = for_layer(network(**neurons))
    assert config.threshold == threshold
    assert [field.name for field in config.row_fields] == fields


def test_rows_hold_every_field_at_its_place() -> None:
    net = network(
        kind="snm",
        tau=1,
        fire=[10, 8, 7, 16],
        initial=[-4, 0, 3, 8],
        enabled=np.array([True, False, True, True]),
        amplitude=[1, 2, 3, 255],
    )
    neurons = net.layers[0].neurons
    assert neurons is not None
    config = for_layer(net)
    rows = config.rows(neurons, net.shape(0))
    assert len(rows) == config.channels
    assert len(config.row_fields) == 5
    assert max(rows) < 1 << config.row_width
    for channel, row in enumerate(rows):
        rest = row
        for field in config.row_fields:
            value = rest & (1 << field.width) - 1
            if field.signed and value >> (field.width - 1):
                value -= 1 << field.width
            assert value == int(neurons.per_neuron(field.name, (1, 1, 4))[0, 0, channel])
            rest >>= field.width
        assert rest == 0


def test_rows_of_neurons_with_their_own_parameters_are_in_raster_order() -> None:
    reset = np.arange(1, 13, dtype=np.int32).reshape(2, 3, 2)
    neurons = Neurons(
        kind="if", reset=reset, fire=reset, initial=np.zeros(2, dtype=np.int32), step=np.ones(2)
    )
    options = GOOD | {"kind": "if", "tau": 1, "channels": 12}
    assert NeuronCoreConfig(**options).rows(neurons, (2, 3, 2)) == list(range(1, 13))
    with pytest.raises(ValueError, match=r"^channels must be 12 as in the neurons, not 8$"):
        NeuronCoreConfig(**options | {"channels": 8}).rows(neurons, (2, 3, 2))


def test_rows_refuse_what_does_not_fit() -> None:
    level = np.array([70000], dtype=np.int32)
    neurons = Neurons(
        kind="gn", tau=4, reset=level, fire=level, initial=level // 2, step=np.ones(1)
    )
    config = NeuronCoreConfig(**GOOD | {"channels": 1})
    with pytest.raises(ValueError, match=r"^reset must fit into 16 bits, not reach 70000$"):
        config.rows(neurons, (1, 1, 1))


def test_a_saturating_layer_keeps_its_width() -> None:
    config = for_layer(network(membrane_width=8))
    assert config.saturate
    assert config.membrane_width == 8


def test_a_current_may_need_more_bits_than_the_potential() -> None:
    """T = 1: u reaches from -9 to 1, and p = v0 + u from -5 to 5."""
    reset = np.array([9])
    neurons = Neurons("gn", reset, reset, reset >> 1, np.ones(1), tau=1)
    layers = (
        Layer("a", Dense(np.array([[1, -9]]), 5), np.array([0]), neurons, INPUT),
        Layer("b", Dense(np.array([[1]]), 5), np.array([0]), None, 0),
    )
    spec = InputSpec("counts", (1, 1, 2), bounds=Bounds(0, 1))
    network = Network("narrow", spec, layers, 1)
    assert (network.potential(0).low, network.potential(0).high) == (-5, 5)
    hardware = HardwareConfig.uniform(network, steps=1, lanes=1)
    core = NeuronCoreConfig.for_layer(network, 0, hardware)
    assert core.current_width == 5
    assert core.membrane_width == 5
