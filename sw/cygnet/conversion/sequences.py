# SPDX-License-Identifier: Apache-2.0
"""Running a network layer by layer, each layer all its steps at once."""

from __future__ import annotations

import torch
from torch import Tensor

from cygnet.conversion.folded import FoldedNetwork
from cygnet.network import INPUT

__all__ = ["Sequences"]


class Sequences:
    """The outputs of a network's layers at each of T steps, kept as long as a layer needs them.

    A layer's linear map runs once, with the steps folded into the batch.

    :param folded: the linear maps
    :param x: float[n, *shape], the same at every step
    :param steps: T
    """

    def __init__(self, folded: FoldedNetwork, x: Tensor, steps: int) -> None:
        self._folded = folded
        self._steps = steps
        self._values: list[Tensor | None] = [x]

    def currents(self, number: int) -> list[Tensor]:
        """Inputs of a layer's neurons, step by step, float[n, ...] each; every layer before it has
        been put."""
        stage = self._folded.stage(number)
        if stage.source == INPUT and stage.shortcut is None:
            return [stage.current(self._values)] * self._steps
        values = list(self._values)
        if stage.source == INPUT:
            x = values[0]
            assert x is not None
            values[0] = x.repeat(self._steps, *[1] * (x.ndim - 1))
        return list(stage.current(values).chunk(self._steps))

    def put(self, number: int, outputs: list[Tensor]) -> None:
        """The outputs of layer ``number``, the next one in order, step by step."""
        self._values.append(torch.cat(outputs))
        for value in self._folded.expires(number):
            self._values[value - INPUT] = None
