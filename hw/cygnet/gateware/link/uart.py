# SPDX-License-Identifier: Apache-2.0
"""A serial line: one start bit, eight data bits, low first, one stop bit."""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import stream, wiring
from amaranth.lib.cdc import FFSynchronizer
from amaranth.lib.wiring import In, Out

__all__ = ["LEAST_CLOCKS", "Receiver", "Transmitter", "increment"]

PHASE = 20
"""Bits of the phase of a bit."""
LEAST_CLOCKS = 4
"""Clocks in a bit that the receiver needs."""


def increment(clock_hz: int, baud: int) -> int:
    """What the phase grows by in a clock, for any ratio, whole or not.

    :param clock_hz: at least four times the baud rate
    :raises ValueError: it is not, or the ratio is beyond the phase's resolution of 1 %
    """
    if clock_hz < LEAST_CLOCKS * baud:
        raise ValueError(
            f"clock must be at least {LEAST_CLOCKS} x {baud} Hz, the baud rate, not {clock_hz!r}"
        )
    step = round((baud << PHASE) / clock_hz)
    if step < 100:
        raise ValueError(f"baud must be at least {clock_hz * 100 >> PHASE}, not {baud!r}")
    return step


class Receiver(wiring.Component):
    """Bytes from a line.

    Parameters
    ----------
    step : int
        :func:`increment`.

    Members
    -------
    rx : ``In(1)``
        The pin.
    o : ``Out(stream.Signature(8, always_ready=True))``
        One byte for one clock, in the middle of its stop bit.
    error : ``Out(1)``
        High for one clock instead, where the stop bit is not there; the line must then be high
        before the next byte.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        super().__init__(
            {
                "rx": In(1, init=1),
                "o": Out(stream.Signature(8, always_ready=True)),
                "error": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        rx = Signal(init=1)
        m.submodules.synchronizer = FFSynchronizer(self.rx, rx, init=1)
        # Set before use. With a reset, each bit of the sum would have a set or reset of its own on
        # an iCE40, which would break the carry chain at every bit.
        phase = Signal(PHASE, reset_less=True)
        sample = Signal(reset_less=True)
        bits = Signal(8)
        left = Signal(range(10))
        m.d.sync += [
            Cat(phase, sample).eq(phase + self._step),
            self.o.valid.eq(0),
            self.error.eq(0),
        ]
        with m.FSM():
            with m.State("HIGH"):
                with m.If(rx):
                    m.next = "IDLE"
            with m.State("IDLE"):
                # The first sample is half a bit after the edge, of which a clock has gone.
                m.d.sync += [Cat(phase, sample).eq((1 << PHASE - 1) + self._step), left.eq(9)]
                with m.If(~rx):
                    m.next = "BITS"
            with m.State("BITS"):
                with m.If(sample):
                    m.d.sync += left.eq(left - 1)
                    with m.If(left == 0):
                        m.d.sync += [
                            self.o.payload.eq(bits),
                            self.o.valid.eq(rx),
                            self.error.eq(~rx),
                        ]
                        m.next = "HIGH"
                    with m.Elif((left == 9) & rx):
                        m.next = "IDLE"
                    with m.Else():
                        m.d.sync += bits.eq(Cat(bits[1:], rx))
        return m


class Transmitter(wiring.Component):
    """Bytes to a line.

    Parameters
    ----------
    step : int
        :func:`increment`.

    Members
    -------
    i : ``In(stream.Signature(8))``
    tx : ``Out(1)``
        The pin; it follows a byte at once and is high between bytes.
    """

    def __init__(self, step: int) -> None:
        self._step = step
        super().__init__({"i": In(stream.Signature(8)), "tx": Out(1, init=1)})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        phase = Signal(PHASE)
        carry = Signal()
        bits = Signal(9)
        left = Signal(range(11))
        m.d.comb += self.i.ready.eq(left == 0)
        with m.If(self.i.ready):
            with m.If(self.i.valid):
                m.d.sync += [
                    Cat(self.tx, bits).eq(Cat(0, self.i.payload, 1)),
                    Cat(phase, carry).eq(self._step),
                    left.eq(10),
                ]
        with m.Else():
            m.d.sync += Cat(phase, carry).eq(phase + self._step)
            with m.If(carry):
                m.d.sync += [Cat(self.tx, bits).eq(Cat(bits, 1)), left.eq(left - 1)]
        return m
