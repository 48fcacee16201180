# SPDX-License-Identifier: Apache-2.0
"""The integer that stands for a float step: the search for K (docs/numerics.md)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cygnet.network import MAX_RESET

__all__ = ["bits_needed", "exact_exponent", "integers", "largest_reset", "power_of_two", "times"]


def integers(
    values: NDArray[np.float64], reset: NDArray[np.int64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``rint(value * K / theta)`` in float64, half to even, in that order of operations."""
    scaled = times(values, reset, step)
    return np.rint(scaled, out=scaled)


def times(
    values: NDArray[np.float64], reset: NDArray[np.int64], step: NDArray[np.float64]
) -> NDArray[np.float64]:
    """``value * K / theta`` in float64, not rounded, from left to right."""
    scaled = values * reset
    scaled /= step
    return scaled


def largest_reset(
    largest: NDArray[np.float64], step: NDArray[np.float64], limit: int
) -> NDArray[np.int64]:
    """The largest K in 0..2**18 - 1 for which ``rint(largest * K / step) <= limit``, element by
    element; 0 where there is none.

    Every operation is monotone, so that the largest magnitude decides for its channel, and an
    estimate is at most a few units off.

    :param largest: float64[channels], >= 0
    :param step: float64[channels], > 0
    """

    def fits(reset: NDArray[np.int64]) -> NDArray[np.bool_]:
        return integers(largest, reset, step) <= limit

    with np.errstate(divide="ignore", over="ignore"):
        estimate = np.floor((limit + 0.5) * step / largest)
    reset: NDArray[np.int64] = np.clip(
        np.nan_to_num(estimate, posinf=MAX_RESET), 0, MAX_RESET
    ).astype(np.int64)
    while (down := ~fits(reset)).any():
        reset -= down
    while (up := (reset < MAX_RESET) & fits(np.minimum(reset + 1, MAX_RESET))).any():
        reset += up
    return reset


def power_of_two(reset: NDArray[np.int64]) -> NDArray[np.int64]:
    """The largest power of two that is at most K; 0 for 0."""
    exponent = np.frexp(reset.astype(np.float64))[1] - 1
    powers: NDArray[np.int64] = np.left_shift(np.ones_like(reset), np.maximum(exponent, 0))
    powers[reset < 1] = 0
    return powers


def bits_needed(largest: float, step: float) -> int | None:
    """The narrowest weight, up to 8 bits, with which K = 1 is possible; None if there is none."""
    value = float(np.rint(largest / step))
    return next((bits for bits in range(2, 9) if value <= 2 ** (bits - 1) - 1), None)


def exact_exponent(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """The least n for which all of a row's values times 2**n are integers.

    :param values: float64[channels, ...], finite
    :returns: int64[channels]; -1100 for a row of zeros
    """
    rows = values.reshape(len(values), -1)
    fraction, exponent = np.frexp(rows)
    digits = np.ldexp(fraction, 53).astype(np.int64)
    lowest = np.frexp((digits & -digits).astype(np.float64))[1] - 1
    needed = np.where(digits == 0, -1100, 53 - exponent - lowest)
    return np.asarray(needed.max(axis=1), dtype=np.int64)
