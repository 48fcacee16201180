# SPDX-License-Identifier: Apache-2.0
"""What a torch network is after the passes: stages of one linear map and one activation.

A :class:`FoldedNetwork` computes what the user's network computes (in eval mode), with batch norm
folded in and everything in the shape that spiking networks have. It is a torch module like any
other: it can be trained further, and its stages are what becomes spiking.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from cygnet.network import INPUT, Shape

__all__ = ["FoldedNetwork", "Shortcut", "Stage"]


class Shortcut(nn.Module):
    """A second way into a stage's sum: the identity, or a 1x1 convolution (or linear map).

    :param source: number of the stage whose output it carries
    :param projection: None for the identity
    """

    projection: nn.Linear | nn.Conv2d | None

    def __init__(self, source: int, projection: nn.Linear | nn.Conv2d | None) -> None:
        super().__init__()
        self.source = source
        self.projection = projection

    def forward(self, x: Tensor) -> Tensor:
        return x if self.projection is None else self.projection(x)


class Stage(nn.Module):
    """Average pooling, a linear map, a shortcut and an activation.

    :param name: kind and position, such as ``conv1`` or ``fc2``: unique in the network
    :param source: number of the stage that it reads, or :data:`~cygnet.network.INPUT`
    :param pool: average pooling without padding or partial windows, or None
    :param synapses: the linear map; it has a bias
    :param shortcut: or None
    :param activation: ReLU, Hardtanh from 0, or QCFS; None for the last stage
    :param incoming: shape of a sample of the source's output, torch's order
    :param outgoing: shape of a sample of this stage's output, torch's order
    :param origin: what the user calls the linear map
    """

    pool: nn.AvgPool2d | None
    synapses: nn.Linear | nn.Conv2d
    shortcut: Shortcut | None
    activation: nn.Module | None

    def __init__(
        self,
        name: str,
        source: int,
        synapses: nn.Linear | nn.Conv2d,
        *,
        activation: nn.Module | None,
        incoming: tuple[int, ...],
        outgoing: tuple[int, ...],
        pool: nn.AvgPool2d | None = None,
        shortcut: Shortcut | None = None,
        origin: str = "",
    ) -> None:
        super().__init__()
        self.name = name
        self.source = source
        self.pool = pool
        self.synapses = synapses
        self.shortcut = shortcut
        self.activation = activation
        self.incoming = incoming
        self.outgoing = outgoing
        self.origin = origin

    @property
    def label(self) -> str:
        """What a message calls it: its name, and the user's where there is one."""
        return f"{self.name!r} ({self.origin})" if self.origin else repr(self.name)

    @property
    def shape(self) -> Shape:
        """(height, width, channels) of the output."""
        return raster_shape(self.outgoing)

    def current(self, values: Sequence[Tensor | None]) -> Tensor:
        """Input of the activation.

        :param values: outputs of the network's input (first) and of the stages before this one
        """
        x = values[self.source - INPUT]
        assert x is not None
        if self.pool is not None:
            x = self.pool(x)
        if isinstance(self.synapses, nn.Linear):
            x = x.flatten(1)
        total: Tensor = self.synapses(x)
        if self.shortcut is not None:
            total = total + self.shortcut(values[self.shortcut.source - INPUT])
        return total


class FoldedNetwork(nn.Module):
    """The network as stages.

    :param stages: in an order in which every stage comes after those that it reads
    :param shape: of a sample of the input, torch's order: ``(channels, height, width)`` or
        ``(features,)``
    """

    def __init__(self, stages: Sequence[Stage], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.stages = nn.ModuleList(stages)
        self.shape = shape
        last = {INPUT: len(stages) - 1}
        for number, stage in enumerate(stages):
            last[number] = number
            last[stage.source] = number
            if stage.shortcut is not None:
                last[stage.shortcut.source] = number
        self._expires: dict[int, list[int]] = {}
        for value, number in last.items():
            self._expires.setdefault(number, []).append(value)

    def __iter__(self) -> Iterator[Stage]:
        for number in range(len(self)):
            yield self.stage(number)

    def __len__(self) -> int:
        return len(self.stages)

    def stage(self, number: int) -> Stage:
        """One stage."""
        stage = self.stages[number]
        assert isinstance(stage, Stage)
        return stage

    def expires(self, number: int) -> list[int]:
        """The stages (and the input) whose output no stage after ``number`` reads."""
        return self._expires.get(number, [])

    def run(
        self,
        x: Tensor,
        act: Callable[[int, Stage, Tensor], Tensor],
        current: Callable[[int, Stage, Sequence[Tensor | None]], Tensor] | None = None,
    ) -> Tensor:
        """One pass through the stages.

        :param x: float[n, *shape]
        :param act: gets number, stage and current, ``float[n, *outgoing]``, and gives the
            stage's output
        :param current: stands in for :meth:`Stage.current`, with the number before it
        :returns: what ``act`` gave for the last stage
        """
        values: list[Tensor | None] = [x]
        result = x
        for number, stage in enumerate(self):
            now = stage.current(values) if current is None else current(number, stage, values)
            result = act(number, stage, now)
            values.append(result)
            for value in self.expires(number):
                values[value - INPUT] = None
        return result

    def forward(self, x: Tensor) -> Tensor:
        """Logits, float[n, classes]."""

        def act(number: int, stage: Stage, current: Tensor) -> Tensor:
            return current if stage.activation is None else stage.activation(current)

        return self.run(x, act).flatten(1)

    def observe(self, x: Tensor, see: Callable[[int, Stage, Tensor], None]) -> Tensor:
        """:meth:`forward` that shows the output of every stage's activation to ``see``."""

        def act(number: int, stage: Stage, current: Tensor) -> Tensor:
            value = current if stage.activation is None else stage.activation(current)
            see(number, stage, value)
            return value

        with torch.no_grad():
            return self.run(x, act).flatten(1)


def raster_shape(shape: tuple[int, ...]) -> Shape:
    """(height, width, channels) of a sample in torch's order; a vector is (1, 1, n)."""
    if len(shape) == 1:
        return 1, 1, shape[0]
    channels, height, width = shape
    return height, width, channels
