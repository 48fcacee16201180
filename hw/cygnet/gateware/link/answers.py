# SPDX-License-Identifier: Apache-2.0
"""The sending half of the frame protocol: logits are gathered, answers sent in order."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.link.crc import Crc32
from cygnet.gateware.link.requests import TICKET
from cygnet.host.protocol import ANSWER, FAULT, IDENTITY, REJECTED, SYNC, Greeting, answer_length

__all__ = ["Answers", "logit_layout"]


def logit_layout(width: int, label_width: int) -> data.StructLayout:
    """What leaves the accelerator: ``label`` counts with ``last``, the last logit of an image."""
    return data.StructLayout(
        {"logit": signed(width), "label": unsigned(label_width), "last": unsigned(1)}
    )


class Answers(wiring.Component):
    """Frames of :mod:`cygnet.host.protocol` to bytes.

    Parameters
    ----------
    greeting : Greeting
        Whose identity has the number of classes.
    width : int
        Bits of a logit, 32 at most.
    label_width : int

    Members
    -------
    tickets : ``In(stream.Signature(TICKET))``
        What is to be answered.
    i : ``In(stream.Signature(logit_layout(width, label_width)))``
        Logits of the images, in the order of their tickets.
    begins : ``In(1)``
        The first beat of an image moves: clocks are counted from here to the last logit.
    fault : ``In(1)``
        Images and tickets may be out of step: no image is answered any more.
    busy : ``Out(1)``
        The logits of an image are waiting to be sent, so the next should not begin.
    label : ``Out(unsigned(label_width))``
        Of the last image.
    o : ``Out(stream.Signature(8))``
    """

    def __init__(self, greeting: Greeting, *, width: int, label_width: int) -> None:
        if width > 32:
            raise ValueError(f"width must be at most 32, not {width!r}")
        self._greeting = greeting
        super().__init__(
            {
                "tickets": In(stream.Signature(TICKET)),
                "i": In(stream.Signature(logit_layout(width, label_width))),
                "begins": In(1),
                "fault": In(1),
                "busy": Out(1),
                "label": Out(unsigned(label_width)),
                "o": Out(stream.Signature(8)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        packed = self._greeting.pack()
        words = [int.from_bytes(packed[at : at + 4], "little") for at in range(0, len(packed), 4)]
        cycles_at, label_at, logits_at = len(words), len(words) + 1, len(words) + 2
        m.submodules.memory = memory = Memory(
            shape=32, depth=logits_at + self._greeting.identity.classes, init=words
        )
        write, read = memory.write_port(), memory.read_port()

        # The logits of an image, then what is known only with the last of them.
        whole = Signal()
        done = Signal()
        place = Signal(range(memory.depth), init=logits_at)
        cycles = Signal(32)
        m.d.sync += cycles.eq(Mux(self.begins, 0, cycles + 1))
        m.d.comb += [self.busy.eq(1), write.addr.eq(place)]
        with m.FSM(name="gather"):
            with m.State("LOGITS"):
                logit = self.i.payload.logit
                m.d.comb += [
                    self.busy.eq(whole),
                    self.i.ready.eq(~whole),
                    write.data.eq(logit),
                ]
                with m.If(self.i.valid & self.i.ready):
                    m.d.comb += write.en.eq(1)
                    m.d.sync += place.eq(place + 1)
                    with m.If(self.i.payload.last):
                        m.d.sync += [place.eq(cycles_at), self.label.eq(self.i.payload.label)]
                        m.next = "CYCLES"
            with m.State("CYCLES"):
                m.d.comb += [write.en.eq(1), write.data.eq(cycles)]
                m.d.sync += place.eq(label_at)
                m.next = "LABEL"
            with m.State("LABEL"):
                m.d.comb += [write.en.eq(1), write.data.eq(self.label)]
                m.d.sync += [place.eq(logits_at), whole.eq(1)]
                m.next = "LOGITS"
        with m.If(done):
            m.d.sync += whole.eq(0)
        self._answer(m, read, whole, done, cycles_at)
        return m

    def _answer(self, m: Module, read: Any, whole: Signal, done: Signal, cycles_at: int) -> None:
        m.submodules.crc = crc = Crc32()
        ticket = self.tickets.payload
        lengths = {IDENTITY: 4 * cycles_at, ANSWER: answer_length(self._greeting.identity.classes)}
        kind = Signal(8)
        length = Signal(range(max(lengths.values()) + 1))
        start = Signal(range(cycles_at + 1))
        at = Signal(range(max(lengths.values())))
        header = Cat(kind, ticket.sequence, length | Const(0, 16))
        m.d.comb += [
            read.addr.eq(start + (at >> 2)),
            crc.data.eq(self.o.payload),
        ]

        def begin(name: int) -> None:
            m.d.sync += [
                kind.eq(name),
                length.eq(lengths.get(name, 0)),
                start.eq(cycles_at if name == ANSWER else 0),
                at.eq(0),
            ]
            m.next = "SYNC"

        moves = self.o.valid & self.o.ready
        with m.FSM(name="send"):
            with m.State("IDLE"):
                with m.If(self.tickets.valid):
                    with m.If(ticket.identify):
                        begin(IDENTITY)
                    with m.Elif(~ticket.classify):
                        begin(REJECTED)
                    with m.Elif(self.fault):
                        begin(FAULT)
                    with m.Elif(whole):
                        begin(ANSWER)
            with m.State("SYNC"):
                m.d.comb += [self.o.valid.eq(1), self.o.payload.eq(SYNC), crc.start.eq(1)]
                with m.If(moves):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += [
                    self.o.valid.eq(~crc.busy),
                    self.o.payload.eq(header.word_select(at[:2], 8)),
                    crc.valid.eq(moves),
                ]
                with m.If(moves):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == 3):
                        m.d.sync += at.eq(0)
                        with m.If(length == 0):
                            m.next = "CHECK"
                        with m.Else():
                            m.next = "FETCH"
            with m.State("FETCH"):
                m.next = "BODY"
            with m.State("BODY"):
                m.d.comb += [
                    self.o.valid.eq(~crc.busy),
                    self.o.payload.eq(read.data.word_select(at[:2], 8)),
                    crc.valid.eq(moves),
                ]
                with m.If(moves):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == length - 1):
                        m.d.sync += at.eq(0)
                        m.next = "CHECK"
                    with m.Elif(at[:2] == 3):
                        m.next = "FETCH"
            with m.State("CHECK"):
                m.d.comb += [
                    self.o.valid.eq(~crc.busy),
                    self.o.payload.eq(crc.crc.word_select(at[:2], 8)),
                ]
                with m.If(moves):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == 3):
                        m.d.comb += [self.tickets.ready.eq(1), done.eq(kind == ANSWER)]
                        m.next = "IDLE"
