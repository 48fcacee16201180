# SPDX-License-Identifier: Apache-2.0
"""Labelled images out of ``.npz`` files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.data.npz import Archive
from cygnet.errors import CygnetError
from cygnet.network import Shape

__all__ = ["MAX_CLASSES", "Dataset", "Split", "load"]

Split = Literal["train", "test"]

MAX_CLASSES = 65536


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images and their classes.

    :param x: uint8[n, height, width, channels], raster order; a vector of f is (1, 1, f)
    :param y: int64[n], classes from 0
    :param name: what errors and reports call it
    :raises TypeError: another dtype
    :raises ValueError: another shape, no image, or a negative class
    """

    x: NDArray[np.uint8]
    y: NDArray[np.int64]
    name: str = "data"

    def __post_init__(self) -> None:
        if self.x.dtype != np.uint8:
            raise TypeError(f"data x must be an array of uint8, not of {self.x.dtype}")
        if self.y.dtype != np.int64:
            raise TypeError(f"data y must be an array of int64, not of {self.y.dtype}")
        if self.x.ndim != 4 or 0 in self.x.shape:
            raise ValueError(
                f"data x must be [n, height, width, channels], not of shape {self.x.shape!r}"
            )
        if self.y.shape != self.x.shape[:1]:
            raise ValueError(f"data y must be of shape {self.x.shape[:1]!r}, not {self.y.shape!r}")
        if not 0 <= int(self.y.min()) <= int(self.y.max()) < MAX_CLASSES:
            raise ValueError(
                f"data y must be classes in 0..{MAX_CLASSES - 1}, "
                f"not {int(self.y.min())}..{int(self.y.max())}"
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of one image."""
        height, width, channels = self.x.shape[1:]
        return height, width, channels

    @property
    def classes(self) -> int:
        """One more than the highest class that occurs."""
        return int(self.y.max()) + 1

    @cached_property
    def sha256(self) -> str:
        """Hex digest over shapes, images and classes: tells whether two runs saw the same data."""
        digest = hashlib.sha256(repr(self.x.shape).encode())
        digest.update(np.ascontiguousarray(self.x).data)
        digest.update(np.ascontiguousarray(self.y).astype("<i8").data)
        return digest.hexdigest()

    def take(self, indices: NDArray[np.integer] | slice) -> Dataset:
        """The images with these numbers, in that order."""
        return Dataset(self.x[indices], self.y[indices], self.name)

    def divide(self, count: int, seed: int) -> tuple[Dataset, Dataset]:
        """(the rest, ``count`` images drawn at random); the same for one seed, for ever.

        Both parts keep the order of the whole.

        :raises ValueError: ``count`` leaves one of the parts empty
        """
        if not 0 < count < len(self):
            raise ValueError(f"count must be an integer in 1..{len(self) - 1}, not {count!r}")
        order = np.random.RandomState(seed).permutation(len(self))
        return self.take(np.sort(order[count:])), self.take(np.sort(order[:count]))


def load(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    split: Split | None = None,
    prefer: Split = "test",
    layout: Literal["nhwc", "nchw"] = "nhwc",
) -> Dataset:
    """The images of one ``.npz`` file, or of several that are parts of one set.

    A file holds ``x`` and ``y``, or ``x_train, y_train, x_test, y_test``. ``x`` is uint8 of
    [n, features], [n, height, width], or four axes in the order of ``layout``. The name ``digits``
    stands for :func:`cygnet.data.digits`, which needs no file. Nothing in a file is unpickled, and
    sizes are checked before memory is taken.

    :param split: which arrays of a file that holds both; ``None`` takes ``prefer``
    :raises CygnetError: a file is not that, or the parts do not fit together
    """
    listed = [paths] if isinstance(paths, (str, os.PathLike)) else list(paths)
    if not listed:
        raise CygnetError("no data given; name an .npz file or 'digits'")
    parts = [_load_one(path, split, prefer, layout) for path in listed]
    first = parts[0]
    for part in parts[1:]:
        if part.shape != first.shape:
            raise CygnetError(
                f"{part.name}: images of {part.shape} do not continue {first.name} with "
                f"{first.shape}; give parts of one data set"
            )
    if len(parts) == 1:
        return first
    return Dataset(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        f"{first.name} and {len(parts) - 1} more",
    )


def _load_one(
    path: str | os.PathLike[str], split: Split | None, prefer: Split, layout: str
) -> Dataset:
    if os.fspath(path) == "digits":
        from cygnet.data.digits import digits

        return digits(split or prefer)
    name = Path(path).name
    with Archive(path) as archive:
        if {"x", "y"} <= archive.names:
            if split is not None:
                raise CygnetError(
                    f"{path}: holds x and y without a division into train and test; "
                    "leave out --split"
                )
            keys = ("x", "y")
        else:
            part = split or prefer
            keys = (f"x_{part}", f"y_{part}")
            if not set(keys) <= archive.names:
                found = ", ".join(sorted(archive.names)) or "nothing"
                raise CygnetError(
                    f"{path}: holds {found}, not x and y or {keys[0]} and {keys[1]}; "
                    "rename the arrays"
                )
        x = archive.array(keys[0], "u1")
        y = archive.array(keys[1], "iu")
    if x.ndim not in (2, 3, 4) or 0 in x.shape:
        raise CygnetError(
            f"{path}: {keys[0]} has shape {x.shape}; "
            "give uint8 of [n, features], [n, height, width] or four axes"
        )
    if y.shape != x.shape[:1]:
        raise CygnetError(
            f"{path}: {keys[1]} has shape {y.shape} for {len(x)} images; give one class an image"
        )
    if int(y.min()) < 0 or int(y.max()) >= MAX_CLASSES:
        raise CygnetError(
            f"{path}: {keys[1]} holds values in {int(y.min())}..{int(y.max())}; "
            f"give classes in 0..{MAX_CLASSES - 1}"
        )
    return Dataset(_raster(x, layout), y.astype(np.int64), name)


def _raster(x: NDArray[np.uint8], layout: str) -> NDArray[np.uint8]:
    if x.ndim == 2:
        return x[:, None, None, :]
    if x.ndim == 3:
        return x[..., None]
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1)) if layout == "nchw" else x
