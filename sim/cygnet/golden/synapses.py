# SPDX-License-Identifier: Apache-2.0
"""The currents of a layer, for all time-steps of many images as one matrix product.

Products run in floating point wherever the layer's weights prove that no partial sum, in whatever
order, leaves the integers that the format holds exactly; elsewhere in int64.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cygnet.network import INPUT, Convolution, Identity, Network, Projection, SumPool

__all__ = ["Synapses", "product_format", "state_format"]

Array = NDArray[Any]


def product_format(network: Network, number: int) -> type:
    """The fastest of float32, float64 and int64 in which all of a layer's products are exact.

    Every operand may be 0, so any partial sum lies between the sum of all negative products and
    the sum of all positive ones. A layer that accumulates multiplies the sum of all steps' events.
    """
    layer = network.layers[number]
    operand = network.operand(number)
    largest = max(-operand.low, operand.high)
    total = np.abs(layer.synapses.fan_in().astype(np.int64)).sum(axis=1) * largest
    if layer.shortcut is not None:
        events = network.events(layer.shortcut.source)
        carried = np.abs(layer.shortcut.fan_in().astype(np.int64)).sum(axis=1)
        total = total + carried * max(-events.low, events.high)
    reach = largest + int((total + np.abs(layer.bias)).max())
    if layer.neurons is None:
        reach *= network.steps
    if reach < 2**24:
        return np.float32
    return np.float64 if reach < 2**53 else np.int64


def state_format(network: Network, number: int) -> type:
    """The fastest of float32, int32 and int64 that holds a layer's potentials and thresholds."""
    neurons = network.layers[number].neurons
    if neurons is None:
        return np.int64
    current, potential = network.current(number), network.potential(number)
    reach = max(-current.low, current.high) + max(-potential.low, potential.high)
    reach += int(neurons.fire.max()) + neurons.tau * int(neurons.reset.max())
    reach += int(np.abs(neurons.initial.astype(np.int64)).max())
    if reach < 2**24:
        return np.float32
    return np.int32 if reach < 2**31 else np.int64


class Synapses:
    """A layer's weights as matrices in the format of its products."""

    def __init__(self, network: Network, number: int) -> None:
        self.layer = network.layers[number]
        self.shape = network.shape(number)
        self.dtype = product_format(network, number)
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

    def currents(self, sent: Mapping[int, Array]) -> Array:
        """u [T, n, h, w, c]; T = 1 where the input is the same at every time-step.

        :param sent: by layer number, the event values [T, n, h, w, c] of what the layer reads
        """
        u = self.product(sent[self.layer.source])
        u += self.bias
        if self.layer.shortcut is not None:
            # What it carries has all time-steps, even where the layer itself reads pixels.
            u = u + self._carried(self.layer.shortcut, sent[self.layer.shortcut.source])
        return u

    def total(self, sent: Mapping[int, Array], steps: int) -> Array:
        """The sum of u over the time-steps, int64[n, h, w, c].

        Products are linear, so one with the sum of the events does for all steps.
        """
        events = sent[self.layer.source]
        total: Array = self.product(_summed(events))[0].astype(np.int64) * (steps // len(events))
        total += steps * self.layer.bias
        if self.layer.shortcut is not None:
            summed = _summed(sent[self.layer.shortcut.source])
            total += self._carried(self.layer.shortcut, summed)[0].astype(np.int64)
        return total

    def product(self, events: Array) -> Array:
        """sum of w * s, [T, n, h, w, c], without bias and shortcut."""
        x: Array = events.astype(self.dtype, copy=False)
        steps, images = x.shape[:2]
        x = x.reshape(steps * images, *x.shape[2:])
        if self.layer.pool is not None:
            x = _pooled(x, self.layer.pool)
        if isinstance(self.layer.synapses, Convolution):
            rows = _windows(x, self.layer.synapses, self.padding)
        else:
            rows = x.reshape(1, len(x), self.weight.shape[1])
        u: Array = np.matmul(rows, self.weight)
        u = u[0] if len(u) == 1 else u.transpose(1, 0, 2)
        return u.reshape(steps, images, *self.shape)

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
    total: Array = events.sum(
        0, keepdims=True, dtype=np.float32 if events.dtype == np.float32 else np.int64
    )
    return total


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
