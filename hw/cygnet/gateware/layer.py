# SPDX-License-Identifier: Apache-2.0
"""A layer: frame buffer, walker, synapse engine and drain, then neurons or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.drain import Drain
from cygnet.gateware.encoder import EventEncoder
from cygnet.gateware.engine import SynapseEngine
from cygnet.gateware.events import current_layout, row_layout
from cygnet.gateware.frame_buffer import FrameBuffer
from cygnet.gateware.neuron import neuron_core
from cygnet.gateware.walker import Walker
from cygnet.layer_plan import BANKS, LayerPlan

__all__ = ["SpikingLayer", "SynapseLayer"]

Contents = Mapping[str, Sequence[int]]
"""Words of each memory by its name, as :func:`cygnet.images.memories` gives them."""


class SynapseLayer(wiring.Component):
    """From event rows to currents.

    Members
    -------
    i : ``In(stream.Signature(row_layout(plan)))``
    i_credit : ``Out(1)``
        A frame was released: there is room for another.
    o : ``Out(stream.Signature(current_layout(plan), always_ready=True))``
    o_credit : ``In(1)``
        Whoever takes the currents has room for another frame.
    """

    def __init__(self, plan: LayerPlan, *, credits: int, contents: Contents | None = None) -> None:
        self._plan = plan
        self._credits = credits
        self._contents = contents
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(plan))),
                "i_credit": Out(1),
                "o": Out(stream.Signature(current_layout(plan), always_ready=True)),
                "o_credit": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        contents = self._contents or {}
        m.submodules.buffer = buffer = FrameBuffer(plan)
        m.submodules.walker = walker = Walker(plan, self._credits)
        m.submodules.engine = engine = SynapseEngine(plan, contents.get(f"{plan.name}_weight"))
        m.submodules.drain = drain = Drain(plan, contents.get(f"{plan.name}_bias"))
        wiring.connect(m, wiring.flipped(self.i), buffer.i)
        wiring.connect(m, buffer.frame, walker.frame)
        wiring.connect(m, buffer.read, walker.read)
        wiring.connect(m, walker.o, engine.i)
        wiring.connect(m, engine.o, drain.i)
        wiring.connect(m, drain.o, wiring.flipped(self.o))
        m.d.comb += [self.i_credit.eq(buffer.credit), walker.credit.eq(self.o_credit)]
        return m


class SpikingLayer(wiring.Component):
    """From event rows to the event rows of the layer that reads this one.

    Members
    -------
    i : ``In(stream.Signature(row_layout(plan)))``
    i_credit : ``Out(1)``
    o : ``Out(stream.Signature(row_layout(reader)))``
        Always ready while this layer works on a frame: it starts none without a credit.
    o_credit : ``In(1)``
    """

    def __init__(
        self, plan: LayerPlan, reader: LayerPlan, *, contents: Contents | None = None
    ) -> None:
        if plan.core is None:
            raise ValueError(f"plan must be of a layer with neurons, not of {plan.name!r}")
        self._plan = plan
        self._core = plan.core
        self._reader = reader
        self._contents = contents
        super().__init__(
            {
                "i": In(stream.Signature(row_layout(plan))),
                "i_credit": Out(1),
                "o": Out(stream.Signature(row_layout(reader))),
                "o_credit": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        contents = self._contents or {}
        m.submodules.synapses = synapses = SynapseLayer(
            plan, credits=BANKS, contents=self._contents
        )
        m.submodules.neurons = neurons = neuron_core(
            self._core, contents.get(f"{plan.name}_neuron")
        )
        m.submodules.encoder = encoder = EventEncoder(plan, self._reader)
        wiring.connect(m, wiring.flipped(self.i), synapses.i)
        wiring.connect(m, neurons.o, encoder.i)
        wiring.connect(m, encoder.o, wiring.flipped(self.o))
        current = synapses.o.payload
        step = neurons.i.payload
        m.d.comb += [
            self.i_credit.eq(synapses.i_credit),
            synapses.o_credit.eq(self.o_credit),
            neurons.i.valid.eq(synapses.o.valid),
            step.index.eq(current.index),
            step.channel.eq(current.channel),
            step.current.eq(current.current),
            step.first.eq(current.first),
            step.last.eq(current.last),
        ]
        return m
