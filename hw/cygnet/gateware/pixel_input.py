# SPDX-License-Identifier: Apache-2.0
"""The start of an accelerator: beats to rows, a border where the network pads, a length check."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import row_layout, value_shape
from cygnet.gateware.lookup import lookup
from cygnet.layer_plan import LayerPlan
from cygnet.network import InputSpec, unsigned_width

__all__ = ["PixelInput", "beat_layout"]


def beat_layout(plan: LayerPlan) -> data.StructLayout:
    """data: values of 8 bits, the first in the low bits; last: closes the frame."""
    return data.StructLayout({"data": unsigned(8 * plan.main.row), "last": unsigned(1)})


class PixelInput(wiring.Component):
    """Turns the beats of a frame into the rows of its map, always as many as the map has.

    Counts come in ``beats`` beats a row, one for each time-step; they leave side by side, or summed
    where the layer that reads them is the last one. Where a convolution pads with pixels that are
    not zero, those are added here. A frame that is too short is filled up with zeros, what is too
    long is swallowed; either is judged bad.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer that reads the input.
    spec : InputSpec
    beats : int
        That bring a row: T for counts, 1 for pixels.

    Members
    -------
    i : ``In(stream.Signature(beat_layout(plan)))``
    o : ``Out(stream.Signature(row_layout(plan.main)))``
        In the same clock as the last beat of its row.
    verdict : ``Out(stream.Signature(1, always_ready=True))``
        For each frame, one clock after its last row of pixels: 1 if it is bad.
    """

    def __init__(self, plan: LayerPlan, spec: InputSpec, beats: int) -> None:
        self._plan = plan
        self._spec = spec
        self._beats = beats
        super().__init__(
            {
                "i": In(stream.Signature(beat_layout(plan))),
                "o": Out(stream.Signature(row_layout(plan.main))),
                "verdict": Out(stream.Signature(1, always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        buffer = self._plan.main
        beat = self.i.payload

        # Place in the map with its border.
        word = Signal(unsigned_width(buffer.words - 1))
        x = Signal(unsigned_width(buffer.width - 1))
        y = Signal(unsigned_width(buffer.height - 1))
        last_word, last_x, last_y = Signal(), Signal(), Signal()
        inside = Signal()
        final_row = Signal()
        m.d.comb += [
            last_word.eq(word == buffer.words - 1),
            last_x.eq(x == buffer.width - 1),
            last_y.eq(y == buffer.height - 1),
        ]
        border = self._border()
        if any(border):
            columns = [border[1] <= n < buffer.width - border[1] for n in range(buffer.width)]
            lines = [border[0] <= n < buffer.height - border[0] for n in range(buffer.height)]
            m.d.comb += [
                inside.eq(lookup(m, x, columns, "inside_x") & lookup(m, y, lines, "inside_y")),
                final_row.eq(
                    (x == buffer.width - 1 - border[1]) & (y == buffer.height - 1 - border[0])
                ),
            ]
        else:
            m.d.comb += [inside.eq(1), final_row.eq(last_word & last_x & last_y)]

        filling = Signal()
        swallowing = Signal()
        offered = Signal()
        transfer = Signal()
        pixel_transfer = Signal()
        bad = Signal()
        content = Signal.like(beat.data)
        colour = Cat(Const(value, 8) for value in self._spec.padding)
        row_done = self._rows(m, content, transfer)
        m.d.comb += [
            offered.eq(~inside | filling | (self.i.valid & ~swallowing)),
            self.o.valid.eq(offered & row_done),
            self.i.ready.eq(swallowing | (inside & ~filling & self.o.ready)),
            content.eq(Mux(inside, Mux(filling, 0, beat.data), colour if any(border) else 0)),
            transfer.eq(offered & self.o.ready),
            pixel_transfer.eq(transfer & inside),
            bad.eq(filling | ~beat.last),
        ]
        with m.If(transfer & row_done):
            m.d.sync += word.eq(Mux(last_word, 0, word + 1))
            with m.If(last_word):
                m.d.sync += x.eq(Mux(last_x, 0, x + 1))
                with m.If(last_x):
                    m.d.sync += y.eq(Mux(last_y, 0, y + 1))

        with m.If(swallowing & self.i.valid & beat.last):
            m.d.sync += swallowing.eq(0)
        with m.If(pixel_transfer):
            with m.If(final_row & row_done):
                m.d.sync += [filling.eq(0), swallowing.eq(~filling & ~beat.last)]
            with m.Elif(~filling & beat.last):
                m.d.sync += filling.eq(1)
        m.d.sync += [
            self.verdict.valid.eq(pixel_transfer & final_row & row_done),
            self.verdict.payload.eq(bad),
        ]
        return m

    def _rows(self, m: Module, content: Signal, transfer: Signal) -> Value:
        """Fills ``o`` with what the beats of a row bring; whether this is the last of them."""
        buffer, beats = self._plan.main, self._beats
        out = self.o.payload.as_value()
        if beats == 1:
            m.d.comb += out.eq(Cat(self._value(content, place) for place in range(buffer.row)))
            return Const(1, 1)
        step = Signal(unsigned_width(beats - 1))
        done = Signal()
        m.d.comb += done.eq(step == beats - 1)
        with m.If(transfer):
            m.d.sync += step.eq(Mux(done, 0, step + 1))
        rows: list[Value] = []
        for place in range(buffer.row):
            value = self._value(content, place)
            if buffer.columns == 1:
                before = Signal(value_shape(buffer.value), name=f"sum_{place}")
                total = Signal(value_shape(buffer.value), name=f"total_{place}")
                m.d.comb += total.eq(before + value)
                with m.If(transfer):
                    m.d.sync += before.eq(Mux(done, 0, total))
                rows.append(total)
            else:
                # Shifted down with each beat: the first step ends in column 0.
                kept = Signal(len(value) * (beats - 1), name=f"kept_{place}")
                with m.If(transfer):
                    m.d.sync += kept.eq(Cat(kept, value)[len(value) :])
                rows.append(Cat(kept, value))
        m.d.comb += out.eq(Cat(*rows))
        return done

    def _value(self, content: Signal, place: int) -> Value:
        """One value of a beat, in as many bits as the input's bounds need."""
        bits = content.word_select(place, 8)[: self._spec.bounds.width]
        return bits.as_signed() if self._spec.bounds.signed else bits

    def _border(self) -> tuple[int, int]:
        """Lines above and pixels beside the frame, as many below and on the other side."""
        buffer = self._plan.main
        if buffer.height == buffer.width == 1:
            return 0, 0
        height, width = self._spec.shape[:2]
        return (buffer.height - height) // 2, (buffer.width - width) // 2
