# SPDX-License-Identifier: Apache-2.0
"""Takes the sums of a round one by one, adds shortcut and bias, and hands them on as currents."""

from __future__ import annotations

from amaranth.hdl import Array, Const, Module, Mux, Signal, Value, signed
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.delay import delayed
from cygnet.gateware.events import current_layout, sums_layout
from cygnet.gateware.load import Words, parameter_memory
from cygnet.gateware.lookup import choose
from cygnet.gateware.products import shift_add_product
from cygnet.gateware.skip_buffer import SkipReadSignature
from cygnet.layer_plan import SELECT, SKIP_READ, LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Drain"]

SELECT_BITS = (SELECT - 1).bit_length()


class Drain(wiring.Component):
    """Goes through the P x S sums of a walk during the next one: one sum a clock for each neuron
    core.

    The order is step by step, lanes inside: the same neuron comes again after ``plan.pitch``
    clocks. Pixels give one column of sums, which goes round T times. The blocks of a round follow
    each other, so the neurons see their T steps in a row.

    Parameters
    ----------
    plan : LayerPlan
    biases, skips : Words
        Rows of the memories of biases and of shortcut weights.

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
        biases: Words = None,
        skips: Words = None,
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

        busy = Signal()
        beat = Signal(unsigned_width(plan.pitch - 1))
        step = Signal(unsigned_width(plan.steps - 1))
        end = Signal()
        # The row of channels of this beat, within its pixel and where the round began.
        word = Signal(unsigned_width(plan.rounds * plan.beats))
        word_next = Signal.like(word)
        word_base = Signal.like(word)
        last_beat, last_step, valid = Signal(), Signal(), Signal()
        block_done, round_done = Signal(), Signal()
        base_next = Signal.like(word)
        m.d.comb += [
            last_beat.eq(beat == plan.pitch - 1),
            last_step.eq(step == plan.steps - 1),
            block_done.eq(busy & last_beat & self._last_column(m, busy & last_beat, last_step)),
            round_done.eq(busy & last_beat & last_step),
            valid.eq(busy & (beat < Mux(end, plan.tail_beats, plan.beats))),
            base_next.eq(Mux(round_done, Mux(end, 0, word_base + plan.beats), word_base)),
            word_next.eq(Mux(busy & ~last_beat, word + 1, base_next)),
        ]
        with m.If(busy):
            m.d.sync += beat.eq(beat + 1)
            with m.If(last_beat):
                m.d.sync += [beat.eq(0), step.eq(step + 1)]
            with m.If(block_done):
                m.d.sync += busy.eq(0)
            with m.If(round_done):
                m.d.sync += step.eq(0)
        m.d.sync += [word.eq(word_next), word_base.eq(base_next)]
        with m.If(self.i.valid):
            m.d.sync += [busy.eq(1), end.eq(self.i.payload.end)]

        selected = self._selected(m, busy & (beat < plan.beats))

        port = parameter_memory(
            m, "biases", width=cores * plan.bias_width, depth=plan.words, words=self._biases
        )
        m.d.comb += [port.addr.eq(word), port.en.eq(1)]
        biases = delayed(m, port.data, "biases_read", 1)

        channel: Value = word
        if plan.rows_per_pixel:
            channel = self._pixel_base(m, round_done & end) + word
        extras = self._shortcut(m, word, step, round_done & end)
        totals: list[Value] = []
        for core in range(cores):
            biased = selected[core] + biases.word_select(core, plan.bias_width).as_signed()
            if plan.skip is not None:
                # Whichever comes first waits for the other.
                late = plan.select_latency - plan.skip_latency
                biased = delayed(m, biased, f"biased_{core}", 1 + max(0, -late))
                biased = biased + delayed(m, extras[core], f"extra_{core}", max(0, late))
            totals.append(biased * plan.scale)
        flags = {
            "index": beat,
            "channel": channel,
            "first": step == 0,
            "last": last_step,
            "end": last_step & end & (beat == plan.tail_beats - 1),
        }
        payload = self.o.payload
        m.d.sync += self.o.valid.eq(
            delayed(m, valid, "valid", plan.drain_latency - 1, reset_less=False)
        )
        for name, flag in flags.items():
            m.d.sync += payload[name].eq(delayed(m, flag, name, plan.drain_latency - 1))
        for core, total in enumerate(totals):
            m.d.sync += payload.currents[core].eq(total)
        return m

    def _last_column(self, m: Module, advance: Value, last_step: Signal) -> Value:
        """Whether this is the last step of its block."""
        plan = self._plan
        if plan.blocks == 1:
            return last_step
        column = Signal(unsigned_width(plan.columns - 1))
        done = Signal()
        m.d.comb += done.eq((column == plan.columns - 1) | last_step)
        with m.If(advance):
            m.d.sync += column.eq(Mux(done, 0, column + 1))
        return done

    def _selected(self, m: Module, advance: Value) -> list[Value]:
        """For each core the sum whose turn it is, ``plan.select_latency`` clocks later."""
        plan = self._plan
        places = plan.columns * plan.beats
        place = Signal(range(places))
        following = Signal.like(place)
        m.d.comb += following.eq(place)
        with m.If(self.i.valid):
            m.d.comb += following.eq(0)
        with m.Elif(advance):
            m.d.comb += following.eq(Mux(place == places - 1, 0, place + 1))
        m.d.sync += place.eq(following)
        sums = self.i.payload.sums
        selected: list[Value] = []
        for core in range(plan.cores):
            inputs = [
                sums[column][beat * plan.cores + core]
                for column in range(plan.columns)
                for beat in range(plan.beats)
            ]
            parts: list[Value] = []
            for low in range(0, places, SELECT):
                # One copy for each part keeps wires short.
                within = Signal(
                    range(min(places, SELECT)), name=f"within_{core}_{low}", attrs={"keep": 1}
                )
                m.d.sync += within.eq(following)
                part = Signal(
                    signed(plan.accumulator_width), name=f"part_{core}_{low}", reset_less=True
                )
                m.d.sync += part.eq(choose(within, inputs[low : low + SELECT]))
                parts.append(part)
            one: Value = parts[0]
            if len(parts) > 1:
                number = delayed(m, place[SELECT_BITS:], f"part_number_{core}", 1)
                one = choose(number, parts)
            selected.append(delayed(m, one, f"selected_{core}", 1))
        return selected

    def _pixel_base(self, m: Module, window_done: Value) -> Value:
        """The first row of parameters of this pixel."""
        plan = self._plan
        base = Signal(unsigned_width(plan.pixels * plan.words), name="pixel_base")
        with m.If(window_done):
            last = base == (plan.pixels - 1) * plan.words
            m.d.sync += base.eq(Mux(last, 0, base + plan.words))
        return base

    def _shortcut(self, m: Module, word: Value, step: Value, window_done: Value) -> list[Value]:
        """What the shortcut adds, for each core."""
        plan = self._plan
        if plan.skip is None:
            return [Const(0)] * plan.cores
        skip = plan.skip
        port = parameter_memory(
            m, "skips", width=plan.cores * skip.weight_bits, depth=skip.words, words=self._skips
        )
        m.d.comb += [
            port.addr.eq(delayed(m, word, "skip_word", SKIP_READ - 1)),
            port.en.eq(1),
            self.skip.word.eq(word),
            self.skip.release.eq(window_done),
        ]
        weights = delayed(m, port.data, "skip_weights", 1)
        values = delayed(m, self.skip.values, "skip_values", 1)
        column_later = delayed(m, step, "skip_column", 1 + SKIP_READ)
        products: list[Value] = []
        for core in range(plan.cores):
            weight = weights.word_select(core, skip.weight_bits).as_signed()
            counts = [values[core][column] for column in range(skip.columns)]
            count = Array(counts)[column_later] if len(counts) > 1 else counts[0]
            name = f"skip_product_{core}"
            products.append(shift_add_product(m, weight, count, skip.value, name))
        return products
