# SPDX-License-Identifier: Apache-2.0
"""The values of an integer network: what every later stage must equal, bit for bit.

Layers are computed one after another, each for all time-steps of a batch of images at once;
batches run side by side on the cores.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cygnet.golden.convolutions import choose, single
from cygnet.golden.neurons import Population
from cygnet.golden.synapses import Scratch, Synapses, state_format
from cygnet.network import INPUT, Convolution, Network

__all__ = ["Result", "run"]

Array = NDArray[Any]

BATCH_BYTES = 2 << 20
"""What the largest intermediate array of a batch may take, so that it stays near the caches."""
MAX_BATCH = 1024
MIN_BATCH = 8
"""Fewer images make slow products of the dense layers behind large maps."""
MAX_BYTES = 256 << 20
"""What the largest intermediate array may take for the sake of :data:`MIN_BATCH`."""


@dataclass(frozen=True, eq=False)
class Result:
    """What a network computed for n images.

    :param logits: int64[n, classes]: the last layer's sum over the time-steps, of its currents, or
        of its event values where it ends in neurons
    :param labels: int64[n], the class of the largest logit, the lowest of them where several are
    :param after: int64[T, n, classes], the logits after each time-step, which are those of a run of
        so many steps; None unless asked for
    :param counts: for each layer, int16[T, n, h, w, c] event values (counts times amplitude), None
        for a last layer that accumulates; empty unless recorded
    :param membranes: for each layer, int64[T, n, h, w, c] after firing; the running sum for a last
        layer that accumulates; empty unless recorded
    """

    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    after: NDArray[np.int64] | None = None
    counts: tuple[NDArray[np.int16] | None, ...] = ()
    membranes: tuple[NDArray[np.int64], ...] = ()


def run(
    network: Network,
    x: Array,
    *,
    steps: int,
    record: bool = False,
    each_step: bool = False,
    batch: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Compute a network for n images.

    :param x: ``pixels``: uint8[n, h, w, c]; ``counts``: integers [n, T, h, w, c] in the input's
        bounds, of which the first ``steps`` are read. Raster order, whatever the user's layout is.
    :param steps: T in 1..``network.steps``
    :param record: keep the counts and membranes of every layer (memory grows with n)
    :param each_step: keep the logits after each time-step
    :param batch: images computed at once; chosen by the memory that the network takes if None
    :param progress: called with the number of images done after each batch
    :raises TypeError: ``x`` is of another kind of number
    :raises ValueError: ``x`` has another shape or values out of bounds; ``steps`` is out of range
    """
    _check(network, x, steps)
    if steps < network.steps:
        # Fewer steps reach less far, which may be exact in a faster format.
        network = replace(network, steps=steps)
    size = batch or _batch(network, steps, len(x))
    starts = range(0, max(len(x), 1), size)
    threads = min(len(starts), os.cpu_count() or 1)
    backend = choose(network, steps, len(x))
    synapses = [Synapses(network, number, backend) for number in range(len(network.layers))]
    idle: SimpleQueue[_Worker] = SimpleQueue()
    for _ in range(threads):
        idle.put(_Worker(network, synapses, min(size, len(x)), steps))

    def work(start: int) -> _Part:
        worker = idle.get()
        try:
            return worker.run(x[start : start + size], record, each_step)
        finally:
            idle.put(worker)

    parts = []
    # One thread for each batch does better than several for each matrix product.
    limits = threadpool_limits(1 if threads > 1 else None)
    with limits, single(backend, threads), ThreadPoolExecutor(threads) as pool:
        for start, part in zip(starts, pool.map(work, starts), strict=True):
            parts.append(part)
            if progress is not None:
                progress(min(start + size, len(x)))
    logits = np.concatenate([part.logits for part in parts])
    return Result(
        logits=logits,
        labels=logits.argmax(axis=1).astype(np.int64),
        after=_joined(part.after for part in parts),
        counts=tuple(_joined(column) for column in zip(*(p.counts for p in parts), strict=True)),
        membranes=tuple(
            np.concatenate(column, axis=1)
            for column in zip(*(part.membranes for part in parts), strict=True)
        ),
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """The result of one batch."""

    logits: Array
    after: Array | None
    counts: list[Array | None]
    membranes: list[Array]


def _joined(parts: Iterable[Array | None]) -> Array | None:
    arrays = [part for part in parts if part is not None]
    return np.concatenate(arrays, axis=1) if arrays else None


def _check(network: Network, x: Array, steps: int) -> None:
    if not isinstance(steps, (int, np.integer)) or isinstance(steps, bool):
        raise TypeError(f"steps must be an integer, not {steps!r}")
    if not 1 <= steps <= network.steps:
        raise ValueError(f"steps must be in 1..{network.steps} for this network, not {steps!r}")
    spec = network.input
    if spec.kind == "pixels":
        if x.dtype != np.uint8:
            raise TypeError(f"x must be an array of uint8, not of {x.dtype}")
        if x.shape[1:] != spec.shape:
            raise ValueError(f"x must be an array [n, *{spec.shape}], not of shape {x.shape!r}")
        return
    if x.dtype.kind not in "iu":
        raise TypeError(f"x must be an array of integers, not of {x.dtype}")
    if x.ndim != 5 or x.shape[2:] != spec.shape or x.shape[1] < steps:
        raise ValueError(
            f"x must be an array [n, T, *{spec.shape}] of {steps} steps or more, "
            f"not of shape {x.shape!r}"
        )
    if x.size and (int(x.min()) < spec.bounds.low or int(x.max()) > spec.bounds.high):
        raise ValueError(
            f"x must be in {spec.bounds.low}..{spec.bounds.high}, "
            f"not in {int(x.min())}..{int(x.max())}"
        )


def _batch(network: Network, steps: int, images: int) -> int:
    """Images whose largest intermediate array takes about :data:`BATCH_BYTES`, in batches of one
    size that keep all cores busy to the end."""
    largest = math.prod(network.input.shape)
    for number, layer in enumerate(network.layers):
        height, width, channels = network.shape(number)
        window = channels
        if isinstance(layer.synapses, Convolution):
            window = max(window, math.prod(layer.synapses.kernel) * network.pooled_shape(number)[2])
        largest = max(largest, height * width * window * steps)
    size = min(MAX_BATCH, BATCH_BYTES // (4 * largest))
    size = max(1, size, min(MIN_BATCH, MAX_BYTES // (4 * largest)))
    cores = os.cpu_count() or 1
    rounds = -(-images // (size * cores))
    return max(1, -(-images // (rounds * cores))) if rounds > 1 else size


class _Worker:
    """What one thread computes a batch with: the neurons of every layer, and room for events."""

    def __init__(self, network: Network, synapses: list[Synapses], images: int, steps: int) -> None:
        self.network = network
        self.steps = steps
        self.synapses = synapses
        self.scratch = Scratch()
        self.populations = [
            None
            if layer.neurons is None
            else Population(
                layer.neurons, network.shape(number), images, state_format(network, number)
            )
            for number, layer in enumerate(network.layers)
        ]
        # Event values are small, and float32 is what most layers multiply.
        self.events: list[Array] = [
            np.empty((0 if layer.neurons is None else steps, images, *plan.shape), np.float32)
            for layer, plan in zip(network.layers, synapses, strict=True)
        ]

    def run(self, x: Array, record: bool, each_step: bool) -> _Part:
        network, steps = self.network, self.steps
        sent: dict[int, Array] = {
            INPUT: x[np.newaxis] if network.input.kind == "pixels" else x[:, :steps].swapaxes(0, 1)
        }
        counts: list[Array | None] = []
        membranes: list[Array] = []
        sums: Array | None = None
        for number, plan in enumerate(self.synapses):
            population = self.populations[number]
            if population is None:
                if record or each_step:
                    sums = _running_sum(plan.currents(sent, self.scratch), steps)
                states = sums
                logits = plan.total(sent, steps, self.scratch) if sums is None else sums[-1]
            else:
                sent[number], states = self._spikes(
                    number, population, plan.currents(sent, self.scratch), record
                )
                if number == len(self.synapses) - 1:
                    sums = _running_sum(sent[number], steps)
                    logits = sums[-1]
            if record:
                assert states is not None
                counts.append(None if population is None else sent[number].astype(np.int16))
                membranes.append(states)
        shape = (len(x), network.classes)
        after = sums.reshape(steps, *shape) if each_step and sums is not None else None
        return _Part(logits.reshape(shape), after, counts, membranes)

    def _spikes(
        self, number: int, population: Population, currents: Array, record: bool
    ) -> tuple[Array, Array | None]:
        """Event values [T, n, h, w, c] and, where recorded, membranes int64 of the same shape."""
        images = currents.shape[1]
        events = self.events[number][:, :images]
        states = np.empty(events.shape, np.int64) if record else None
        amplitude = population.neurons.amplitude
        currents = self.scratch.cast("currents", currents, population.v.dtype.type)
        population.begin(images)
        scratch = None if population.v.dtype == events.dtype else np.empty_like(population.v)
        for t in range(self.steps):
            c = events[t] if scratch is None else scratch
            # Pixels are the same at every step, and so is their current: there is only one.
            last = t == self.steps - 1 and not record
            population.step(currents[t % len(currents)], c, last=last)
            if scratch is not None:
                events[t] = scratch
            if amplitude is not None:
                events[t] *= amplitude
            if states is not None:
                states[t] = population.v
        return events, states


def _running_sum(currents: Array, steps: int) -> Array:
    """int64[T, n, h, w, c]: what has been accumulated after each time-step."""
    shape = (steps, *currents.shape[1:])
    sums: Array = np.cumsum(np.broadcast_to(currents.astype(np.int64), shape), axis=0)
    return sums
