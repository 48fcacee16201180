# SPDX-License-Identifier: Apache-2.0
"""One top for every board: clock, reset, serial line, lamps, and an accelerator between them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amaranth.hdl import (
    ClockDomain,
    ClockSignal,
    Elaboratable,
    Instance,
    Module,
    ResetSignal,
    Signal,
)
from amaranth.lib import io
from amaranth.lib.cdc import FFSynchronizer

from cygnet.boards.pll import Pll
from cygnet.boards.table import Board
from cygnet.errors import CygnetError
from cygnet.gateware.link.serial_link import LinkConfig, SerialLink
from cygnet.gateware.link.uart import LEAST_CLOCKS
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.host.device import Identity
from cygnet.image_formats import hexadecimal
from cygnet.images import memories
from cygnet.input_stream import frame_bytes
from cygnet.layer_plan import plan_layers
from cygnet.network import Network, unsigned_width

__all__ = ["TOP", "BoardDesign", "board_design"]

TOP = "cygnet_board"
"""Name of the top module of every board."""
RESET_CLOCKS = 2048
"""Of power-on reset: an iCE40's block RAM reads zeros for the first 15 us."""


@dataclass(frozen=True)
class BoardDesign:
    """What the tools need of a design.

    :param verilog: all modules; the top is :data:`TOP`
    :param images: text by file name of what its memories read
    :param constraints: pins and clocks, as nextpnr takes them (.lpf or .pcf)
    :param pins: names of the ports that are the clock, the serial line's ``rx`` and ``tx``, and
        the lamps, ``led0`` the lowest
    """

    verilog: str
    images: dict[str, str]
    constraints: str
    pins: dict[str, str]


def board_design(
    network: Network,
    hardware: HardwareConfig,
    board: Board,
    pll: Pll,
    *,
    baud: int,
    silence: float = 0.05,
) -> BoardDesign:
    """The design of a network on a board.

    :param pll: of the board's clock
    :param baud: of its serial line
    :param silence: seconds without a byte after which a frame is given up
    :raises ValueError, CygnetError: the accelerator cannot be built, or the clock is too slow for
        the baud rate
    """
    if pll.output_hz < LEAST_CLOCKS * baud:
        raise CygnetError(
            f"--baud: {baud} needs a clock of {LEAST_CLOCKS * baud / 1e6:g} MHz, and it is "
            f"{pll.output_hz / 1e6:g} MHz; give a lower --baud"
        )
    last = plan_layers(network, hardware)[-1]
    identity = Identity(
        network.digest,
        frame_bytes(network, hardware),
        network.classes,
        hardware.steps,
        pll.output_hz,
    )
    link = LinkConfig(
        identity,
        baud=baud,
        beat=hardware.beat,
        logit_width=last.current_width,
        label_width=unsigned_width(last.outputs - 1),
        silence=silence,
    )
    platform = board.create()
    top = _Top(board, pll, link, top_name(network))
    plan = platform.build(top, TOP, do_build=False, debug_verilog=True, emit_src=False)
    files = {name: _text(content) for name, content in plan.files.items()}
    constraints = files[f"{TOP}.{'pcf' if board.family == 'ice40' else 'lpf'}"]
    return BoardDesign(
        f"{files[f'{TOP}.debug.v']}\n{generate(network, hardware)}",
        {
            f"{memory.name}.mem": hexadecimal(memory).decode()
            for memory in memories(network, hardware)
        },
        constraints,
        top.pins,
    )


def _text(content: str | bytes) -> str:
    return content if isinstance(content, str) else content.decode()


class _Top(Elaboratable):
    """Everything between the pins, but the accelerator, which is a module of its own file."""

    def __init__(self, board: Board, pll: Pll, link: LinkConfig, accelerator: str) -> None:
        self._board = board
        self._pll = pll
        self._link = link
        self._accelerator = accelerator
        self.pins: dict[str, str] = {}

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        self._clock(m, platform)
        m.submodules.link = link = SerialLink(self._link)
        uart = platform.request("uart", 0, dir="-")
        m.submodules.rx_pin = rx = io.Buffer("i", uart.rx)
        m.submodules.tx_pin = tx = io.Buffer("o", uart.tx)
        m.d.comb += [link.rx.eq(rx.i), tx.o.eq(link.tx)]
        self.pins |= {"rx": uart.rx.io.name, "tx": uart.tx.io.name}
        self._lamps(m, platform, link.label)
        m.submodules.accelerator = Instance(
            self._accelerator,
            i_clk=ClockSignal(),
            i_rst=ResetSignal(),
            i_in_valid=link.image.valid,
            o_in_ready=link.image.ready,
            i_in_data=link.image.payload.data,
            i_in_last=link.image.payload.last,
            o_in_error=link.error,
            o_out_valid=link.logits.valid,
            i_out_ready=link.logits.ready,
            o_out_logit=link.logits.payload.logit,
            o_out_label=link.logits.payload.label,
            o_out_last=link.logits.payload.last,
        )
        return m

    def _clock(self, m: Module, platform: Any) -> None:
        pin = platform.request(platform.default_clk, dir="-")
        self.pins["clock"] = pin.io.name
        clock, locked = ClockSignal(), Signal()
        pll = self._pll
        if pll.parameters and pll.family == "ice40" and self._board.pll_pin:
            m.submodules.pll = pll.ice40_pad(pin.io, clock, locked)
        else:
            m.submodules.clock_pin = buffer = io.Buffer("i", pin)
            if not pll.parameters:
                m.d.comb += [clock.eq(buffer.i), locked.eq(1)]
            elif pll.family == "ice40":
                m.submodules.pll = pll.ice40_core(buffer.i, clock, locked)
            else:
                m.submodules.pll = pll.ecp5(buffer.i, clock, locked)
        # Registers start as the bitstream says; until this counter is full, all are held there.
        m.domains.start = start = ClockDomain(reset_less=True, local=True)
        m.d.comb += start.clk.eq(clock)
        steady = Signal()
        count = Signal(range(RESET_CLOCKS))
        reset = Signal(init=1)
        m.submodules.steady = FFSynchronizer(locked, steady, o_domain="start")
        with m.If(~steady):
            m.d.start += [count.eq(0), reset.eq(1)]
        with m.Elif(count == RESET_CLOCKS - 1):
            m.d.start += reset.eq(0)
        with m.Else():
            m.d.start += count.eq(count + 1)
        m.d.comb += ResetSignal().eq(reset)

    def _lamps(self, m: Module, platform: Any, label: Any) -> None:
        requested: dict[tuple[str, int], Any] = {}
        for bit, (name, number, *colour) in enumerate(self._board.leds):
            if (name, number) not in requested:
                requested[name, number] = platform.request(name, number, dir="-")
            port = requested[name, number]
            port = getattr(port, colour[0]) if colour else port
            m.submodules[f"led{bit}"] = lamp = io.Buffer("o", port)
            m.d.comb += lamp.o.eq(label[bit] if bit < len(label) else 0)
            self.pins[f"led{bit}"] = port.io.name
