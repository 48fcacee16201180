# SPDX-License-Identifier: Apache-2.0
"""The values of an integer network: what every later stage must equal, bit for bit.

Layers are computed one after another, each for all time-steps of a batch of images at once, as
matrix products. Those run in floating point wherever the layer's weights prove that no partial
sum, in whatever order, leaves the integers that the format holds exactly; elsewhere in int64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cygnet.golden.neurons import fire, initial
from cygnet.network import INPUT, Convolution, Identity, Layer, Network, Projection, SumPool

__all__ = ["Result", "run"]

Array = NDArray[Any]

BATCH_BYTES = 8 << 20
"""What the largest intermediate array of a batch may take, so that it stays near the caches."""
MAX_BATCH = 1024


@dataclass(frozen=True, eq=False)
class Result:
    """What a network computed for n images.

    :param logits: int64[n, classes]: the last layer's sum over the time-steps, of its currents, or
        of its event values where it ends in neurons
    :param labels: int64[n], the class of the largest logit, the lowest of them where several are
    :param counts: for each layer, int16[T, n, h, w, c] event values (counts times amplitude), None
        for a last layer that accumulates; empty unless recorded
    :param membranes: for each layer, int64[T, n, h, w, c] after firing; the running sum for a last
        layer that accumulates; empty unless recorded
    """

    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    counts: tuple[NDArray[np.int16] | None, ...] = ()
    membranes: tuple[NDArray[np.int64], ...] = ()


def run(
    network: Network,
    x: Array,
    *,
    steps: int,
    record: bool = False,
    batch: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Result:
    """Compute a network for n images.

    :param x: ``pixels``: uint8[n, h, w, c]; ``counts``: integers [n, T, h, w, c] in the input's
        bounds, of which the first ``steps`` are read. Raster order, whatever the user's layout is.
    :param steps: T in 1..``network.steps``
    :param record: keep the counts and membranes of every layer (memory grows with n)
    :param batch: images computed at once; chosen by the memory that the network takes if None
    :param progress: called with the number of images done after each batch
    :raises TypeError: ``x`` is of another kind of number
    :raises ValueError: ``x`` has another shape or values out of bounds; ``steps`` is out of range
    """
    _check(network, x, steps)
    plan = [_Plan(network, number) for number in range(len(network.layers))]
    size = batch or _batch(network, steps)
    parts: list[tuple[Array, list[Array | None], list[Array]]] = []
    for start in range(0, len(x), size):
        parts.append(_run(network, plan, x[start : start + size], steps, record))
        if progress is not None:
            progress(min(start + size, len(x)))
    if not parts:
        parts.append(_run(network, plan, x, steps, record))
    logits = np.concatenate([part[0] for part in parts])
    return Result(
        logits=logits,
        labels=logits.argmax(axis=1).astype(np.int64),
        counts=tuple(_join(part[1][i] for part in parts) for i in range(len(parts[0][1]))),
        membranes=tuple(
            np.concatenate([part[2][i] for part in parts], axis=1) for i in range(len(parts[0][2]))
        ),
    )


def _join(parts: Any) -> Array | None:
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


def _batch(network: Network, steps: int) -> int:
    """Images whose largest intermediate array takes about :data:`BATCH_BYTES`."""
    largest = math.prod(network.input.shape)
    for number, layer in enumerate(network.layers):
        height, width, channels = network.shape(number)
        window = channels
        if isinstance(layer.synapses, Convolution):
            window = max(window, math.prod(layer.synapses.kernel) * network.pooled_shape(number)[2])
        largest = max(largest, height * width * window * steps)
    return max(1, min(MAX_BATCH, BATCH_BYTES // (4 * largest)))


class _Plan:
    """How one layer is computed: its number format, and its weights as matrices of it."""

    def __init__(self, network: Network, number: int) -> None:
        self.layer: Layer = network.layers[number]
        self.shape = network.shape(number)
        self.dtype = _dtype(network, number)
        synapses = self.layer.synapses
        weight = synapses.fan_in()
        groups = synapses.groups if isinstance(synapses, Convolution) else 1
        # [groups, synapses, outputs / groups]
        self.weight: Array = np.ascontiguousarray(
            weight.reshape(groups, weight.shape[0] // groups, -1).transpose(0, 2, 1), self.dtype
        )
        self.bias: Array = self.layer.bias.astype(self.dtype)
        self.padding: tuple[int, ...] = (0,)
        if self.layer.source == INPUT and network.input.kind == "pixels":
            # A pooled pixel is a sum, so what stands for zero in it is one too.
            area = 1 if self.layer.pool is None else math.prod(self.layer.pool.kernel)
            self.padding = tuple(value * area for value in network.input.padding)


def _dtype(network: Network, number: int) -> type:
    """The fastest format in which every sum of the layer is exact.

    Every operand may be 0, so any partial sum lies between the sum of all negative products and
    the sum of all positive ones.
    """
    layer = network.layers[number]
    operand = network.operand(number)
    largest = max(-operand.low, operand.high)
    total = np.abs(layer.synapses.fan_in().astype(np.int64)).sum(axis=1) * largest
    if layer.shortcut is not None:
        events = network.events(layer.shortcut.source)
        carried = np.abs(layer.shortcut.fan_in().astype(np.int64)).sum(axis=1)
        total = total + carried * max(-events.low, events.high)
    current = int((total + np.abs(layer.bias)).max())
    potential = network.potential(number)
    reach = largest + current + max(-potential.low, potential.high)
    if layer.neurons is not None:
        reach += int(layer.neurons.fire.max()) + layer.neurons.tau * int(layer.neurons.reset.max())
        reach += int(np.abs(layer.neurons.initial.astype(np.int64)).max())
    if reach < 2**24:
        return np.float32
    return np.float64 if reach < 2**53 else np.int64


def _run(
    network: Network, plan: list[_Plan], x: Array, steps: int, record: bool
) -> tuple[Array, list[Array | None], list[Array]]:
    """Logits, event values and membranes of one batch."""
    images = len(x)
    sent: dict[int, Array] = {
        INPUT: x[np.newaxis] if network.input.kind == "pixels" else x[:, :steps].swapaxes(0, 1)
    }
    counts: list[Array | None] = []
    membranes: list[Array] = []
    for number, layer in enumerate(network.layers):
        currents = _currents(plan[number], sent)
        if layer.neurons is None:
            sums = np.broadcast_to(currents, (steps, *currents.shape[1:])).cumsum(0, dtype=np.int64)
            logits = sums[-1]
            states = sums
        else:
            sent[number], states = _spikes(plan[number], currents, steps, record)
            logits = sent[number].sum(axis=0, dtype=np.int64)
        if record:
            counts.append(sent.get(number))
            membranes.append(states)
        for source in [source for source in sent if _last_reader(network, source) == number]:
            del sent[source]
    return logits.reshape(images, network.classes), counts, membranes


def _last_reader(network: Network, source: int) -> int:
    """The last layer that reads what layer ``source`` sends; -1 if none does."""
    return max(
        (
            number
            for number, layer in enumerate(network.layers)
            if layer.source == source
            or (layer.shortcut is not None and layer.shortcut.source == source)
        ),
        default=-1,
    )


def _spikes(
    plan: _Plan, currents: Array, steps: int, record: bool
) -> tuple[NDArray[np.int16], Array]:
    """Event values int16[T, n, h, w, c] and, where recorded, membranes int64 of the same shape."""
    neurons = plan.layer.neurons
    assert neurons is not None
    images = currents.shape[1]
    v, m = initial(neurons, plan.shape, images, plan.dtype)
    events = np.empty((steps, images, *plan.shape), dtype=np.int16)
    states = np.empty((steps if record else 0, images, *plan.shape), dtype=np.int64)
    for t in range(steps):
        # Pixels are the same at every step, and so is their current: there is only one.
        c, v, m = fire(neurons, plan.shape, v, m, currents[t % len(currents)])
        events[t] = c
        if neurons.amplitude is not None:
            events[t] *= neurons.amplitude.astype(np.int16)
        if record:
            states[t] = v
    return events, states


def _currents(plan: _Plan, sent: dict[int, Array]) -> Array:
    """u [T, n, h, w, c] (T = 1 where the input is the same at every time-step)."""
    layer = plan.layer
    x: Array = sent[layer.source].astype(plan.dtype)
    steps, images = x.shape[:2]
    x = x.reshape(steps * images, *x.shape[2:])
    if layer.pool is not None:
        x = _pooled(x, layer.pool)
    if isinstance(layer.synapses, Convolution):
        rows = _windows(x, layer.synapses, plan.padding)
    else:
        rows = x.reshape(1, len(x), plan.weight.shape[1])
    u: Array = np.matmul(rows, plan.weight)
    u = u[0] if len(u) == 1 else u.transpose(1, 0, 2)
    u = u.reshape(steps, images, *plan.shape)
    u += plan.bias
    if layer.shortcut is not None:
        # What it carries has all time-steps, even where the layer itself reads pixels.
        u = u + _carried(plan, layer.shortcut, sent[layer.shortcut.source])
    return u


def _pooled(x: Array, pool: SumPool) -> Array:
    height, width, _ = pool.output_shape((x.shape[1], x.shape[2], x.shape[3]))
    total = np.zeros((len(x), height, width, x.shape[3]), dtype=x.dtype)
    for dy in range(pool.kernel[0]):
        for dx in range(pool.kernel[1]):
            rows = slice(dy, dy + (height - 1) * pool.stride[0] + 1, pool.stride[0])
            columns = slice(dx, dx + (width - 1) * pool.stride[1] + 1, pool.stride[1])
            total += x[:, rows, columns]
    return total


def _windows(x: Array, convolution: Convolution, padding: tuple[int, ...]) -> Array:
    """What each output sees: [groups, windows in raster order, kernel * inputs / groups]."""
    vertical, horizontal = convolution.padding
    if vertical or horizontal:
        images, height, width, channels = x.shape
        padded = np.empty(
            (images, height + 2 * vertical, width + 2 * horizontal, channels), dtype=x.dtype
        )
        padded[:] = np.array(padding, dtype=x.dtype)
        padded[:, vertical : vertical + height, horizontal : horizontal + width] = x
        x = padded
    windows = sliding_window_view(x, convolution.kernel, axis=(1, 2))
    windows = windows[:, :: convolution.stride[0], :: convolution.stride[1]]
    images, height, width, channels, *kernel = windows.shape
    groups = convolution.groups
    windows = windows.reshape(images, height, width, groups, channels // groups, *kernel)
    return windows.transpose(3, 0, 1, 2, 5, 6, 4).reshape(
        groups, images * height * width, math.prod(kernel) * channels // groups
    )


def _carried(plan: _Plan, shortcut: Identity | Projection, events: Array) -> Array:
    carried: Array = events.astype(plan.dtype)
    if isinstance(shortcut, Identity):
        return carried * shortcut.weight.astype(plan.dtype)
    carried = carried[:, :, :: shortcut.stride[0], :: shortcut.stride[1]]
    return carried @ shortcut.weight.T.astype(plan.dtype)
