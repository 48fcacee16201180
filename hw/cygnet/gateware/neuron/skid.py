# SPDX-License-Identifier: Apache-2.0
"""A stream register whose ready, too, is a register."""

from __future__ import annotations

from typing import Any

from amaranth import Module, Mux, Signal
from amaranth.hdl import ShapeLike
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Skid"]


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
