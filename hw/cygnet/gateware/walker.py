# SPDX-License-Identifier: Apache-2.0
"""Walks the events of each window, once for every round of P outputs and block of S steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import BufferPlan
from cygnet.gateware.credits import Reader
from cygnet.gateware.events import event_layout
from cygnet.gateware.line_buffer import ReadSignature, line_counter_width, stored_layout
from cygnet.gateware.lookup import lookup
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Walker"]


@dataclass(frozen=True)
class _Line:
    """The part of one line of a buffer that the window covers, in registers."""

    buffer: int
    start: Signal
    end: Signal
    tap: Signal


class Walker(wiring.Component):
    """Delivers one event a clock; rows, walks and windows follow each other without a bubble.

    A window is walked ``plan.walks`` times: round after round, in each block after block. It starts
    when the pixels that it covers are complete and every reader of this layer's output has promised
    room for its results (a credit), so nothing behind the walker ever stalls. Parts of lines
    without events cost no clock. The last event of a walk waits until the results of the walk
    before have been drained. A window without events brings one blank event (all values zero) in
    each walk.

    Parameters
    ----------
    plan : LayerPlan
    readers : sequence of Reader
        Of this layer's output.

    Members
    -------
    read_0, read_1 : ``Out(ReadSignature(buffer))``
        One for each buffer of the plan.
    credit_0, credit_1, ... : ``In(...)``
        One for each reader: lines, pixels or frames that it has released in this clock.
    o : ``Out(stream.Signature(event_layout(plan), always_ready=True))``
    """

    def __init__(self, plan: LayerPlan, readers: Sequence[Reader]) -> None:
        self._plan = plan
        self._readers = tuple(readers)
        super().__init__(
            {f"read_{n}": Out(ReadSignature(buffer)) for n, buffer in enumerate(plan.buffers)}
            | {f"credit_{n}": In(reader.credit_width) for n, reader in enumerate(readers)}
            | {"o": Out(stream.Signature(event_layout(plan), always_ready=True))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        height, width = plan.shape[:2]
        buffers = plan.buffers
        reads = [getattr(self, f"read_{n}") for n in range(len(buffers))]

        # Which window is next, and whether it can start.
        y = Signal(unsigned_width(height - 1))
        x = Signal(unsigned_width(width - 1))
        start = Signal()
        free = Signal()
        ready = Signal()
        last_column = Signal()
        last_row = Signal()
        m.d.comb += [
            last_column.eq(x == width - 1),
            last_row.eq(y == height - 1),
            start.eq(ready & free & self._credits(m, start, y, x)),
        ]
        with m.If(start):
            m.d.sync += x.eq(x + 1)
            with m.If(last_column):
                m.d.sync += [x.eq(0), y.eq(Mux(last_row, 0, y + 1))]

        # The window being walked.
        lines: list[_Line] = []
        covered: list[Value] = []
        shifts, releases = [], []
        all_complete: Value = Const(1)
        for number, (buffer, read) in enumerate(zip(buffers, reads, strict=True)):
            row_lines, row_covered, complete, shift, release = self._window(
                m, number, buffer, read, y, x, start, last_column
            )
            lines += row_lines
            covered += row_covered
            shifts.append(shift)
            releases.append(release)
            all_complete = all_complete & complete

        m.d.comb += ready.eq(all_complete)
        walking = Signal()
        mask = Signal(len(lines))
        left = Signal(len(lines))
        fresh = Signal()
        pointer = Signal(max(len(line.start) for line in lines))
        round_ = Signal(unsigned_width(plan.rounds - 1))
        weights = Signal(unsigned_width(plan.rounds * plan.positions))

        # Row address.
        fetched = Signal()
        to_fetched = Signal()
        chosen = Signal(len(lines))
        here = Signal.like(pointer)
        end = Signal.like(here)
        offset = Signal(range(-plan.positions, plan.positions + 1))
        line_done, walk_done, round_done, tail_round = Signal(), Signal(), Signal(), Signal()
        block, block_last = self._blocks(m, walk_done & to_fetched)
        m.d.comb += [
            chosen.eq(left & (~left + 1)),
            line_done.eq(here + 1 == end),
            walk_done.eq(~left.any() | (line_done & (left == chosen))),
            round_done.eq(walk_done & block_last),
            tail_round.eq(round_ == plan.rounds - 1),
            free.eq(~walking | (to_fetched & round_done & tail_round)),
        ]
        first_of: list[Value] = []
        for number, line in enumerate(lines):
            with m.If(chosen[number]):
                m.d.comb += [
                    here.eq(Mux(fresh, line.start, pointer)),
                    end.eq(line.end),
                    offset.eq(self._offset(m, number, line) - shifts[line.buffer]),
                ]
            first_of.append(chosen[number] & line.buffer)
        from_projection = Signal()
        m.d.comb += from_projection.eq(Cat(*first_of).any() if len(buffers) > 1 else 0)
        for number, read in enumerate(reads):
            m.d.comb += [
                read.address.eq(here),
                read.enable.eq(to_fetched & (from_projection == number)),
            ]
        with m.If(start):
            m.d.sync += [
                walking.eq(1),
                mask.eq(Cat(*covered)),
                left.eq(Cat(*covered)),
                fresh.eq(1),
                round_.eq(0),
                weights.eq(0),
            ]
        with m.Elif(to_fetched):
            m.d.sync += [pointer.eq(here + 1), fresh.eq(line_done)]
            with m.If(line_done):
                m.d.sync += left.eq(left & ~chosen)
            with m.If(walk_done):
                m.d.sync += [left.eq(mask), fresh.eq(1)]
            with m.If(round_done):
                m.d.sync += [
                    round_.eq(round_ + 1),
                    weights.eq(weights + plan.positions),
                    walking.eq(~tail_round),
                ]

        # Row out of the memory.
        address_shape = event_layout(plan)["address"].shape
        fetched_base = Signal(address_shape)
        fetched_flags = Signal(5)
        fetched_block = Signal.like(block)
        fetched_releases = _like(releases, "fetched_release")
        to_open = Signal()
        with m.If(to_fetched):
            m.d.sync += [
                fetched.eq(1),
                fetched_base.eq(weights + offset),
                fetched_flags.eq(
                    Cat(~left.any(), walk_done, tail_round, block_last, from_projection)
                ),
                fetched_block.eq(block),
            ]
            for register, release in zip(fetched_releases, releases, strict=True):
                m.d.sync += register.eq(release)
        with m.Elif(to_open):
            m.d.sync += fetched.eq(0)

        # Row being taken apart, lowest value first.
        open_ = Signal()
        blank, closes_walk, in_tail, in_last_block = Signal(), Signal(), Signal(), Signal()
        open_block = Signal.like(block)
        base = Signal(address_shape)
        row = _OpenRow(m, plan, reads, fetched_flags[4], open_block, to_open, open_)
        issue, single, last = Signal(), Signal(), Signal()
        open_releases = _like(releases, "open_release")
        cooldown = Signal(unsigned_width(max(plan.drain - 1, 1)))
        first = Signal(init=1)
        event = self.o.payload
        m.d.comb += [
            to_open.eq(fetched & (~open_ | (issue & single))),
            to_fetched.eq(walking & (~fetched | to_open)),
            single.eq(blank | row.single),
            last.eq(closes_walk & single),
            issue.eq(open_ & (~last | ~cooldown.any())),
            self.o.valid.eq(issue),
            event.address.eq(base + row.position),
            event.first.eq(first),
            event.last.eq(last),
            event.end.eq(last & in_tail),
        ]
        for column in range(plan.columns):
            m.d.comb += event.values[column].eq(Mux(blank, 0, row.values[column]))
        with m.If(to_open):
            m.d.sync += [
                open_.eq(1),
                base.eq(fetched_base),
                Cat(blank, closes_walk, in_tail, in_last_block).eq(fetched_flags),
                open_block.eq(fetched_block),
            ]
            for register, release in zip(open_releases, fetched_releases, strict=True):
                m.d.sync += register.eq(release)
        with m.Elif(issue & single):
            m.d.sync += open_.eq(0)
        row.advance(m, issue)
        with m.If(issue):
            m.d.sync += first.eq(last)
        with m.If(issue & last):
            m.d.sync += cooldown.eq(plan.drain - 1)
        with m.Elif(cooldown.any()):
            m.d.sync += cooldown.eq(cooldown - 1)
        for read, release in zip(reads, open_releases, strict=True):
            m.d.comb += read.release.eq(Mux(issue & event.end & in_last_block, release, 0))
        return m

    def _blocks(self, m: Module, walk_done: Value) -> tuple[Signal, Value]:
        """The block of steps that is being walked, and whether it is the last."""
        blocks = self._plan.blocks
        block = Signal(unsigned_width(blocks - 1), name="block")
        if blocks == 1:
            return block, Const(1, 1)
        last = block == blocks - 1
        with m.If(walk_done):
            m.d.sync += block.eq(Mux(last, 0, block + 1))
        return block, last

    def _credits(self, m: Module, start: Signal, y: Signal, x: Signal) -> Value:
        """Whether every reader that this window writes to has room."""
        enough: Value = Const(1)
        for number, reader in enumerate(self._readers):
            room = Signal(
                unsigned_width(reader.capacity), init=reader.granted, name=f"room_{number}"
            )
            takes = reader.takes(m, y, x)
            returned = getattr(self, f"credit_{number}")
            m.d.sync += room.eq(room + returned * reader.unit - (start & takes))
            enough = enough & (room.any() | ~takes)
        return enough[0]

    def _window(
        self,
        m: Module,
        number: int,
        buffer: BufferPlan,
        read: wiring.PureInterface,
        y: Signal,
        x: Signal,
        start: Signal,
        last_column: Signal,
    ) -> tuple[list[_Line], list[Value], Value, Signal, Signal]:
        """Registers of the window's part of each line; with them which lines it covers, whether its
        pixels are complete, the place of its first column, and the lines to release behind it."""
        rows, columns = buffer.window_rows, buffer.window_columns
        count = lookup(m, y, [row.count for row in rows], f"count_{number}")
        tap = lookup(m, y, [row.tap for row in rows], f"tap_{number}")
        advance = lookup(m, y, [row.advance for row in rows], f"advance_{number}")
        last = lookup(m, x, [column.last for column in columns], f"last_{number}")
        first = lookup(m, x, [column.first for column in columns], f"first_{number}")
        place = [column.shift * buffer.pixel_positions for column in columns]
        m.d.comb += [read.first.eq(first), read.last.eq(last)]

        passed = Signal(line_counter_width(buffer), name=f"passed_{number}")
        base = Signal(unsigned_width(buffer.lines - 1), name=f"base_{number}")
        there = Signal.like(passed, name=f"there_{number}")
        waits = lookup(m, y, [row.waits for row in rows], f"waits_{number}")
        complete = Signal(name=f"complete_{number}")
        m.d.comb += [
            there.eq(read.lines - passed),
            complete.eq(
                Mux(
                    waits & last_column,
                    there >= advance,
                    (there >= count) | ((there + 1 == count) & (read.pixels > last)),
                )
            ),
        ]
        release = Signal(unsigned_width(buffer.lines), name=f"release_{number}")
        shift = Signal(range(min(0, *place), max(1, *place) + 1), name=f"shift_{number}")
        with m.If(start):
            m.d.sync += [
                release.eq(Mux(last_column, advance, 0)),
                shift.eq(lookup(m, x, place, f"place_{number}")),
            ]
            with m.If(last_column):
                moved = base + advance
                m.d.sync += [
                    passed.eq(passed + advance),
                    base.eq(Mux(moved >= buffer.lines, moved - buffer.lines, moved)),
                ]

        lines, covered = [], []
        for line in range(buffer.lines):
            name = f"{number}_{line}"
            nth = Signal(unsigned_width(buffer.lines - 1), name=f"nth_{name}")
            if line == buffer.lines - 1:
                m.d.comb += nth.eq(line - base)
            else:
                m.d.comb += nth.eq(Mux(base > line, buffer.lines + line - base, line - base))
            part = _Line(
                buffer=number,
                start=Signal.like(read.starts[line], name=f"start_{name}"),
                end=Signal.like(read.ends[line], name=f"end_{name}"),
                tap=Signal(unsigned_width(buffer.kernel[0] + buffer.lines), name=f"tap_{name}"),
            )
            with m.If(start):
                m.d.sync += [
                    part.start.eq(read.starts[line]),
                    part.end.eq(read.ends[line]),
                    part.tap.eq(nth + tap),
                ]
            lines.append(part)
            covered.append((nth < count) & (read.starts[line] != read.ends[line]))
        return lines, covered, complete, shift, release

    def _offset(self, m: Module, number: int, line: _Line) -> Value:
        """Rows of weights before those of the kernel's row that meets the line."""
        buffers = self._plan.buffers
        buffer = buffers[line.buffer]
        before = sum(other.positions for other in buffers[: line.buffer])
        pitch = buffer.kernel[1] * buffer.pixel_positions
        return lookup(
            m,
            line.tap,
            [before + tap * pitch for tap in range(buffer.kernel[0])],
            f"offset_{number}",
        )


