# SPDX-License-Identifier: Apache-2.0
"""What the layers of a network do while images pass: spikes, operations, potentials, clocks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cygnet.golden import timing
from cygnet.golden.recursion import Recursion
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.input_stream import row_beats
from cygnet.layer_plan import plan_layers
from cygnet.network import INPUT, Convolution, Identity, Network, SumPool

__all__ = ["Activity", "Histogram", "LayerActivity", "activity", "fan_out", "pipeline"]

BINS = 48
SPAN = 3.0
"""Potentials are shown from -SPAN to SPAN, in units of what a spike takes off."""


@dataclass
class Histogram:
    """How often values fell between evenly spaced edges.

    :param low: first edge
    :param high: last edge
    :param counts: one for each of the bins between
    :param below: values under ``low``
    :param above: values over ``high``
    """

    low: float
    high: float
    counts: list[int]
    below: int = 0
    above: int = 0

    @classmethod
    def empty(cls, low: float, high: float, bins: int) -> Histogram:
        return cls(low, high, [0] * bins)

    def add(self, values: NDArray[Any]) -> None:
        found, _ = np.histogram(values, len(self.counts), (self.low, self.high))
        self.counts = [int(a + b) for a, b in zip(self.counts, found, strict=True)]
        self.below += int((values < self.low).sum())
        self.above += int((values > self.high).sum())


@dataclass
class LayerActivity:
    """One layer, means of an image over all T steps.

    :param name: of the layer
    :param rate: unit spikes of either sign for each neuron and time-step; None in a last layer
        that accumulates
    :param silent: share of its neurons that never fired in any image; None likewise
    :param events: input values, not zero in some step, that its windows read; what the gateware
        walks
    :param additions: synaptic operations with one addition for each unit spike, as papers count;
        for a layer that reads pixels: multiplications, one for each pixel that is not 0, once for
        all steps
    :param dense: synaptic operations of a network that is not spiking: every input once
    :param counts: how often a neuron sent each spike count in a step
    :param potentials: potentials after firing in units of what a spike takes off; of a last layer
        that accumulates, its sums in float units
    :param weight_reads: rows of weights that its engine reads; None without hardware, like the rest
    :param weight_bits: bits of those rows
    :param clocks: in which a window is open
    :param lane_use: useful operations over lanes times these clocks
    """

    name: str
    rate: float | None = None
    silent: float | None = None
    events: float | None = None
    additions: float = 0.0
    dense: float = 0.0
    counts: dict[str, int] = field(default_factory=dict)
    potentials: Histogram | None = None
    weight_reads: float | None = None
    weight_bits: float | None = None
    clocks: float | None = None
    lane_use: float | None = None


@dataclass
class Activity:
    """All layers over n images.

    :param steps: T
    :param images: n
    :param layers: one for each
    :param latency: mean clocks from an idle pipeline, predicted; None without hardware
    :param interval: mean clocks between images back to back, predicted; None likewise
    :param pipeline: see :func:`pipeline`; None likewise
    """

    steps: int
    images: int
    layers: list[LayerActivity]
    latency: float | None = None
    interval: float | None = None
    pipeline: dict[str, Any] | None = None


def activity(
    network: Network,
    x: NDArray[Any],
    *,
    steps: int,
    hardware: HardwareConfig | None = None,
    batch: int = 50,
    progress: Callable[[int, int], None] | None = None,
) -> Activity:
    """Run images through the golden model and count.

    :param x: as :func:`cygnet.golden.values.run` takes them
    :param steps: T; that of the hardware where one is given
    :param hardware: for clocks and memory accesses; None where the gateware does not build it
    :param batch: images whose potentials are in memory at once
    :param progress: called with images done and images in all
    """
    steps = steps if hardware is None else hardware.steps
    rows = [LayerActivity(layer.name) for layer in network.layers]
    fired = [np.zeros(network.shape(number), bool) for number in range(len(rows))]
    spikes = [0] * len(rows)
    events: list[list[NDArray[np.int64]]] = []
    for start in range(0, len(x), batch):
        part = x[start : start + batch]
        result = run(network, part, steps=steps, record=True)
        for number, row in enumerate(rows):
            counts = result.counts[number]
            _operations(network, number, row, part, result.counts, steps, len(x))
            _potentials(network, number, row, result.membranes[number])
            if counts is not None:
                unit = _units(network, number, counts)
                fired[number] |= (unit != 0).any(axis=(0, 1))
                spikes[number] += int(np.abs(unit).sum())
                for value, many in zip(*np.unique(unit, return_counts=True), strict=True):
                    row.counts[str(value)] = row.counts.get(str(value), 0) + int(many)
        if hardware is not None:
            events.append(timing.count_events(network, hardware, part, result.counts))
        if progress is not None:
            progress(start + len(part), len(x))
    for number, row in enumerate(rows):
        row.counts = dict(sorted(row.counts.items(), key=lambda item: int(item[0])))
        if network.layers[number].neurons is not None:
            row.rate = spikes[number] / (fired[number].size * steps * len(x))
            row.silent = float((~fired[number]).mean())
    found = Activity(steps, len(x), rows)
    if hardware is not None:
        joined = [np.concatenate(layer) for layer in zip(*events, strict=True)]
        _clocks(found, network, hardware, joined)
    return found


def _units(network: Network, number: int, counts: NDArray[np.int16]) -> NDArray[np.int16]:
    """Spike counts without amplitudes."""
    neurons = network.layers[number].neurons
    if neurons is None or neurons.amplitude is None:
        return counts
    return np.asarray(counts // neurons.per_neuron("amplitude", network.shape(number)), np.int16)


def _operations(
    network: Network,
    number: int,
    row: LayerActivity,
    x: NDArray[Any],
    counts: tuple[NDArray[np.int16] | None, ...],
    steps: int,
    images: int,
) -> None:
    """Add the operations of a batch, as a share of all ``images``."""
    layer = network.layers[number]
    reach = fan_out(network, number)
    if layer.source == INPUT:
        moved = (x != 0).astype(np.int64)
        if network.input.kind == "counts":
            moved = np.abs(x[:, :steps].astype(np.int64))
    else:
        units = counts[layer.source]
        assert units is not None
        moved = np.abs(_units(network, layer.source, units).astype(np.int64))
    if layer.pool is not None:
        moved = _pooled(moved, layer.pool)
    row.additions += float((moved * reach).sum()) / images
    row.dense = float(reach.sum())
    if layer.shortcut is not None:
        units = counts[layer.shortcut.source]
        assert units is not None
        added = np.abs(_units(network, layer.shortcut.source, units).astype(np.int64))
        if isinstance(layer.shortcut, Identity):
            row.additions += float(added.sum()) / images
            row.dense += float(np.prod(network.shape(number)))
        else:
            vertical, horizontal = layer.shortcut.stride
            taken = added[..., ::vertical, ::horizontal, :]
            outputs = network.shape(number)[2]
            row.additions += float(taken.sum() * outputs) / images
            row.dense += float(np.prod(taken.shape[-3:]) * outputs)


def fan_out(network: Network, number: int) -> NDArray[np.int64]:
    """int64[height, width, channels] of what a layer's synapses see: how many sums a value enters.

    Padding is counted out.
    """
    synapses = network.layers[number].synapses
    height, width, channels = network.pooled_shape(number)
    outputs = network.shape(number)
    if not isinstance(synapses, Convolution):
        return np.full((height, width, channels), outputs[2], np.int64)
    covered = [
        _covered(size, synapses.kernel[axis], synapses.stride[axis], synapses.padding[axis])
        for axis, size in enumerate((height, width))
    ]
    places = np.outer(*covered)[:, :, None] * (outputs[2] // synapses.groups)
    return np.broadcast_to(places, (height, width, channels)).astype(np.int64)


def _covered(size: int, kernel: int, stride: int, padding: int) -> NDArray[np.int64]:
    """int64[size]: windows along one axis that hold each place."""
    found = np.zeros(size + 2 * padding, np.int64)
    for start in range(0, size + 2 * padding - kernel + 1, stride):
        found[start : start + kernel] += 1
    return found[padding : padding + size]


def _pooled(values: NDArray[np.int64], pool: SumPool) -> NDArray[np.int64]:
    """Sums of windows; values are [..., h, w, c]."""
    windows = sliding_window_view(values, pool.kernel, axis=(-3, -2))
    taken = windows[..., :: pool.stride[0], :: pool.stride[1], :, :, :]
    return np.asarray(taken.sum(axis=(-2, -1)))


def _potentials(
    network: Network, number: int, row: LayerActivity, membranes: NDArray[np.int64]
) -> None:
    neurons = network.layers[number].neurons
    if neurons is None:
        steps = len(membranes)
        values = membranes[-1] * (network.logit_scale / steps)
        if row.potentials is None:
            margin = 0.05 * float(np.ptp(values)) or 1.0
            row.potentials = Histogram.empty(
                float(values.min()) - margin, float(values.max()) + margin, BINS
            )
    else:
        values = membranes / neurons.per_neuron("reset", network.shape(number))
        if row.potentials is None:
            row.potentials = Histogram.empty(-SPAN, SPAN, BINS)
    row.potentials.add(values)


def _clocks(
    found: Activity,
    network: Network,
    hardware: HardwareConfig,
    events: list[NDArray[np.int64]],
) -> None:
    together = timing.predict(network, hardware, events, back_to_back=True)
    alone = timing.predict(network, hardware, events, back_to_back=False)
    found.latency = float(alone.latency.mean())
    found.interval = together.interval
    use = timing.lane_use(network, hardware, events, together)
    for plan, row in zip(plan_layers(network, hardware), found.layers, strict=True):
        read = events[plan.number].sum(axis=1)
        row.events = float(read.mean())
        row.weight_reads = row.events * plan.walks
        row.weight_bits = row.weight_reads * plan.lanes * plan.weight_bits
        row.clocks = float(together.busy[plan.number].mean())
        row.lane_use = use[plan.number]
    found.pipeline = pipeline(network, hardware, [layer[:8] for layer in events])


def pipeline(
    network: Network, hardware: HardwareConfig, events: list[NDArray[np.int64]]
) -> dict[str, Any]:
    """Which layer works on which image when, back to back from an idle pipeline.

    :param events: per layer int64[n, windows]
    :returns: ``accepted`` and ``finished``, [n] clocks, and ``spans``, for each layer and image the
        first clock in which a window is open and the last
    """
    plans = plan_layers(network, hardware)
    beats = row_beats(network, hardware)
    recursion = Recursion(plans, network, beats, [layer.tolist() for layer in events], max)
    accepted, finished, _ = recursion.run()
    first = accepted[0]
    return {
        "accepted": [int(cycle - first) for cycle in accepted],
        "finished": [int(cycle - first) for cycle in finished],
        "spans": [
            [[int(start - first), int(end - first)] for start, end in recursion.spans[number]]
            for number in range(len(plans))
        ],
    }
