# SPDX-License-Identifier: Apache-2.0
"""What enters an accelerator, byte by byte: the frames of a user as beats of the input stream.

A beat carries ``hardware.beat`` values of 8 bits, the first in the low bits. ``pixels`` come in
raster order. ``counts`` come in raster order too, in rows of ``beat`` values, and each row T times:
its values at step 1, at step 2, and so on, two's complement where the network's bounds go below
zero. The last row is filled up with zeros.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.hardware import HardwareConfig
from cygnet.network import Network

__all__ = ["beats", "frame_bytes", "from_stream", "row_beats", "to_stream"]


def row_beats(network: Network, hardware: HardwareConfig) -> int:
    """Beats that bring a row of values: one for each step of ``counts``, one of ``pixels``."""
    return hardware.steps if network.input.kind == "counts" else 1


def beats(network: Network, hardware: HardwareConfig) -> int:
    """Beats of a frame."""
    return hardware.beats(network.input.shape) * row_beats(network, hardware)


def frame_bytes(network: Network, hardware: HardwareConfig) -> int:
    """Bytes of a frame, those that fill up its last beat not counted for ``pixels``."""
    if network.input.kind == "pixels":
        return math.prod(network.input.shape)
    return beats(network, hardware) * hardware.beat


def to_stream(
    network: Network, hardware: HardwareConfig, x: NDArray[np.integer[Any]]
) -> NDArray[np.uint8]:
    """The bytes of each frame in the order in which they are sent.

    :param x: ``pixels``: uint8[n, h, w, c]; ``counts``: integers [n, T, h, w, c] in the input's
        bounds, of which the first ``hardware.steps`` are taken
    :returns: uint8[n, bytes]; pixels of a last beat that is not full are not filled up
    :raises ValueError: ``x`` has another shape, or values out of bounds
    """
    spec, steps = network.input, hardware.steps
    size = math.prod(spec.shape)
    if spec.kind == "pixels":
        if x.dtype != np.uint8 or x.size != len(x) * size:
            raise ValueError(
                f"x must be uint8 [n, *{spec.shape}], not {x.dtype} of shape {x.shape!r}"
            )
        return np.asarray(x.reshape(len(x), -1), dtype=np.uint8)
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
    rows = hardware.beats(spec.shape)
    filled = np.zeros((len(x), steps, rows * hardware.beat), dtype=np.uint8)
    filled[:, :, :size] = x[:, :steps].reshape(len(x), steps, size).astype(np.int16) & 255
    ordered = filled.reshape(len(x), steps, rows, hardware.beat).swapaxes(1, 2)
    return np.ascontiguousarray(ordered).reshape(len(x), -1)


def from_stream(
    network: Network, hardware: HardwareConfig, frames: NDArray[np.uint8]
) -> NDArray[np.integer[Any]]:
    """What :func:`to_stream` was given.

    :param frames: uint8[n, bytes]
    :returns: uint8[n, h, w, c], or int16[n, T, h, w, c] for ``counts``
    """
    spec, steps = network.input, hardware.steps
    if spec.kind == "pixels":
        return frames.reshape(-1, *spec.shape)
    values = frames.view(np.int8) if spec.bounds.signed else frames
    ordered = values.reshape(len(frames), -1, steps, hardware.beat).swapaxes(1, 2)
    flat = ordered.reshape(len(frames), steps, -1)[:, :, : math.prod(spec.shape)]
    return flat.reshape(len(frames), steps, *spec.shape).astype(np.int16)
