# SPDX-License-Identifier: Apache-2.0
"""Gathers the spike counts of a neuron's steps into one row for a layer that reads them."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import values_layout
from cygnet.gateware.neuron import spike_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import Bounds, unsigned_width

__all__ = ["EventEncoder", "spikes_layout"]


def spikes_layout(plan: LayerPlan) -> data.StructLayout:
    """What the neuron cores of a layer send in one clock: counts[j] of core j, and the slot and
    step that all have in common."""
    assert plan.core is not None
    spike = spike_layout(plan.core)
    return data.StructLayout(
        {
            "index": spike["index"].shape,
            "counts": data.ArrayLayout(spike["count"].shape, plan.cores),
            "first": unsigned(1),
            "last": unsigned(1),
        }
    )


class EventEncoder(wiring.Component):
    """Counts come step by step, lanes inside; a row leaves with the neurons' last step.

    It holds the counts of all T steps side by side or, where the layer that reads it is the last
    one, their sum. Neurons that did not fire leave too: buffers drop what is zero.

    Parameters
    ----------
    plan : LayerPlan
        Of the layer whose spikes come in.
    columns : int
        Steps side by side, T or 1.
    value : Bounds
        Range of one value that leaves.

    Members
    -------
    i : ``In(stream.Signature(spikes_layout(plan)))``
    o : ``Out(stream.Signature(values_layout(plan.cores, columns, value)))``
        One clock after ``i``.
    """

    def __init__(self, plan: LayerPlan, columns: int, value: Bounds) -> None:
        self._plan = plan
        self._columns = columns
        self._value = value
        super().__init__(
            {
                "i": In(stream.Signature(spikes_layout(plan))),
                "o": Out(stream.Signature(values_layout(plan.cores, columns, value))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        spikes = self.i.payload
        transfer = Signal()
        m.d.comb += [
            self.i.ready.eq(self.o.ready | ~self.o.valid),
            transfer.eq(self.i.valid & self.i.ready),
        ]

        # The last row of a pixel may have more places than there are channels.
        present = plan.outputs - (plan.words - 1) * plan.cores
        word = Signal(unsigned_width(plan.words - 1))
        last_word = Signal()
        m.d.comb += last_word.eq(word == plan.words - 1)
        with m.If(transfer & spikes.last):
            m.d.sync += word.eq(Mux(last_word, 0, word + 1))
        shape = self.o.payload[0][0].shape()
        counts = []
        for core in range(plan.cores):
            count = Signal(shape, name=f"count_{core}")
            m.d.comb += count.eq(spikes.counts[core])
            counts.append(count)

        gathered: list[Value] = list(counts)
        if plan.steps > 1:
            gathered = self._with_earlier(m, transfer, counts)
        # Known with the last step, when the word is that of the row that leaves.
        gathered = [
            value if core < present else Mux(last_word, 0, value)
            for core, value in enumerate(gathered)
        ]
        with m.If(self.i.ready):
            m.d.sync += [
                self.o.valid.eq(self.i.valid & spikes.last),
                self.o.payload.as_value().eq(Cat(*gathered)),
            ]
        return m

    def _with_earlier(self, m: Module, transfer: Value, counts: list[Signal]) -> list[Value]:
        """For each core, the counts of this neuron's steps up to now, this one included."""
        plan, columns = self._plan, self._columns
        bits = len(counts[0])
        spikes = self.i.payload
        m.submodules.counts = memory = Memory(
            shape=unsigned(bits * columns * plan.cores), depth=max(2, plan.beats), init=[]
        )
        earlier = memory.read_port(domain="comb")
        write = memory.write_port()
        gathered: list[Value] = []
        for core, count in enumerate(counts):
            kept = Signal(unsigned(bits * columns), name=f"kept_{core}")
            total = Signal(unsigned(bits * columns), name=f"total_{core}")
            m.d.comb += kept.eq(
                Mux(spikes.first, 0, earlier.data.word_select(core, bits * columns))
            )
            if columns == 1:
                m.d.comb += total.eq(kept + count)
            else:
                # Shifted down once a step: the first step's count ends in column 0.
                m.d.comb += total.eq(Cat(kept[bits:], count))
            gathered.append(total)
        m.d.comb += [
            earlier.addr.eq(spikes.index),
            write.addr.eq(spikes.index),
            write.en.eq(transfer),
            write.data.eq(Cat(*gathered)),
        ]
        return gathered
