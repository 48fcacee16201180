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
    ArithmeticChoice,
    AsJson,
    Beat,
    Block,
    Cores,
    Lanes,
    Loadable,
    NeuronCore,
    hardware,
    one_of,
    print_json,
)
from cygnet.errors import CygnetError, MismatchError
from cygnet.files import write_text
from cygnet.hardware import BLOCK
from cygnet.network_file import load
from cygnet.packaging.design import Design
from cygnet.packaging.files import write_package
from cygnet.register_export import c_header, python_module
from cygnet.synthesis.area import DEVICES

__all__ = ["verilog"]


def verilog(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    steps: Annotated[int, typer.Option(help="Time-steps that the hardware runs.")] = 1,
    lanes: Lanes = "16",
    budget: Annotated[
        str | None,
        typer.Option(
            help=f"Choose lanes, cores and arithmetic for a device: {', '.join(DEVICES)}.",
            show_default=False,
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option(help="With --budget: frames a second to reach, not as many as fit."),
    ] = None,
    mhz: Annotated[float, typer.Option(help="With --budget: the clock to reckon with.")] = 100,
    data: Annotated[
        list[str] | None,
        typer.Option(help="With --budget: images to count events in; else shares are assumed."),
    ] = None,
    beat: Beat = None,
    neuron_core: NeuronCore = "fast",
    cores: Cores = "1",
    arithmetic: ArithmeticChoice = None,
    block: Block = str(BLOCK),
    bus: Annotated[
        str,
        typer.Option(help="Ports: stream, or axi (AXI4-Stream and AXI4-Lite registers)."),
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
    one_of(bus, "--bus", ("stream", "axi"))
    for option, given in (("--buffered", buffered), ("--loadable", loadable)):
        if given and ports != "axi":
            raise CygnetError(f"{option}: registers come with --bus axi; give both")
    loaded = load(network)
    chosen = None
    if budget is not None:
        if mhz <= 0 or (fps is not None and fps <= 0):
            raise CygnetError("--mhz and --fps: must be above 0")
        chosen = budget_for(
            loaded,
            network,
            budget,
            steps=steps,
            fps=fps,
            mhz=mhz,
            beat=beat,
            arithmetic=arithmetic,
            data=data,
        )
        if not as_json:
            show_budget(loaded, chosen, budget, mhz)
    elif fps is not None or data:
        raise CygnetError("--fps and --data: belong to --budget; give it too")
    config = (
        chosen.hardware
        if chosen is not None
        else hardware(
            loaded,
            steps=steps,
            lanes=lanes,
            beat=beat,
            neuron=neuron_core,
            cores=cores,
            arithmetic=arithmetic or "lut",
            block=block,
        )
    )
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

        found = check(text, top=top)
        if found:
            raise MismatchError(f"{path}: {len(found)} lint warnings, the first: {found[0]}")
    if as_json:
        found_budget = None if chosen is None else as_rows(loaded, chosen)
        print_json(
            {
                "file": str(path),
                "top": top,
                "bus": bus,
                "hardware": asdict(config),
                "budget": found_budget,
                "lint": lint,
            }
        )
        return
    typer.echo(f"{path}: module {top}, {len(text.splitlines())} lines{', lint clean' * lint}")
