# SPDX-License-Identifier: Apache-2.0
"""Takes the sums of a round one by one, adds shortcut and bias, and hands them on as currents."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.events import current_layout, sums_layout
from cygnet.gateware.products import ShiftAddProduct
from cygnet.gateware.skip_buffer import SkipReadSignature
from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Drain"]


class Drain(wiring.Component):
    """A shift register of P x S sums, loaded at once and emptied while the engine works on the next
    round: one sum a clock for each neuron core.

    The order is step by step, lanes inside: the same neuron comes again after ``plan.pitch``
    clocks. Pixels give one column of sums, which goes round T times.

    Parameters
    ----------
    plan : LayerPlan
    biases, skips : sequence of int, or None
        Rows of the memories of biases and of shortcut weights; None leaves them to an image.

    Members
    -------
    i : ``In(stream.Signature(sums_layout(plan), always_ready=True))``
        At least ``plan.drain`` clocks apart.
    skip : ``Out(SkipReadSignature(plan.skip))``
        Only if the layer has an identity shortcut.
    o : ``Out(stream.Signature(current_layout(plan), always_ready=True))``
    """

    def __init__(
        self,
        plan: LayerPlan,
        biases: Sequence[int] | None = None,
        skips: Sequence[int] | None = None,
    ) -> None:
        self._plan = plan
        self._biases = biases
        self._skips = skips
        members = {
            "i": In(stream.Signature(sums_layout(plan), always_ready=True)),
            "o": Out(stream.Signature(current_layout(plan), always_ready=True)),
        }
        if plan.skip is not None:
            members["skip"] = Out(SkipReadSignature(plan.skip))
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plan = self._plan
        cores = plan.cores
        length = plan.columns * plan.lanes

        busy = Signal()
        beat = Signal(unsigned_width(plan.pitch - 1))
        step = Signal(unsigned_width(plan.steps - 1))
        end = Signal()
        # The row of channels of this beat, within its pixel and where the round began.
        word = Signal(unsigned_width(plan.rounds * plan.beats))
        word_next = Signal.like(word)
        word_base = Signal.like(word)
        last_beat, last_step, valid, round_done = Signal(), Signal(), Signal(), Signal()
        base_next = Signal.like(word)
        m.d.comb += [
            last_beat.eq(beat == plan.pitch - 1),
            last_step.eq(step == plan.steps - 1),
            round_done.eq(busy & last_beat & last_step),
            valid.eq(busy & (beat < Mux(end, plan.tail_beats, plan.beats))),
            base_next.eq(Mux(round_done, Mux(end, 0, word_base + plan.beats), word_base)),
            word_next.eq(Mux(busy & ~last_beat, word + 1, base_next)),
        ]
        with m.If(busy):
            m.d.sync += beat.eq(beat + 1)
            with m.If(last_beat):
                m.d.sync += [beat.eq(0), step.eq(step + 1)]
            with m.If(round_done):
                m.d.sync += [step.eq(0), busy.eq(0)]
        m.d.sync += [word.eq(word_next), word_base.eq(base_next)]
        with m.If(self.i.valid):
            m.d.sync += [busy.eq(1), end.eq(self.i.payload.end)]

        chain = [
            Signal(signed(plan.accumulator_width), name=f"chain_{number}")
            for number in range(length)
        ]
        for number, place in enumerate(chain):
            column, lane = divmod(number, plan.lanes)
            with m.If(self.i.valid):
                m.d.sync += place.eq(self.i.payload.sums[column][lane])
            with m.Elif(busy & (beat < plan.beats)):
                m.d.sync += place.eq(chain[(number + cores) % length])

        m.submodules.biases = memory = Memory(
            shape=unsigned(cores * plan.bias_width), depth=plan.words, init=self._biases or []
        )
        port = memory.read_port()
        m.d.comb += [port.addr.eq(word_next), port.en.eq(1)]

        channel: Value = word
        if plan.rows_per_pixel:
            channel = self._pixel_base(m, round_done & end) + word
        totals: list[Value] = []
        extras = self._shortcut(m, word_next, step, round_done & end)
        for core in range(cores):
            bias = port.data.word_select(core, plan.bias_width).as_signed()
            biased = self._later(m, chain[core] + bias, f"sum_{core}")
            totals.append((biased + extras[core]) * plan.scale)
        flags = {
            "index": beat,
            "channel": channel,
            "first": step == 0,
            "last": last_step,
            "end": last_step & end & (beat == plan.tail_beats - 1),
        }
        payload = self.o.payload
        m.d.sync += self.o.valid.eq(self._later(m, valid, "valid"))
        for name, flag in flags.items():
            m.d.sync += payload[name].eq(self._later(m, flag, name))
        for core, total in enumerate(totals):
            m.d.sync += payload.currents[core].eq(total)
        return m

    def _later(self, m: Module, value: Value, name: str) -> Value:
        """The value as late as the products of the shortcut."""
        for stage in range(self._plan.skip_latency):
            delayed = Signal(value.shape(), name=f"{name}_after_{stage + 1}")
            m.d.sync += delayed.eq(value)
            value = delayed
        return value

    def _pixel_base(self, m: Module, window_done: Value) -> Value:
        """The first row of parameters of this pixel."""
        plan = self._plan
        base = Signal(unsigned_width(plan.pixels * plan.words), name="pixel_base")
        with m.If(window_done):
            last = base == (plan.pixels - 1) * plan.words
            m.d.sync += base.eq(Mux(last, 0, base + plan.words))
        return base

    def _shortcut(
        self, m: Module, word_next: Value, step: Value, window_done: Value
    ) -> list[Value]:
        """What the shortcut adds, for each core."""
        plan = self._plan
        if plan.skip is None:
            return [Const(0)] * plan.cores
        skip = plan.skip
        m.submodules.skips = memory = Memory(
            shape=unsigned(plan.cores * skip.weight_bits), depth=skip.words, init=self._skips or []
        )
        port = memory.read_port()
        m.d.comb += [
            port.addr.eq(word_next),
            port.en.eq(1),
            self.skip.word.eq(word_next),
            self.skip.release.eq(window_done),
        ]
        products: list[Value] = []
        for core in range(plan.cores):
            weight = Signal(signed(skip.weight_bits), name=f"skip_weight_{core}")
            m.d.comb += weight.eq(port.data.word_select(core, skip.weight_bits))
            counts = [self.skip.values[core][column] for column in range(skip.columns)]
            count = Signal(counts[0].shape(), name=f"skip_count_{core}")
            m.d.comb += count.eq(Array(counts)[step] if len(counts) > 1 else counts[0])
            products.append(ShiftAddProduct(weight, count).build(m, f"skip_product_{core}"))
        return products
