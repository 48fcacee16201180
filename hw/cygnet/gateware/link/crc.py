# SPDX-License-Identifier: Apache-2.0
"""CRC-32 a bit a clock: bytes are far apart on a serial line, and this is a third of the logic."""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

__all__ = ["Crc32"]

POLYNOMIAL = 0xEDB88320
"""Of Ethernet and zlib, low bit first."""
RESIDUE = 0xDEBB20E3
"""What the register holds after data and their CRC."""


class Crc32(wiring.Component):
    """The CRC of the bytes since ``start``.

    Members
    -------
    start : ``In(1)``
        Begin again.
    data : ``In(8)``
    valid : ``In(1)``
        Take ``data``; only while not ``busy``.
    busy : ``Out(1)``
        For the eight clocks after a byte, in which the outputs mean nothing.
    crc : ``Out(32)``
    match : ``Out(1)``
        The last four bytes were the CRC of those before.
    """

    def __init__(self) -> None:
        super().__init__(
            {
                "start": In(1),
                "data": In(8),
                "valid": In(1),
                "busy": Out(1),
                "crc": Out(unsigned(32)),
                "match": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        register = Signal(32, init=0xFFFFFFFF)
        bits = Signal(8)
        left = Signal(range(9))
        m.d.comb += [
            self.busy.eq(left != 0),
            self.crc.eq(~register),
            self.match.eq(register == RESIDUE),
        ]
        with m.If(self.valid):
            m.d.sync += [bits.eq(self.data), left.eq(8)]
        with m.Elif(self.busy):
            odd = register[0] ^ bits[0]
            m.d.sync += [
                register.eq((register >> 1) ^ Mux(odd, POLYNOMIAL, 0)),
                bits.eq(bits >> 1),
                left.eq(left - 1),
            ]
        with m.If(self.start):
            m.d.sync += register.eq(0xFFFFFFFF)
        return m
