# SPDX-License-Identifier: Apache-2.0
"""Decides when each window starts, and gathers what its walk needs to know."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import BufferPlan
from cygnet.gateware.credits import Reader
from cygnet.gateware.line_buffer import BoundsSignature, pointer_shape
from cygnet.gateware.lookup import lookup
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Windows", "window_layout"]


def _places(buffer: BufferPlan) -> list[int]:
    """Rows of weights before a line's first pixel, for each column of windows, subtracted."""
    return [column.shift * buffer.pixel_positions for column in buffer.window_columns]


def window_layout(plan: LayerPlan) -> data.StructLayout:
    """What is known of a window.

    lines[l]: of line l of its buffers, one behind the other: the first of the rows of the window's
    part and the last but one, whether it is one row, and the kernel's row that meets it;
    covered[l]: that part holds a row; shifts[b]: what is subtracted from places in buffer b;
    releases[b]: lines of buffer b that no later window reads.
    """
    lines = sum(buffer.lines for buffer in plan.buffers)
    pointer = max((pointer_shape(buffer) for buffer in plan.buffers), key=lambda s: s.width)
    taps = max(buffer.kernel[0] + buffer.lines for buffer in plan.buffers)
    places = [place for buffer in plan.buffers for place in _places(buffer)]
    shift = range(min(0, *places), max(1, *places) + 1)
    release = max(unsigned_width(buffer.lines) for buffer in plan.buffers)
    line = {"start": pointer, "until": pointer, "single": 1, "tap": unsigned_width(taps)}
    return data.StructLayout(
        {
            "lines": data.ArrayLayout(data.StructLayout(line), lines),
            "covered": unsigned(lines),
            "shifts": data.ArrayLayout(Signal(shift).shape(), len(plan.buffers)),
            "releases": data.ArrayLayout(unsigned(release), len(plan.buffers)),
        }
    )


class _Place(NamedTuple):
    """Row and column of a window."""

    y: Signal
    x: Signal


