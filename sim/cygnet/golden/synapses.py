# SPDX-License-Identifier: Apache-2.0
"""The currents of a layer, for all time-steps of many images as one matrix product.

Products run in floating point, in a format of which the layer's weights prove that no partial sum,
in whatever order, leaves the integers that it holds exactly.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.golden.convolutions import SMALL_MAP, Backend, rows_shape, with_numpy, with_torch
from cygnet.golden.neurons import reach
from cygnet.network import INPUT, Convolution, Identity, Network, Projection, SumPool

__all__ = ["Scratch", "Synapses", "product_format", "state_format"]

Array = NDArray[Any]


def product_format(network: Network, number: int) -> type:
    """float32 where all of a layer's products are exact in it, else float64.

    Every operand may be 0, so any partial sum lies between the sum of all negative products and
    the sum of all positive ones. A layer that accumulates multiplies the sum of all steps' events.
    The contract's 48 bits keep all of it within what float64 holds.
    """
    layer = network.layers[number]
    operand = network.operand(number)
    largest = max(-operand.low, operand.high)
    total = _sizes(layer.synapses.fan_in()) * largest
    if layer.shortcut is not None:
        events = network.events(layer.shortcut.source)
        carried = _sizes(layer.shortcut.fan_in())
        total = total + carried * max(-events.low, events.high)
    most = largest + int((total + np.abs(layer.bias)).max())
    if layer.neurons is None:
        most *= network.steps
    return np.float32 if most <= 2**24 else np.float64


def _sizes(fan_in: Array) -> NDArray[np.int64]:
    """int64[channels]: what the magnitudes of the weights add up to."""
    sizes: NDArray[np.int64] = np.abs(fan_in.astype(np.int16)).sum(axis=1, dtype=np.int64)
    return sizes


def state_format(network: Network, number: int) -> type:
    """float32 where all that a layer's neurons compute is exact in it, else float64."""
    neurons = network.layers[number].neurons
    if neurons is None:
        raise ValueError(f"layer {network.layers[number].name!r} has no neurons")
    most = reach(neurons, network.current(number), network.potential(number))
    return np.float32 if most <= 2**24 else np.float64


class Scratch:
    """Arrays by name that are written again and again: a fresh one costs as much as to fill it.

    One that is asked for under a name is good until the name is asked for again.
    """

    def __init__(self) -> None:
        self._buffers: dict[tuple[str, type], Array] = {}

    def array(self, name: str, shape: tuple[int, ...], dtype: type) -> Array:
        """An array of any content."""
        size = math.prod(shape)
        buffer = self._buffers.get((name, dtype))
        if buffer is None or buffer.size < size:
            buffer = self._buffers[name, dtype] = np.empty(size, dtype)
        return buffer[:size].reshape(shape)

    def cast(self, name: str, values: Array, dtype: type) -> Array:
        """The values in that dtype; themselves where it is theirs."""
        if values.dtype == dtype:
            return values
        result = self.array(name, values.shape, dtype)
        np.copyto(result, values, casting="unsafe")
        return result


