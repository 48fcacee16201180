# SPDX-License-Identifier: Apache-2.0
"""What a training run does, apart from the model and the data."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["AUGMENTATIONS", "Precision", "Recipe"]

Precision = Literal["float32", "bfloat16"]

AUGMENTATIONS = ("crop", "shift", "flip", "cutout", "colour")
"""What ``Recipe.augment`` may name; see :mod:`cygnet.training.augment`."""


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum as the QCFS and GN authors use it.

    The rate rises linearly over ``warmup`` epochs, then falls along half a cosine to 0. Weight
    decay is on every parameter, the thresholds of QCFS too. One seed settles the division into
    training and validation images, the order of the images and the augmentation.

    :param epochs: >= 1
    :param batch: images a step, >= 1; the images that fill no batch sit out an epoch
    :param learning_rate: the highest, > 0
    :param momentum: 0 <= . < 1
    :param weight_decay: >= 0
    :param warmup: epochs, >= 0, less than ``epochs``
    :param augment: names out of :data:`AUGMENTATIONS`
    :param smoothing: label smoothing, 0 <= . < 1
    :param validation: share of the training images that chooses the epoch, 0 < . < 1
    :param seed: >= 0
    :param precision: of the forward and backward pass; weights and validation stay in float32
    """

    epochs: int = 120
    batch: int = 128
    learning_rate: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    warmup: float = 0.0
    augment: tuple[str, ...] = ()
    smoothing: float = 0.0
    validation: float = 0.1
    seed: int = 0
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        for name, low in (("epochs", 1), ("batch", 1), ("seed", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, not {value!r}")
            if not low <= value < 2**31:
                raise ValueError(f"{name} must be an integer >= {low}, not {value!r}")
        for name in ("momentum", "smoothing"):
            _between(name, getattr(self, name), 0 <= getattr(self, name) < 1, "in 0 <= . < 1")
        _between("learning rate", self.learning_rate, self.learning_rate > 0, "> 0")
        _between("weight decay", self.weight_decay, self.weight_decay >= 0, ">= 0")
        _between("warmup", self.warmup, 0 <= self.warmup < self.epochs, "in 0 <= . < epochs")
        _between("validation", self.validation, 0 < self.validation < 1, "in 0 < . < 1")
        object.__setattr__(self, "augment", tuple(self.augment))
        for item in self.augment:
            if item not in AUGMENTATIONS:
                raise ValueError(f"augment must be of {', '.join(AUGMENTATIONS)}, not {item!r}")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision must be 'float32' or 'bfloat16', not {self.precision!r}")

    def rate(self, progress: float) -> float:
        """The learning rate after ``progress`` epochs (a fraction counts)."""
        if progress < self.warmup:
            return self.learning_rate * progress / self.warmup
        share = (progress - self.warmup) / (self.epochs - self.warmup)
        return self.learning_rate * (1 + math.cos(math.pi * share)) / 2

    def as_json(self) -> dict[str, Any]:
        """The values by name, of types that JSON gives back unchanged."""
        return {**asdict(self), "augment": list(self.augment)}


def _between(name: str, value: float, good: bool, say: str) -> None:
    if not good:
        raise ValueError(f"{name} must be a number {say}, not {value!r}")
