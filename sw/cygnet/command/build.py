# SPDX-License-Identifier: Apache-2.0
"""``cygnet build``: a bitstream for a board."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.command.common import (
    AsJson,
    offered,
    print_json,
    say,
    show,
)
from cygnet.command.options import USUAL, HardwareOptions, Steps
from cygnet.errors import CygnetError
from cygnet.files import write_bytes, write_text
from cygnet.network_file import load

__all__ = ["build"]


def _boards() -> Iterable[str]:
    from cygnet.boards.table import BOARDS

    return BOARDS


def build(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    board: Annotated[
        str,
        typer.Option(
            help="Such as ulx3s-85f, orangecrab-85f or icebreaker.",
            autocompletion=offered(_boards),
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder to write to; build/BOARD where left out."),
    ] = None,
    steps: Steps = 1,
    chosen: HardwareOptions = USUAL,
    clock: Annotated[
        float | None,
        typer.Option(
            help="MHz; the fastest that the board's PLL makes and timing meets where left out.",
            show_default=False,
        ),
    ] = None,
    baud: Annotated[
        int | None, typer.Option(help="Of the serial line; the board's own where left out.")
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Placements to try for a clock, the first that meets it is taken.")
    ] = 3,
    cache: Annotated[Path | None, typer.Option(help="Folder of kept results.")] = None,
    as_json: AsJson = False,
) -> None:
    """Build a bitstream: accelerator, clock, serial line and lamps that show the class.

    Writes the bitstream, what it was made of, and a manifest with board, clock, speed, cells, the
    network's checksum and the tools' versions.

    Example: cygnet build digits.cyg --board ulx3s-85f --lanes 8
    """
    from cygnet.boards import build as builder
    from cygnet.boards.table import board as find

    found = find(board)
    loaded = load(network)
    if not 1 <= seeds <= 99:
        raise CygnetError(f"--seeds: {seeds} must be in 1..99")
    if baud is not None and baud < 1:
        raise CygnetError(f"--baud: {baud} must be at least 1")
    if clock is not None and not clock > 0:
        raise CygnetError(f"--clock: {clock:g} must be above 0")
    config = chosen.config(loaded, steps)
    began = time.monotonic()

    def remark(text: str) -> None:
        say(f"{time.monotonic() - began:5.0f} s  {text}", quiet=as_json)

    built = builder.build(
        loaded,
        config,
        found,
        clock_mhz=clock,
        baud=baud,
        seeds=range(1, seeds + 1),
        cache=cache,
        say=remark,
    )
    folder = out or Path("build") / found.name
    bitstream = folder / built.manifest["file"]
    stem = bitstream.with_suffix("")
    for name, text in built.design.images.items():
        write_text(folder / name, text)
    write_text(stem.with_suffix(".v"), built.design.verilog)
    suffix = ".pcf" if found.family == "ice40" else ".lpf"
    write_text(stem.with_suffix(suffix), built.design.constraints)
    write_bytes(bitstream, built.bitstream)
    # Last, so that a manifest never speaks of a bitstream that is not there yet.
    write_text(stem.with_suffix(".json"), json.dumps(built.manifest, indent=2) + "\n")
    if as_json:
        print_json({"folder": str(folder), **built.manifest})
        return
    _show(bitstream, built.manifest)


def _show(bitstream: Path, manifest: dict[str, Any]) -> None:
    cells = manifest["cells"]
    rows = [
        ["clock", f"{manifest['clock_mhz']:g} MHz (reaches {manifest['fmax_mhz']:.1f})"],
        ["serial line", f"{manifest['baud']} baud"],
        *([kind, f"{use['used']} of {use['available']}"] for kind, use in sorted(cells.items())),
    ]
    show(f"{bitstream}: {manifest['seconds']:.0f} s", ["", manifest["board"]], rows)
