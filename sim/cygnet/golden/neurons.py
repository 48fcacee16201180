# SPDX-License-Identifier: Apache-2.0
"""One time-step of a layer's neurons, by the formulas of ``docs/numerics.md``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.network import Neurons, Shape

__all__ = ["Population", "fire", "initial"]

Array = NDArray[Any]


class Population:
    """The neurons of a layer for up to ``images`` images: their state, and one step at a time.

    With p = v + u (saturated where the neurons say so)::

        GN, IF  c = #{k = 1..tau : p >= F + (k-1) K}
        SNM     c = +1 if p >= F; -1 if p <= -F and m > 0; else 0
        all     v = p - c K,  m = m + c;  a disabled neuron gives 0 and keeps its state

    GN: the group neuron paper, equations 8 to 10; SNM: the signed neuron paper, equations 7 to 11.

    :param shape: (height, width, channels) of the layer
    :param images: the most that are computed at once
    :param dtype: of the membranes: one that holds every potential and threshold exactly
    """

    def __init__(self, neurons: Neurons, shape: Shape, images: int, dtype: type) -> None:
        self.neurons = neurons
        full = (images, *shape)
        # Parameters are laid out for every neuron of every image: a comparison of two whole arrays
        # takes half the time of one that broadcasts.
        self.reset: Array = np.broadcast_to(neurons.reset, full).astype(dtype)
        fire: Array = np.broadcast_to(neurons.fire, full).astype(dtype)
        self.levels = [fire + k * self.reset for k in range(neurons.tau)]
        self._v: Array = np.empty(full, dtype)
        self._m: Array = np.empty(full if neurons.kind == "snm" else (images, 0, 0, 0), np.int32)
        self._spent: Array = np.empty(full, dtype)
        self._count = np.empty(full, np.int8)
        self._above = np.empty(full, np.bool_)
        self.begin(images)

    def begin(self, images: int) -> None:
        """Initial potentials and empty memories, for so many images."""
        self.load(self._v[:images], self._m[:images])
        self.v[:] = self.neurons.initial
        self.m[:] = 0

    def load(self, v: Array, m: Array) -> None:
        """Take these arrays as the state; the next step writes to them."""
        self.v, self.m = v, m

    def step(self, u: Array, *, last: bool = False) -> NDArray[np.int8]:
        """The counts (amplitude not counted in) of one time-step; ``v`` and ``m`` move on.

        :param u: currents [n, h, w, c]
        :param last: no step follows, and the state may be left undefined
        :returns: int8[n, h, w, c], overwritten by the next step
        """
        neurons, n, enabled = self.neurons, len(self.v), self.neurons.enabled
        v, c, above, spent = self.v, self._count[:n], self._above[:n], self._spent[:n]
        before = None if enabled is None else v.copy()
        np.add(v, u, out=v)
        if neurons.membrane_width is not None:
            half = 1 << (neurons.membrane_width - 1)
            np.clip(v, -half, half - 1, out=v)
        np.greater_equal(v, self.levels[0][:n], out=c.view(np.bool_))
        if neurons.kind == "snm":
            np.negative(v, out=spent)
            np.greater_equal(spent, self.levels[0][:n], out=above)
            above &= self.m > 0
            c -= above.view(np.int8)
        for level in self.levels[1:]:
            np.greater_equal(v, level[:n], out=above)
            np.add(c, above.view(np.int8), out=c)
        if enabled is not None:
            c *= enabled
        if last:
            return c
        if enabled is not None and before is not None:
            np.copyto(v, before, where=~np.broadcast_to(enabled, v.shape))
        np.copyto(spent, c)
        np.multiply(spent, self.reset[:n], out=spent)
        np.subtract(v, spent, out=v)
        if neurons.kind == "snm":
            self.m += c
        return c


def initial(neurons: Neurons, shape: Shape, images: int) -> tuple[Array, Array]:
    """Membranes int64[n, h, w, c] and spike memories int64[n, h, w, c] before the first step."""
    v = np.broadcast_to(neurons.initial, (images, *shape)).astype(np.int64)
    return v, np.zeros_like(v)


def fire(
    neurons: Neurons, shape: Shape, v: Array, m: Array, u: Array
) -> tuple[NDArray[np.int8], Array, Array]:
    """One time-step (:class:`Population`) of given neurons; the arguments are not changed.

    :param shape: (height, width, channels) of the layer
    :param v: membranes, int64[n, h, w, c]
    :param m: spike memories, int64[n, h, w, c]; only the signed neuron reads and writes them
    :param u: currents, int64[n, h, w, c]
    :returns: c int8[n, h, w, c] (amplitude not counted in), v, m after firing
    :raises ValueError: the state has not the layer's shape
    """
    if v.shape[1:] != shape:
        raise ValueError(f"v must be an array [n, *{shape}], not of shape {v.shape!r}")
    population = Population(neurons, shape, len(v), np.int64)
    population.load(v.astype(np.int64), m.copy())
    return population.step(u), population.v, population.m