class Windows(wiring.Component):
    """The windows of a layer in raster order, one in two clocks at most.

    A window starts when the pixels that it covers are complete and every reader of the layer's
    output has promised room for its results.

    Parameters
    ----------
    plan : LayerPlan
    readers : sequence of Reader
        Of this layer's output.

    Members
    -------
    bounds_0, bounds_1 : ``Out(BoundsSignature(buffer))``
        One for each buffer of the plan.
    credit_0, credit_1, ... : ``In(...)``
        One for each reader: lines, pixels or frames that it has released in this clock.
    o : ``Out(stream.Signature(window_layout(plan)))``
        Three clocks after the start of a window is possible.
    """

    def __init__(self, plan: LayerPlan, readers: Sequence[Reader]) -> None:
        self._plan = plan
        self._readers = tuple(readers)
        super().__init__(
            {f"bounds_{n}": Out(BoundsSignature(buffer)) for n, buffer in enumerate(plan.buffers)}
            | {f"credit_{n}": In(reader.credit_width) for n, reader in enumerate(readers)}
            | {"o": Out(stream.Signature(window_layout(plan)))}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        height, width = plan.shape[:2]

        # Which window is next, and whether it can start.
        y = Signal(unsigned_width(height - 1))
        x = Signal(unsigned_width(width - 1))
        following = _Place(Signal.like(y, name="y_next"), Signal.like(x, name="x_next"))
        start, gathered, gathered_next, prepare = Signal(), Signal(), Signal(), Signal()
        last_column = self._table(m, start, following.x, [n == width - 1 for n in range(width)])
        last_row = self._table(m, start, following.y, [n == height - 1 for n in range(height)])
        m.d.comb += [
            following.x.eq(Mux(last_column, 0, x + 1)),
            following.y.eq(Mux(last_column, Mux(last_row, 0, y + 1), y)),
            prepare.eq(gathered & ~self.o.valid),
            gathered_next.eq(start | (gathered & ~prepare)),
        ]
        m.d.sync += gathered.eq(gathered_next)
        with m.If(start):
            m.d.sync += [x.eq(following.x), y.eq(following.y)]

        # First what memories and tables say of the window, then what follows from that.
        raw = Signal(window_layout(plan), reset_less=True)
        inside: list[tuple[Value, Value]] = []
        complete: list[Value] = []
        for number, buffer in enumerate(plan.buffers):
            covered, there = self._gather(m, number, buffer, raw, following, start, last_column)
            inside += covered
            complete.append(there)
        enough = self._credits(m, start, following)
        # A register, as it enables what is known of the window in all lines.
        m.d.sync += start.eq(Cat(*complete, enough).all() & ~gathered_next)

        window = self.o.payload
        with m.If(prepare):
            m.d.sync += [
                self.o.valid.eq(1),
                window.shifts.eq(raw.shifts),
                window.releases.eq(raw.releases),
            ]
            for line, (within, end) in enumerate(inside):
                source, target = raw.lines[line], window.lines[line]
                m.d.sync += [
                    target.start.eq(source.start),
                    target.until.eq(end - 2),
                    target.tap.eq(source.tap),
                    target.single.eq(source.start + 1 == end),
                    window.covered[line].eq(within & (source.start != end)),
                ]
        with m.Elif(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        return m

    @staticmethod
    def _table(m: Module, start: Signal, following: Signal, values: Sequence[int]) -> Value:
        """What a table says of the next window, in a register.

        :param following: row or column of the window after that
        """
        found = lookup(m, following, values, f"{following.name}_says")
        if isinstance(found, Const):
            return found
        kept = Signal(found.shape(), init=values[0])
        with m.If(start):
            m.d.sync += kept.eq(found)
        return kept

    def _credits(self, m: Module, start: Signal, following: _Place) -> Value:
        """Whether every reader that this window writes to has room."""
        enough: Value = Const(1)
        for number, reader in enumerate(self._readers):
            room = Signal(
                unsigned_width(reader.capacity), init=reader.granted, name=f"room_{number}"
            )
            takes = reader.takes(m, following.y, following.x)
            if not isinstance(takes, Const):
                needs = Signal(name=f"needs_{number}", init=reader.takes_first)
                with m.If(start):
                    m.d.sync += needs.eq(takes)
                takes = needs
            returned = getattr(self, f"credit_{number}")
            # A table: a multiplication, even by a constant, might end in a multiplier block.
            units = [reader.unit * count for count in range(1 << len(returned))]
            back = lookup(m, returned, units, f"back_{number}")
            m.d.sync += room.eq(room + back - (start & takes))
            enough = enough & (room.any() | ~takes)
        return enough[0]

    def _gather(
        self,
        m: Module,
        number: int,
        buffer: BufferPlan,
        raw: data.View,
        following: _Place,
        start: Signal,
        last_column: Value,
    ) -> tuple[list[tuple[Value, Value]], Value]:
        """Registers of the window's part of each line of a buffer; returns, in registers too, which
        lines lie in the window and where their rows end, and whether the window's pixels are
        complete."""
        rows, columns = buffer.window_rows, buffer.window_columns
        bounds = getattr(self, f"bounds_{number}")
        before = sum(other.lines for other in self._plan.buffers[:number])
        count = self._table(m, start, following.y, [row.count for row in rows])
        nearly = self._table(m, start, following.y, [row.count - 1 for row in rows])
        tap = self._table(m, start, following.y, [row.tap for row in rows])
        advance = self._table(m, start, following.y, [row.advance for row in rows])
        waits = self._table(m, start, following.y, [row.waits for row in rows])
        last = self._table(m, start, following.x, [column.last for column in columns])
        first = self._table(m, start, following.x, [column.first for column in columns])
        shift = self._table(m, start, following.x, _places(buffer))
        m.d.comb += [bounds.first.eq(first), bounds.last.eq(last)]

        base = Signal(unsigned_width(buffer.lines - 1), name=f"base_{number}")
        # Complete lines that no window has passed.
        there = Signal(unsigned_width(buffer.lines), name=f"there_{number}")
        complete = Signal(name=f"complete_{number}")
        m.d.sync += there.eq(there + bounds.completes - Mux(start & last_column, advance, 0))
        m.d.comb += complete.eq(
            Mux(
                waits & last_column,
                there >= advance,
                (there >= count) | ((there == nearly) & (bounds.pixels > last)),
            )
        )
        with m.If(start):
            m.d.sync += [
                raw.releases[number].eq(Mux(last_column, advance, 0)),
                raw.shifts[number].eq(shift),
            ]
            with m.If(last_column):
                moved = base + advance
                m.d.sync += base.eq(Mux(moved >= buffer.lines, moved - buffer.lines, moved))

        inside: list[tuple[Value, Value]] = []
        for line in range(buffer.lines):
            name = f"{number}_{line}"
            nth = Signal(unsigned_width(buffer.lines - 1), name=f"nth_{name}")
            if line == buffer.lines - 1:
                m.d.comb += nth.eq(line - base)
            else:
                m.d.comb += nth.eq(Mux(base > line, buffer.lines + line - base, line - base))
            within = Signal(name=f"within_{name}", reset_less=True)
            end = Signal.like(bounds.ends[line], name=f"end_{name}", reset_less=True)
            part = raw.lines[before + line]
            with m.If(start):
                m.d.sync += [
                    part.start.eq(bounds.starts[line]),
                    end.eq(bounds.ends[line]),
                    part.tap.eq(nth + tap),
                    within.eq(nth < count),
                ]
            inside.append((within, end))
        return inside, complete
