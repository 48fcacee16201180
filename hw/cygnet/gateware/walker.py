# SPDX-License-Identifier: Apache-2.0
"""Walks the events of a frame, once for every round of P outputs."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import event_layout
from cygnet.gateware.frame_buffer import ReadSignature, stored_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Walker"]


class Walker(wiring.Component):
    """Delivers one event a clock; rows and rounds follow each other without a bubble.

    A frame is started only when the reader downstream has promised room for all of its results
    (a credit), so nothing behind the walker ever stalls. The last event of a round waits until
    the results of the round before have been drained. A frame without events brings one blank
    event (all values zero) in each round.

    Parameters
    ----------
    plan : LayerPlan
    credits : int
        Frames for which the reader downstream has room after reset.

    Members
    -------
    frame : ``In(stream.Signature({"rows", "bank"}))``
        A closed frame; the transfer, with its last event, releases it.
    read : ``Out(ReadSignature(plan))``
    credit : ``In(1)``
        The reader downstream has released one frame.
    o : ``Out(stream.Signature(event_layout(plan), always_ready=True))``
    """

    def __init__(self, plan: LayerPlan, credits: int) -> None:
        if not isinstance(credits, int) or credits < 1:
            raise ValueError(f"credits must be an integer >= 1, not {credits!r}")
        self._plan = plan
        self._credits = credits
        rows_width = unsigned_width(plan.rows)
        super().__init__(
            {
                "frame": In(
                    stream.Signature(
                        data.StructLayout({"rows": unsigned(rows_width), "bank": unsigned(1)})
                    )
                ),
                "read": Out(ReadSignature(plan)),
                "credit": In(1),
                "o": Out(stream.Signature(event_layout(plan), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan

        credits = Signal(range(self._credits + 1), init=self._credits)
        active = Signal()
        start = Signal()
        finish = Signal()
        m.d.comb += [
            start.eq(self.frame.valid & ~active & credits.any()),
            self.frame.ready.eq(finish),
        ]
        m.d.sync += credits.eq(credits + self.credit - start)
        with m.If(start):
            m.d.sync += active.eq(1)
        with m.If(finish):
            m.d.sync += active.eq(0)

        # Three elastic stages: row address, row out of the memory, row being taken apart.
        fetching = Signal()
        row = Signal(unsigned_width(plan.rows - 1))
        group = Signal(unsigned_width(plan.groups - 1))
        rows_left = Signal.like(self.frame.payload.rows)
        empty = Signal()

        fetched = Signal()
        fetched_blank = Signal()
        fetched_last = Signal()
        fetched_end = Signal()

        open_ = Signal()
        current = Signal(stored_layout(plan))
        mask = Signal(plan.row)
        blank = Signal()
        last_row = Signal()
        last_group = Signal()

        issue = Signal()
        single = Signal()
        to_open = Signal()
        to_fetched = Signal()
        m.d.comb += [
            to_open.eq(fetched & (~open_ | (issue & single))),
            to_fetched.eq(fetching & (~fetched | to_open)),
        ]

        # Row address.
        final_row = Signal()
        final_group = Signal()
        m.d.comb += [
            final_row.eq(empty | (rows_left == 1)),
            final_group.eq(group == plan.groups - 1),
            self.read.address.eq(Cat(row, self.frame.payload.bank)),
            self.read.enable.eq(to_fetched),
        ]
        with m.If(start):
            m.d.sync += [
                fetching.eq(1),
                row.eq(0),
                group.eq(0),
                rows_left.eq(self.frame.payload.rows),
                empty.eq(self.frame.payload.rows == 0),
            ]
        with m.Elif(to_fetched):
            m.d.sync += [row.eq(row + 1), rows_left.eq(rows_left - 1)]
            with m.If(final_row):
                m.d.sync += [
                    row.eq(0),
                    rows_left.eq(self.frame.payload.rows),
                    group.eq(group + 1),
                    fetching.eq(~final_group),
                ]

        # Row out of the memory.
        with m.If(to_fetched):
            m.d.sync += [
                fetched.eq(1),
                fetched_blank.eq(empty),
                fetched_last.eq(final_row),
                fetched_end.eq(final_group),
            ]
        with m.Elif(to_open):
            m.d.sync += fetched.eq(0)

        # Row being taken apart, lowest input first.
        lowest = Signal(plan.row)
        m.d.comb += [
            lowest.eq(mask & (~mask + 1)),
            single.eq(blank | (mask == lowest)),
        ]
        with m.If(to_open):
            m.d.sync += [
                open_.eq(1),
                current.eq(self.read.data),
                mask.eq(self.read.data.mask if plan.row > 1 else 1),
                blank.eq(fetched_blank),
                last_row.eq(fetched_last),
                last_group.eq(fetched_end),
            ]
        with m.Elif(issue):
            m.d.sync += mask.eq(mask & ~lowest)
            with m.If(single):
                m.d.sync += open_.eq(0)

        cooldown = Signal(unsigned_width(max(plan.drain - 1, 1)))
        last = Signal()
        first = Signal(init=1)
        event = self.o.payload
        m.d.comb += [
            last.eq(last_row & single),
            issue.eq(open_ & (~last | ~cooldown.any())),
            finish.eq(issue & last & last_group),
            self.o.valid.eq(issue),
            event.first.eq(first),
            event.last.eq(last),
            event.end.eq(last & last_group),
        ]
        if plan.row > 1:
            place = Signal(unsigned_width(plan.row - 1))
            m.d.comb += event.index.eq(Cat(place, current.index))
            for number in range(plan.row):
                with m.If(lowest[number]):
                    m.d.comb += place.eq(number)
            for column in range(plan.columns):
                chosen = 0
                for number in range(plan.row):
                    value = (
                        current.values[number][column].as_unsigned()
                        if plan.value.signed
                        else (current.values[number][column])
                    )
                    chosen = chosen | Mux(lowest[number] & ~blank, value, 0)
                m.d.comb += event.values[column].eq(chosen)
        else:
            m.d.comb += event.index.eq(current.index)
            for column in range(plan.columns):
                m.d.comb += event.values[column].eq(Mux(blank, 0, current.values[0][column]))

        with m.If(issue):
            m.d.sync += first.eq(last)
        with m.If(issue & last):
            m.d.sync += cooldown.eq(plan.drain - 1)
        with m.Elif(cooldown.any()):
            m.d.sync += cooldown.eq(cooldown - 1)
        return m
