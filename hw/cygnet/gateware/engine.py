# SPDX-License-Identifier: Apache-2.0
"""The synapse engine: output-stationary, event-driven, P lanes wide."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.delay import delayed
from cygnet.gateware.events import event_layout, sums_layout
from cygnet.gateware.load import Words, parameter_memory
from cygnet.gateware.products import digit_product, multiply, shift_add_product
from cygnet.layer_plan import ADDRESS, LayerPlan
from cygnet.product_plan import digits

__all__ = ["SynapseEngine"]

GROUP = 16
"""Lanes that share a copy of a control register."""


class SynapseEngine(wiring.Component):
    """Adds, for each event, one row of P weights times the event's values to P x S accumulators.

    A weight is read once for the S steps of a block. One event is taken in each clock, without
    exception.

    Parameters
    ----------
    plan : LayerPlan
    weights : Words
        Rows of the weight memory (:func:`cygnet.images.memories`).

    Members
    -------
    i : ``In(stream.Signature(event_layout(plan), always_ready=True))``
    o : ``Out(stream.Signature(sums_layout(plan), always_ready=True))``
        Valid for one clock, ``plan.to_sums`` clocks after the last event of a walk; the sums are
        there a clock later and stay until those of the next walk come.
    """

    def __init__(self, plan: LayerPlan, weights: Words = None) -> None:
        self._plan = plan
        self._weights = weights
        super().__init__(
            {
                "i": In(stream.Signature(event_layout(plan), always_ready=True)),
                "o": Out(stream.Signature(sums_layout(plan), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        event = self.i.payload
        depth = plan.rounds * plan.positions
        row_shape = data.ArrayLayout(signed(plan.weight_bits), plan.lanes)

        port = parameter_memory(
            m, "weights", width=plan.lanes * plan.weight_bits, depth=depth, words=self._weights
        )

        base = delayed(m, event.base, "base", 1)
        sum_ = (base + delayed(m, event.position, "position", 1))[: len(base)]
        address = delayed(m, sum_, "address", ADDRESS - 1)
        m.d.comb += [port.addr.eq(address), port.en.eq(1)]
        row = port.data
        for stage in range(1, plan.read_latency):
            read = Signal.like(port.data, name=f"row_{stage}", reset_less=True)
            m.d.sync += read.eq(row)
            row = read
        weights = data.View(row_shape, row)

        # What travels beside the weights; nothing is added where there is no event.
        valid = delayed(m, self.i.valid, "valid", ADDRESS, reset_less=False)
        taken = delayed(m, event.values, "taken", ADDRESS)
        values = Signal(event.values.shape(), reset_less=True)
        m.d.sync += values.eq(Mux(valid, taken, 0))
        values = delayed(m, values, "values", plan.read_latency - 1)
        flags = Signal(data.StructLayout({"first": 1, "last": 1, "end": 1}))
        m.d.comb += flags.eq(Cat(event.first, self.i.valid & event.last, event.end))
        clocks = ADDRESS + plan.read_latency + plan.product_latency - 1
        flags = delayed(m, flags, "flags", clocks, reset_less=False)
        late = delayed(m, flags, "late", 1, reset_less=False)

        # One copy for each group of lanes keeps wires short.
        for low in range(0, plan.lanes, GROUP):
            group = range(low, min(low + GROUP, plan.lanes))
            first, load = (
                Signal(name=f"{name}_{low}", attrs={"keep": 1}) for name in ("first", "load")
            )
            m.d.sync += [first.eq(flags.first), load.eq(late.last)]
            for lane in group:
                products = self._products(m, lane, weights[lane], values)
                for column, product in enumerate(products):
                    total, held_total = (
                        Signal(
                            signed(plan.accumulator_width),
                            name=f"{name}_{column}_{lane}",
                            reset_less=True,
                        )
                        for name in ("sum", "held")
                    )
                    m.d.sync += total.eq(Mux(first, 0, total) + product)
                    with m.If(load):
                        m.d.sync += held_total.eq(total)
                    m.d.comb += self.o.payload.sums[column][lane].eq(held_total)

        m.d.sync += [self.o.valid.eq(late.last), self.o.payload.end.eq(late.end)]
        return m

    def _products(self, m: Module, lane: int, weight: Value, values: data.View) -> list[Signal]:
        """One for each column."""
        plan = self._plan
        columns = [values[column] for column in range(plan.columns)]
        if plan.arithmetic == "dsp":
            return multiply(m, weight, columns, plan.value, f"product_{lane}")
        names = [f"product_{column}_{lane}" for column in range(plan.columns)]
        if digits(plan.value, plan.arithmetic):
            return [
                digit_product(m, weight, value, name)
                for value, name in zip(columns, names, strict=True)
            ]
        return [
            shift_add_product(m, weight, value, plan.value, name)
            for value, name in zip(columns, names, strict=True)
        ]
