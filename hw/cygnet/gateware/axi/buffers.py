# SPDX-License-Identifier: Apache-2.0
"""Frames and answers for processors that have no DMA: through registers."""

from __future__ import annotations

from amaranth.hdl import Array, Cat, Module, Signal, unsigned
from amaranth.lib import fifo, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.axi.gates import answer_layout, beat_layout
from cygnet.network import unsigned_width

__all__ = ["AnswerBuffer", "FrameBuffer"]

WORD = 4
"""Values in a word."""


class FrameBuffer(wiring.Component):
    """Words of four values to beats, one value a clock. Each frame begins a new word.

    Parameters
    ----------
    values, beat : int
        Of a frame and of a beat.

    Members
    -------
    word, given : ``In``
        A word is taken in each clock with ``given``, or lost if there is no space.
    space : ``Out``
        Words for which there is room.
    lost : ``Out(1)``
        For one clock, when a word was lost.
    o : ``Out`` stream of :func:`~cygnet.gateware.axi.gates.beat_layout`
    """

    def __init__(self, values: int, beat: int) -> None:
        self._values = values
        self._beat = beat
        self.depth = max(64, -(-values // WORD))
        super().__init__(
            {
                "word": In(8 * WORD),
                "given": In(1),
                "space": Out(unsigned_width(self.depth)),
                "lost": Out(1),
                "o": Out(stream.Signature(beat_layout(beat))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.words = words = fifo.SyncFIFOBuffered(width=8 * WORD, depth=self.depth)
        left = Signal(range(self._values), init=self._values - 1)
        in_word = Signal(range(WORD))
        in_beat = Signal(range(max(2, self._beat)))
        taken, frame_ends, beat_ends = Signal(), Signal(), Signal()
        value = Signal(8)
        values = self.o.payload.data
        m.d.comb += [
            words.w_data.eq(self.word),
            words.w_en.eq(self.given),
            self.space.eq(self.depth - words.level),
            self.lost.eq(self.given & ~words.w_rdy),
            value.eq(Array(words.r_data.word_select(n, 8) for n in range(WORD))[in_word]),
            frame_ends.eq(left == 0),
            beat_ends.eq(frame_ends | (in_beat == self._beat - 1)),
            taken.eq(words.r_rdy & (~self.o.valid | self.o.ready)),
            words.r_en.eq(taken & (frame_ends | (in_word == WORD - 1))),
        ]
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(taken):
            m.d.sync += [
                self.o.valid.eq(beat_ends),
                self.o.payload.last.eq(frame_ends),
                left.eq(left - 1),
                in_word.eq(in_word + 1),
                in_beat.eq(in_beat + 1),
            ]
            for place in range(self._beat):
                # A beat that a frame does not fill has zeros behind its values.
                with m.If(in_beat == place):
                    m.d.sync += values[8 * place :].eq(Cat(value))
            with m.If(beat_ends):
                m.d.sync += in_beat.eq(0)
            with m.If(frame_ends):
                m.d.sync += [left.eq(self._values - 1), in_word.eq(0)]
        return m


class AnswerBuffer(wiring.Component):
    """Logits that wait to be read.

    Members
    -------
    i : ``In`` stream of :func:`~cygnet.gateware.axi.gates.answer_layout`
    logit : ``Out(32)``
        The next one, sign-extended.
    taken : ``In(1)``
        It was read.
    count : ``Out``
        Logits that wait.
    label : ``Out``
        Of the answer whose last logit was read last.
    missed : ``Out(1)``
        For one clock, when there was none to read.
    """

    def __init__(self, logit_width: int, classes: int) -> None:
        if not 1 <= logit_width <= 32:
            raise ValueError(f"logit width must be an integer in 1..32, not {logit_width!r}")
        self._layout = answer_layout(logit_width, classes)
        self.depth = max(64, 2 * classes)
        super().__init__(
            {
                "i": In(stream.Signature(self._layout)),
                "logit": Out(32),
                "taken": In(1),
                "count": Out(unsigned_width(self.depth)),
                "label": Out(unsigned(unsigned_width(classes - 1))),
                "missed": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.answers = answers = fifo.SyncFIFOBuffered(
            width=self._layout.size, depth=self.depth
        )
        answer = Signal(self._layout)
        logit = Signal(32)
        m.d.comb += [
            answers.w_data.eq(self.i.payload),
            answers.w_en.eq(self.i.valid),
            self.i.ready.eq(answers.w_rdy),
            answer.eq(answers.r_data),
            logit.eq(answer.logit),
            self.count.eq(answers.level),
            self.missed.eq(self.taken & ~answers.r_rdy),
            answers.r_en.eq(self.taken),
        ]
        with m.If(answers.r_rdy):
            m.d.comb += self.logit.eq(logit)
        with m.If(self.taken & answers.r_rdy & answer.last):
            m.d.sync += self.label.eq(answer.label)
        return m
