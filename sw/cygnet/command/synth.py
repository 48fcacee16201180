# SPDX-License-Identifier: Apache-2.0
"""``cygnet synth``: area and speed of a network or of Verilog on a device."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.command.common import (
    AsJson,
    Jobs,
    bar,
    jobs,
    offered,
    print_json,
    show,
)
from cygnet.command.invocation import invocation
from cygnet.command.options import USUAL, HardwareOptions, Steps
from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_text
from cygnet.hardware import HardwareConfig
from cygnet.image_formats import hexadecimal
from cygnet.images import memories
from cygnet.network import Network
from cygnet.network_file import load
from cygnet.synthesis import SEEDS, TARGETS, Report, synthesize
from cygnet.synthesis import target as find
from cygnet.synthesis.area import accelerator_area, family_device
from cygnet.synthesis.hierarchy import KINDS
from cygnet.synthesis.report import named_path

__all__ = ["accelerator_source", "synth"]

_CHECKSUM = re.compile(r"^// *checksum +([0-9a-f]{64})$", re.MULTILINE)
"""What `cygnet verilog` writes at the top: the network that the Verilog is of."""


def synth(
    design: Annotated[
        Path,
        typer.Argument(
            metavar="DESIGN",
            help="A .cyg file, or Verilog that `cygnet verilog` or anybody wrote.",
        ),
    ],
    target: Annotated[
        str,
        typer.Option(help=f"One of {', '.join(TARGETS)}.", autocompletion=offered(TARGETS)),
    ] = "ecp5-25k-6",
    top: Annotated[
        str | None, typer.Option(help="Top module (the file's name without .v).")
    ] = None,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the .mem files (the Verilog's own).")
    ] = None,
    seeds: Annotated[
        int,
        typer.Option(metavar="<int>", min=1, max=99, help="Placements; Fmax is the median."),
    ] = len(SEEDS),
    mhz: Annotated[
        int, typer.Option(metavar="<int>", min=1, help="What the router aims at.")
    ] = 400,
    option: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<str>",
            help="For nextpnr, such as --option=--tmg-ripup: late wires again, up to 1,500 times.",
        ),
    ] = None,
    plain: Annotated[
        bool, typer.Option("--plain", help="Without Cygnet's own netlist steps (ECP5, iCE40).")
    ] = False,
    workers: Jobs = 0,
    cache: Annotated[Path | None, typer.Option(help="Folder of kept results.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Report to write (JSON).")] = None,
    steps: Steps = 1,
    chosen: HardwareOptions = USUAL,
    as_json: AsJson = False,
) -> None:
    """Area of each module and speed of a design on a device, by Yosys and nextpnr.

    Of a network, the accelerator with the same options as for `cygnet verilog`, beside what
    `--budget` estimates for it. Results are kept by content: what was built once is read again. An
    ECP5 without a speed is the slowest, 6.

    Example: cygnet synth mnist.cyg --target ecp5-85k --lanes 16,10 --seeds 3
    """
    processes = jobs(workers)
    try:
        device = find(target)
    except ValueError as error:
        raise CygnetError(f"--{error}") from None
    stages: list[str] = []
    stated: dict[str, Any] = {
        "command": invocation(),
        "network": None,
        "hardware": None,
        "estimate": None,
    }
    if design.suffix == ".cyg":
        network = load(design)
        config = chosen.config(network, steps)
        text, module, contents = accelerator_source(network, config)
        stages = [layer.name for layer in network.layers]
        area = accelerator_area(network, config, family_device(device.family))
        stated |= {
            "network": network.digest,
            "hardware": asdict(config),
            "estimate": {"area": area.tables, "brams": area.rams, "dsps": area.dsps},
        }
    else:
        text = read_bytes(design).decode(errors="replace")
        checksum = _CHECKSUM.search(text)
        stated["network"] = None if checksum is None else checksum[1]
        module = design.stem
        folder = images or design.parent
        contents = {
            path.name: path.read_text()
            for path in sorted(folder.glob("*.mem"))
            if f'"{path.name}"' in text
        }
    with bar("mapping, placing", quiet=as_json) as progress:
        report = synthesize(
            text,
            top=top or module,
            target=device,
            images=contents,
            seeds=range(1, seeds + 1),
            mhz=mhz,
            optimise=not plain,
            stages=stages,
            options=option or (),
            jobs=processes,
            cache=cache,
            progress=progress,
        )
    content = asdict(report) | stated
    if out is not None:
        write_text(out, json.dumps(content, indent=2) + "\n")
    if as_json:
        print_json(content)
    else:
        _show(report, stated["estimate"])


def accelerator_source(network: Network, config: HardwareConfig) -> tuple[str, str, dict[str, str]]:
    """Verilog, top module and memory images of an accelerator."""
    from cygnet.gateware.verilog import generate, top_name

    contents = {
        f"{memory.name}.mem": hexadecimal(memory).decode() for memory in memories(network, config)
    }
    return generate(network, config), top_name(network), contents


def _show(report: Report, estimate: dict[str, int] | None) -> None:
    fmax = "not routed" if report.fmax_mhz is None else f"{report.fmax_mhz:.1f}"
    counts = (report.area, report.ffs, report.brams, report.dsps)
    columns = ("target", "area", "flip-flops", "block RAM", "DSP", "Fmax (MHz)")
    totals: list[tuple[object, ...]] = [(report.target, *counts, fmax)]
    if estimate is not None:
        area, brams, dsps = (estimate[kind] for kind in ("area", "brams", "dsps"))
        totals.append(("estimated before", area, "", brams, dsps, ""))
        off = (_off(area, report.area), "", _off(brams, report.brams), _off(dsps, report.dsps))
        totals.append(("which is off by", *off, ""))
    show("", columns, totals)
    titles = ("module", "LUT", "carry", "flip-flops", "RAM cells", "block RAM", "DSP")
    rows = [
        (place or "(top)", *(use[kind] for kind in KINDS))
        for place, use in report.modules.items()
        if any(use.values())
    ]
    show("As mapped, each module without those in it:", titles, rows)
    if report.routes:
        slowest = min(report.routes, key=lambda route: route.fmax_mhz)
        path = [(name, f"{delay:.2f}") for name, delay in named_path(slowest.critical) if delay]
        title = f"Critical path of seed {slowest.seed} ({slowest.fmax_mhz:.1f} MHz)"
        show(title, ("through", "ns"), path)


def _off(estimate: int, found: int) -> str:
    """How far an estimate is from what was found."""
    return f"{estimate / found - 1:+.0%}" if found else f"{estimate:+d}"
