# SPDX-License-Identifier: Apache-2.0
"""Takes the sums of a round one by one, adds the bias, and hands them on as currents."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Module, Mux, Signal, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.engine import sums_layout
from cygnet.gateware.events import current_layout
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Drain"]


class Drain(wiring.Component):
    """A shift register of P x S sums, loaded at once and emptied one a clock while the engine works
    on the next round.

    The order is step by step, lanes inside: the same neuron comes again after ``plan.pitch``
    clocks. Pixels give one column of sums, which goes round T times.

    Parameters
    ----------
    plan : LayerPlan
    biases : sequence of int, or None
        Rows of the bias memory, two's complement; None leaves it to an image.

    Members
    -------
    i : ``In(stream.Signature(sums_layout(plan), always_ready=True))``
        At least ``plan.drain`` clocks apart.
    o : ``Out(stream.Signature(current_layout(plan), always_ready=True))``
    """

    def __init__(self, plan: LayerPlan, biases: Sequence[int] | None = None) -> None:
        self._plan = plan
        self._biases = biases
        super().__init__(
            {
                "i": In(stream.Signature(sums_layout(plan), always_ready=True)),
                "o": Out(stream.Signature(current_layout(plan), always_ready=True)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        length = plan.columns * plan.lanes

        m.submodules.biases = memory = Memory(
            shape=unsigned(plan.bias_width), depth=plan.outputs, init=self._biases or []
        )
        port = memory.read_port()

        busy = Signal()
        lane = Signal(unsigned_width(plan.pitch - 1))
        step = Signal(unsigned_width(plan.steps - 1))
        end = Signal()
        base = Signal(unsigned_width(plan.outputs))
        channel = Signal(unsigned_width(plan.outputs))
        channel_next = Signal.like(channel)
        last_lane = Signal()
        last_step = Signal()
        valid = Signal()
        in_lane = Signal()
        m.d.comb += [
            last_lane.eq(lane == plan.pitch - 1),
            last_step.eq(step == plan.steps - 1),
            in_lane.eq(lane < plan.lanes),
            valid.eq(busy & (lane < Mux(end, plan.tail, plan.lanes))),
            port.addr.eq(channel_next),
            port.en.eq(1),
            channel_next.eq(channel),
        ]
        with m.If(busy):
            m.d.sync += lane.eq(lane + 1)
            m.d.comb += channel_next.eq(channel + 1)
            with m.If(last_lane):
                m.d.sync += [lane.eq(0), step.eq(step + 1)]
                m.d.comb += channel_next.eq(base)
                with m.If(last_step):
                    m.d.sync += [step.eq(0), busy.eq(0), base.eq(Mux(end, 0, base + plan.lanes))]
                    m.d.comb += channel_next.eq(Mux(end, 0, base + plan.lanes))
        m.d.sync += channel.eq(channel_next)
        with m.If(self.i.valid):
            m.d.sync += [busy.eq(1), end.eq(self.i.payload.end)]

        chain = [
            Signal(signed(plan.accumulator_width), name=f"chain_{number}")
            for number in range(length)
        ]
        for number, place in enumerate(chain):
            column, place_lane = divmod(number, plan.lanes)
            with m.If(self.i.valid):
                m.d.sync += place.eq(self.i.payload.sums[column][place_lane])
            with m.Elif(busy & in_lane):
                m.d.sync += place.eq(chain[(number + 1) % length])

        total = Signal(signed(plan.current_width))
        m.d.comb += total.eq((chain[0] + port.data.as_signed()) * plan.scale)
        payload = self.o.payload
        m.d.sync += [
            self.o.valid.eq(valid),
            payload.index.eq(lane),
            payload.channel.eq(channel),
            payload.current.eq(total),
            payload.first.eq(step == 0),
            payload.last.eq(last_step),
            payload.end.eq(last_step & end & (lane == plan.tail - 1)),
        ]
        return m
