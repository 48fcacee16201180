# SPDX-License-Identifier: Apache-2.0
"""Sum pooling of spike counts, as they pass."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import BufferPlan
from cygnet.gateware.events import row_layout, value_shape, values_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import Bounds, unsigned_width

__all__ = ["SumPooling"]


class SumPooling(wiring.Component):
    """Adds the counts of each window of pixels; a row leaves with the window's last pixel.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer whose rows come in.
    buffer : BufferPlan
        That the pooled rows fill; its ``pool`` says how.
    value : Bounds
        Range of one value that comes in.

    Members
    -------
    i : ``In(stream.Signature(values_layout(buffer.row, buffer.columns, value)))``
        All rows of the layer's map in raster order.
    o : ``Out(stream.Signature(row_layout(buffer)))``
        One clock after ``i``.
    """

    def __init__(self, plan: LayerPlan, buffer: BufferPlan, value: Bounds) -> None:
        if buffer.pool is None:
            raise ValueError(f"buffer must be one with pooling, not {buffer!r}")
        self._plan = plan
        self._buffer = buffer
        self._kernel = buffer.pool.kernel
        self._value = value
        super().__init__(
            {
                "i": In(stream.Signature(values_layout(buffer.row, buffer.columns, value))),
                "o": Out(stream.Signature(row_layout(buffer))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, buffer = self._plan, self._buffer
        _height, width = plan.shape[:2]
        across = width // self._kernel[1]
        transfer = Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~self.o.valid),
            transfer.eq(self.i.valid & self.i.ready),
        ]

        # Place in the window, and the word of its sums.
        word = Signal(unsigned_width(plan.words - 1))
        inner_y = Signal(unsigned_width(self._kernel[0] - 1))
        inner_x = Signal(unsigned_width(self._kernel[1] - 1))
        outer_x = Signal(unsigned_width(across - 1))
        # Its address, and that of the first word of its window.
        place = Signal(unsigned_width(across * plan.words - 1))
        base = Signal.like(place)
        last_word, last_x, last_across, last_y = Signal(), Signal(), Signal(), Signal()
        m.d.comb += [
            last_word.eq(word == plan.words - 1),
            last_x.eq(inner_x == self._kernel[1] - 1),
            last_across.eq(outer_x == across - 1),
            last_y.eq(inner_y == self._kernel[0] - 1),
        ]
        with m.If(transfer):
            m.d.sync += [word.eq(Mux(last_word, 0, word + 1)), place.eq(place + 1)]
            with m.If(last_word):
                m.d.sync += [inner_x.eq(Mux(last_x, 0, inner_x + 1)), place.eq(base)]
                with m.If(last_x):
                    after = Mux(last_across, 0, place + 1)
                    m.d.sync += [
                        outer_x.eq(Mux(last_across, 0, outer_x + 1)),
                        place.eq(after),
                        base.eq(after),
                    ]
                    with m.If(last_across):
                        m.d.sync += inner_y.eq(Mux(last_y, 0, inner_y + 1))

        bits = buffer.value.width
        signed = buffer.value.signed
        values = [self.i.payload[r][s] for r in range(buffer.row) for s in range(buffer.columns)]
        m.submodules.sums = memory = Memory(
            shape=unsigned(bits * len(values)), depth=max(2, across * plan.words), init=[]
        )
        earlier = memory.read_port(domain="comb")
        write = memory.write_port()
        first = Signal()
        sums: list[Value] = []
        for number, value in enumerate(values):
            kept = earlier.data.word_select(number, bits)
            total = Signal(value_shape(buffer.value), name=f"total_{number}")
            m.d.comb += total.eq(Mux(first, 0, kept.as_signed() if signed else kept) + value)
            sums.append(total)
        m.d.comb += [
            first.eq((inner_x == 0) & (inner_y == 0)),
            earlier.addr.eq(place),
            write.addr.eq(place),
            write.data.eq(Cat(*sums)),
            write.en.eq(transfer),
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & last_x & last_y),
                self.o.payload.as_value().eq(Cat(*sums)),
            ]
        return m
