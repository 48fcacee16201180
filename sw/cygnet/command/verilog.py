# SPDX-License-Identifier: Apache-2.0
"""``cygnet verilog``: the accelerator as Verilog."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from cygnet import __version__
from cygnet.command.budgeting import as_rows, budget_for, show_budget
from cygnet.command.common import (
    AsJson,
    offered,
    one_of,
    print_json,
)
from cygnet.command.options import USUAL, HardwareOptions, Loadable, Steps
from cygnet.errors import CygnetError, MismatchError
from cygnet.files import write_text
from cygnet.network_file import load
from cygnet.packaging.design import Design
from cygnet.packaging.files import write_package
from cygnet.register_export import c_header, python_module
from cygnet.synthesis.area import DEVICES

__all__ = ["verilog"]

BUSES = ("stream", "axi")


def verilog(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    steps: Steps = 1,
    chosen: HardwareOptions = USUAL,
    budget: Annotated[
        str | None,
        typer.Option(
            help=f"Choose lanes, cores and arithmetic for a device: {', '.join(DEVICES)}.",
            show_default=False,
            autocompletion=offered(DEVICES),
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="With --budget: frames a second to reach, not as many as fit."),
    ] = None,
    mhz: Annotated[float, typer.Option(help="With --budget: the clock to reckon with.")] = 100,
    data: Annotated[
        list[str] | None,
        typer.Option(
            metavar="<path>",
            help="With --budget: images to count events in; else shares are assumed.",
        ),
    ] = None,
    bus: Annotated[
        str,
        typer.Option(
            help="Ports: stream, or axi (AXI4-Stream and AXI4-Lite registers).",
            autocompletion=offered(BUSES),
        ),
    ] = "stream",
    buffered: Annotated[
        bool,
        typer.Option("--buffered", help="With --bus axi: frames may pass through registers."),
    ] = False,
    loadable: Loadable = False,
    package: Annotated[
        bool,
        typer.Option(
            "--package",
            help="Also a list of files and a FuseSoC core; with --bus axi, IP-XACT and a script "
            "for Vivado.",
        ),
    ] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Run verilator --lint-only -Wall.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the Verilog of an accelerator; its memories read the files of `cygnet image`.

    With --bus axi, its registers for C and Python too (cygnet_registers.h, cygnet_registers.py).

    Example: cygnet verilog mnist.cyg --steps 1 --lanes 16 --beat 8 -o build/mnist
    """
    from cygnet.gateware.verilog import generate, top_name

    ports: Literal["stream", "axi"] = "axi" if bus == "axi" else "stream"
    one_of(bus, "--bus", BUSES)
    for option, given in (("--buffered", buffered), ("--loadable", loadable)):
        if given and ports != "axi":
            raise CygnetError(f"{option}: registers come with --bus axi; give both")
    loaded = load(network)
    found = None
    if budget is not None:
        if mhz <= 0 or (fps is not None and fps <= 0):
            raise CygnetError("--mhz and --fps: must be above 0")
        for option in ("lanes", "neuron_core", "cores", "block"):
            if getattr(chosen, option) != getattr(USUAL, option):
                named = option.replace("_", "-")
                raise CygnetError(f"--{named}: is chosen by --budget; leave one of the two out")
        found = budget_for(
            loaded,
            network,
            budget,
            steps=steps,
            fps=fps,
            mhz=mhz,
            beat=chosen.beat,
            arithmetic=chosen.arithmetic,
            data=data,
        )
        if not as_json:
            show_budget(loaded, found, budget, mhz)
    elif fps is not None or data:
        raise CygnetError("--fps and --data: belong to --budget; give it too")
    config = chosen.config(loaded, steps) if found is None else found.hardware
    config = replace(config, loadable=loadable)
    text = generate(loaded, config, bus=ports, buffered=buffered)
    top = top_name(loaded, ports)
    path = out / f"{top}.v"
    write_text(path, text)
    if ports == "axi":
        write_text(out / "cygnet_registers.h", c_header())
        write_text(out / "cygnet_registers.py", python_module())
    if package:
        design = Design.of(
            text, top=top, network=loaded.name, digest=loaded.digest, version=__version__
        )
        write_package(design, out, loadable=loadable, buffered=buffered)
    if lint:
        from cygnet.cosim.lint import lint as check

        warnings = check(text, top=top)
        if warnings:
            raise MismatchError(f"{path}: {len(warnings)} lint warnings, the first: {warnings[0]}")
    if as_json:
        print_json(
            {
                "file": str(path),
                "top": top,
                "bus": bus,
                "hardware": asdict(config),
                "budget": None if found is None else as_rows(loaded, found),
                "lint": lint,
            }
        )
        return
    typer.echo(f"{path}: module {top}, {len(text.splitlines())} lines{', lint clean' * lint}")
