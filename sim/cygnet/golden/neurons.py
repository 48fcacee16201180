# SPDX-License-Identifier: Apache-2.0
"""One time-step of a layer's neurons, by the formulas of ``docs/numerics.md``."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.network import Neurons, Shape

__all__ = ["fire", "initial"]

Array = NDArray[Any]


def initial(
    neurons: Neurons, shape: Shape, images: int, dtype: type = np.int64
) -> tuple[Array, Array]:
    """Membranes and spike memories before the first time-step.

    :param shape: (height, width, channels) of the layer
    :param images: n
    :param dtype: of the membranes; a float must hold every potential of the layer exactly
    :returns: v [n, h, w, c] of ``dtype`` and m int32[n, h, w, c]
    """
    v: Array = np.empty((images, *shape), dtype=dtype)
    v[:] = neurons.initial
    return v, np.zeros((images, *shape), dtype=np.int32)


def fire(
    neurons: Neurons, shape: Shape, v: Array, m: Array, u: Array
) -> tuple[NDArray[np.int8], Array, Array]:
    """One time-step: the counts, and the state after firing.

    With p = v + u (saturated where the neurons say so)::

        GN, IF  c = #{k = 1..tau : p >= F + (k-1) K}
        SNM     c = +1 if p >= F; -1 if p <= -F and m > 0; else 0
        all     v = p - c K,  m = m + c;  a disabled neuron gives 0 and keeps its state

    GN: the group neuron paper, equations 8 to 10; SNM: the signed neuron paper, equations 7 to 11.

    :param shape: (height, width, channels) of the layer
    :param v: membranes [n, h, w, c], integers (in int64, or in a float that holds them exactly)
    :param m: spike memories, integers [n, h, w, c]; only the signed neuron reads and writes them
    :param u: currents, like ``v``
    :returns: c int8[n, h, w, c] (amplitude not counted in), v, m; the arguments are not changed
    :raises ValueError: the state has not the layer's shape
    """
    if v.shape[1:] != shape:
        raise ValueError(f"v must be an array [n, *{shape}], not of shape {v.shape!r}")
    reset = neurons.reset.astype(v.dtype)
    level = neurons.fire.astype(v.dtype)
    p = v + u
    if neurons.membrane_width is not None:
        half = 1 << (neurons.membrane_width - 1)
        np.clip(p, -half, half - 1, out=p)
    c = _at_least(p, level)
    if neurons.kind == "snm":
        c -= _at_least(-p, level) & (m > 0)
    else:
        for k in range(1, neurons.tau):
            c += _at_least(p, level + k * reset)
    if neurons.enabled is not None:
        c *= neurons.enabled
        p = np.where(neurons.enabled, p, v)
    return c, p - c * reset, m + c if neurons.kind == "snm" else m


def _at_least(p: Array, level: Array) -> NDArray[np.int8]:
    return (p >= level).view(np.int8)
