# SPDX-License-Identifier: Apache-2.0
"""A network to a bitstream for a board, at the fastest clock that its timing meets."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cygnet import __version__
from cygnet.boards.pll import Pll, plls
from cygnet.boards.table import Board
from cygnet.boards.top import TOP, BoardDesign, board_design
from cygnet.cosim.tools import yosys
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.synthesis.bitstream import SUFFIXES, Placed, pack, packer, place
from cygnet.synthesis.floorplan import tied
from cygnet.synthesis.nextpnr import nextpnr, router
from cygnet.synthesis.run import default_cache, map_design

__all__ = ["Built", "build", "choose_clock"]

ROUNDS = 5
"""Of a search for a clock; in each the design is mapped and placed again."""
CLEARANCE = 0.9
"""Of what a placement reaches: what another one of the same design reaches as a rule."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """A bitstream and how it came about.

    :param bitstream: its bytes
    :param design: what it was made of
    :param pll: its clock
    :param placed: its placement
    :param manifest: of the bitstream, as it is stored beside it
    """

    bitstream: bytes
    design: BoardDesign
    pll: Pll
    placed: Placed
    manifest: dict[str, Any]


def choose_clock(choices: Sequence[Pll], mhz: float) -> Pll | None:
    """The fastest of the clocks that is not above so many MHz, if there is any."""
    return max(
        (pll for pll in choices if pll.output_hz <= mhz * 1e6),
        key=lambda pll: pll.output_hz,
        default=None,
    )


def build(
    network: Network,
    hardware: HardwareConfig,
    board: Board,
    *,
    clock_mhz: float | None = None,
    baud: int | None = None,
    seeds: Sequence[int] = (1, 2, 3),
    cache: Path | None = None,
    say: Say = lambda _: None,
) -> Built:
    """Map, place, route and pack.

    Without a clock, placements tell how fast the design can be, and it is built again for the
    fastest clock of the board's PLL below that, until timing is met.

    :param clock_mhz: the clock that is wanted; None for the fastest that is met
    :param baud: of the serial line; None for the board's own
    :param seeds: of nextpnr; the first that meets timing is taken
    :param cache: folder of kept results; see :func:`cygnet.synthesis.default_cache`
    :param say: called with a remark before each step that takes long
    :raises CygnetError: no clock of the PLL is wanted, timing is not met, the design is too big,
        or a tool is missing
    """
    began = time.monotonic()
    folder = cache or default_cache()
    baud = board.baud if baud is None else baud
    choices = plls(board.family, int(board.create().default_clk_frequency))
    pll = choose_clock(choices, board.mhz if clock_mhz is None else clock_mhz + 1e-6)
    if clock_mhz is not None and (pll is None or abs(pll.output_hz - clock_mhz * 1e6) > 1):
        above = min((p.output_hz for p in choices if p.output_hz > clock_mhz * 1e6), default=None)
        near = [hz for hz in (pll and pll.output_hz, above) if hz]
        raise CygnetError(
            f"--clock: {board.name} cannot make {clock_mhz:g} MHz; near it are "
            f"{' and '.join(f'{hz / 1e6:g}' for hz in near)} MHz"
        )
    assert pll is not None
    work = _Work(network, hardware, board, baud, seeds, folder, say)
    best: tuple[Pll, BoardDesign, Placed] | None = None
    reached = 0.0
    asked = pll
    failed: list[float] = []
    for _ in range(ROUNDS if clock_mhz is None else 1):
        asked = pll
        design, tried = work.place(pll)
        reached = max(reached, *(_speed(placed) for placed in tried))
        met = next((placed for placed in tried if placed.met), None)
        if met is not None and (best is None or pll.output_hz > best[0].output_hz):
            best = pll, design, met
        if met is None:
            failed.append(pll.output_hz / 1e6)
        # Placements differ by a few per cent: what fails again and again is given more room.
        room = 1.0 if len(failed) < 2 else max(CLEARANCE, 1.05 - 0.05 * len(failed))
        speed = room * max(_speed(placed) for placed in tried)
        following = choose_clock(choices, min([speed, *(mhz - 1e-6 for mhz in failed)]))
        lowest = 0 if best is None else best[0].output_hz
        if following is None or following.output_hz <= lowest:
            break
        pll = following
    if best is None:
        slower = choose_clock(choices, CLEARANCE * reached)
        remedy = f"--clock {slower.output_hz / 1e6:g} works" if slower else "no slower one is there"
        raise CygnetError(
            f"{board.name}: timing is not met at {asked.output_hz / 1e6:g} MHz: {len(seeds)} "
            f"placements reach {reached:.1f} MHz at best; {remedy}, or give fewer --lanes"
        )
    pll, design, placed = best
    say("packing")
    bitstream = pack(placed.text, board.family, cache=folder)
    return Built(
        bitstream,
        design,
        pll,
        placed,
        {
            "format": "cygnet-bitstream",
            "version": 1,
            "cygnet": __version__,
            "board": board.name,
            "network": {"name": network.name, "sha256": network.digest},
            "hardware": asdict(hardware),
            "clock_mhz": pll.output_hz / 1e6,
            "fmax_mhz": round(_speed(placed), 2),
            "baud": baud,
            "seed": placed.route.seed,
            "cells": {
                kind: {"used": used, "available": placed.available[kind]}
                for kind, used in placed.route.cells.items()
            },
            "tools": [str(yosys()), str(nextpnr(board.family)), str(packer(board.family))],
            "file": f"{network.name}-{board.name}{SUFFIXES[board.family]}",
            "sha256": hashlib.sha256(bitstream).hexdigest(),
            "seconds": round(time.monotonic() - began, 1),
        },
    )


def _speed(placed: Placed) -> float:
    return min((clock.fmax_mhz for clock in placed.clocks), default=0.0)


@dataclass(frozen=True)
class _Work:
    network: Network
    hardware: HardwareConfig
    board: Board
    baud: int
    seeds: Sequence[int]
    folder: Path
    say: Say

    def place(self, pll: Pll) -> tuple[BoardDesign, list[Placed]]:
        """Placements at a clock until one meets it, or all seeds are used up."""
        mhz = pll.output_hz / 1e6
        baud = self.baud
        design = board_design(self.network, self.hardware, self.board, pll, baud=baud)
        target = self.board.target()
        self.say(f"{mhz:g} MHz: Yosys")
        mapped = map_design(design.verilog, TOP, target, design.images, True, self.folder)
        stages = [layer.name for layer in self.network.layers]
        netlist = tied(mapped, target, stages)
        tried: list[Placed] = []
        for number, seed in enumerate(self.seeds):
            self.say(f"{mhz:g} MHz: nextpnr, placement {number + 1} of {len(self.seeds)}")
            tried.append(
                place(
                    netlist,
                    target,
                    design.constraints,
                    mhz=mhz,
                    seed=seed,
                    options=router(target.family, mapped["cells"]),
                    cache=self.folder,
                )
            )
            if tried[-1].met:
                break
        return design, tried
