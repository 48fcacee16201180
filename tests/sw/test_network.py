# SPDX-License-Identifier: Apache-2.0
"""What the contract refuses, one anchored message each, and what it derives."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from cygnet.network import (
    INPUT,
    Bounds,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    SumPool,
)
from networks import random_mlp, random_residual

ONES = np.ones((2, 3), int)
FOUR = np.ones((2, 3, 3, 2), int)


def neurons(**changes: Any) -> Neurons:
    values: dict[str, Any] = {
        "kind": "gn",
        "reset": np.array([4, 4]),
        "fire": np.array([4, 4]),
        "initial": np.array([2, 2]),
        "step": np.ones(2),
        "tau": 4,
    }
    return Neurons(**(values | changes))


def layer(**changes: Any) -> Layer:
    values: dict[str, Any] = {
        "name": "first",
        "synapses": Dense(ONES),
        "bias": np.zeros(2, int),
        "neurons": neurons(),
        "source": INPUT,
    }
    return Layer(**(values | changes))


def network(**changes: Any) -> Network:
    values: dict[str, Any] = {
        "name": "net",
        "input": InputSpec("pixels", (1, 1, 3)),
        "layers": (layer(),),
        "steps": 4,
    }
    return Network(**(values | changes))


second = layer(name="second", synapses=Dense(np.ones((2, 2), int)), source=0)

REFUSED: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Bounds(1, 0), ValueError, "Bounds low must be at most high 0, not 1"),
    (lambda: Bounds(0.0, 1), TypeError, "Bounds low must be an integer, not 0.0"),  # type: ignore[arg-type]
    (
        lambda: InputSpec("audio", (1, 1, 1)),  # type: ignore[arg-type]
        ValueError,
        "input kind must be 'pixels' or 'counts', not 'audio'",
    ),
    (lambda: InputSpec("pixels", (0, 1, 1)), ValueError, "input shape must be an integer in 1.."),
    (lambda: InputSpec("pixels", (1, 1)), TypeError, "input shape must be (height, width, chan"),  # type: ignore[arg-type]
    (
        lambda: InputSpec("pixels", (1, 1, 1), layout="hwc"),  # type: ignore[arg-type]
        ValueError,
        "input layout must be 'nhwc' or 'nchw', not 'hwc'",
    ),
    (
        lambda: InputSpec("pixels", (1, 1, 1), scale=float("nan")),
        ValueError,
        "input scale must be a finite number > 0, not nan",
    ),
    (
        lambda: InputSpec("pixels", (1, 1, 2), std=(1.0,)),
        ValueError,
        "input std must have one value for each of 2 channels, not 1",
    ),
    (
        lambda: InputSpec("pixels", (1, 1, 1), scale=1 / 255, mean=(1.1,)),
        ValueError,
        "input mean must be in 0..255 pixel steps, not (1.1,) at scale",
    ),
    (
        lambda: InputSpec("pixels", (1, 1, 1), bounds=Bounds(0, 15)),
        ValueError,
        "input bounds of pixels must be 0..255, not Bounds(low=0, high=15)",
    ),
    (
        lambda: InputSpec("counts", (1, 1, 1), mean=(0.5,), bounds=Bounds(0, 1)),
        ValueError,
        "input of kind 'counts' must have mean 0 and std 1",
    ),
    (
        lambda: InputSpec("counts", (1, 1, 1), bounds=Bounds(1, 2)),
        ValueError,
        "input bounds must hold 0 and fit into 16 bits, not",
    ),
    (lambda: SumPool((0, 1), (1, 1)), ValueError, "pooling kernel must be an integer in 1.."),
    (lambda: SumPool(2, (1, 1)), TypeError, "pooling kernel must be a pair (vertical, horiz"),  # type: ignore[arg-type]
    (
        lambda: SumPool((2, 2), (2, 2)).output_shape((5, 4, 1)),
        ValueError,
        "pooling kernel must tile the map without a partial window, not 2 with stride 2 on 5",
    ),
    (lambda: Dense(ONES.astype(float)), TypeError, "weight must be an array of integers, not"),
    (lambda: Dense(np.ones(3, int)), ValueError, "weight must be an array [outputs, inputs], "),
    (lambda: Dense(ONES * 128), ValueError, "weight must be an array of int8, not of values in"),
    (lambda: Dense(ONES * -128), ValueError, "weight must fit into 8 bits (symmetric), not rea"),
    (lambda: Dense(ONES * 8, 4), ValueError, "weight must fit into 4 bits (symmetric), not rea"),
    (lambda: Dense(ONES, 9), ValueError, "bits must be an integer in 2..8, not 9"),
    (lambda: Convolution(ONES), ValueError, "weight must be an array [outputs, kernel height,"),
    (lambda: Convolution(FOUR, groups=3), ValueError, "groups must divide the 2 outputs, not 3"),
    (
        lambda: Convolution(FOUR, padding=(3, 0)),
        ValueError,
        "padding must be less than the kernel 3, not 3",
    ),
    (lambda: Convolution(FOUR, (0, 1)), ValueError, "stride must be an integer in 1..65536, no"),
    (lambda: Identity(0, ONES), ValueError, "shortcut weight must be an array [channels], not"),
    (lambda: Projection(0, np.ones(2, int)), ValueError, "shortcut weight must be an array [cha"),
    (lambda: Identity(-2, np.ones(2, int)), ValueError, "shortcut source must be an integer in"),
    (lambda: neurons(kind="lif"), ValueError, "neuron kind must be 'gn', 'if' or 'snm', not 'lif'"),
    (lambda: neurons(tau=0), ValueError, "tau must be an integer in 1..16, not 0"),
    (lambda: neurons(tau=True), TypeError, "tau must be an integer, not True"),
    (lambda: neurons(kind="if"), ValueError, "tau of kind 'if' must be 1, not 4"),
    (lambda: neurons(reset=np.array([0, 1])), ValueError, "reset must be >= 1, not 0"),
    (lambda: neurons(fire=np.array([4, -1])), ValueError, "fire must be >= 1, not -1"),
    (
        lambda: neurons(reset=np.array([1, 2**18])),
        ValueError,
        "reset must be at most 262143, not 262144",
    ),
    (lambda: neurons(step=np.array([0, 1])), ValueError, "step must be finite and > 0 everywhere"),
    (lambda: neurons(step=np.array([np.inf, 1])), ValueError, "step must be finite and > 0 ever"),
    (lambda: neurons(fire=np.ones(3, int)), ValueError, "fire must have 2 channels like reset, n"),
    (lambda: neurons(fire=np.ones((1, 2), int)), ValueError, "fire must be an array [channels] o"),
    (lambda: neurons(enabled=np.ones(2)), TypeError, "enabled must be an array of booleans, not"),
    (
        lambda: neurons(amplitude=np.ones(2, int)),
        ValueError,
        "amplitude must be None for kind 'gn', not an array",
    ),
    (
        lambda: neurons(kind="snm", tau=1, amplitude=np.array([1, 256])),
        ValueError,
        "amplitude must be at most 255, not 256",
    ),
    (lambda: neurons(membrane_width=49), ValueError, "membrane width must be an integer in 2..48"),
    (lambda: layer(name="First"), ValueError, "layer name must be lower-case letters, digits an"),
    (lambda: layer(bias=np.zeros(3, int)), ValueError, "layer 'first': bias must be an array of "),
    (lambda: layer(bias=np.zeros(2)), TypeError, "layer 'first': bias must be an array of integer"),
    (lambda: layer(synapses=ONES), TypeError, "layer 'first': synapses must be a Dense or a Conv"),
    (lambda: layer(neurons="gn"), TypeError, "layer 'first': neurons must be a Neurons or None, "),
    (lambda: layer(pool=2), TypeError, "layer 'first': pool must be a SumPool or None, not 2"),
    (lambda: layer(shortcut=0), TypeError, "layer 'first': shortcut must be an Identity, a Proj"),
    (
        lambda: layer(synapses=Dense(np.ones((3, 3), int)), bias=np.zeros(3, int)),
        ValueError,
        "layer 'first': neurons must have 3 channels like the weight, not 2",
    ),
    (lambda: network(name="a b"), ValueError, "network name must be lower-case letters, digits "),
    (lambda: network(input="x"), TypeError, "network input must be an InputSpec, not 'x'"),
    (lambda: network(layers=()), ValueError, "network must have at least one layer, not none"),
    (lambda: network(steps=0), ValueError, "steps must be an integer in 1..4096, not 0"),
    (lambda: network(logit_scale=-1), ValueError, "logit scale must be a finite number > 0, not "),
    (
        lambda: network(layers=(layer(), replace(second, name="first"))),
        ValueError,
        "layer name must be unique, not 'first' twice",
    ),
    (
        lambda: network(layers=(replace(second, source=0), layer())),
        ValueError,
        "layer 'second': source must come before layer 0, not be 0",
    ),
    (
        lambda: network(layers=(layer(neurons=None), second)),
        ValueError,
        "layer 'first': neurons must be a Neurons in every layer but the last, not None",
    ),
    (
        lambda: network(layers=(layer(), replace(second, source=INPUT))),
        ValueError,
        "layer 'second': weight must have 3 inputs (a map of (1, 1, 3)), not 2",
    ),
    (
        lambda: network(
            layers=(layer(), replace(second, shortcut=Identity(INPUT, np.ones(3, int))))
        ),
        ValueError,
        "layer 'second': shortcut source must be a layer before layer 1, not -1",
    ),
    (
        lambda: network(layers=(layer(), replace(second, shortcut=Projection(0, np.ones((3, 2)))))),
        TypeError,
        "shortcut weight must be an array of integers, not of float64",
    ),
    (
        lambda: network(
            layers=(layer(), replace(second, shortcut=Projection(0, np.ones((3, 2), int))))
        ),
        ValueError,
        "layer 'second': shortcut must have the layer's shape (1, 1, 2), not (1, 1, 3)",
    ),
    (
        lambda: network(layers=(layer(neurons=neurons(initial=np.ones((1, 2, 2), int))),)),
        ValueError,
        "layer 'first': initial must be an array of shape (1, 1, 2), not (1, 2, 2)",
    ),
    (
        lambda: network(layers=(layer(neurons=neurons(membrane_width=3)),)),
        ValueError,
        "layer 'first': reset must fit into the membrane of 3 bits, not reach 4",
    ),
    (
        lambda: network(layers=(layer(bias=np.array([2**50, 0])),)),
        ValueError,
        "layer 'first': sums must fit into 48 bits, not reach",
    ),
]


@pytest.mark.parametrize(("make", "kind", "message"), REFUSED, ids=[row[2] for row in REFUSED])
def test_refuses(make: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=f"^{re.escape(message)}"):
        make()


def test_frozen_all_the_way_down() -> None:
    net = network()
    with pytest.raises(FrozenInstanceError):
        net.steps = 5  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        net.layers[0].synapses.weight[0, 0] = 3
    weight = ONES.copy()
    dense = Dense(weight)
    weight[0, 0] = 77
    assert dense.weight[0, 0] == 1


def test_shapes_and_ranges_through_a_network() -> None:
    net = random_residual(np.random.default_rng(0))
    assert [net.shape(number) for number in range(-1, 6)] == [
        (8, 6, 4),
        (8, 6, 6),
        (8, 6, 6),
        (4, 8, 5),
        (4, 4, 7),
        (4, 3, 3),
        (1, 1, 4),
    ]
    assert net.pooled_shape(4) == (3, 2, 7)
    assert net.pooled_shape(5) == (2, 2, 3)
    assert net.classes == 4
    assert net.input.padding == (26, 128, 0, 255)
    assert net.operand(0) == Bounds(0, 255)
    tau = net.layers[3].neurons
    assert tau is not None
    assert net.operand(4) == Bounds(0, 6 * tau.tau)
    assert net.macs(0) == 8 * 6 * 6 * 9 * 2
    assert net.macs(3) == 4 * 4 * 7 * 5 * 2


def test_current_bounds_are_reached() -> None:
    net = random_mlp(np.random.default_rng(4))
    weight, bias = net.layers[0].synapses.weight.astype(int), net.layers[0].bias
    highest = max(255 * row[row > 0].sum() + b for row, b in zip(weight, bias, strict=True))
    lowest = min(255 * row[row < 0].sum() + b for row, b in zip(weight, bias, strict=True))
    assert net.current(0) == Bounds(int(lowest), int(highest))


def test_what_a_layer_sends() -> None:
    amplitude = neurons(kind="snm", tau=1, initial=np.zeros(2, int), amplitude=np.array([3, 7]))
    assert amplitude.counts == Bounds(-1, 1)
    assert amplitude.events == Bounds(-7, 7)
    assert neurons().events == Bounds(0, 4)
    assert amplitude.per_neuron("enabled", (1, 1, 2)).tolist() == [[[True, True]]]
    assert amplitude.per_neuron("amplitude", (2, 1, 2)).tolist() == [[[3, 7]], [[3, 7]]]
    with pytest.raises(ValueError, match=r"^layer 'first' accumulates; it sends no events$"):
        network(layers=(layer(neurons=None),)).events(0)
