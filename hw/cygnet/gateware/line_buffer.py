# SPDX-License-Identifier: Apache-2.0
"""A few lines of a map, each as a packed list of its events."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Const, Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import BufferPlan
from cygnet.gateware.bits import at_least
from cygnet.gateware.delay import delayed
from cygnet.gateware.events import row_layout, values_layout
from cygnet.network import INPUT, unsigned_width

__all__ = [
    "BoundsSignature",
    "LineBuffer",
    "ReadSignature",
    "pointer_shape",
    "stored_layout",
]


def stored_layout(buffer: BufferPlan) -> data.StructLayout:
    """A row as it lies in memory.

    position: its place among the rows of its line; mask[r]: which of its values are events, single:
    only one is (a row of one value is stored only if it is one).
    """
    mask = {"mask": unsigned(buffer.row), "single": unsigned(1)} if buffer.row > 1 else {}
    return data.StructLayout(
        {
            "values": values_layout(buffer.row, buffer.columns, buffer.value),
            "position": unsigned(unsigned_width(buffer.line_rows - 1)),
            **mask,
        }
    )


def pointer_shape(buffer: BufferPlan) -> Shape:
    """Of an address of a row, or of the one behind the last."""
    return unsigned(unsigned_width(buffer.lines * buffer.line_rows))


class BoundsSignature(wiring.Signature):
    """What a line buffer holds.

    Members
    -------
    completes : ``In``, a line is complete with the end of this clock
    pixels : ``In``, pixels of the line being written that are complete
    first, last : ``Out``, pixels that bound a part of each line
    starts[l], ends[l] : ``In``, a clock later, addresses that bound the rows of that part in line l
        of the buffer
    """

    def __init__(self, buffer: BufferPlan) -> None:
        pixel = unsigned_width(buffer.width - 1)
        pointers = data.ArrayLayout(pointer_shape(buffer), buffer.lines)
        super().__init__(
            {
                "completes": In(1),
                "pixels": In(pixel),
                "first": Out(pixel),
                "last": Out(pixel),
                "starts": In(pointers),
                "ends": In(pointers),
            }
        )


class ReadSignature(wiring.Signature):
    """The reader's view of a line buffer.

    Members
    -------
    bounds : ``Out(BoundsSignature(buffer))``
    address, enable : ``Out``
    data : ``In``, the row, one clock after an enabled address
    release : ``Out``, lines that will not be read again
    """

    def __init__(self, buffer: BufferPlan) -> None:
        super().__init__(
            {
                "bounds": Out(BoundsSignature(buffer)),
                "address": Out(pointer_shape(buffer)),
                "enable": Out(1),
                "data": In(stored_layout(buffer)),
                "release": Out(unsigned_width(buffer.lines)),
            }
        )


class LineBuffer(wiring.Component):
    """Stores the rows that hold an event; rows of zeros are counted, never written.

    The events of neighbouring pixels of a line lie one behind the other, so that the part of a
    line which a window covers is one range of addresses.

    Members
    -------
    i : ``In(stream.Signature(row_layout(buffer)))``
        All rows of a map in raster order. The input's are not taken while no line is free; other
        writers hold credits.
    read : ``In(ReadSignature(buffer))``
    credit : ``Out(...)``
        One clock after a release, the number of lines; otherwise 0.
    """

    def __init__(self, buffer: BufferPlan) -> None:
        self._buffer = buffer
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(buffer))),
                "read": In(ReadSignature(buffer)),
                "credit": Out(unsigned_width(buffer.lines)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        buffer = self._buffer
        read = self.read
        rows = buffer.line_rows

        # What is read in the clock of its write belongs to no window that has started.
        m.submodules.rows = memory = Memory(
            shape=stored_layout(buffer),
            depth=buffer.lines * rows,
            init=[],
            attrs={"no_rw_check": 1},
        )
        write_port = memory.write_port()
        read_port = memory.read_port()

        # What is taken.
        held = Signal(unsigned_width(buffer.lines))
        word = Signal(unsigned_width(buffer.words - 1))
        pixel = Signal(unsigned_width(buffer.width - 1))
        full = Signal()
        transfer, last_word, line_done = Signal(), Signal(), Signal()
        m.d.comb += [
            # A writer that holds credits needs no answer.
            self.i.ready.eq(~full if buffer.source == INPUT else 1),
            transfer.eq(self.i.valid & self.i.ready),
            last_word.eq(word == buffer.words - 1),
            line_done.eq(transfer & last_word & (pixel == buffer.width - 1)),
        ]
        with m.If(transfer):
            m.d.sync += word.eq(Mux(last_word, 0, word + 1))
            with m.If(last_word):
                m.d.sync += pixel.eq(pixel + 1)
        with m.If(line_done):
            m.d.sync += pixel.eq(0)
        if buffer.source == INPUT:
            fills = (held == buffer.lines) | ((held == buffer.lines - 1) & line_done)
            m.d.sync += [
                held.eq(held + line_done - read.release),
                full.eq(fills & ~read.release.any()),
            ]

        # A clock later it is written.
        taken, closes, completes = Signal(), Signal(), Signal()
        values = Signal(row_layout(buffer), reset_less=True)
        events = Signal(buffer.row, reset_less=True)
        at = Signal.like(pixel)
        m.d.sync += [
            taken.eq(transfer),
            closes.eq(transfer & last_word),
            completes.eq(line_done),
            values.eq(self.i.payload),
            events.eq(Cat(self.i.payload[r].as_value().any() for r in range(buffer.row))),
            at.eq(pixel),
        ]
        line = Signal(unsigned_width(buffer.lines - 1))
        position = Signal(unsigned_width(rows - 1))
        pointer = Signal(unsigned_width(buffer.lines * rows))
        occupied = Signal()
        pointer_next = Signal.like(pointer)
        m.d.comb += [
            occupied.eq(events.any()),
            # Chosen, not added: whether a row is occupied is known late.
            pointer_next.eq(Mux(occupied, pointer + 1, pointer)),
            write_port.addr.eq(pointer),
            write_port.data.values.eq(values),
            write_port.data.position.eq(position),
            write_port.en.eq(taken & occupied),
        ]
        if buffer.row > 1:
            m.d.comb += [
                write_port.data.mask.eq(events),
                write_port.data.single.eq(~at_least(list(events))[1]),
            ]
        with m.If(taken):
            m.d.sync += [pointer.eq(pointer_next), position.eq(position + 1)]
        with m.If(completes):
            last_line = line == buffer.lines - 1
            m.d.sync += [
                position.eq(0),
                line.eq(Mux(last_line, 0, line + 1)),
                pointer.eq(
                    Array([*range(rows, buffer.lines * rows, rows), 0])[line]
                    if buffer.lines > 2
                    else Mux(last_line, 0, rows)
                ),
            ]

        # And one more later its pixel counts as there: the tables of ends may lie far from the row.
        ended, ended_at = Signal.like(pointer, reset_less=True), Signal.like(at, reset_less=True)
        complete = Signal()
        m.d.sync += [ended.eq(pointer_next), ended_at.eq(at), complete.eq(completes)]
        for number in range(buffer.lines):
            closed = Signal(name=f"closed_{number}")
            m.d.sync += closed.eq(closes & (line == number))
            start, end = self._bounds(m, number, closed, ended_at, ended)
            m.d.comb += [read.bounds.starts[number].eq(start), read.bounds.ends[number].eq(end)]

        m.d.comb += [
            read.bounds.completes.eq(complete),
            read.bounds.pixels.eq(ended_at),
            read_port.addr.eq(read.address),
            read_port.en.eq(read.enable),
            read.data.eq(read_port.data),
        ]
        m.d.sync += self.credit.eq(read.release)
        return m

    def _bounds(
        self, m: Module, number: int, closed: Value, pixel: Signal, pointer: Signal
    ) -> tuple[Value, Value]:
        """Addresses of the first row of pixel ``first`` and of the one behind ``last``."""
        buffer, bounds = self._buffer, self.read.bounds
        base = number * buffer.line_rows
        if buffer.width == 1:
            end = Signal.like(pointer, name=f"end_{number}")
            with m.If(closed):
                m.d.sync += end.eq(pointer)
            return Const(base, pointer.shape()), end
        # Where each pixel of the line ends.
        ends = Memory(shape=pointer.shape(), depth=buffer.width, init=[])
        m.submodules[f"ends_{number}"] = ends
        write = ends.write_port()
        before = ends.read_port(domain="comb")
        until = ends.read_port(domain="comb")
        # Registers for each line: first and last are there two clocks before a window can start.
        m.d.comb += [
            write.addr.eq(pixel),
            write.data.eq(pointer),
            write.en.eq(closed),
            before.addr.eq(delayed(m, bounds.first - 1, f"before_{number}", 1)),
            until.addr.eq(delayed(m, bounds.last, f"until_{number}", 1)),
        ]
        at_border = delayed(m, bounds.first == 0, f"at_border_{number}", 1)
        return Mux(at_border, base, before.data), until.data
