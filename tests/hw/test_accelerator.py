# SPDX-License-Identifier: Apache-2.0
"""The accelerator in Amaranth's simulator against the golden model: values, order and cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from accelerators import compare, simulate
from cygnet import shortcut_room
from cygnet.golden.timing import count_events, predict
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig, LayerHardware
from networks import dense_frames, dense_network, maps_network
from random_networks import draw

CASES = [
    # sizes, kind, tau, T, lanes, beat, bits
    ((12, 10, 7, 4), "gn", 4, 1, 4, 4, 8),
    ((12, 10, 7, 4), "gn", 4, 3, 4, 4, 8),
    ((30, 16, 9), "gn", 4, 2, 16, 8, 8),
    ((30, 17, 9), "if", 1, 4, 5, 1, 4),
    ((9, 5), "gn", 1, 1, 3, 2, 8),
    ((9, 5), "gn", 1, 3, 5, 2, 8),
    ((20, 33, 20, 3), "gn", 16, 2, 32, 16, 3),
    ((20, 12, 20, 10), "gn", 3, 4, 1, 2, 2),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_values_and_cycles(case: tuple[Any, ...]) -> None:
    sizes, kind, tau, steps, lanes, beat, bits = case
    network = dense_network(1, sizes, kind=kind, tau=tau, steps=4, bits=bits)
    hardware = HardwareConfig.uniform(network, steps=steps, lanes=lanes, beat=beat)
    frames = dense_frames(network, 7, seed=2)
    compare(network, hardware, frames)


# 53: windows of one event behind a long one. 84: more lanes than channels in the last row, over
# several steps.
@pytest.mark.parametrize("seed", [*range(12), 53, 84])
def test_random_networks(seed: int) -> None:
    compare(*draw(seed))


@pytest.mark.parametrize("seed", range(200, 206))
def test_random_networks_in_blocks(seed: int) -> None:
    compare(*draw(seed))


@pytest.mark.parametrize("seed", range(301, 306))
def test_random_networks_on_counts(seed: int) -> None:
    compare(*draw(seed))


def test_layers_seldom_wait_for_a_projection_shortcut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers that take about as long as each other, a strided one with a projection among them."""
    network = maps_network(3, size=16, channels=8)
    layers = tuple(map(LayerHardware, (4, 8, 2, 1)))
    hardware = HardwareConfig(steps=2, beat=2, layers=layers)
    frames = dense_frames(network, 12, seed=4, density=0.6)
    counts = run(network, frames, steps=2, record=True).counts

    def interval() -> float:
        events = count_events(network, hardware, frames, counts)
        return predict(network, hardware, events).interval

    usual = interval()
    compare(network, hardware, frames[:1])
    monkeypatch.setattr(shortcut_room, "SPARE_LINES", 16)
    assert usual < 1.01 * interval()
    monkeypatch.setattr(shortcut_room, "SPARE_LINES", 1)
    assert interval() > 1.1 * usual


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", sorted({*range(12, 200)} - {53, 84} | {*range(206, 300)} | {300, *range(306, 360)})
)
def test_more_random_networks(seed: int) -> None:
    compare(*draw(seed))


@pytest.mark.parametrize("seed", [0, 1, 2, 301, 303])
def test_stalls_change_no_value_of_random_networks(seed: int) -> None:
    network, hardware, frames = draw(seed)
    golden = run(network, frames, steps=hardware.steps)
    logits, labels, *_ = simulate(network, hardware, frames, stalls=seed)
    np.testing.assert_array_equal(logits, golden.logits)
    np.testing.assert_array_equal(labels, golden.labels)


@pytest.mark.parametrize("seed", range(4))
def test_stalls_change_no_value(seed: int) -> None:
    network = dense_network(seed, (12, 10, 7, 4))
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4, beat=4)
    frames = dense_frames(network, 9, seed=seed)
    golden = run(network, frames, steps=2)
    logits, labels, *_ = simulate(network, hardware, frames, stalls=seed)
    np.testing.assert_array_equal(logits, golden.logits)
    np.testing.assert_array_equal(labels, golden.labels)
