# SPDX-License-Identifier: Apache-2.0
"""Running a network layer by layer, each layer all its steps at once."""

from __future__ import annotations

from torch import Tensor

from cygnet.conversion.folded import FoldedNetwork
from cygnet.network import INPUT

__all__ = ["Sequences"]


class Sequences:
    """The outputs of a network's layers at each of T steps, kept as long as a layer needs them.

    :param folded: the linear maps
    :param x: float[n, *shape], the same at every step
    :param steps: T
    """

    def __init__(self, folded: FoldedNetwork, x: Tensor, steps: int) -> None:
        self._folded = folded
        self._steps = steps
        self._values: list[list[Tensor] | None] = [[x]]

    def currents(self, number: int) -> list[Tensor]:
        """Inputs of a layer's neurons, step by step; every layer before it has been put."""
        stage = self._folded.stage(number)
        if stage.source == INPUT and stage.shortcut is None:
            return [self._current(number, 0)] * self._steps
        return [self._current(number, step) for step in range(self._steps)]

    def put(self, number: int, outputs: list[Tensor]) -> None:
        """The outputs of layer ``number``, the next one in order."""
        self._values.append(outputs)
        for value in self._folded.expires(number):
            self._values[value - INPUT] = None

    def _current(self, number: int, step: int) -> Tensor:
        return self._folded.stage(number).current(
            [None if v is None else v[min(step, len(v) - 1)] for v in self._values]
        )
