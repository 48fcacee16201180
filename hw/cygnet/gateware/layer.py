# SPDX-License-Identifier: Apache-2.0
"""A layer: buffers, walker, synapse engine and drain, then neurons or nothing."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.buffer_plan import BufferPlan
from cygnet.gateware.credits import Reader
from cygnet.gateware.drain import Drain
from cygnet.gateware.encoder import EventEncoder, spikes_layout
from cygnet.gateware.engine import SynapseEngine
from cygnet.gateware.events import current_layout, row_layout, values_layout
from cygnet.gateware.line_buffer import LineBuffer
from cygnet.gateware.load import Contents
from cygnet.gateware.neuron import neuron_core
from cygnet.gateware.pool import SumPooling
from cygnet.gateware.skip_buffer import SkipBuffer
from cygnet.gateware.walker import Walker
from cygnet.layer_plan import LayerPlan
from cygnet.network import Bounds, unsigned_width

__all__ = ["EncoderPath", "NeuronArray", "SynapseLayer"]


class SynapseLayer(wiring.Component):
    """From event rows to currents.

    Members
    -------
    main, projection, skip : ``In(stream.Signature(row_layout(...)))``
        What the layer's buffers take; the last two only if it has such a shortcut.
    main_credit, projection_credit, skip_credit : ``Out(...)``
        Lines, or pixels of the identity shortcut, that were released.
    credit_0, credit_1, ... : ``In(...)``
        One for each reader of the layer's output.
    o : ``Out(stream.Signature(current_layout(plan), always_ready=True))``
    """

    def __init__(
        self, plan: LayerPlan, readers: Sequence[Reader], *, contents: Contents | None = None
    ) -> None:
        self._plan = plan
        self._readers = tuple(readers)
        self._contents = contents
        members = {
            "o": Out(stream.Signature(current_layout(plan), always_ready=True)),
        } | {f"credit_{n}": In(reader.credit_width) for n, reader in enumerate(readers)}
        for name, buffer in zip(("main", "projection"), plan.buffers, strict=False):
            members[name] = In(stream.Signature(row_layout(buffer)))
            members[f"{name}_credit"] = Out(unsigned_width(buffer.lines))
        if plan.skip is not None:
            members["skip"] = In(stream.Signature(row_layout(plan.skip)))
            members["skip_credit"] = Out(1)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        contents = self._contents or {}
        m.submodules.walker = walker = Walker(plan, self._readers)
        m.submodules.engine = engine = SynapseEngine(plan, contents.get(f"{plan.name}_weight"))
        m.submodules.drain = drain = Drain(
            plan, contents.get(f"{plan.name}_bias"), contents.get(f"{plan.name}_skip")
        )
        names = ("main", "projection")
        for number, (name, buffer) in enumerate(zip(names, plan.buffers, strict=False)):
            lines = LineBuffer(buffer)
            m.submodules[name] = lines
            wiring.connect(m, wiring.flipped(getattr(self, name)), lines.i)
            wiring.connect(m, lines.read, getattr(walker, f"read_{number}"))
            m.d.comb += getattr(self, f"{name}_credit").eq(lines.credit)
        if plan.skip is not None:
            m.submodules.skip = pixels = SkipBuffer(plan.skip)
            wiring.connect(m, wiring.flipped(self.skip), pixels.i)
            wiring.connect(m, pixels.read, drain.skip)
            m.d.comb += self.skip_credit.eq(pixels.credit)
        for number in range(len(self._readers)):
            name = f"credit_{number}"
            m.d.comb += getattr(walker, name).eq(getattr(self, name))
        wiring.connect(m, walker.o, engine.i)
        wiring.connect(m, engine.o, drain.i)
        wiring.connect(m, drain.o, wiring.flipped(self.o))
        return m


class NeuronArray(wiring.Component):
    """The neuron cores of a layer, side by side and in step.

    Members
    -------
    i : ``In(stream.Signature(current_layout(plan), always_ready=True))``
    o : ``Out(stream.Signature(spikes_layout(plan)))``
        Must be ready: the walker takes care of that.
    """

    def __init__(self, plan: LayerPlan, contents: Contents | None = None) -> None:
        self._plan = plan
        self._contents = contents
        super().__init__(
            {
                "i": In(stream.Signature(current_layout(plan), always_ready=True)),
                "o": Out(stream.Signature(spikes_layout(plan))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        assert plan.core is not None
        contents = self._contents or {}
        for number in range(plan.cores):
            core = neuron_core(plan.core, contents.get(f"{plan.name}_neuron{number}"))
            m.submodules[f"core{number}"] = core
            step, current = core.i.payload, self.i.payload
            m.d.comb += [
                core.i.valid.eq(self.i.valid),
                step.index.eq(current.index),
                step.channel.eq(current.channel),
                step.current.eq(current.currents[number]),
                step.first.eq(current.first),
                step.last.eq(current.last),
                core.o.ready.eq(self.o.ready),
                self.o.payload.counts[number].eq(core.o.payload.count),
            ]
            if number == 0:
                m.d.comb += [
                    self.o.valid.eq(core.o.valid),
                    self.o.payload.index.eq(core.o.payload.index),
                    self.o.payload.first.eq(core.o.payload.first),
                    self.o.payload.last.eq(core.o.payload.last),
                ]
        return m


class EncoderPath(wiring.Component):
    """From a layer's spikes to the rows of one reader: encoder, and pooling where it pools.

    Members
    -------
    i : ``In(stream.Signature(spikes_layout(plan)))``
    o : ``Out(stream.Signature(row_layout(reader.buffer)))``
    """

    def __init__(self, plan: LayerPlan, reader: Reader) -> None:
        if reader.buffer is None:
            raise ValueError(f"reader must have a buffer, not {reader!r}")
        self._plan = plan
        self._buffer = reader.buffer
        super().__init__(
            {
                "i": In(stream.Signature(spikes_layout(plan))),
                "o": Out(stream.Signature(row_layout(reader.buffer))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan, buffer = self._plan, self._buffer
        value = buffer.value
        pool = buffer.pool if isinstance(buffer, BufferPlan) else None
        if pool is not None:
            area = pool.kernel[0] * pool.kernel[1]
            value = Bounds(value.low // area, value.high // area)
        m.submodules.encoder = encoder = EventEncoder(plan, buffer.columns, value)
        wiring.connect(m, wiring.flipped(self.i), encoder.i)
        rows = encoder.o
        if isinstance(buffer, BufferPlan) and pool is not None:
            m.submodules.pool = pooling = SumPooling(plan, buffer, value)
            wiring.connect(m, rows, pooling.i)
            rows = pooling.o
        assert rows.payload.shape() == values_layout(buffer.row, buffer.columns, buffer.value)
        wiring.connect(m, rows, wiring.flipped(self.o))
        return m
