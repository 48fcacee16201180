# SPDX-License-Identifier: Apache-2.0
"""Neurons against closed forms and the published fixed case of docs/numerics.md."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.golden.neurons import fire, initial
from cygnet.network import Neurons

X = (-0.3, 0, 0.1, 0.124, 0.125, 0.26, 0.375, 0.5, 0.74, 0.875, 0.99, 1, 1.2, 2)
UNIT = 1000
"""Integers that theta = 1 stands for; every x and theta/8 is a whole number of them."""

CONSTANT = {
    "gn": (
        "0 0 0 0 1 1 2 2 3 4 4 4 4 4",
        "0 0 1 1 0 1 1 2 3 3 4 4 4 4",
        "0 0 0 0 1 1 2 2 3 4 4 4 4 4",
        "0 0 1 1 0 1 1 2 3 3 4 4 4 4",
    ),
    "if": (
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 0 1 1 0 0 1 1 1 1 1",
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 1 0 1 0 1 1 1 1 1 1",
    ),
    "snm": (
        "0 0 0 0 0 0 0 0 0 0 0 1 1 1",
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 0 0 1 0 1 1 1 1 1 1",
        "0 0 0 0 0 1 0 1 0 1 1 1 1 1",
    ),
}
VARYING = {
    "snm": ((1, 1, -1, -1), (0, 0, 0, 0), (0, 1, 0, -1)),
    "if": ((1, 1, 0, 0), (0, 0, 0, 0), (1, 0, 0, 0)),
    "gn": ((4, 4, 0, 0), (0, 0, 0, 0), (2, 3, 0, 0)),
}


def make(kind: str, channels: int, tau: int = 4, unit: int = UNIT) -> Neurons:
    """Neurons whose theta is ``unit``."""
    tau = tau if kind == "gn" else 1
    reset = np.full(channels, unit // tau)
    start = np.zeros(channels, int) if kind == "snm" else reset >> 1
    return Neurons(kind, reset, reset, start, np.ones(channels), tau)  # type: ignore[arg-type]


def simulate(neurons: Neurons, currents: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Counts, membranes and memories [T, channels] of currents [T, channels]."""
    shape = (1, 1, currents.shape[1])
    v, m = initial(neurons, shape, 1)
    rows = []
    for u in currents:
        c, v, m = fire(neurons, shape, v, m, u.reshape(1, *shape))
        rows.append((c.ravel(), v.ravel(), m.ravel()))
    counts, membranes, memories = (np.array(column) for column in zip(*rows, strict=True))
    return counts, membranes, memories


@pytest.mark.parametrize("kind", CONSTANT)
def test_published_case_of_a_constant_input(kind: str) -> None:
    currents = np.rint(np.tile(X, (4, 1)) * UNIT).astype(np.int64)
    counts, _, _ = simulate(make(kind, len(X)), currents)
    assert [" ".join(map(str, row)) for row in counts.tolist()] == list(CONSTANT[kind])


@pytest.mark.parametrize("kind", VARYING)
def test_published_case_of_a_varying_input(kind: str) -> None:
    floats = np.array([[1, 1, -1, -1], [-1, -1, 1, 1], [0.6, 0.6, -0.9, -0.9]]).T
    counts, membranes, _ = simulate(make(kind, 3), np.rint(floats * UNIT).astype(np.int64))
    assert counts.T.tolist() == [list(row) for row in VARYING[kind]]
    if kind == "snm":
        assert membranes[1:, 2].tolist() == [200, -700, -600]


@given(
    reset=st.integers(1, 300),
    tau=st.integers(1, 16),
    values=st.lists(st.integers(-5000, 9000), min_size=1, max_size=8),
)
def test_gn_is_a_clipped_quotient(reset: int, tau: int, values: list[int]) -> None:
    """With F = K: c = clip(floor(p / K), 0, tau), whatever the debt."""
    neurons = Neurons(
        "gn", np.array([reset]), np.array([reset]), np.array([reset >> 1]), np.ones(1), tau
    )
    counts, membranes, _ = simulate(neurons, np.array(values)[:, np.newaxis])
    v = reset >> 1
    for u, count, membrane in zip(values, counts.ravel(), membranes.ravel(), strict=True):
        p = v + u
        assert count == min(max(p // reset, 0), tau)
        v = p - int(count) * reset
        assert membrane == v


@given(
    half=st.integers(1, 200),
    tau=st.integers(1, 8),
    steps=st.integers(1, 12),
    current=st.integers(-3000, 6000),
)
def test_total_of_a_constant_input(half: int, tau: int, steps: int, current: int) -> None:
    """clip(floor(T tau x / theta + 1/2), 0, T tau), in integers, for an even K."""
    reset = 2 * half
    neurons = make("gn", 1, tau, reset * tau)
    counts, _, _ = simulate(neurons, np.full((steps, 1), current))
    expected = (2 * steps * current + reset) // (2 * reset)
    assert counts.sum() == min(max(expected, 0), steps * tau)


@given(
    reset=st.integers(1, 100),
    level=st.integers(1, 120),
    values=st.lists(st.integers(-300, 300), min_size=1, max_size=12),
)
def test_a_signed_neuron_never_takes_back_more_than_it_gave(
    reset: int, level: int, values: list[int]
) -> None:
    neurons = Neurons("snm", np.array([reset]), np.array([level]), np.array([0]), np.ones(1))
    counts, membranes, memories = simulate(neurons, np.array(values)[:, np.newaxis])
    assert (memories >= 0).all()
    assert (np.cumsum(counts) == memories.ravel()).all()
    assert (membranes.ravel() == np.cumsum(values) - reset * np.cumsum(counts)).all()


def test_a_disabled_neuron_gives_nothing_and_keeps_its_state() -> None:
    neurons = Neurons(
        "gn",
        np.array([10, 10]),
        np.array([10, 10]),
        np.array([5, 5]),
        np.ones(2),
        4,
        enabled=np.array([False, True]),
    )
    counts, membranes, _ = simulate(neurons, np.array([[100, 100], [7, 7]]))
    assert counts.tolist() == [[0, 4], [0, 4]]
    assert membranes.tolist() == [[5, 65], [5, 32]]


def test_saturation_holds_the_potential_and_not_the_current() -> None:
    neurons = Neurons(
        "if", np.array([30]), np.array([30]), np.array([0]), np.ones(1), membrane_width=7
    )
    counts, membranes, _ = simulate(neurons, np.array([[1000], [-1000], [40], [-34], [63]]))
    # p = sat(0 + 1000) = 63; sat(33 - 1000) = -64; -24; -58; 5
    assert counts.ravel().tolist() == [1, 0, 0, 0, 0]
    assert membranes.ravel().tolist() == [33, -64, -24, -58, 5]


def test_fire_changes_none_of_its_arguments_and_checks_the_shape() -> None:
    neurons = make("snm", 3)
    v, m = initial(neurons, (1, 1, 3), 2)
    u = np.full((2, 1, 1, 3), UNIT)
    before = v.copy(), m.copy(), u.copy()
    fire(neurons, (1, 1, 3), v, m, u)
    for array, copy in zip((v, m, u), before, strict=True):
        assert (array == copy).all()
    with pytest.raises(ValueError, match=r"^v must be an array \[n, \*\(1, 3, 1\)\], not of shape"):
        fire(neurons, (1, 3, 1), v, m, u)
