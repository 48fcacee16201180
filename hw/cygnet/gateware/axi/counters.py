# SPDX-License-Identifier: Apache-2.0
"""Counters for drivers."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from cygnet.layer_plan import MAX_FRAMES

__all__ = ["Counters"]


class Counters(wiring.Component):
    """How many, and how long.

    Members
    -------
    clear : ``In(1)``
        Sets the counters to 0.
    held : ``In(1)``
        The accelerator is in reset: no frame is inside.
    begins, ends_in, ends_out, dropped : ``In(1)``
        A frame's first and last beat enter, its last logit leaves the accelerator, it is dropped.
    answered : ``In(1)``
        A frame's last logit reaches whom it is for.
    stalled_in, stalled_out : ``In(1)``
    busy : ``Out(1)``
        Frames are inside; not yet in the clock of ``begins``, still in that of ``ends_out``.
    frames_in, frames_out, frames_dropped, stalls_in, stalls_out : ``Out(32)``
        Of ``ends_in``, ``answered``, ``dropped`` and clocks of ``stalled_*``.
    cycles : ``Out(64)``
        Clocks with a frame inside, the first and the last included.
    """

    def __init__(self) -> None:
        events = ("begins", "ends_in", "ends_out", "answered", "dropped")
        counters = ("frames_in", "frames_out", "frames_dropped", "stalls_in", "stalls_out")
        super().__init__(
            {name: In(1) for name in (*events, "stalled_in", "stalled_out", "clear", "held")}
            | {name: Out(32) for name in counters}
            | {"busy": Out(1), "cycles": Out(64)}
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        inside = Signal(range(MAX_FRAMES + 2))
        change = Signal(range(-2, 2))
        m.d.comb += [
            self.busy.eq(inside != 0),
            change.eq(self.begins - self.ends_out - self.dropped),
        ]
        m.d.sync += inside.eq(Mux(self.held, 0, inside + change))
        for counter, event in (
            (self.frames_in, self.ends_in),
            (self.frames_out, self.answered),
            (self.frames_dropped, self.dropped),
            (self.stalls_in, self.stalled_in),
            (self.stalls_out, self.stalled_out),
            (self.cycles, self.busy | self.begins),
        ):
            m.d.sync += counter.eq(Mux(self.clear, 0, counter + event))
        return m
