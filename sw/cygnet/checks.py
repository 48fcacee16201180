# SPDX-License-Identifier: Apache-2.0
"""Checks of constructor arguments, in one grammar: "X must be a Y, not {x!r}".

TypeError for a value of the wrong kind, ValueError for one out of its range.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["array", "integer", "pair", "positive", "shape"]


def array(value: object, name: str, dtype: str, wanted: tuple[int, ...] | None = None) -> NDArray:
    """A read-only copy in one of the contract's dtypes; refuses what does not fit into it."""
    found = np.asarray(value)
    if dtype == "float64":
        if found.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be an array of numbers, not of {found.dtype}")
        found = found.astype(np.float64)
    elif dtype == "bool":
        if found.dtype != np.bool_:
            raise TypeError(f"{name} must be an array of booleans, not of {found.dtype}")
        found = found.copy()
    else:
        if found.dtype.kind not in "iu":
            raise TypeError(f"{name} must be an array of integers, not of {found.dtype}")
        info = np.iinfo(dtype)
        if found.size and (int(found.min()) < info.min or int(found.max()) > info.max):
            raise ValueError(
                f"{name} must be an array of {dtype}, not of values in "
                f"{int(found.min())}..{int(found.max())}"
            )
        found = found.astype(dtype)
    if wanted is not None and found.shape != wanted:
        raise ValueError(f"{name} must be an array of shape {wanted}, not {found.shape!r}")
    found = np.ascontiguousarray(found)
    found.setflags(write=False)
    return found


def integer(value: object, name: str, low: int, high: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be an integer in {low}..{high}, not {value!r}")
    return int(value)


def pair(value: object, name: str, low: int) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be a pair (vertical, horizontal), not {value!r}")
    return integer(value[0], name, low, 2**16), integer(value[1], name, low, 2**16)


def shape(value: object, name: str) -> tuple[int, int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise TypeError(f"{name} must be (height, width, channels), not {value!r}")
    return (
        integer(value[0], name, 1, 2**16),
        integer(value[1], name, 1, 2**16),
        integer(value[2], name, 1, 2**20),
    )


def positive(value: object, name: str) -> float:
    if not isinstance(value, (int, float, np.floating, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number > 0, not {value!r}")
    return float(value)
