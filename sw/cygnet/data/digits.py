# SPDX-License-Identifier: Apache-2.0
"""The data set that is always there: scikit-learn's bundled digits."""

from __future__ import annotations

from functools import cache

import numpy as np
from sklearn.datasets import load_digits

from cygnet.data.dataset import Dataset, Split

__all__ = ["SCALE", "digits"]

SCALE = 1 / 16
"""Pixels are 0..16."""

_HELD_OUT = 360
_SEED = 20


@cache
def _all() -> Dataset:
    x, y = load_digits(return_X_y=True)
    return Dataset(x.reshape(-1, 8, 8, 1).astype(np.uint8), y.astype(np.int64), "digits")


def digits(split: Split) -> Dataset:
    """1,437 images of 8 x 8 to train on, or the 360 held out; the division never changes."""
    train, test = _all().divide(_HELD_OUT, _SEED)
    return train if split == "train" else test
