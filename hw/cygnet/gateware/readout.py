# SPDX-License-Identifier: Apache-2.0
"""The end of an accelerator: logits in class order, and the class that won."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import current_layout
from cygnet.layer_plan import FRAMES, MAX_FRAMES, LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Readout", "logit_layout"]


def logit_layout(plan: LayerPlan) -> data.StructLayout:
    """logit: sum over all steps; label: number of the largest logit so far, the lowest on a tie
    (of the frame, with its last logit); last: closes the frame."""
    return data.StructLayout(
        {
            "logit": signed(plan.current_width),
            "label": unsigned(unsigned_width(plan.outputs - 1)),
            "last": unsigned(1),
        }
    )


class Readout(wiring.Component):
    """Keeps the logits of a few frames, finds the largest of each, drops frames judged bad.

    Members
    -------
    i : ``In(stream.Signature(current_layout(plan), always_ready=True))``
    verdict : ``In(stream.Signature(1, always_ready=True))``
        For each frame, before its first logit: 1 drops it.
    o : ``Out(stream.Signature(logit_layout(plan)))``
    credit : ``Out(2)``
        Frames that have left, or were dropped, in the clock before.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self._plan = plan
        super().__init__(
            {
                "i": In(stream.Signature(current_layout(plan), always_ready=True)),
                "verdict": In(stream.Signature(1, always_ready=True)),
                "o": Out(stream.Signature(logit_layout(plan))),
                "credit": Out(2),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        layout = logit_layout(plan)
        # One more than the frames need: its output register counts, but cannot be written.
        m.submodules.logits = logits = fifo.SyncFIFOBuffered(
            width=layout.size, depth=FRAMES * plan.outputs + 1
        )
        m.submodules.verdicts = verdicts = fifo.SyncFIFO(width=1, depth=MAX_FRAMES)

        current = self.i.payload
        logit = current.currents[0]
        dropped = Signal()
        best = Signal(signed(plan.current_width))
        label = Signal(layout["label"].shape)
        fresh = Signal(init=1)
        better = Signal()
        entry = Signal(layout)
        write = Signal()
        m.d.comb += [
            verdicts.w_data.eq(self.verdict.payload),
            verdicts.w_en.eq(self.verdict.valid),
            verdicts.r_en.eq(self.i.valid & current.end),
            dropped.eq(verdicts.r_data),
            better.eq(fresh | (logit > best)),
        ]
        m.d.sync += write.eq(self.i.valid & ~dropped)
        with m.If(self.i.valid):
            m.d.sync += [
                fresh.eq(current.end),
                best.eq(Mux(better, logit, best)),
                label.eq(Mux(better, current.channel, label)),
                entry.logit.eq(logit),
                entry.label.eq(Mux(better, current.channel, label)),
                entry.last.eq(current.end),
            ]
        m.d.comb += [
            logits.w_data.eq(entry),
            logits.w_en.eq(write),
            self.o.valid.eq(logits.r_rdy),
            self.o.payload.eq(logits.r_data),
            logits.r_en.eq(self.o.ready),
        ]
        left = Signal()
        m.d.comb += left.eq(self.o.valid & self.o.ready & self.o.payload.last)
        m.d.sync += self.credit.eq(left + (self.i.valid & current.end & dropped))
        return m
