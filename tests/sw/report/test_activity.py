# SPDX-License-Identifier: Apache-2.0
"""Counted spikes, operations and clocks against loops and against the golden cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cygnet.golden import timing
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import plan_layers
from cygnet.network import INPUT, Convolution, Identity, Network
from cygnet.report.activity import Histogram, LayerActivity, activity, fan_out
from cygnet.report.energy import energy
from networks import random_mlp, random_residual


def pixels(network: Network, n: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (n, *network.input.shape), dtype=np.uint8)
    x[rng.random(x.shape) < 0.4] = 0
    return x


def windows(network: Network, number: int) -> Any:
    """(output y, x, input y, x) of every tap of a layer's synapses that is inside of its input."""
    height, width, _ = network.pooled_shape(number)
    synapses = network.layers[number].synapses
    if not isinstance(synapses, Convolution):
        return [(0, 0, y, x) for y in range(height) for x in range(width)]
    rows, columns, _ = network.shape(number)
    found = []
    for oy in range(rows):
        for ox in range(columns):
            for ky in range(synapses.kernel[0]):
                for kx in range(synapses.kernel[1]):
                    y = oy * synapses.stride[0] + ky - synapses.padding[0]
                    x = ox * synapses.stride[1] + kx - synapses.padding[1]
                    if 0 <= y < height and 0 <= x < width:
                        found.append((oy, ox, y, x))
    return found


@pytest.mark.parametrize("seed", [0, 1])
def test_fan_out_counts_windows(seed: int) -> None:
    network = random_residual(np.random.default_rng(seed))
    for number, layer in enumerate(network.layers):
        groups = layer.synapses.groups if isinstance(layer.synapses, Convolution) else 1
        wanted = np.zeros(network.pooled_shape(number), np.int64)
        for _, _, y, x in windows(network, number):
            wanted[y, x] += network.shape(number)[2] // groups
        assert (fan_out(network, number) == wanted).all()


@pytest.mark.parametrize("kind", ["gn", "snm"])
def test_operations_by_loops(kind: str) -> None:
    network = random_residual(np.random.default_rng(5), kind=kind, steps=3)
    x = pixels(network, 4)
    found = activity(network, x, steps=3, batch=3)
    result = run(network, x, steps=3, record=True)

    def spikes(source: int) -> Any:
        """[steps, n, h, w, c] of unit spikes; pixels that are not 0."""
        if source == INPUT:
            return (x != 0)[None].astype(int)
        neurons, counts = network.layers[source].neurons, result.counts[source]
        assert neurons is not None
        assert counts is not None
        return np.abs(counts // neurons.per_neuron("amplitude", network.shape(source)))

    for number, layer in enumerate(network.layers):
        row = found.layers[number]
        sent = spikes(layer.source)
        if layer.pool is not None:
            (tall, wide), (down, right) = layer.pool.kernel, layer.pool.stride
            pooled = np.zeros((*sent.shape[:2], *network.pooled_shape(number)), int)
            for y in range(pooled.shape[2]):
                for z in range(pooled.shape[3]):
                    tile = sent[:, :, y * down : y * down + tall, z * right : z * right + wide]
                    pooled[:, :, y, z] = tile.sum(axis=(2, 3))
            sent = pooled
        groups = layer.synapses.groups if isinstance(layer.synapses, Convolution) else 1
        outputs = network.shape(number)[2] // groups
        total = sum(sent[:, :, y, z].sum() * outputs for _, _, y, z in windows(network, number))
        if isinstance(layer.shortcut, Identity):
            total += spikes(layer.shortcut.source).sum()
        elif layer.shortcut is not None:
            vertical, horizontal = layer.shortcut.stride
            carried = spikes(layer.shortcut.source)[:, :, ::vertical, ::horizontal]
            total += carried.sum() * network.shape(number)[2]
        assert row.additions == pytest.approx(total / len(x))
        if layer.neurons is not None:
            mine = spikes(number)
            assert row.rate == pytest.approx(mine.mean())
            assert row.silent == pytest.approx((~mine.any(axis=(0, 1))).mean())
            assert sum(row.counts.values()) == mine.size
            assert sum(abs(int(c)) * n for c, n in row.counts.items()) == mine.sum()


def test_clocks_are_the_golden_ones() -> None:
    network = random_mlp(np.random.default_rng(2), steps=2, plain=True)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4)
    x = pixels(network, 9)
    found = activity(network, x, steps=1, hardware=hardware, batch=4)
    assert found.steps == 2
    counts = run(network, x, steps=2, record=True).counts
    events = timing.count_events(network, hardware, x, counts)
    together = timing.predict(network, hardware, events)
    alone = timing.predict(network, hardware, events, back_to_back=False)
    assert found.latency == alone.latency.mean()
    assert found.interval == together.interval
    use = timing.lane_use(network, hardware, events, together)
    for plan, row in zip(plan_layers(network, hardware), found.layers, strict=True):
        assert row.events == events[plan.number].sum(1).mean()
        assert row.weight_reads == row.events * plan.walks
        assert row.weight_bits == row.weight_reads * plan.lanes * plan.weight_bits
        assert row.clocks == together.busy[plan.number].mean()
        assert row.lane_use == use[plan.number]
    spans = found.pipeline
    assert spans is not None
    first = timing.predict(network, hardware, [layer[:8] for layer in events])
    assert spans["accepted"] == first.accepted.tolist()
    assert spans["finished"] == first.finished.tolist()
    for number, layer in enumerate(spans["spans"]):
        # A dense layer has one window, which is open from the first clock of its span to the last.
        assert [end - start + 1 for start, end in layer] == first.busy[number].tolist()
        starts = [start for start, _ in layer]
        assert starts == sorted(starts)


def test_histogram() -> None:
    found = Histogram.empty(-1, 1, 4)
    found.add(np.array([-2, -1, -0.6, 0.1, 0.2, 1.0, 1.5, 7]))
    found.add(np.array([-0.1]))
    assert found.counts == [2, 1, 2, 1]
    assert (found.below, found.above) == (1, 2)


def test_energy_is_equation_15() -> None:
    first = LayerActivity("a", additions=50.0, dense=100.0, weight_bits=6400.0)
    second = LayerActivity("b", additions=200.0, dense=300.0, weight_bits=640.0)
    found = energy([first, second], [True, False], [8, 4])
    a, b, c = 400.0, 250.0, 50.0
    ratio = (c * 4.6 + (1 - c / b) * b * 0.9) / (a * 4.6)
    assert found.ratio == pytest.approx(ratio)
    assert found.ann_float == pytest.approx(1.84)
    assert found.snn_integer == pytest.approx((50 * 0.3 + 200 * 0.1) / 1000)
    assert found.ann_memory == pytest.approx((100 * 8 + 300 * 4) / 64 * 20 / 1000)
    assert found.snn_memory == pytest.approx(110 * 20 / 1000)
    plain = LayerActivity("a", additions=1.0, dense=1.0)
    assert energy([plain], [True], [8]).snn_memory is None