def _like(signals: Sequence[Signal], name: str) -> list[Signal]:
    return [Signal.like(signal, name=f"{name}_{n}") for n, signal in enumerate(signals)]


class _OpenRow:
    """A row of a buffer, its events taken out one by one."""

    def __init__(
        self,
        m: Module,
        plan: LayerPlan,
        reads: Sequence[wiring.PureInterface],
        from_projection: Value,
        block: Signal,
        load: Signal,
        open_: Signal,
    ) -> None:
        self._masks: list[tuple[Signal, Signal, Value]] = []
        self._load = load
        singles, positions = [], []
        columns: list[list[Value]] = [[] for _ in range(plan.columns)]
        chosen = Signal()
        for number, (buffer, read) in enumerate(zip(plan.buffers, reads, strict=True)):
            row = Signal(stored_layout(buffer), name=f"row_{number}")
            with m.If(load):
                m.d.sync += [row.eq(read.data), chosen.eq(from_projection)]
            stored = [self._of_block(plan, block, row.values[r]) for r in range(buffer.row)]
            if buffer.row == 1:
                singles.append(Const(1))
                positions.append(row.position)
                for column in range(plan.columns):
                    columns[column].append(stored[0][column])
                continue
            mask = Signal(buffer.row, name=f"mask_{number}")
            lowest = Signal(buffer.row, name=f"lowest_{number}")
            place = Signal(buffer.place_bits, name=f"place_{number}_")
            m.d.comb += lowest.eq(mask & (~mask + 1))
            self._masks.append((mask, lowest, read.data.mask))
            singles.append(mask == lowest)
            positions.append(Cat(place, row.position))
            for value in range(buffer.row):
                with m.If(lowest[value]):
                    m.d.comb += place.eq(value)
            for column in range(plan.columns):
                selected: Value = Const(0)
                for value in range(buffer.row):
                    bits = stored[value][column].as_unsigned()
                    selected = selected | Mux(lowest[value], bits, 0)
                selected = selected[: buffer.value.width]
                columns[column].append(selected.as_signed() if buffer.value.signed else selected)
        self.single: Value = singles[0]
        self.position: Value = positions[0]
        self.values: list[Value] = [values[0] for values in columns]
        if len(plan.buffers) > 1:
            self.single = Mux(chosen, singles[1], singles[0])
            self.position = Mux(chosen, positions[1], positions[0])
            self.values = [Mux(chosen, values[1], values[0]) for values in columns]

    @staticmethod
    def _of_block(plan: LayerPlan, block: Signal, values: data.View) -> list[Value]:
        """Those of the S steps of a block; zero behind the last step."""
        steps: list[Value] = [values[step] for step in range(values.shape().length)]
        if plan.blocks == 1:
            return steps
        zero = Const(0, steps[0].shape())
        steps += [zero] * (plan.blocks * plan.columns - len(steps))
        return [Array(steps[column :: plan.columns])[block] for column in range(plan.columns)]

    def advance(self, m: Module, issue: Signal) -> None:
        """The event that was issued is done."""
        for mask, lowest, fresh in self._masks:
            with m.If(self._load):
                m.d.sync += mask.eq(fresh)
            with m.Elif(issue):
                m.d.sync += mask.eq(mask & ~lowest)
