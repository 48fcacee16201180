# SPDX-License-Identifier: Apache-2.0
"""What lets an accelerator be reset without breaking the streams around it.

A reset may meet frames half-way on both sides. The neighbours are not reset with it, so a stream
must go on as its rules say: a valid stays, and a packet ends.
"""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.network import unsigned_width

__all__ = ["InputGate", "OutputGate", "answer_layout", "beat_layout"]


def beat_layout(beat: int) -> data.StructLayout:
    """data: ``beat`` values of 8 bits; last: closes the frame."""
    return data.StructLayout({"data": unsigned(8 * beat), "last": 1})


def answer_layout(logit_width: int, classes: int, *, cut: bool = False) -> data.StructLayout:
    """logit; label, meaningful with last; last; and where it is asked for ``cut``: no answer, only
    filled up."""
    members = {
        "logit": signed(logit_width),
        "label": unsigned(unsigned_width(classes - 1)),
        "last": unsigned(1),
    }
    return data.StructLayout(members | ({"cut": unsigned(1)} if cut else {}))


class InputGate(wiring.Component):
    """Lets whole frames through, in the same clock.

    Members
    -------
    i, o : streams of :func:`beat_layout`
    held : ``In(1)``
        What follows is in reset. The rest of a frame that was coming in is swallowed.
    enable : ``In(1)``
        While it is low no new frame begins.
    inside : ``Out(1)``
        A frame has begun and not ended.
    """

    def __init__(self, beat: int) -> None:
        layout = beat_layout(beat)
        super().__init__(
            {
                "i": In(stream.Signature(layout)),
                "o": Out(stream.Signature(layout)),
                "held": In(1),
                "enable": In(1),
                "inside": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        swallow, through = Signal(), Signal()
        m.d.comb += [
            through.eq(~self.held & ~swallow & (self.inside | self.enable)),
            self.o.valid.eq(self.i.valid & through),
            self.o.payload.eq(self.i.payload),
            self.i.ready.eq(swallow | (through & self.o.ready)),
        ]
        with m.If(self.held & self.inside):
            m.d.sync += swallow.eq(1)
        with m.If(self.i.valid & self.i.ready):
            m.d.sync += self.inside.eq(~self.i.payload.last)
            with m.If(self.i.payload.last):
                m.d.sync += swallow.eq(0)
        return m


class OutputGate(wiring.Component):
    """A register in which an answer stays valid through a reset of what is before it.

    An answer that was cut is filled up with zeros, marked ``cut``.

    Members
    -------
    i : ``In`` stream of :func:`answer_layout`
    o : ``Out`` stream of :func:`answer_layout` with ``cut``
        One clock later.
    held : ``In(1)``
        What is before it is in reset.
    inside : ``Out(1)``
        An answer has begun and not ended.
    """

    def __init__(self, logit_width: int, classes: int) -> None:
        self._classes = classes
        self._layout = answer_layout(logit_width, classes, cut=True)
        super().__init__(
            {
                "i": In(stream.Signature(answer_layout(logit_width, classes))),
                "o": Out(stream.Signature(self._layout)),
                "held": In(1),
                "inside": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        place = Signal(range(max(2, self._classes)))
        fill, space, push = Signal(), Signal(), Signal()
        final = Signal()
        m.d.comb += [
            final.eq(place == self._classes - 1),
            self.inside.eq(place != 0),
            space.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(space & ~fill & ~self.held),
            push.eq(space & (fill | (self.i.valid & ~self.held))),
        ]
        with m.If(self.held & self.inside):
            m.d.sync += fill.eq(1)
        with m.If(self.o.ready):
            m.d.sync += self.o.valid.eq(0)
        with m.If(push):
            m.d.sync += [
                self.o.valid.eq(1),
                place.eq(place + 1),
                self.o.payload.logit.eq(self.i.payload.logit),
                self.o.payload.label.eq(self.i.payload.label),
                self.o.payload.last.eq(final),
                self.o.payload.cut.eq(fill),
            ]
            with m.If(final):
                m.d.sync += [place.eq(0), fill.eq(0)]
            with m.If(fill):
                m.d.sync += [self.o.payload.logit.eq(0), self.o.payload.label.eq(0)]
        return m
