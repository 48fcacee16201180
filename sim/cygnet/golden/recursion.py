# SPDX-License-Identifier: Apache-2.0
"""The recursion behind the golden cycles: when each window of each layer ends.

A window waits for pixels from upstream and for room downstream, so layers cannot be computed one
after another: each goes on until it needs a time that another has not yet given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cygnet.buffer_plan import BufferPlan, SkipPlan
from cygnet.layer_plan import (
    CADENCE,
    CREDIT,
    ENTRY,
    FRAMES,
    POOL,
    UNLOAD,
    WALKER_START,
    WRITE,
    LayerPlan,
)
from cygnet.network import Network

__all__ = ["Recursion"]

Cycle = Any
"""An int, or an array of the same cycle in independent runs."""


@dataclass
class _Reader:
    """One reader of a layer's output: what it needs and what it gives back.

    :param takes: for each window of the writer, whether it needs a credit
    :param closes: for each window of the writer, whether its last row completes a pixel
    :param late: clocks from the writer's row to the reader's buffer
    :param granted: credits after reset
    """

    takes: list[bool]
    closes: list[bool]
    late: int
    granted: int
    taken: int = 0
    returned: list[Cycle] = field(default_factory=list)
    written: list[Cycle] = field(default_factory=list)


@dataclass
class _Stage:
    """A layer: tables by window, and how far it is."""

    plan: LayerPlan
    row_end: list[int]
    readers: list[_Reader]
    sources: list[tuple[_Reader, BufferPlan]]
    skip: _Reader | None
    at: int = 0
    start: Cycle | None = None
    last: Cycle | None = None


class Recursion:
    """Frames through a pipeline of layers.

    After :meth:`run`, ``spans[layer][frame]`` is the first clock in which a window of the frame was
    open, and the last.

    :param plans: of the layers
    :param beats: of the input for each row of values
    :param events: [layer][frame][window], each an int, or an array over independent runs
    :param latest: ``max`` of two cycles, or of two arrays of them
    """

    def __init__(
        self,
        plans: Sequence[LayerPlan],
        network: Network,
        beats: int,
        events: Sequence[Sequence[Sequence[Cycle]]],
        latest: Callable[[Cycle, Cycle], Cycle],
    ) -> None:
        self._events = events
        self._latest = latest
        self._frames = len(events[0])
        self._input = _Input(plans[0].main, network, beats)
        self._stages: list[_Stage] = []
        self.spans: list[list[tuple[Cycle, Cycle]]] = [[] for _ in plans]
        by_buffer: dict[int, _Reader] = {id(plans[0].main): self._input.reader}
        outputs: list[list[_Reader]] = []
        for plan in plans:
            readers = []
            for other in plans[plan.number + 1 :]:
                buffers: list[BufferPlan | SkipPlan] = [*other.buffers]
                if other.skip is not None:
                    buffers.append(other.skip)
                for buffer in buffers:
                    if buffer.source == plan.number:
                        reader = _reader(plan, buffer)
                        by_buffer[id(buffer)] = reader
                        readers.append(reader)
            outputs.append(readers)
        everything = [True]
        self._readout = _Reader(everything, everything, 0, FRAMES)
        outputs[-1] = [self._readout, self._input.verdicts]
        for plan, readers in zip(plans, outputs, strict=True):
            rows, columns = plan.main.window_rows, plan.main.window_columns
            self._stages.append(
                _Stage(
                    plan=plan,
                    row_end=[
                        y if x == len(columns) - 1 else -1
                        for y in range(len(rows))
                        for x in range(len(columns))
                    ],
                    readers=readers,
                    sources=[(by_buffer[id(buffer)], buffer) for buffer in plan.buffers],
                    skip=None if plan.skip is None else by_buffer[id(plan.skip)],
                )
            )

    def run(self) -> tuple[list[Cycle], list[Cycle], list[list[Cycle]]]:
        """(accepted, finished) of each frame, and [frame][layer] clocks with an open window."""
        self._finished: list[Cycle] = []
        self._busy: list[list[Cycle]] = [[0] * len(self._stages) for _ in range(self._frames)]
        while len(self._finished) < self._frames:
            progress = self._input.advance(self._frames, self._latest)
            for stage in self._stages:
                progress |= self._advance(stage)
            if not progress:
                raise RuntimeError("the pipeline of this network waits for itself")
        return self._input.accepted, self._finished, self._busy

    def _advance(self, stage: _Stage) -> bool:
        """Compute windows until a time is missing."""
        plan, latest = stage.plan, self._latest
        total = self._frames * plan.pixels
        drain, walks, to_rows = plan.drain, plan.walks, plan.to_rows
        began = stage.at
        while stage.at < total:
            frame, window = divmod(stage.at, plan.pixels)
            start: Cycle = None
            missing = False
            for source, buffer in stage.sources:
                pixel = frame * buffer.height * buffer.width + buffer.needed[window]
                if pixel >= len(source.written):
                    missing = True
                    break
                written = source.written[pixel] + WRITE + 1
                start = written if start is None else latest(start, written)
            if missing:
                break
            for reader in stage.readers:
                wanted = reader.taken - reader.granted
                if reader.takes[window] and wanted >= 0:
                    if wanted >= len(reader.returned):
                        missing = True
                        break
                    start = latest(start, reader.returned[wanted] + CREDIT)
            if missing:
                break
            if stage.start is not None:
                start = latest(start, stage.start + CADENCE)
            stage.start = start
            events = latest(self._events[plan.number][frame][window], 1)
            each = latest(events, drain)
            opened = start + WALKER_START
            last = opened + events - 1
            if stage.last is not None:
                last = latest(last, stage.last + each)
                opened = latest(opened, stage.last + 1)
            last = last + (walks - 1) * each
            stage.last = last
            began_frame = opened if window == 0 else self.spans[plan.number][frame][0]
            self.spans[plan.number][frame:] = [(began_frame, last)]
            self._busy[frame][plan.number] = self._busy[frame][plan.number] + last - opened + 1
            self._give(stage, window, last, last + to_rows)
            stage.at += 1
        return stage.at > began

    def _give(self, stage: _Stage, window: int, last: Cycle, rows: Cycle) -> None:
        """Hand rows to the readers and room to the writers."""
        plan = stage.plan
        for reader in stage.readers:
            if reader.takes[window]:
                reader.taken += 1
            if reader.closes[window]:
                reader.written.append(rows + reader.late)
        if plan.core is None:
            self._finished.append(rows)
            self._readout.returned.append(rows)
        y = stage.row_end[window]
        if y >= 0:
            for source, buffer in stage.sources:
                advance = buffer.window_rows[y].advance
                source.returned += [last] * (advance * buffer.width)
        if stage.skip is not None:
            done = last + plan.to_sums + UNLOAD + plan.final_steps * plan.pitch - 1
            stage.skip.returned.append(done)


def _reader(writer: LayerPlan, buffer: BufferPlan | SkipPlan) -> _Reader:
    windows = writer.pixels
    everything = [True] * windows
    if isinstance(buffer, SkipPlan):
        return _Reader(everything, everything, 0, buffer.capacity)
    late = 0 if buffer.pool is None else POOL
    if buffer.height * buffer.width == 1:
        takes = [window == 0 for window in range(windows)]
        closes = [window == windows - 1 for window in range(windows)]
        return _Reader(takes, closes, late, buffer.capacity)
    if buffer.pool is None:
        return _Reader(everything, everything, 0, buffer.capacity)
    kernel = buffer.pool.kernel
    width = writer.shape[1]
    closes = [
        window // width % kernel[0] == kernel[0] - 1 and window % width % kernel[1] == kernel[1] - 1
        for window in range(windows)
    ]
    return _Reader(closes, closes, late, buffer.capacity)


class _Input:
    """The rows that enter: those of the frame, and those of a border around it.

    A beat leaves the registers at the pins ``ENTRY`` after it was taken at the earliest, and is
    taken when the one before the last has left, as the source is always valid.
    """

    def __init__(self, buffer: BufferPlan, network: Network, beats: int) -> None:
        height, width = network.input.shape[:2]
        if buffer.height * buffer.width == 1:
            height = width = 1
        border = (buffer.height - height) // 2, (buffer.width - width) // 2
        self._buffer = buffer
        self._beats = buffer.words * beats
        self._border, self._frame = border, (height, width)
        self._first = border[0] * buffer.width + border[1]
        self._last = (border[0] + height - 1) * buffer.width + border[1] + width - 1
        self._pixels = buffer.height * buffer.width
        self._time: Cycle = ENTRY - self._first * self._beats - 1
        # When the last two beats of frames left the registers at the pins.
        self._left: tuple[Cycle, Cycle] = (-1, 0)
        self.reader = _Reader([], [], 0, buffer.capacity)
        self.verdicts = _Reader([True], [False], 0, 0)
        self.accepted: list[Cycle] = []

    def advance(self, frames: int, latest: Callable[[Cycle, Cycle], Cycle]) -> bool:
        """Let pixels in until there is no room that is known of."""
        written = self.reader.written
        began = len(written)
        for number in self._numbers(frames):
            start = self._time + 1
            line = number // self._buffer.width - self._buffer.lines
            if line >= 0:
                wanted = line * self._buffer.width
                if wanted >= len(self.reader.returned):
                    break
                start = latest(start, self.reader.returned[wanted] + 1)
            self._time = start + self._beats - 1
            written.append(self._time)
            place = number % self._pixels
            if place == self._first:
                self.accepted.append(self._left[0] + 1)
            if self._inside(place):
                before = self._left[1] if self._beats == 1 else self._time - 1
                self._left = (before, self._time)
            if place == self._last:
                self.verdicts.returned.append(self._time)
        return len(written) > began

    def _inside(self, place: int) -> bool:
        """Whether a pixel comes from the frame."""
        y, x = divmod(place, self._buffer.width)
        return all(
            0 <= at - border < size
            for at, border, size in zip((y, x), self._border, self._frame, strict=True)
        )

    def _numbers(self, frames: int) -> Iterator[int]:
        return iter(range(len(self.reader.written), frames * self._pixels))
