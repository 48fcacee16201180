# SPDX-License-Identifier: Apache-2.0
"""``cygnet explain``: what a .cyg file holds."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import AsJson, print_json, rendered
from cygnet.description import LayerDescription, describe, summary
from cygnet.network import Network
from cygnet.network_file import load

__all__ = ["explain", "text"]


def explain(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    as_json: AsJson = False,
) -> None:
    """Show what a .cyg file holds, layer by layer.

    K is what firing once takes off a potential and F the level at which a neuron fires; a count is
    worth STEP in the floats of the trained network. CURRENT and POTENTIAL are the bits that the
    weights can ever reach; OPERATIONS are those of one time-step, were every input an event.

    Example: cygnet explain mnist.cyg
    """
    loaded = load(network)
    if as_json:
        print_json(summary(loaded))
    else:
        wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        typer.echo(text(loaded, str(network), wide))


COLUMNS = ("layer", "reads", "synapses", "shape", "neurons", "K", "F", "step", "bits", "weights",
           "current", "potential", "operations")  # fmt: skip
DISPENSABLE = ("operations", "step", "F", "current", "potential", "reads", "bits", "shape", "K")
"""In which order columns are left out of a table that is too wide."""


def text(network: Network, title: str = "network", width: int | None = None) -> str:
    """A network as a table, with its totals below.

    :param width: columns of a terminal, where it is one; what does not fit is left out, and named
    """
    spec = network.input
    layers = describe(network)
    heading = (
        f"{title}: {network.name}, up to T = {network.steps}; {spec.kind} "
        f"{'x'.join(map(str, spec.shape))}, scale {spec.scale:.6g}"
    )
    rows = [_row(layer) for layer in layers]
    for count in range(len(DISPENSABLE) + 1):
        left = DISPENSABLE[:count]
        kept = [place for place, column in enumerate(COLUMNS) if column not in left]
        table = rendered(
            heading, [COLUMNS[place] for place in kept], [[row[n] for n in kept] for row in rows]
        )
        if width is None or max(map(len, table.splitlines()[1:])) <= width:
            break
    if left:
        table += f"left out on a terminal of {width} columns: {', '.join(left)}; see --json\n"
    bits = sum(layer.weights * layer.bits for layer in layers)
    return (
        f"{table}"
        f"{sum(layer.neurons for layer in layers):,} neurons, "
        f"{sum(layer.weights for layer in layers):,} weights of {-(-bits // 8):,} bytes, "
        f"{sum(layer.operations for layer in layers):,} synaptic operations a time-step at most\n"
        f"sha256 {network.digest}"
    )


def _row(layer: LayerDescription) -> list[object]:
    reads = layer.reads if layer.shortcut is None else f"{layer.reads}, {layer.shortcut}"
    step = "" if layer.step is None else _range(*(f"{value:.4g}" for value in layer.step))
    reset = "" if layer.reset is None else _range(*map(str, layer.reset))
    fire = "" if layer.fire is None else _range(*map(str, layer.fire))
    return [
        layer.name,
        reads,
        layer.synapses,
        "x".join(map(str, layer.shape)),
        layer.neuron + (f", {layer.disabled} disabled" if layer.disabled else ""),
        reset,
        fire if fire != reset or not fire else "K",
        step,
        layer.bits,
        f"{layer.weights:,}",
        layer.current_bits,
        layer.potential_bits,
        f"{layer.operations:,}",
    ]


def _range(low: str, high: str) -> str:
    return low if low == high else f"{low}..{high}"
