# SPDX-License-Identifier: Apache-2.0
"""``cygnet verilog``: the accelerator as Verilog."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import (
    Arithmetic,
    AsJson,
    Beat,
    Cores,
    Lanes,
    NeuronCore,
    hardware,
    print_json,
)
from cygnet.errors import MismatchError
from cygnet.files import write_text
from cygnet.network_file import load

__all__ = ["verilog"]


def verilog(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    steps: Annotated[int, typer.Option(help="Time-steps that the hardware runs.")] = 1,
    lanes: Lanes = "16",
    beat: Beat = None,
    neuron_core: NeuronCore = "fast",
    cores: Cores = "1",
    arithmetic: Arithmetic = "lut",
    lint: Annotated[bool, typer.Option("--lint", help="Run verilator --lint-only -Wall.")] = False,
    as_json: AsJson = False,
) -> None:
    """Write the Verilog of an accelerator; its memories read the files of `cygnet image`.

    Example: cygnet verilog mnist.cyg --steps 1 --lanes 16 --beat 8 -o build/mnist
    """
    from cygnet.gateware.verilog import generate, top_name

    loaded = load(network)
    config = hardware(
        loaded,
        steps=steps,
        lanes=lanes,
        beat=beat,
        neuron=neuron_core,
        cores=cores,
        arithmetic=arithmetic,
    )
    text = generate(loaded, config)
    top = top_name(loaded)
    path = out / f"{top}.v"
    write_text(path, text)
    if lint:
        from cygnet.cosim.lint import lint as check

        found = check(text, top=top)
        if found:
            raise MismatchError(f"{path}: {len(found)} lint warnings, the first: {found[0]}")
    if as_json:
        print_json({"file": str(path), "top": top, "hardware": asdict(config), "lint": lint})
        return
    typer.echo(f"{path}: module {top}, {len(text.splitlines())} lines{', lint clean' * lint}")
