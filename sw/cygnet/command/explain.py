# SPDX-License-Identifier: Apache-2.0
"""``cygnet explain``: what a .cyg file holds."""

from __future__ import annotations

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
        typer.echo(text(loaded, str(network)))


def text(network: Network, title: str = "network") -> str:
    """A network as a table, with its totals below."""
    spec = network.input
    layers = describe(network)
    table = rendered(
        f"{title}: {network.name}, up to T = {network.steps}; {spec.kind} "
        f"{'x'.join(map(str, spec.shape))}, scale {spec.scale:.6g}",
        ["layer", "reads", "synapses", "shape", "neurons", "K", "F", "step", "bits", "weights",
         "current", "potential", "operations"],
        [_row(layer) for layer in layers],
    )  # fmt: skip
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
