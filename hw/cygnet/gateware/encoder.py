# SPDX-License-Identifier: Apache-2.0
"""Gathers the spike counts of a neuron's steps into one row for the next layer."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import row_layout
from cygnet.gateware.neuron import spike_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["EventEncoder"]


class EventEncoder(wiring.Component):
    """Counts come step by step, lanes inside; a row leaves with a neuron's last step.

    It holds the counts of all T steps side by side or, where the next layer is the last one, their
    sum. Neurons that did not fire leave too: the buffer that follows drops empty rows.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer whose spikes come in.
    reader : LayerPlan
        Of the layer that reads the rows.

    Members
    -------
    i : ``In(stream.Signature(spike_layout(plan.core)))``
    o : ``Out(stream.Signature(row_layout(reader)))``
        One clock after ``i``.
    """

    def __init__(self, plan: LayerPlan, reader: LayerPlan) -> None:
        if plan.core is None:
            raise ValueError(f"plan must be of a layer with neurons, not of {plan.name!r}")
        self._plan = plan
        self._reader = reader
        super().__init__(
            {
                "i": In(stream.Signature(spike_layout(plan.core))),
                "o": Out(stream.Signature(row_layout(reader))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, reader = self._plan, self._reader
        spike = self.i.payload
        row = self.o.payload
        transfer = Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~self.o.valid),
            transfer.eq(self.i.valid & self.i.ready),
        ]

        value = reader.value
        gathered = Signal(unsigned(value.width * reader.columns))
        count_shape = row.values[0][0].shape()
        count = Signal(count_shape)
        m.d.comb += count.eq(spike.count)
        if plan.steps == 1:
            m.d.comb += gathered.eq(count)
        else:
            m.submodules.counts = memory = Memory(
                shape=unsigned(len(gathered)), depth=max(2, plan.lanes), init=[]
            )
            earlier = memory.read_port(domain="comb")
            write = memory.write_port()
            m.d.comb += [
                earlier.addr.eq(spike.index),
                write.addr.eq(spike.index),
                write.en.eq(transfer),
                write.data.eq(gathered),
            ]
            kept = Signal.like(gathered)
            m.d.comb += kept.eq(Mux(spike.first, 0, earlier.data))
            if reader.columns == 1:
                total = kept.as_signed() + count if value.signed else kept + count
                m.d.comb += gathered.eq(total)
            else:
                # Shifted down once a step: the first step's count ends in column 0.
                top = count.as_unsigned() if value.signed else count
                m.d.comb += gathered.eq(
                    (kept >> value.width) | (top << value.width * (reader.columns - 1))
                )

        base = Signal(unsigned_width(plan.outputs))
        index = Signal(unsigned_width(plan.outputs))
        closing = Signal()
        m.d.comb += [index.eq(base + spike.index), closing.eq(index == plan.outputs - 1)]
        with m.If(transfer & spike.last):
            with m.If(closing):
                m.d.sync += base.eq(0)
            with m.Elif(spike.index == plan.lanes - 1):
                m.d.sync += base.eq(base + plan.lanes)

        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & spike.last),
                row.index.eq(index),
                row.values.eq(gathered),
                row.last.eq(closing),
            ]
        return m
