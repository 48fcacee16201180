# SPDX-License-Identifier: Apache-2.0
"""The end of an accelerator: logits in class order, and the class that won."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import current_layout
from cygnet.layer_plan import FRAMES, LayerPlan
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

    Parameters
    ----------
    plan : LayerPlan
        Of the last layer.
    frames : int
        Verdicts that wait for their logits, at most.

    Members
    -------
    i : ``In(stream.Signature(current_layout(plan), always_ready=True))``
    verdict : ``In(stream.Signature(1, always_ready=True))``
        For each frame, before its first logit: 1 drops it.
    o : ``Out(stream.Signature(logit_layout(plan)))``
    credit : ``Out(2)``
        Frames that have left, or were dropped, in the clock before.
    """

    def __init__(self, plan: LayerPlan, frames: int) -> None:
        self._plan = plan
        self._frames = frames
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
        m.submodules.verdicts = verdicts = fifo.SyncFIFO(width=1, depth=self._frames)

        given = Signal()
        current = Signal(current_layout(plan), reset_less=True)
        logit = current.currents[0]
        dropped = Signal()
        m.d.sync += [given.eq(self.i.valid), current.eq(self.i.payload)]
        m.d.comb += [
            verdicts.w_data.eq(self.verdict.payload),
            verdicts.w_en.eq(self.verdict.valid),
            verdicts.r_en.eq(given & current.end),
            dropped.eq(verdicts.r_data),
        ]

        # Whether a logit is the largest so far is a register, and what follows from that is done a
        # clock later. The next one is therefore compared with both, this one and the best before.
        shown, better, keep = Signal(), Signal(), Signal()
        entry = Signal(layout)
        best = Signal(signed(plan.current_width))
        label = Signal(layout["label"].shape)
        fresh = Signal(init=1)
        over_shown, over_best = Signal(), Signal()
        m.d.comb += [over_shown.eq(logit > entry.logit), over_best.eq(logit > best)]
        m.d.sync += shown.eq(given)
        with m.If(given):
            m.d.sync += [
                fresh.eq(current.end),
                better.eq(fresh | Mux(shown & better, over_shown, over_best)),
                entry.logit.eq(logit),
                entry.label.eq(current.channel),
                entry.last.eq(current.end),
                keep.eq(~dropped),
            ]
        winner = Mux(better, entry.label, label)
        with m.If(shown):
            m.d.sync += label.eq(winner)
            with m.If(better):
                m.d.sync += best.eq(entry.logit)
        written = Signal(layout)
        write = Signal()
        m.d.sync += [
            write.eq(shown & keep),
            written.eq(entry),
            written.label.eq(winner),
        ]
        m.d.comb += [
            logits.w_data.eq(written),
            logits.w_en.eq(write),
            self.o.valid.eq(logits.r_rdy),
            self.o.payload.eq(logits.r_data),
            logits.r_en.eq(self.o.ready),
        ]
        left = Signal()
        m.d.comb += left.eq(self.o.valid & self.o.ready & self.o.payload.last)
        m.d.sync += self.credit.eq(left + (given & current.end & dropped))
        return m
