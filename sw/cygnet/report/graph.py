# SPDX-License-Identifier: Apache-2.0
"""The network as a graph: boxes from left to right, and arcs for what skips layers."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from cygnet.description import LayerDescription
from cygnet.network import INPUT, Network

__all__ = ["graph"]

BOX, GAP, TALL = 132, 26, 74


def graph(
    network: Network, layers: Sequence[LayerDescription], shares: Sequence[float | None]
) -> str:
    """SVG text; each box is a link to ``#layer-NAME``.

    :param layers: of :func:`cygnet.description.describe`
    :param shares: how full each box is drawn, 0..1: its clocks over those of the slowest layer
    """
    arcs = _arcs(network)
    top = 16 + 20 * max((level for _, _, level, _ in arcs), default=0)
    width = (len(layers) + 1) * (BOX + GAP) + 8
    height = top + TALL + 14

    def left(number: int) -> float:
        return 4 + (number + 1) * (BOX + GAP)

    middle = top + TALL / 2
    parts = [
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" class="tip"/></marker></defs>'
    ]
    for number, layer in enumerate(network.layers):
        if layer.source == number - 1:
            parts.append(
                f'<line x1="{left(number) - GAP}" y1="{middle}" x2="{left(number) - 1}" '
                f'y2="{middle}" class="edge" marker-end="url(#tip)"/>'
            )
    for source, number, level, kind in arcs:
        high = top - 18 * level
        start, end = left(source) + BOX - 14, left(number) + 14
        parts.append(
            f'<path d="M{start},{top} C{start},{high - 6} {end},{high - 6} {end},{top - 1}" '
            f'class="edge {kind}" marker-end="url(#tip)"><title>{kind} from '
            f"{escape(_name(network, source))} to {escape(_name(network, number))}</title></path>"
        )
    shape = "x".join(map(str, network.input.shape))
    parts.append(_box(left(INPUT), top, None, ["input", network.input.kind, shape], None))
    for number, row in enumerate(layers):
        size = row.shape[2:] if row.shape[:2] == (1, 1) else row.shape
        words = [row.name, row.synapses, f"{'x'.join(map(str, size))}, {row.neuron}"]
        parts.append(_box(left(number), top, f"layer-{row.name}", words, shares[number]))
    return (
        f'<svg class="graph" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
        f'role="group" aria-label="The network as a graph">{"".join(parts)}</svg>'
    )


def _arcs(network: Network) -> list[tuple[int, int, int, str]]:
    """(from, to, level, kind) of every way that is not from a layer to the next."""
    found = []
    for number, layer in enumerate(network.layers):
        if layer.source != number - 1:
            found.append((layer.source, number, "main"))
        if layer.shortcut is not None:
            found.append((layer.shortcut.source, number, type(layer.shortcut).__name__.lower()))
    levels: list[tuple[int, int, int, str]] = []
    for source, number, kind in found:
        taken = {level for a, b, level, _ in levels if a < number and source < b}
        level = next(n for n in range(1, len(found) + 2) if n not in taken)
        levels.append((source, number, level, kind))
    return levels


def _name(network: Network, number: int) -> str:
    return "input" if number == INPUT else network.layers[number].name


def _box(x: float, y: float, target: str | None, words: list[str], share: float | None) -> str:
    fill = ""
    if share is not None:
        tall = max(TALL * share, 1)
        kind = "full slowest" if share == 1 else "full"
        fill = (
            f'<rect x="{x}" y="{y + TALL - tall:.1f}" width="{BOX}" height="{tall:.1f}" rx="7" '
            f'class="{kind}"/>'
        )
    lines = [
        f'<text x="{x + BOX / 2}" y="{y + 23 + 19 * place}" text-anchor="middle" '
        f'class="{"title" if place == 0 else "tick"}" textLength="{BOX - 10}" '
        f'lengthAdjust="spacingAndGlyphs">{escape(word)}</text>'
        if len(word) > 21
        else f'<text x="{x + BOX / 2}" y="{y + 23 + 19 * place}" text-anchor="middle" '
        f'class="{"title" if place == 0 else "tick"}">{escape(word)}</text>'
        for place, word in enumerate(words)
    ]
    box = (
        f'<rect x="{x}" y="{y}" width="{BOX}" height="{TALL}" rx="7" class="box"/>'
        f"{fill}{''.join(lines)}"
    )
    return box if target is None else f'<a href="#{target}" class="node">{box}</a>'
