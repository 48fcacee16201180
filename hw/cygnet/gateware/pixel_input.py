# SPDX-License-Identifier: Apache-2.0
"""The start of an accelerator: numbers the beats of a frame and checks its length."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import row_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["PixelInput", "beat_layout"]


def beat_layout(plan: LayerPlan) -> data.StructLayout:
    """data: values of 8 bits, the first in the low bits; last: closes the frame."""
    return data.StructLayout({"data": unsigned(8 * plan.row), "last": unsigned(1)})


class PixelInput(wiring.Component):
    """Turns beats into rows. A frame that is too short or too long is dropped whole.

    Members
    -------
    i : ``In(stream.Signature(beat_layout(plan)))``
    o : ``Out(stream.Signature(row_layout(plan)))``
        In the same clock as ``i``.
    error : ``Out(1)``
        High for one clock after a frame was dropped.
    """

    def __init__(self, plan: LayerPlan) -> None:
        self._plan = plan
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(plan))),
                "o": Out(stream.Signature(row_layout(plan))),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        beat = Signal(unsigned_width(plan.rows - 1))
        overlong = Signal()
        final_beat = Signal()
        m.d.comb += [
            final_beat.eq(beat == plan.rows - 1),
            self.o.valid.eq(self.i.valid),
            self.i.ready.eq(self.o.ready),
            self.o.payload.index.eq(beat),
            self.o.payload.values.eq(self.i.payload.data),
            self.o.payload.last.eq(self.i.payload.last),
            self.o.payload.discard.eq(overlong | ~final_beat),
        ]
        m.d.sync += self.error.eq(0)
        with m.If(self.i.valid & self.i.ready):
            with m.If(self.i.payload.last):
                m.d.sync += [
                    beat.eq(0),
                    overlong.eq(0),
                    self.error.eq(overlong | ~final_beat),
                ]
            with m.Elif(final_beat):
                # The buffer has room for one frame: what comes beyond overwrites the last row.
                m.d.sync += overlong.eq(1)
            with m.Else():
                m.d.sync += beat.eq(beat + 1)
        return m
