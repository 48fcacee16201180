# SPDX-License-Identifier: Apache-2.0
"""The receiving half of the frame protocol: requests are checked, images kept in slots."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.fifo import SyncFIFOBuffered
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.link.crc import Crc32
from cygnet.host.protocol import CLASSIFY, IDENTIFY, SYNC

__all__ = ["TICKET", "Requests", "beat_layout"]


TICKET = data.StructLayout(
    {"identify": unsigned(1), "classify": unsigned(1), "sequence": unsigned(8)}
)
"""A request that waits for its answer: what kind (neither: it was rejected), and its number."""


def beat_layout(beat: int) -> data.StructLayout:
    """data: values of 8 bits, the first in the low bits; last: closes the image."""
    return data.StructLayout({"data": unsigned(8 * beat), "last": unsigned(1)})


class Requests(wiring.Component):
    """Frames of :mod:`cygnet.host.protocol` from bytes.

    An image is written into a slot as it comes, but leaves only after its CRC was right.

    Parameters
    ----------
    values : int
        Bytes of an image.
    beat : int
        Bytes that leave in one transfer.
    slots : int
        Images that are kept; a power of two.
    patience : int
        Clocks without a byte after which a frame is given up.

    Members
    -------
    i : ``In(stream.Signature(8, always_ready=True))``
        At least 12 clocks apart.
    broken : ``In(1)``
        A byte was lost here: the frame is given up.
    tickets : ``Out(stream.Signature(TICKET))``
        In the order of the requests; a ticket to classify comes with its image, or before.
    o : ``Out(stream.Signature(beat_layout(beat)))``
        The images, in the order of their tickets; valid from the first beat to the last.
    """

    def __init__(self, *, values: int, beat: int, slots: int, patience: int) -> None:
        for name, value, low in (
            ("values", values, 1),
            ("beat", beat, 1),
            ("patience", patience, 1),
        ):
            if value < low:
                raise ValueError(f"{name} must be at least {low}, not {value!r}")
        if slots < 2 or slots & slots - 1:
            raise ValueError(f"slots must be a power of two, at least 2, not {slots!r}")
        self._values = values
        self._beat = beat
        self._slots = slots
        self._patience = patience
        super().__init__(
            {
                "i": In(stream.Signature(8, always_ready=True)),
                "broken": In(1),
                "tickets": Out(stream.Signature(TICKET)),
                "o": Out(stream.Signature(beat_layout(beat))),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        beats = -(-self._values // self._beat)
        address = (beats - 1).bit_length()
        m.submodules.memory = memory = Memory(
            shape=8 * self._beat, depth=self._slots << address, init=[]
        )
        m.submodules.queue = queue = SyncFIFOBuffered(width=TICKET.size, depth=2 * self._slots)
        m.submodules.crc = crc = Crc32()
        ticket = Signal(TICKET)
        full = Signal()  # when the image began
        taken = Signal()
        sent = Signal()
        waiting = Signal(range(self._slots + 1))
        m.d.sync += waiting.eq(waiting + taken - sent)
        m.d.comb += [
            queue.w_data.eq(ticket),
            self.tickets.payload.eq(queue.r_data),
            self.tickets.valid.eq(queue.r_rdy),
            queue.r_en.eq(self.tickets.ready),
        ]
        self._receive(m, memory.write_port(), queue, crc, ticket, full, taken)
        self._send(m, memory.read_port(), waiting, sent)
        with m.If(crc.start):
            m.d.sync += full.eq(waiting == self._slots)
        return m

    def _receive(
        self,
        m: Module,
        write: Any,
        queue: SyncFIFOBuffered,
        crc: Any,
        ticket: Any,
        full: Signal,
        taken: Signal,
    ) -> None:
        byte = self.i.payload
        at = Signal(range(max(self._values, 4)))
        lane = Signal(range(self._beat))
        gathered = Signal(8 * self._beat)
        word = Signal((-(-self._values // self._beat) - 1).bit_length())
        slot = Signal(range(self._slots))
        silence = Signal(range(self._patience + 1))
        rejected = Signal()
        m.d.sync += silence.eq(Mux(self.i.valid, 0, silence + 1))
        given_up = self.broken | (silence == self._patience)
        m.d.comb += [
            crc.data.eq(byte),
            write.addr.eq(Cat(word, slot)),
            write.data.eq(gathered),
            write.data.word_select(lane, 8).eq(byte),
        ]
        with m.FSM():
            with m.State("HUNT"):
                m.d.sync += [at.eq(0), lane.eq(0), word.eq(0), gathered.eq(0), silence.eq(0)]
                m.d.sync += rejected.eq(0)
                m.d.comb += crc.start.eq(1)
                with m.If(self.i.valid & (byte == SYNC)):
                    m.next = "HEADER"
            with m.State("HEADER"):
                m.d.comb += crc.valid.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.d.sync += at.eq(at + 1)
                    with m.Switch(at):
                        with m.Case(0):
                            m.d.sync += [
                                ticket.identify.eq(byte == IDENTIFY),
                                ticket.classify.eq(byte == CLASSIFY),
                            ]
                            with m.If((byte != IDENTIFY) & (byte != CLASSIFY)):
                                m.next = "HUNT"
                        with m.Case(1):
                            m.d.sync += ticket.sequence.eq(byte)
                        with m.Case(2):
                            with m.If(byte != Mux(ticket.classify, self._values & 0xFF, 0)):
                                m.next = "HUNT"
                        with m.Case(3):
                            m.d.sync += at.eq(0)
                            with m.If(byte != Mux(ticket.classify, self._values >> 8, 0)):
                                m.next = "HUNT"
                            with m.Elif(ticket.classify):
                                m.next = "IMAGE"
                            with m.Else():
                                m.next = "CHECK"
                with m.If(given_up):
                    m.next = "HUNT"
            with m.State("IMAGE"):
                m.d.comb += crc.valid.eq(self.i.valid)
                last = at == self._values - 1
                with m.If(self.i.valid):
                    m.d.sync += [
                        at.eq(Mux(last, 0, at + 1)),
                        lane.eq(lane + 1),
                        gathered.word_select(lane, 8).eq(byte),
                    ]
                    with m.If((lane == self._beat - 1) | last):
                        m.d.comb += write.en.eq(~full)
                        m.d.sync += [lane.eq(0), gathered.eq(0), word.eq(word + 1)]
                    with m.If(last):
                        m.next = "CHECK"
                with m.If(given_up):
                    m.d.sync += rejected.eq(1)
                    m.next = "VERDICT"
            with m.State("CHECK"):
                m.d.comb += crc.valid.eq(self.i.valid)
                with m.If(self.i.valid):
                    m.d.sync += at.eq(at + 1)
                    with m.If(at == 3):
                        m.next = "VERDICT"
                with m.If(given_up):
                    m.d.sync += rejected.eq(1)
                    m.next = "VERDICT"
            with m.State("VERDICT"):
                right = crc.match & ~rejected & ~(ticket.classify & full)
                with m.If(~crc.busy):
                    m.d.comb += queue.w_en.eq(1)
                    with m.If(~right):
                        m.d.comb += queue.w_data.eq(Cat(Const(0, 2), ticket.sequence))
                    with m.Elif(ticket.classify & queue.w_rdy):
                        m.d.comb += taken.eq(1)
                        m.d.sync += slot.eq(slot + 1)
                    m.next = "HUNT"

    def _send(self, m: Module, read: Any, waiting: Signal, sent: Signal) -> None:
        beats = -(-self._values // self._beat)
        word = Signal((beats - 1).bit_length())
        slot = Signal(range(self._slots))
        last = word == beats - 1
        moves = self.o.valid & self.o.ready
        m.d.comb += [
            read.addr.eq(Cat(Mux(moves, word + 1, word)[: len(word)], slot)),
            self.o.payload.data.eq(read.data),
            self.o.payload.last.eq(last),
            sent.eq(moves & last),
        ]
        with m.If(moves):
            m.d.sync += word.eq(Mux(last, 0, word + 1))
        with m.If(sent):
            m.d.sync += [slot.eq(slot + 1), self.o.valid.eq(0)]
        with m.Elif(waiting != 0):
            m.d.sync += self.o.valid.eq(1)
