# SPDX-License-Identifier: Apache-2.0
"""The synapse engine: output-stationary, event-driven, P lanes wide."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Signal, Value, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import event_layout, sums_layout
from cygnet.gateware.products import ShiftAddProduct, multiply
from cygnet.layer_plan import ADDRESS, READ, LayerPlan

__all__ = ["SynapseEngine"]


class SynapseEngine(wiring.Component):
    """Adds, for each event, one row of P weights times the event's values to P x S accumulators.

    A weight is read once for all steps. One event is taken in each clock, without exception.

    Parameters
    ----------
    plan : LayerPlan
    weights : sequence of int, or None
        Rows of the weight memory (:func:`cygnet.images.memories`); None leaves it to an image.

    Members
    -------
    i : ``In(stream.Signature(event_layout(plan), always_ready=True))``
    o : ``Out(stream.Signature(sums_layout(plan), always_ready=True))``
        Valid for one clock, ``plan.to_sums`` clocks after the last event of a round.
    """

    def __init__(self, plan: LayerPlan, weights: Sequence[int] | None = None) -> None:
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

        m.submodules.weights = memory = Memory(
            shape=unsigned(plan.lanes * plan.weight_bits), depth=depth, init=self._weights or []
        )
        port = memory.read_port()

        address = Signal.like(event.address)
        m.d.sync += address.eq(event.address)
        weight_row = Signal(row_shape)
        m.d.comb += [port.addr.eq(address), port.en.eq(1)]
        m.d.sync += weight_row.eq(port.data)

        # What travels beside the weights.
        values = event.values
        for stage in range(ADDRESS + READ):
            delayed = Signal(event.values.shape(), name=f"values_{stage}")
            m.d.sync += delayed.eq(values)
            values = delayed
        flags = {
            "valid": self.i.valid,
            "first": event.first,
            "last": self.i.valid & event.last,
            "end": event.end,
        }
        for name, flag in flags.items():
            for stage in range(ADDRESS + READ + plan.product_latency):
                delayed_flag = Signal(name=f"{name}_{stage}")
                m.d.sync += delayed_flag.eq(flag)
                flag = delayed_flag  # noqa: PLW2901
            flags[name] = flag

        for lane in range(plan.lanes):
            products = self._products(m, lane, weight_row[lane], values)
            for column, product in enumerate(products):
                total = Signal(signed(plan.accumulator_width), name=f"sum_{column}_{lane}")
                with m.If(flags["valid"]):
                    with m.If(flags["first"]):
                        m.d.sync += total.eq(product)
                    with m.Else():
                        m.d.sync += total.eq(total + product)
                m.d.comb += self.o.payload.sums[column][lane].eq(total)

        m.d.sync += [self.o.valid.eq(flags["last"]), self.o.payload.end.eq(flags["end"])]
        return m

    def _products(self, m: Module, lane: int, weight: Value, values: data.View) -> list[Signal]:
        """One for each column."""
        columns = [values[column] for column in range(self._plan.columns)]
        if self._plan.arithmetic == "dsp":
            return multiply(m, weight, columns, f"product_{lane}")
        return [
            ShiftAddProduct(weight, value).build(m, f"product_{column}_{lane}")
            for column, value in enumerate(columns)
        ]
