# SPDX-License-Identifier: Apache-2.0
"""Widths: no sequence of inputs may leave the bounds, by trying all of them."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cygnet.network import (
    INPUT,
    Bounds,
    Dense,
    InputSpec,
    Layer,
    Network,
    Neurons,
    signed_width,
    unsigned_width,
)


def one_neuron(
    kind: str, weight: int, bias: int, reset: int, fire: int, initial: int, tau: int, steps: int
) -> Network:
    """A single neuron whose current at each step is bias + weight * x, x in -1..2."""
    return Network(
        name="one",
        input=InputSpec("counts", (1, 1, 1), bounds=Bounds(-1, 2)),
        layers=(
            Layer(
                name="only",
                synapses=Dense(np.array([[weight]])),
                bias=np.array([bias]),
                neurons=Neurons(
                    kind,  # type: ignore[arg-type]
                    np.array([reset]),
                    np.array([fire]),
                    np.array([initial]),
                    np.ones(1),
                    tau if kind == "gn" else 1,
                ),
                source=INPUT,
            ),
        ),
        steps=steps,
    )


def reached(network: Network) -> tuple[int, int]:
    """The least and the greatest potential over every sequence of inputs."""
    layer = network.layers[0]
    neurons = layer.neurons
    assert neurons is not None
    weight, bias = int(layer.synapses.weight[0, 0]), int(layer.bias[0])
    reset, fire = int(neurons.reset[0]), int(neurons.fire[0])
    states = {(int(neurons.initial[0]), 0)}
    seen: set[int] = set()
    for _ in range(network.steps):
        after = set()
        for (v, m), x in itertools.product(states, range(-1, 3)):
            p = v + bias + weight * x
            seen.add(p)
            if neurons.kind == "snm":
                c = 1 if p >= fire else -1 if p <= -fire and m > 0 else 0
            else:
                c = sum(p >= fire + k * reset for k in range(neurons.tau))
            after.add((p - c * reset, m + c if neurons.kind == "snm" else 0))
        states = after
    # A membrane is stored too, but the last one is never read.
    return min(seen), max(seen)


@settings(max_examples=1500)
@given(
    kind=st.sampled_from(["gn", "if", "snm"]),
    weight=st.integers(-127, 127),
    bias=st.integers(-400, 400),
    reset=st.integers(1, 200),
    fire=st.integers(1, 300),
    initial=st.integers(-300, 300),
    tau=st.integers(1, 5),
    steps=st.integers(1, 5),
)
def test_nothing_leaves_the_bounds(kind: str, **values: int) -> None:
    network = one_neuron(kind, **values)
    low, high = reached(network)
    bounds = network.potential(0)
    assert bounds.low <= low
    assert high <= bounds.high


@settings(max_examples=300)
@given(
    kind=st.sampled_from(["gn", "if", "snm"]),
    weight=st.integers(-127, 127),
    bias=st.integers(-50, 50),
    reset=st.integers(1, 200),
    tau=st.integers(1, 5),
    steps=st.integers(1, 5),
)
def test_membranes_between_steps_fit_as_well(kind: str, **values: int) -> None:
    """What is stored lies in the bounds of the potential, so one width does for both."""
    reset = values["reset"]
    network = one_neuron(kind, fire=reset, initial=reset >> 1 if kind != "snm" else 0, **values)
    bounds = network.potential(0)
    shorter = one_neuron(
        kind,
        fire=reset,
        initial=reset >> 1 if kind != "snm" else 0,
        **{**values, "steps": max(1, values["steps"] - 1)},
    )
    if values["steps"] > 1:
        for v in membranes(shorter):
            assert bounds.low <= v <= bounds.high


def membranes(network: Network) -> set[int]:
    layer = network.layers[0]
    neurons = layer.neurons
    assert neurons is not None
    weight, bias = int(layer.synapses.weight[0, 0]), int(layer.bias[0])
    reset, fire = int(neurons.reset[0]), int(neurons.fire[0])
    states = {(int(neurons.initial[0]), 0)}
    stored: set[int] = set()
    for _ in range(network.steps):
        after = set()
        for (v, m), x in itertools.product(states, range(-1, 3)):
            p = v + bias + weight * x
            if neurons.kind == "snm":
                c = 1 if p >= fire else -1 if p <= -fire and m > 0 else 0
            else:
                c = sum(p >= fire + k * reset for k in range(neurons.tau))
            after.add((p - c * reset, m + c if neurons.kind == "snm" else 0))
        states = after
        stored |= {v for v, _ in states}
    return stored


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        # (kind, weight, bias, K, F, v0, tau, T)
        (("if", 50, 0, 100, 100, 50, 1, 1), (0, 150)),
        # A current above K piles up: 50 + 3 (100 - 60) + 100.
        (("if", 50, 0, 60, 60, 50, 1, 4), (-150, 270)),
        # Below K it cannot: F - 1 + 50. Downwards: fired first, then eight times -25.
        (("if", 25, 0, 100, 100, 50, 1, 9), (-200, 149)),
        # v0 far above F and a current that is never positive: v0 counts, and not F - 1.
        (("gn", 0, -10, 10, 10, 500, 2, 3), (-20, 500)),
        # F < K: the spike leaves less than any run without one, here 10 - 90 = -80.
        (("gn", 0, 5, 90, 10, 6, 1, 2), (-80, 14)),
        # A signed neuron that fires downwards is left at K - F, here 40, above F - 1 = 9.
        (("snm", 20, 0, 50, 10, 0, 1, 3), (-80, 80)),
    ],
)
def test_known_bounds(
    case: tuple[str, int, int, int, int, int, int, int], expected: tuple[int, int]
) -> None:
    network = one_neuron(*case)
    bounds = network.potential(0)
    low, high = reached(network)
    assert bounds.low <= low <= high <= bounds.high
    assert (bounds.low, bounds.high) == expected


def test_bounds_of_an_accumulating_layer() -> None:
    network = Network(
        name="sum",
        input=InputSpec("pixels", (1, 1, 2)),
        layers=(Layer("only", Dense(np.array([[2, -3], [1, 1]])), np.array([7, -1]), None, INPUT),),
        steps=3,
    )
    assert network.current(0) == Bounds(-765 + 7, 510 + 7)
    assert network.potential(0) == Bounds(3 * (-765 + 7), 3 * (510 + 7))


def test_widths() -> None:
    for low, high, width in ((0, 0, 1), (-1, 0, 1), (-1, 1, 2), (-128, 127, 8), (-129, 0, 9)):
        assert signed_width(low, high) == width
    for high, width in ((0, 1), (1, 1), (2, 2), (255, 8), (256, 9)):
        assert unsigned_width(high) == width
    assert Bounds(0, 4).width == 3
    assert Bounds(-1, 1).width == 2
    assert Bounds(-1, 3).scaled(2) == Bounds(-2, 6)
