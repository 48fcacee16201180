# SPDX-License-Identifier: Apache-2.0
"""``cygnet diff``: in what two .cyg files differ."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import AsJson, print_json, show
from cygnet.difference import TensorDifference, compare
from cygnet.network_file import load

__all__ = ["diff"]


def diff(
    first: Annotated[Path, typer.Argument(metavar="FIRST", help="A .cyg file.")],
    second: Annotated[Path, typer.Argument(metavar="SECOND", help="Another.")],
    as_json: AsJson = False,
) -> None:
    """Show in what two .cyg files differ: settings, and tensors with how many values and how far.

    Exit code 0 where they are equal, 1 where they differ.

    Example: cygnet diff mnist.cyg mnist_4bit.cyg
    """
    found = compare(load(first), load(second))
    if as_json:
        print_json({"equal": found.equal, **asdict(found)})
    elif found.equal:
        typer.echo(f"{first} and {second} hold the same network")
    if found.equal:
        return
    if not as_json:
        if found.settings:
            show(
                "settings",
                ["setting", str(first), str(second)],
                [[row.name, _shown(row.first), _shown(row.second)] for row in found.settings],
            )
        if found.tensors:
            show(
                "tensors",
                ["tensor", "values", "differ", "by at most"],
                [_row(row) for row in found.tensors],
            )
    raise typer.Exit(1)


def _shown(value: object) -> str:
    if value is None:
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _row(row: TensorDifference) -> list[object]:
    if row.values is None:
        shapes = [
            "not there" if shape is None else "x".join(map(str, shape))
            for shape in (row.first, row.second)
        ]
        return [row.name, " / ".join(shapes), "", ""]
    return [row.name, f"{row.values:,}", f"{row.different:,}", f"{row.largest:g}"]
