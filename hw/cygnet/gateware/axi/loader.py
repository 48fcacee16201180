# SPDX-License-Identifier: Apache-2.0
"""Takes parameters word by word, writes them to the memories, and checks that all is right."""

from __future__ import annotations

from enum import IntEnum

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.crc.catalog import CRC32_ETHERNET
from amaranth.lib.wiring import In, Out

from cygnet.gateware.load import LoadPort
from cygnet.gateware.lookup import lookup
from cygnet.load_image import LOAD_WORD, LoadLayout
from cygnet.network import unsigned_width

__all__ = ["Loader", "word_layout"]


class State(IntEnum):
    WAIT = 0
    DATA = 1
    CHECK = 2
    LOADED = 3
    FAILED = 4


def word_layout() -> data.StructLayout:
    """data: a word; last: ends a load, where there is a last to see; framed: there is."""
    return data.StructLayout({"data": unsigned(LOAD_WORD), "last": 1, "framed": 1})


class Loader(wiring.Component):
    """Parameters at run time (:mod:`cygnet.load_image` says what the words are).

    Waits after reset. The first word must be the layout, the last the checksum of all before it.
    With the right one it is ``loaded`` and takes no more words from a stream; else it swallows the
    stream's words up to ``last`` and waits again. ``restart`` waits anew at any time.

    Parameters
    ----------
    layout : LoadLayout

    Members
    -------
    i : ``In`` stream of :func:`word_layout`
        Ready in every clock but while ``loaded``; after a load that failed, what comes is
        swallowed up to a ``last``, or to ``restart``.
    restart : ``In(1)``
    loaded, loading : ``Out(1)``
        All is in place; words have come and others are missing.
    ended : ``Out(1)``
        For one clock, when a load has ended, well or not.
    wrong_checksum, wrong_layout, wrong_length : ``Out(1)``
        For one clock.
    count : ``Out``
        Words taken since the load began.
    checksum : ``Out(32)``
        Of a load that has ended.

    Attributes
    ----------
    ports : mapping of memory name to LoadPort
        Registers, for the memories to use.
    """

    def __init__(self, layout: LoadLayout) -> None:
        self._layout = layout
        widest = max(memory.words_per_row for memory in layout.memories) * LOAD_WORD
        address = Signal(unsigned_width(max(memory.depth for memory in layout.memories)))
        row = Signal(widest)
        self.ports = {
            memory.name: LoadPort(Signal(name=f"load_{memory.name}"), address, row)
            for memory in layout.memories
        }
        super().__init__(
            {
                "i": In(stream.Signature(word_layout())),
                "restart": In(1),
                "loaded": Out(1),
                "loading": Out(1),
                "ended": Out(1),
                "wrong_checksum": Out(1),
                "wrong_layout": Out(1),
                "wrong_length": Out(1),
                "count": Out(32),
                "checksum": Out(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        layout = self._layout
        ports = list(self.ports.values())
        row, address = ports[0].data, ports[0].address
        m.submodules.crc = crc = CRC32_ETHERNET(data_width=LOAD_WORD).create()
        word = self.i.payload
        taken, early = Signal(), Signal()
        m.d.comb += [
            self.i.ready.eq(~self.loaded),
            taken.eq(self.i.valid & self.i.ready),
            early.eq(word.framed & word.last),
            crc.data.eq(word.data),
        ]

        index = Signal(range(max(2, len(ports))))
        part = Signal(range(max(2, len(row) // LOAD_WORD)))
        next_address = Signal.like(address)
        last_part, last_row, last_memory = Signal(), Signal(), Signal()
        parts = lookup(m, index, [memory.words_per_row - 1 for memory in layout.memories], "parts")
        rows = lookup(m, index, [memory.depth - 1 for memory in layout.memories], "rows")
        m.d.comb += [
            last_part.eq(part == parts),
            last_row.eq(next_address == rows),
            last_memory.eq(index == len(ports) - 1),
        ]
        for port in ports:
            m.d.sync += port.enable.eq(0)

        failed = Signal()
        state = Signal(State)
        with m.If(taken):
            m.d.sync += self.count.eq(self.count + 1)
        with m.Switch(state):
            with m.Case(State.WAIT):
                m.d.comb += [crc.start.eq(1), crc.valid.eq(taken)]
                with m.If(taken):
                    m.d.sync += [
                        state.eq(State.DATA),
                        self.count.eq(1),
                        self.checksum.eq(0),
                        self.loading.eq(1),
                        index.eq(0),
                        part.eq(0),
                        next_address.eq(0),
                    ]
                    m.d.comb += [
                        self.wrong_layout.eq(word.data != layout.checksum),
                        self.wrong_length.eq(early),
                        failed.eq(self.wrong_layout | self.wrong_length),
                    ]
            with m.Case(State.DATA):
                with m.If(taken):
                    m.d.comb += [
                        crc.valid.eq(1),
                        self.wrong_length.eq(early),
                        failed.eq(self.wrong_length),
                    ]
                    m.d.sync += [address.eq(next_address), part.eq(Mux(last_part, 0, part + 1))]
                    for place in range(len(row) // LOAD_WORD):
                        with m.If(part == place):
                            m.d.sync += row.word_select(place, LOAD_WORD).eq(word.data)
                    with m.If(last_part):
                        for number, port in enumerate(ports):
                            m.d.sync += port.enable.eq(index == number)
                        m.d.sync += next_address.eq(Mux(last_row, 0, next_address + 1))
                        with m.If(last_row):
                            m.d.sync += index.eq(index + 1)
                            with m.If(last_memory):
                                m.d.sync += state.eq(State.CHECK)
            with m.Case(State.CHECK):
                with m.If(taken):
                    m.d.comb += [
                        self.wrong_checksum.eq(word.data != crc.crc),
                        self.wrong_length.eq(word.framed & ~word.last),
                        failed.eq(self.wrong_checksum | self.wrong_length),
                        self.ended.eq(1),
                    ]
                    m.d.sync += [
                        state.eq(State.LOADED),
                        self.loaded.eq(1),
                        self.loading.eq(0),
                        self.checksum.eq(crc.crc),
                    ]
            with m.Case(State.FAILED):
                with m.If(taken & early):
                    m.d.sync += state.eq(State.WAIT)
        with m.If(failed):
            m.d.comb += self.ended.eq(1)
            m.d.sync += [
                state.eq(Mux(early, State.WAIT, State.FAILED)),
                self.loaded.eq(0),
                self.loading.eq(0),
            ]
        with m.If(self.restart):
            m.d.sync += [
                state.eq(State.WAIT),
                self.loaded.eq(0),
                self.loading.eq(0),
                self.count.eq(0),
            ]
        return m