class Synapses:
    """A layer's weights in the format of its products.

    :param backend: of convolutions to large maps whose products are exact in float32; numpy
        computes all others
    """

    def __init__(self, network: Network, number: int, backend: Backend = "numpy") -> None:
        self.layer = network.layers[number]
        self.shape = network.shape(number)
        self.dtype = product_format(network, number)
        large = self.shape[0] * self.shape[1] >= SMALL_MAP
        self.backend = backend if large and self.dtype == np.float32 else "numpy"
        synapses = self.layer.synapses
        self.weight: Array = synapses.weight.astype(self.dtype)
        self.bias: Array = self.layer.bias.astype(self.dtype)
        self.padding: tuple[int, ...] = (0,)
        if self.layer.source == INPUT and network.input.kind == "pixels":
            # A pooled pixel is a sum, so what stands for zero in it is one too.
            area = 1 if self.layer.pool is None else math.prod(self.layer.pool.kernel)
            self.padding = tuple(value * area for value in network.input.padding)

    def currents(self, sent: Mapping[int, Array], scratch: Scratch) -> Array:
        """u [T, n, h, w, c]; T = 1 where the input is the same at every time-step.

        :param sent: by layer number, the event values [T, n, h, w, c] of what the layer reads
        :param scratch: owns the result
        """
        u = self._product(sent[self.layer.source], scratch)
        u += self.bias
        if self.layer.shortcut is not None:
            # What it carries has all time-steps, even where the layer itself reads pixels.
            u = u + self._carried(self.layer.shortcut, sent[self.layer.shortcut.source])
        return u

    def total(self, sent: Mapping[int, Array], steps: int, scratch: Scratch) -> Array:
        """The sum of u over the time-steps, int64[n, h, w, c].

        Products are linear, so one with the sum of the events does for all steps.
        """
        events = sent[self.layer.source]
        product = self._product(_summed(events), scratch)
        total: Array = product[0].astype(np.int64) * (steps // len(events))
        total += steps * self.layer.bias
        if self.layer.shortcut is not None:
            summed = _summed(sent[self.layer.shortcut.source])
            total += self._carried(self.layer.shortcut, summed)[0].astype(np.int64)
        return total

    def _product(self, events: Array, scratch: Scratch) -> Array:
        """sum of w * s, [T, n, h, w, c], without bias and shortcut."""
        x = scratch.cast("events", events, self.dtype)
        steps, images = x.shape[:2]
        x = x.reshape(steps * images, *x.shape[2:])
        if self.layer.pool is not None:
            x = _pooled(x, self.layer.pool, scratch)
        synapses = self.layer.synapses
        if isinstance(synapses, Convolution):
            u = self._convolved(x, synapses, scratch)
        else:
            u = scratch.array("product", (len(x), len(self.weight)), self.dtype)
            np.matmul(x.reshape(len(x), self.weight.shape[1]), self.weight.T, out=u)
        return u.reshape(steps, images, *self.shape)

    def _convolved(self, x: Array, convolution: Convolution, scratch: Scratch) -> Array:
        x = _padded(x, convolution.padding, self.padding, scratch)
        if self.backend == "torch":
            return with_torch(x, self.weight, convolution)
        height, width, outputs = self.shape
        shape = rows_shape(convolution, len(x), height, width, x.shape[-1])
        rows = scratch.array("windows", shape, self.dtype)
        u = scratch.array("product", (len(x), height, width, outputs), self.dtype)
        with_numpy(x, self.weight, convolution, rows, u)
        return u

    def _carried(self, shortcut: Identity | Projection, events: Array) -> Array:
        carried: Array = events.astype(self.dtype, copy=False)
        if isinstance(shortcut, Identity):
            return carried * shortcut.weight.astype(self.dtype)
        carried = carried[:, :, :: shortcut.stride[0], :: shortcut.stride[1]]
        return carried @ shortcut.weight.T.astype(self.dtype)


def _summed(events: Array) -> Array:
    """[1, n, h, w, c], over the time-steps."""
    if len(events) == 1:
        return events
    dtype = events.dtype if events.dtype.kind == "f" else np.int64
    total: Array = events.sum(0, keepdims=True, dtype=dtype)
    return total


def _pooled(x: Array, pool: SumPool, scratch: Scratch) -> Array:
    height, width, channels = pool.output_shape((x.shape[1], x.shape[2], x.shape[3]))
    total = scratch.array("pooled", (len(x), height, width, channels), x.dtype.type)
    total[:] = 0
    for dy in range(pool.kernel[0]):
        for dx in range(pool.kernel[1]):
            rows = slice(dy, dy + (height - 1) * pool.stride[0] + 1, pool.stride[0])
            columns = slice(dx, dx + (width - 1) * pool.stride[1] + 1, pool.stride[1])
            total += x[:, rows, columns]
    return total


def _padded(x: Array, padding: tuple[int, int], value: tuple[int, ...], scratch: Scratch) -> Array:
    """The map with a border of so many rows and columns; values for each channel."""
    vertical, horizontal = padding
    if not vertical and not horizontal:
        return x
    images, height, width, channels = x.shape
    shape = (images, height + 2 * vertical, width + 2 * horizontal, channels)
    padded = scratch.array("padded", shape, x.dtype.type)
    padded[:] = np.array(value, x.dtype)
    padded[:, vertical : vertical + height, horizontal : horizontal + width] = x
    return padded
