# SPDX-License-Identifier: Apache-2.0
"""Random changes to a batch of training images, on whichever device holds them.

``crop``: a window of the image's size out of the image padded by 4. ``shift``: the same with a
padding of 2, for digits that fill their frame. ``flip``: left and right exchanged for half of the
images. ``cutout``: a square of half the height (16 for CIFAR) around a random pixel set to the
mean (DeVries and Taylor, 2017). ``colour``: one change of brightness, contrast, saturation,
inversion above a level, coarser levels, or none, of random strength for each image (after
TrivialAugment, Müller and Hutter, ICCV 2021, without its geometric half).
"""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache

import torch
from torch import Tensor

from cygnet.data.pixels import normalise
from cygnet.network import InputSpec

__all__ = ["augment"]

_PADDING = {"crop": 4, "shift": 2}


def augment(
    pixels: Tensor, spec: InputSpec, names: Collection[str], generator: torch.Generator
) -> Tensor:
    """A batch as the network takes it: :func:`cygnet.data.pixels.normalise` after the changes.

    :param pixels: uint8[n, h, w, c]
    :param names: out of :data:`cygnet.training.recipe.AUGMENTATIONS`
    :param generator: on the device of ``pixels``
    """
    count, height, width, _ = pixels.shape
    padding = max((_PADDING[name] for name in names if name in _PADDING), default=0)
    if padding or "flip" in names:
        pixels = _window(pixels, spec, padding, "flip" in names, generator)
    values: Tensor = pixels
    if "colour" in names:
        values = _colour(pixels, generator)
    image = normalise(values, spec)
    if "cutout" in names:
        hole = _hole(count, height, width, max(height // 2, 1), generator)
        image = image.masked_fill(hole[:, None], 0.0)
    return image


def _draw(high: int, count: int, generator: torch.Generator) -> Tensor:
    return torch.randint(high, (count, 1), generator=generator, device=generator.device)


def _window(
    pixels: Tensor, spec: InputSpec, padding: int, flip: bool, generator: torch.Generator
) -> Tensor:
    count, height, width, channels = pixels.shape
    fill = _fill(spec, pixels.device)
    padded = fill.expand(count, height + 2 * padding, width + 2 * padding, channels).contiguous()
    padded[:, padding : padding + height, padding : padding + width] = pixels
    device = pixels.device
    rows = torch.arange(height, device=device) + _draw(2 * padding + 1, count, generator)
    columns = torch.arange(width, device=device).expand(count, width)
    if flip:
        turned = _draw(2, count, generator) == 1
        columns = torch.where(turned, width - 1 - columns, columns)
    columns = columns + _draw(2 * padding + 1, count, generator)
    image = torch.arange(count, device=device)[:, None, None]
    return padded[image, rows[:, :, None], columns[:, None, :]]


@lru_cache
def _fill(spec: InputSpec, device: torch.device) -> Tensor:
    return torch.tensor(spec.padding, dtype=torch.uint8).to(device)


def _hole(count: int, height: int, width: int, side: int, generator: torch.Generator) -> Tensor:
    device = generator.device
    top = _draw(height, count, generator) - side // 2
    left = _draw(width, count, generator) - side // 2
    rows = torch.arange(height, device=device) - top
    columns = torch.arange(width, device=device) - left
    inside_rows = (rows >= 0) & (rows < side)
    inside_columns = (columns >= 0) & (columns < side)
    return inside_rows[:, :, None] & inside_columns[:, None, :]


def _colour(pixels: Tensor, generator: torch.Generator) -> Tensor:
    count = len(pixels)
    values = pixels.float()
    kind = _draw(6, count, generator)[:, :, None, None]
    strength = torch.rand((count, 1, 1, 1), generator=generator, device=generator.device)
    factor = 1 + 0.9 * (2 * strength - 1)
    grey = values.mean(dim=3, keepdim=True)
    average = grey.mean(dim=(1, 2), keepdim=True)
    step = torch.exp2(torch.floor(strength * 5))
    changed = (
        values * factor,
        average + (values - average) * factor,
        grey + (values - grey) * factor,
        torch.where(values >= 256 * strength, 255 - values, values),
        torch.floor(values / step) * step,
    )
    for number, candidate in enumerate(changed):
        values = torch.where(kind == number, candidate, values)
    return torch.round(values).clamp(0, 255)
