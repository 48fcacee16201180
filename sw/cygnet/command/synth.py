# SPDX-License-Identifier: Apache-2.0
"""``cygnet synth``: area and speed of Verilog on a device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from cygnet.command.common import AsJson
from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_text
from cygnet.synthesis import SEEDS, TARGETS, Report, synthesize

__all__ = ["synth"]


def synth(
    verilog: Annotated[
        Path, typer.Argument(help="File that `cygnet verilog` wrote, or any other.")
    ],
    target: Annotated[str, typer.Option(help=f"One of {', '.join(TARGETS)}.")] = "ecp5-25k-6",
    top: Annotated[
        str | None, typer.Option(help="Top module (the file's name without .v).")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the .mem files (the Verilog's own).")
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=99, help="Placements; Fmax is the median.")
    ] = len(SEEDS),
    mhz: Annotated[int, typer.Option(min=1, help="What the router aims at.")] = 400,
    option: Annotated[
        list[str] | None,
        typer.Option(help="For nextpnr, such as --option=--router --option=router2."),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without Cygnet's own ECP5 netlist steps.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Placements at a time.")
    ] = os.cpu_count() or 1,
    cache: Annotated[Path | None, typer.Option(help="Folder of kept results.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Report to write (JSON).")] = None,
    as_json: AsJson = False,
) -> None:
    """Area and speed of Verilog on a device, by Yosys and nextpnr.

    Results are kept by content: what was built once is read again.

    Example: cygnet synth build/verilog/cygnet_net.v --target ecp5-85k-6
    """
    if target not in TARGETS:
        raise CygnetError(f"--target must be one of {', '.join(TARGETS)}, not {target!r}")
    text = read_bytes(verilog).decode(errors="replace")
    folder = images or verilog.parent
    report = synthesize(
        text,
        top=top or verilog.stem,
        target=TARGETS[target],
        images={
            path.name: path.read_text()
            for path in sorted(folder.glob("*.mem"))
            if f'"{path.name}"' in text
        },
        seeds=range(1, seeds + 1),
        mhz=mhz,
        optimise=not plain,
        options=option or (),
        jobs=jobs,
        cache=cache,
    )
    if out is not None:
        write_text(out, report.to_json())
    if as_json:
        typer.echo(report.to_json())
    else:
        _show(report)


def _show(report: Report) -> None:
    table = Table("target", "area", "flip-flops", "RAM", "DSP", "Fmax (MHz)", box=None)
    fmax = "not routed" if report.fmax_mhz is None else f"{report.fmax_mhz:.1f}"
    counts = (report.area, report.ffs, report.brams, report.dsps)
    table.add_row(report.target, *map(str, counts), fmax)
    console = Console()
    console.print(table)
    if report.routes:
        slowest = min(report.routes, key=lambda route: route.fmax_mhz)
        console.print(f"critical path of seed {slowest.seed} ({slowest.fmax_mhz:.1f} MHz), in ns:")
        for line in slowest.critical:
            if not line.startswith("0.00"):
                console.print(f"  {line}", markup=False, highlight=False)
