# SPDX-License-Identifier: Apache-2.0
"""A board without a board: its top under Verilator, its serial pins on a pseudo-terminal.

What runs is the Verilog that the bitstream is made of, pins included; only the primitives of the
device are replaced (``board.v``), by models through which clocks and bits just pass.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cygnet.boards.top import TOP, BoardDesign
from cygnet.cosim.compile import Recipe, compile_model
from cygnet.cosim.simulator import VERILATE
from cygnet.gateware.link.uart import increment

__all__ = ["CLEAN", "Line", "SimulatedBoard", "simulate_board"]

HARNESS = Path(__file__).with_name("board.cpp")
PRIMITIVES = Path(__file__).with_name("board.v")
WRAPPER = "simulated_board"


@dataclass(frozen=True)
class Line:
    """What is wrong with the line or the board.

    :param flip_in: bits wrong in a million towards the board
    :param flip_out: and from it
    :param seed: of those
    :param mute: bytes towards the board after which it answers no more
    :param restart: bytes towards the board after which its power fails for a moment
    """

    flip_in: int = 0
    flip_out: int = 0
    seed: int = 1
    mute: int | None = None
    restart: int | None = None


CLEAN = Line()
"""Nothing is wrong."""


@dataclass
class SimulatedBoard:
    """A board that runs.

    :param port: what to open, such as ``/dev/pts/3``
    """

    port: str
    _lamps: int
    _shown: bytes = b""

    def lamps(self) -> list[int]:
        """What the lamps showed until now, the lowest in bit 0."""
        try:
            while read := os.read(self._lamps, 4096):
                self._shown += read
        except BlockingIOError:
            pass
        return list(self._shown)


@contextmanager
def simulate_board(
    design: BoardDesign,
    *,
    clock_hz: int,
    baud: int,
    line: Line = CLEAN,
    cache: Path | None = None,
) -> Iterator[SimulatedBoard]:
    """Run a board while the block runs.

    :param clock_hz: the clock that the design was made for
    :param baud: of its serial line
    :param cache: folder for compiled models
    :raises CygnetError: a tool is missing
    :raises RuntimeError: the Verilog does not compile
    """
    recipe = Recipe(HARNESS, VERILATE, ("VL_TIME_CONTEXT",), hot="-O1")
    program = compile_model(_wrapped(design), WRAPPER, recipe, cache=cache)
    ours, theirs = os.openpty()
    lamps, report = os.pipe()
    tty.setraw(theirs)
    os.set_blocking(ours, False)
    os.set_blocking(lamps, False)
    faults = {"mute": line.mute, "restart": line.restart}
    options = [
        f"fd={ours}",
        f"lamps={report}",
        f"step={increment(clock_hz, baud)}",
        f"flip_in={line.flip_in}",
        f"flip_out={line.flip_out}",
        f"seed={line.seed}",
        *(f"{name}={value}" for name, value in faults.items() if value is not None),
    ]
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        for name, text in design.images.items():
            (Path(folder) / name).write_text(text)
        process = subprocess.Popen(
            [program, *options],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            pass_fds=(ours, report),
        )
        try:
            # The other end stays open here too, so that the line outlives the host's visits.
            yield SimulatedBoard(os.ttyname(theirs), lamps)
        finally:
            process.kill()
            process.wait()
            for descriptor in (ours, theirs, lamps, report):
                os.close(descriptor)


def _wrapped(design: BoardDesign) -> str:
    """The design inside a module whose ports have the same names for every board."""
    leds = [pin for name, pin in design.pins.items() if name.startswith("led")]
    pins = [
        f".{design.pins['clock']}(clk_pin)",
        f".{design.pins['rx']}(rx_pin)",
        f".{design.pins['tx']}(tx)",
        *(f".{pin}(led[{bit}])" for bit, pin in enumerate(leds)),
    ]
    rest = f"  assign led[7:{len(leds)}] = 0;\n" if len(leds) < 8 else ""
    wrapper = (
        f"module {WRAPPER}(input clk, input rx, output tx, output [7:0] led);\n"
        "  wire clk_pin, rx_pin;\n  assign clk_pin = clk, rx_pin = rx;\n"
        f"  {TOP} board({', '.join(pins)});\n{rest}endmodule\n"
    )
    # The network's checksum is in a memory; all that is fixed is kept once compiled.
    text = re.sub(r"/\*.*?\*/", "", design.verilog, flags=re.DOTALL)
    return f"{text}\n{PRIMITIVES.read_text()}\n{wrapper}"
