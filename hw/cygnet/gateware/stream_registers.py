# SPDX-License-Identifier: Apache-2.0
"""Registers between the two ends of a stream, in both directions."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid", "StreamRegister"]


class Skid(wiring.Component):
    """Two payloads of storage; no path from ``o.ready`` to ``i.ready`` within a clock.

    Adds no clock of latency: a payload that meets an empty buffer passes in the same clock.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
        The source; ``i.ready`` is a register.
    o : Out(stream.Signature(shape))
        The sink.
    """

    def __init__(self, shape: ShapeLike) -> None:
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        kept = Signal.like(self.o.payload, reset_less=True)
        ready = Signal(init=1)  # low while a payload is kept
        m.d.comb += [
            self.i.ready.eq(ready),
            self.o.valid.eq(self.i.valid | ~ready),
            self.o.payload.eq(Mux(ready, self.i.payload, kept)),
        ]
        m.d.sync += ready.eq(self.o.ready | ~self.o.valid)
        with m.If(ready):
            m.d.sync += kept.eq(self.i.payload)
        return m


class StreamRegister(wiring.Component):
    """Registers in both directions: a payload leaves a clock after its transfer, ``i.ready`` is a
    register, too.

    At full speed where both ends are; holds two payloads while the sink waits, so that with a
    source that is always valid a payload is taken a clock after the one two before it has left.

    Parameters
    ----------
    shape : ShapeLike
        Shape of the payload.

    Members
    -------
    i : In(stream.Signature(shape))
    o : Out(stream.Signature(shape))
    """

    def __init__(self, shape: ShapeLike) -> None:
        self._shape = shape
        super().__init__({"i": In(stream.Signature(shape)), "o": Out(stream.Signature(shape))})

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.submodules.skid = skid = Skid(self._shape)
        wiring.connect(m, wiring.flipped(self.i), skid.i)
        m.d.comb += skid.o.ready.eq(~self.o.valid | self.o.ready)
        with m.If(skid.o.ready):
            m.d.sync += [self.o.valid.eq(skid.o.valid), self.o.payload.eq(skid.o.payload)]
        return m
