# SPDX-License-Identifier: Apache-2.0
"""Two banks of event rows: one frame is written while another is read."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import row_layout, value_shape
from cygnet.layer_plan import BANKS, LayerPlan
from cygnet.network import unsigned_width

__all__ = ["FrameBuffer", "ReadSignature", "stored_layout"]


def stored_layout(plan: LayerPlan) -> data.StructLayout:
    """A row as it lies in memory; mask[r] tells which of its inputs are events (a row of one input
    is stored only if it is one)."""
    mask = {"mask": unsigned(plan.row)} if plan.row > 1 else {}
    return data.StructLayout(
        {
            "values": data.ArrayLayout(data.ArrayLayout(value_shape(plan), plan.columns), plan.row),
            "index": unsigned(unsigned_width(plan.rows - 1)),
            **mask,
        }
    )


class ReadSignature(wiring.Signature):
    """A synchronous read port of the buffer, seen from its reader.

    Members: address ``Out``, enable ``Out``, data ``In`` one clock after an enabled address.
    """

    def __init__(self, plan: LayerPlan) -> None:
        super().__init__(
            {
                "address": Out(unsigned_width(plan.rows - 1) + 1),
                "enable": Out(1),
                "data": In(stored_layout(plan)),
            }
        )


class FrameBuffer(wiring.Component):
    """Stores the rows of a frame that hold an event; zero rows are never written.

    Members
    -------
    i : ``In(stream.Signature(row_layout(plan)))``
        Rows of a frame. One marked ``last`` closes the frame, one that is also marked ``discard``
        drops it. Not ready while both banks hold frames that are not released.
    frame : ``Out(stream.Signature({"rows", "bank"}))``
        The oldest closed frame: how many rows it has, and its bank (the top address bit). The
        transfer releases the bank.
    read : ``In(ReadSignature(plan))``
    credit : ``Out(1)``
        High for one clock after a bank was released.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self._plan = plan
        self._rows_width = unsigned_width(plan.rows)
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(plan))),
                "frame": Out(
                    stream.Signature(
                        data.StructLayout({"rows": unsigned(self._rows_width), "bank": unsigned(1)})
                    )
                ),
                "read": In(ReadSignature(plan)),
                "credit": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        address_width = unsigned_width(plan.rows - 1)

        m.submodules.rows = memory = Memory(
            shape=stored_layout(plan), depth=2 << address_width if plan.rows > 1 else 4, init=[]
        )
        write = memory.write_port()
        read = memory.read_port()

        bank = Signal()
        count = Signal(self._rows_width)
        full = Signal(BANKS)
        rows = Array(Signal(self._rows_width, name=f"rows_{number}") for number in range(BANKS))
        oldest = Signal()

        payload = self.i.payload
        values = [payload.values[r].as_value() for r in range(plan.row)]
        occupied = Signal()
        transfer = Signal()
        m.d.comb += [
            self.i.ready.eq(~full.bit_select(bank, 1)),
            transfer.eq(self.i.valid & self.i.ready),
            occupied.eq(Cat(*values).any()),
            write.addr.eq(Cat(count[:address_width], bank)),
            write.data.values.eq(payload.values),
            write.data.index.eq(payload.index),
            write.en.eq(transfer & occupied),
        ]
        if plan.row > 1:
            m.d.comb += write.data.mask.eq(Cat(value.any() for value in values))

        with m.If(transfer):
            m.d.sync += count.eq(count + occupied)
            with m.If(payload.last):
                m.d.sync += count.eq(0)
                with m.If(~payload.discard):
                    m.d.sync += [
                        rows[bank].eq(count + occupied),
                        full.bit_select(bank, 1).eq(1),
                        bank.eq(~bank),
                    ]

        m.d.comb += [
            self.frame.valid.eq(full.bit_select(oldest, 1)),
            self.frame.payload.rows.eq(rows[oldest]),
            self.frame.payload.bank.eq(oldest),
            read.addr.eq(self.read.address),
            read.en.eq(self.read.enable),
            self.read.data.eq(read.data),
        ]
        m.d.sync += self.credit.eq(0)
        with m.If(self.frame.valid & self.frame.ready):
            m.d.sync += [
                full.bit_select(oldest, 1).eq(0),
                oldest.eq(~oldest),
                self.credit.eq(1),
            ]
        return m
