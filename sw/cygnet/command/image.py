# SPDX-License-Identifier: Apache-2.0
"""``cygnet image``: memory images of an accelerator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import (
    AsJson,
    offered,
    print_json,
    show,
)
from cygnet.command.options import USUAL, HardwareOptions, Loadable, Steps
from cygnet.errors import CygnetError
from cygnet.image_files import MANIFEST, write_images
from cygnet.image_formats import FORMATS, formats
from cygnet.network_file import load

__all__ = ["image"]


def image(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write to.")],
    steps: Steps = 1,
    chosen: HardwareOptions = USUAL,
    loadable: Loadable = False,
    onto: Annotated[
        Path | None,
        typer.Option(
            metavar="NETWORK",
            help="With --loadable: the .cyg file that the Verilog was generated from, if it is "
            "another.",
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(
            "--format",
            help=f"Of {', '.join(FORMATS)}; several with commas between.",
            autocompletion=offered(FORMATS),
        ),
    ] = "mem",
    as_json: AsJson = False,
) -> None:
    """Write the memories of an accelerator, one file for each, and manifest.json.

    The format mem is for $readmemh, which the Verilog reads; coe is AMD's, mif Intel's, bin raw
    words with the low byte first, and c a C array.

    Give the same hardware options as to `cygnet verilog`. New weights of the same network need new
    images only, no new Verilog. With --loadable, load.bin is what the accelerator is loaded with.

    Example: cygnet image mnist.cyg --steps 1 --lanes 16 -o build/mnist
    """
    loaded = load(network)
    config = chosen.config(loaded, steps)
    config = replace(config, loadable=loadable)
    if onto is not None and not loadable:
        raise CygnetError("--onto: only a loadable design takes another network; give --loadable")
    design = None
    if onto is not None:
        design = load(onto)
        try:
            config.check(design)
        except ValueError as error:
            raise CygnetError(f"{onto}: {error}; give the options of the design") from None
    manifest = write_images(loaded, config, out, design=design, formats=formats(form))
    if as_json:
        print_json(manifest)
        return
    show(
        f"{out / MANIFEST}",
        ["memory", "width", "depth", "bits"],
        [
            [memory["file"], memory["width"], memory["depth"], memory["width"] * memory["depth"]]
            for memory in manifest["memories"]
        ],
    )
