# SPDX-License-Identifier: Apache-2.0
"""From stored pixels to the floats that a torch network takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from cygnet.data.dataset import Dataset
from cygnet.errors import CygnetError
from cygnet.network import InputSpec, Shape

__all__ = ["input_spec", "normalise", "numbers", "tensor"]


def numbers(text: str, option: str) -> tuple[float, ...]:
    """The numbers of an option such as ``0.49,0.48,0.45`` or ``125/255``.

    :raises CygnetError: something else
    """
    try:
        values = tuple(_number(item) for item in text.split(","))
    except (ValueError, ZeroDivisionError):
        values = (math.nan,)
    if not all(math.isfinite(value) for value in values):
        raise CygnetError(
            f"{option}: {text!r} must be numbers such as 0.5, 1/255 or 0.49,0.48,0.45"
        )
    return values


def _number(text: str) -> float:
    top, slash, bottom = text.partition("/")
    return float(top) / float(bottom) if slash else float(top)


def input_spec(
    dataset: Dataset | Shape,
    *,
    scale: float | None = None,
    mean: Sequence[float] = (),
    std: Sequence[float] = (),
    layout: Literal["nhwc", "nchw"] = "nhwc",
) -> InputSpec:
    """What enters a network that is trained on ``(pixel * scale - mean[c]) / std[c]``.

    :param dataset: the images, or the shape of one
    :param scale: 1/255 when ``None`` (1/16 for the digits)
    :param mean: one value a channel, or one for all; 0 when empty
    :param std: likewise; 1 when empty
    :raises CygnetError: the values do not suit the data
    """
    shape = dataset.shape if isinstance(dataset, Dataset) else dataset
    channels = shape[2]
    if scale is None:
        digits = isinstance(dataset, Dataset) and dataset.name == "digits"
        scale = 1 / 16 if digits else 1 / 255
    try:
        return InputSpec(
            kind="pixels",
            shape=shape,
            scale=scale,
            mean=_each(mean, channels),
            std=_each(std, channels),
            layout=layout,
        )
    except (TypeError, ValueError) as error:
        raise CygnetError(f"{error}; mend --input-scale, --mean or --std") from None


def _each(values: Sequence[float], channels: int) -> tuple[float, ...]:
    return tuple(values) * channels if len(values) == 1 else tuple(values)


def normalise(pixels: torch.Tensor, spec: InputSpec) -> torch.Tensor:
    """float32[n, c, h, w] (or [n, f] of a vector) out of pixels [n, h, w, c] of any dtype.

    The memory stays in raster order (torch's ``channels_last``).
    """
    factor, offset = _affine(spec, pixels.device)
    values = pixels.float() * factor - offset
    height, width, _ = spec.shape
    if (height, width) == (1, 1):
        return values[:, 0, 0]
    return values.permute(0, 3, 1, 2)


@lru_cache
def _affine(spec: InputSpec, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Kept: a copy to a GPU waits for all that the GPU still has to do."""
    mean, std = np.array(spec.mean), np.array(spec.std)
    factor, offset = torch.from_numpy(spec.scale / std), torch.from_numpy(mean / std)
    return factor.float().to(device), offset.float().to(device)


def tensor(x: NDArray[np.uint8] | Dataset, spec: InputSpec) -> torch.Tensor:
    """What a torch network takes for these images: see :func:`normalise`.

    :param x: uint8[n, height, width, channels]
    """
    pixels = x.x if isinstance(x, Dataset) else x
    return normalise(torch.from_numpy(np.array(pixels)), spec)
