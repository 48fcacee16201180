# SPDX-License-Identifier: Apache-2.0
"""``cygnet export``: an integer network for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import AsJson, print_json
from cygnet.errors import CygnetError
from cygnet.network_file import load

__all__ = ["export"]

To = Path | None


def export(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    nir: Annotated[
        To, typer.Option(help="A NIR graph, with what NIR has no words for as metadata.")
    ] = None,
    safetensors: Annotated[To, typer.Option(help="Integer tensors by name.")] = None,
    npz: Annotated[To, typer.Option(help="Integer tensors by name, for numpy.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write a network for other programs; `cygnet convert` makes the same network of a NIR graph.

    Memory images in the formats of other tools are written by `cygnet image --format`.

    Example: cygnet export mnist.cyg --nir mnist.nir --npz mnist.npz
    """
    if nir is None and safetensors is None and npz is None:
        raise CygnetError("nothing to write; give --nir, --safetensors or --npz")
    loaded = load(network)
    written = []
    if nir is not None:
        from cygnet.interop.nir_write import write_nir

        write_nir(loaded, nir)
        written.append(nir)
    if safetensors is not None or npz is not None:
        from cygnet.interop.tensors import write_npz, write_safetensors

        for path, write in ((safetensors, write_safetensors), (npz, write_npz)):
            if path is not None:
                write(loaded, path)
                written.append(path)
    if as_json:
        print_json({"network": loaded.digest, "files": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(f"{path}: {loaded.name}, {len(loaded.layers)} layers")
