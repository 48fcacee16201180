# SPDX-License-Identifier: Apache-2.0
"""Holds the counts that an identity shortcut adds, until the main path has come as far."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import SkipPlan
from cygnet.gateware.events import row_layout
from cygnet.network import unsigned_width

__all__ = ["SkipBuffer", "SkipReadSignature"]


class SkipReadSignature(wiring.Signature):
    """The reader's view.

    Members: word ``Out``, a row of channels of the oldest pixel; values ``In``, its counts two
    clocks later; release ``Out``, that pixel is done with this clock.
    """

    def __init__(self, skip: SkipPlan) -> None:
        super().__init__(
            {
                "word": Out(unsigned_width(skip.words - 1)),
                "values": In(row_layout(skip)),
                "release": Out(1),
            }
        )


class SkipBuffer(wiring.Component):
    """A ring of pixels, every channel of each.

    Members
    -------
    i : ``In(stream.Signature(row_layout(skip)))``
        All rows of a map in raster order; the writer holds credits, so it is always ready.
    read : ``In(SkipReadSignature(skip))``
    credit : ``Out(1)``
        High for one clock after a release.
    """

    def __init__(self, skip: SkipPlan) -> None:
        self._skip = skip
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(skip))),
                "read": In(SkipReadSignature(skip)),
                "credit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        skip = self._skip
        depth = skip.slots * skip.words
        m.submodules.pixels = memory = Memory(shape=row_layout(skip), depth=depth, init=[])
        write = memory.write_port()
        read = memory.read_port()

        written = Signal(unsigned_width(depth - 1))
        m.d.comb += [
            self.i.ready.eq(1),
            write.addr.eq(written),
            write.data.eq(self.i.payload),
            write.en.eq(self.i.valid),
        ]
        with m.If(self.i.valid):
            m.d.sync += written.eq(Mux(written == depth - 1, 0, written + 1))

        oldest = Signal(unsigned_width(depth - 1))
        with m.If(self.read.release):
            m.d.sync += oldest.eq(Mux(oldest == depth - skip.words, 0, oldest + skip.words))
        # The memory may lie far away: its address is a register.
        address = Signal.like(oldest, reset_less=True)
        m.d.sync += [address.eq(oldest + self.read.word), self.credit.eq(self.read.release)]
        m.d.comb += [
            read.addr.eq(address),
            read.en.eq(1),
            self.read.values.eq(read.data),
        ]
        return m
