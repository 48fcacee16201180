# SPDX-License-Identifier: Apache-2.0
"""Walks the events of each window, once for every round of P outputs and block of S steps."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.bits import at_least, lowest, pick
from cygnet.gateware.credits import Reader
from cygnet.gateware.events import event_layout
from cygnet.gateware.line_buffer import ReadSignature, stored_layout
from cygnet.gateware.lookup import lookup
from cygnet.gateware.open_row import OpenRow
from cygnet.gateware.stream_registers import Skid
from cygnet.gateware.window import Windows, window_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Walker"]


def _request_layout(plan: LayerPlan) -> data.StructLayout:
    """A row to read, and what must be known when it comes.

    base: the row of weights of the line's first place, shift too much; blank: there is no row;
    closes: it is the last of its walk; tail: in the window's last round; final: in the round's last
    block; projection: it lies in the second buffer.
    """
    window = window_layout(plan)
    flags = ("blank", "closes", "tail", "final", "projection")
    return data.StructLayout(
        {
            "address": window["lines"].shape.elem_shape["start"].shape,
            "base": event_layout(plan)["base"].shape,
            "shift": window["shifts"].shape.elem_shape,
            "block": unsigned(unsigned_width(plan.blocks - 1)),
            "releases": window["releases"].shape,
        }
        | {name: unsigned(1) for name in flags}
    )


def _lines_layout(plan: LayerPlan) -> data.StructLayout:
    """Where a walk is: chosen[l]: in line l (none, if the window is empty); rest: lines to come;
    last: there are none."""
    lines = window_layout(plan)["covered"].shape
    return data.StructLayout({"chosen": lines, "rest": lines, "last": unsigned(1)})


def _row_layout(plan: LayerPlan) -> data.StructLayout:
    """A row of a line's part: what its request says, and

    until: the address of the last row but one; done: this row is the last; weights, offset: rows of
    weights before those of the round, and from there to the kernel's row.
    """
    members = {name: field.shape for name, field in _request_layout(plan)}
    base = members.pop("base")
    members |= {"until": members["address"], "done": unsigned(1), "weights": base, "offset": base}
    return data.StructLayout(members)


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
        buffers = plan.buffers
        reads = [getattr(self, f"read_{n}") for n in range(len(buffers))]
        m.submodules.windows = windows = Windows(plan, self._readers)
        for number, read in enumerate(reads):
            wiring.connect(m, getattr(windows, f"bounds_{number}"), wiring.flipped(read.bounds))
        for number in range(len(self._readers)):
            name = f"credit_{number}"
            m.d.comb += getattr(windows, name).eq(getattr(self, name))

        m.submodules.requests = requests = Skid(_request_layout(plan))
        self._walk(m, windows, requests)

        # Row out of the memory, and in a register of the memory's own.
        request = requests.o.payload
        fetched, read_, to_fetched, to_read, to_open = (
            Signal(name=name) for name in ("fetched", "read", "to_fetched", "to_read", "to_open")
        )
        coming = Signal(_request_layout(plan), reset_less=True)
        row = Signal(_request_layout(plan), reset_less=True)
        rows = [Signal(stored_layout(buffer), reset_less=True) for buffer in buffers]
        open_, issue, single, last, end = Signal(), Signal(), Signal(), Signal(), Signal()
        # The row's last event may not leave yet: a register, as what can be read depends on it.
        hold = Signal()
        m.d.comb += [
            requests.o.ready.eq(~fetched | ~read_ | ~open_ | (single & ~hold)),
            to_fetched.eq(requests.o.valid & requests.o.ready),
            to_read.eq(fetched & (~read_ | ~open_ | (single & ~hold))),
        ]
        for number, read in enumerate(reads):
            m.d.comb += [
                read.address.eq(request.address),
                read.enable.eq(to_fetched & (request.projection == number)),
            ]
        with m.If(to_fetched):
            m.d.sync += [fetched.eq(1), coming.eq(request)]
        with m.Elif(to_read):
            m.d.sync += fetched.eq(0)
        with m.If(to_read):
            m.d.sync += [read_.eq(1), row.eq(coming)]
            m.d.sync += [stored.eq(read.data) for stored, read in zip(rows, reads, strict=True)]
        with m.Elif(to_open):
            m.d.sync += read_.eq(0)

        # Row being taken apart, lowest value first.
        taken = Signal(_request_layout(plan), reset_less=True)
        base = Signal(taken.base.shape(), reset_less=True)
        cooldown = Signal(unsigned_width(max(plan.drain - 1, 1)))
        cooling = Signal()
        first = Signal(init=1)
        event = self.o.payload
        opened = OpenRow(m, plan, rows, row.projection, taken.block, to_open)
        m.d.comb += [
            to_open.eq(read_ & (~open_ | (single & ~hold))),
            single.eq(taken.blank | opened.single),
            last.eq(taken.closes & single),
            issue.eq(open_ & ~(single & hold)),
            end.eq(last & taken.tail),
            event.position.eq(opened.position),
        ]
        blank = Signal(reset_less=True)
        m.d.sync += [
            self.o.valid.eq(issue),
            event.base.eq(base),
            event.first.eq(first),
            event.last.eq(last),
            event.end.eq(end),
            blank.eq(taken.blank),
        ]
        for column in range(plan.columns):
            m.d.comb += event.values[column].eq(Mux(blank, 0, opened.values[column]))
        with m.If(to_open):
            m.d.sync += [open_.eq(1), taken.eq(row), base.eq(row.base - row.shift)]
        with m.Elif(issue & single):
            m.d.sync += open_.eq(0)
        opened.advance(m, issue)
        with m.If(issue):
            m.d.sync += first.eq(last)
        cooling_next = Signal()
        with m.If(issue & last):
            m.d.sync += cooldown.eq(plan.drain - 1)
            m.d.comb += cooling_next.eq(plan.drain > 1)
        with m.Elif(cooling):
            m.d.sync += cooldown.eq(cooldown - 1)
            m.d.comb += cooling_next.eq(cooldown != 1)
        m.d.sync += [
            cooling.eq(cooling_next),
            hold.eq(cooling_next & Mux(to_open, row.closes, taken.closes)),
        ]
        for number, read in enumerate(reads):
            done = issue & end & taken.final
            m.d.comb += read.release.eq(Mux(done, taken.releases[number], 0))
        return m

    def _walk(self, m: Module, windows: Windows, requests: Skid) -> None:
        """Requests the rows of each window, walk after walk: which line comes next is decided while
        the rows of the line before are requested."""
        plan = self._plan
        window = Signal(window_layout(plan), reset_less=True)
        walking, empty, take, load = Signal(), Signal(), Signal(), Signal()
        walk_done, round_done, tail = Signal(), Signal(), Signal()
        round_ = Signal(unsigned_width(plan.rounds - 1))
        lines, restart = (
            Signal(_lines_layout(plan), name=name, reset_less=True) for name in ("lines", "restart")
        )
        row = Signal(_row_layout(plan), reset_less=True)
        rows = Signal()
        weights = Signal.like(row.weights, reset_less=True)
        block, final = self._blocks(m, walking & load & walk_done)
        m.d.comb += [
            load.eq(~rows | (requests.i.ready & row.done)),
            walk_done.eq(lines.last),
            round_done.eq(walk_done & final),
            take.eq(~walking | (load & round_done & tail)),
            windows.o.ready.eq(take),
        ]
        fresh = self._choose(m, windows.o.payload.covered, "fresh")
        following = self._choose(m, lines.rest, "following")
        with m.If(take):
            m.d.sync += [
                walking.eq(windows.o.valid),
                window.eq(windows.o.payload),
                empty.eq(~windows.o.payload.covered.any()),
                round_.eq(0),
                tail.eq(plan.rounds == 1),
                weights.eq(0),
                lines.eq(fresh),
                restart.eq(fresh),
            ]
        with m.Elif(load):
            m.d.sync += lines.eq(Mux(walk_done, restart, following))
            with m.If(round_done):
                m.d.sync += [
                    round_.eq(round_ + 1),
                    tail.eq(round_ == plan.rounds - 2),
                    weights.eq(weights + plan.positions),
                ]

        line = self._line(m, window, lines.chosen)
        with m.If(load):
            m.d.sync += [rows.eq(walking), *(row[name].eq(line[name]) for name in line)]
            m.d.sync += [
                row.done.eq(empty | line["done"]),
                row.weights.eq(weights),
                row.block.eq(block),
                row.releases.eq(window.releases),
                row.blank.eq(empty),
                row.closes.eq(lines.last),
                row.tail.eq(tail),
                row.final.eq(final),
            ]
        with m.Elif(requests.i.ready):
            m.d.sync += [
                row.address.eq(row.address + 1),
                row.done.eq(row.address == row.until),
            ]
        request = requests.i.payload
        m.d.comb += [
            requests.i.valid.eq(rows),
            request.base.eq(row.weights + row.offset),
            request.closes.eq(row.closes & row.done),
        ]
        for name in ("address", "shift", "block", "releases", "blank", "tail", "final"):
            m.d.comb += request[name].eq(row[name])
        m.d.comb += request.projection.eq(row.projection)

    def _choose(self, m: Module, lines: Value, name: str) -> data.View:
        """The first of some lines, and those behind it."""
        chosen = Signal(_lines_layout(self._plan), name=name)
        m.d.comb += [
            chosen.chosen.eq(lowest(lines)),
            chosen.rest.eq(lines & ~chosen.chosen),
            chosen.last.eq(~at_least(list(lines))[1]),
        ]
        return chosen

    def _line(self, m: Module, window: data.View, chosen: Value) -> dict[str, Value]:
        """The first row of the part of a line."""
        plan = self._plan
        parts = [window.lines[number] for number in range(len(chosen))]
        main = plan.main.lines
        tap = pick(chosen, [part.tap for part in parts[:main]])
        pitch = plan.main.kernel[1] * plan.main.pixel_positions
        taps = [tap * pitch for tap in range(plan.main.kernel[0])]
        offset = lookup(m, tap, taps, "line_offset")
        projection: Value = Const(0, 1)
        if plan.projection is not None:
            projection = chosen[main:].any()
            offset = Mux(projection, plan.main.positions, offset)
        shifts = window.shifts
        return {
            "address": pick(chosen, [part.start for part in parts]),
            "until": pick(chosen, [part.until for part in parts]),
            "done": pick(chosen, [part.single for part in parts]),
            "offset": offset,
            "shift": Mux(projection, shifts[len(plan.buffers) - 1], shifts[0]),
            "projection": projection,
        }

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
