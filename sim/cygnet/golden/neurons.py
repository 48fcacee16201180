# SPDX-License-Identifier: Apache-2.0
"""One time-step of a layer's neurons, by the formulas of ``docs/numerics.md``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.network import Bounds, Neurons, Shape

__all__ = ["Population", "fire", "initial", "reach"]

Array = NDArray[Any]


class Population:
    """The neurons of a layer for up to ``images`` images: their state, and one step at a time.

    With p = v + u (saturated where the neurons say so)::

        GN, IF  c = #{k = 1..tau : p >= F + (k-1) K}
        SNM     c = +1 if p >= F; -1 if p <= -F and m > 0; else 0
        all     v = p - c K,  m = m + c;  a disabled neuron gives 0 and keeps its state

    GN: the group neuron paper, equations 8 to 10; SNM: the signed neuron paper, equations 7 to 11.

    All of it is whole numbers in floats. The first line is computed as clip(floor(q), 0, tau) with
    q = (p - F + K) / K, which is the same number: the rounding of a quotient a / b of whole numbers
    with abs(a) + b <= 2^n, in a float of n bits, never reaches the next whole number above it,
    which is at least 1 / b away.

    :param shape: (height, width, channels) of the layer
    :param images: the most that are computed at once
    :param dtype: float32 or float64, such that :func:`reach` is within 2^24 or 2^53
    """

    def __init__(self, neurons: Neurons, shape: Shape, images: int, dtype: type) -> None:
        self.neurons = neurons
        full = (images, *shape)
        # Parameters are laid out for every neuron of every image: two whole arrays are divided in
        # half the time of one that broadcasts.
        self.reset: Array = np.broadcast_to(neurons.reset, full).astype(dtype, order="C")
        self.fire: Array = np.broadcast_to(neurons.fire, full).astype(dtype, order="C")
        self.offset: Array | None = None
        if (neurons.fire.shape != neurons.reset.shape) or (neurons.fire != neurons.reset).any():
            self.offset = self.fire - self.reset
        self._v: Array = np.empty(full, dtype)
        self._m: Array = np.empty(full if neurons.kind == "snm" else (images, 0, 0, 0), dtype)
        self._spent: Array = np.empty(full, dtype)
        self.begin(images)

    def begin(self, images: int) -> None:
        """Initial potentials and empty memories, for so many images."""
        self.load(self._v[:images], self._m[:images])
        self.v[:] = self.neurons.initial
        self.m[:] = 0

    def load(self, v: Array, m: Array) -> None:
        """Take these arrays as the state; the next step writes to them."""
        self.v, self.m = v, m

    def step(self, u: Array, c: Array, *, last: bool = False) -> None:
        """One time-step; ``v`` and ``m`` move on.

        :param u: currents [n, h, w, c], of the dtype of ``v``
        :param c: the counts (amplitude not counted in) are written to it; like ``u``
        :param last: no step follows, and the state may be left undefined
        """
        neurons, n = self.neurons, len(self.v)
        v, spent, enabled = self.v, self._spent[:n], self.neurons.enabled
        before = None if enabled is None else v.copy()
        np.add(v, u, out=v)
        if neurons.membrane_width is not None:
            half = 1 << (neurons.membrane_width - 1)
            np.clip(v, -half, half - 1, out=v)
        if neurons.kind == "snm":
            level = self.fire[:n]
            np.copyto(c, v >= level)
            c -= (v <= -level) & (self.m > 0)
        else:
            if self.offset is None:
                np.divide(v, self.reset[:n], out=c)
            else:
                np.subtract(v, self.offset[:n], out=c)
                np.divide(c, self.reset[:n], out=c)
            np.floor(c, out=c)
            np.clip(c, 0, neurons.tau, out=c)
        if enabled is not None:
            c *= enabled
        if last:
            return
        if enabled is not None and before is not None:
            np.copyto(v, before, where=~np.broadcast_to(enabled, v.shape))
        np.multiply(c, self.reset[:n], out=spent)
        np.subtract(v, spent, out=v)
        if neurons.kind == "snm":
            self.m += c


def reach(neurons: Neurons, current: Bounds, potential: Bounds) -> int:
    """What a float must hold exactly for :class:`Population`: abs(p - F + K) + K, and v + u where
    that is not bounded by itself.

    :param current: bounds of u
    :param potential: bounds of p
    """
    most = max(-potential.low, potential.high)
    if neurons.membrane_width is not None:
        most += max(-current.low, current.high)
    most = max(most, int(np.abs(neurons.initial.astype(np.int64)).max()))
    return most + int(neurons.fire.max()) + 2 * int(neurons.reset.max())


def initial(neurons: Neurons, shape: Shape, images: int) -> tuple[Array, Array]:
    """Membranes int64[n, h, w, c] and spike memories int64[n, h, w, c] before the first step."""
    v = np.broadcast_to(neurons.initial, (images, *shape)).astype(np.int64)
    return v, np.zeros_like(v)


def fire(
    neurons: Neurons, shape: Shape, v: Array, m: Array, u: Array
) -> tuple[NDArray[np.int8], Array, Array]:
    """One time-step (:class:`Population`) of given neurons; the arguments are not changed.

    :param shape: (height, width, channels) of the layer
    :param v: membranes, int64[n, h, w, c], within 2^52 of 0
    :param m: spike memories, int64[n, h, w, c]; only the signed neuron reads and writes them
    :param u: currents, int64[n, h, w, c], within 2^52 of 0
    :returns: c int8[n, h, w, c] (amplitude not counted in), v, m after firing
    :raises ValueError: the state has not the layer's shape
    """
    if v.shape[1:] != shape:
        raise ValueError(f"v must be an array [n, *{shape}], not of shape {v.shape!r}")
    population = Population(neurons, shape, len(v), np.float64)
    population.load(v.astype(np.float64), m.astype(np.float64))
    c = np.empty(v.shape, np.float64)
    population.step(u.astype(np.float64), c)
    return c.astype(np.int8), population.v.astype(np.int64), population.m.astype(np.int64)
