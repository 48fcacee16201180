# SPDX-License-Identifier: Apache-2.0
"""Drawings as SVG text: lines, bars, histograms, and which layer works when.

Colours are classes (``s0`` to ``s5`` and so on) that the page's style sheet sets, for light and
dark.
Every drawing has a title for those who do not see it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from html import escape

from cygnet.report.activity import Histogram

__all__ = ["bars", "counts", "histogram", "lines", "timeline"]

WIDTH = 720
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 28, 40


def _svg(title: str, width: float, height: float, parts: Sequence[str], kind: str = "") -> str:
    return (
        f'<svg class="chart {kind}" viewBox="0 0 {width:g} {height:g}" role="img" '
        f'style="max-width:{width:g}px" aria-label="{escape(title, quote=True)}">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers that divide a range."""
    if high <= low:
        return [low]
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    unit = next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= raw * 0.999)
    first = math.ceil(low / unit - 1e-9)
    return [n * unit for n in range(first, math.floor(high / unit + 1e-9) + 1)]


def lines(
    title: str,
    series: Mapping[str, Mapping[int, float]],
    *,
    x_label: str,
    y_label: str,
    level: tuple[str, float] | None = None,
) -> str:
    """Values against a whole number, one line for each series, and a level to compare them with;
    of more than 16 numbers, which must be positive, the axis is logarithmic.

    :param series: by name, value by number; a line ends where a number that another series has is
        left out
    :param level: name and value of a dashed line
    """
    height = 300
    numbers = sorted({number for values in series.values() for number in values})
    found = [value for values in series.values() for value in values.values()]
    found += [] if level is None else [level[1]]
    low, high = min(found), max(found)
    margin = max(0.1 * (high - low), 1e-3 * abs(high), 1e-9)
    low, high = low - margin, high + margin
    right = WIDTH - 150

    many = len(numbers) > 16
    places = {number: math.log2(number) if many else number for number in numbers}
    first, last = places[numbers[0]], places[numbers[-1]]

    def x(number: int) -> float:
        span = (last - first) or 1
        return LEFT + 12 + (places[number] - first) / span * (right - LEFT - 24)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (height - TOP - BOTTOM)

    parts = [_text(LEFT, 16, y_label, "label")]
    for value in ticks(low, high):
        parts.append(_line(LEFT, y(value), right, y(value), "grid"))
        parts.append(_text(LEFT - 8, y(value) + 4, f"{value:g}", "tick", "end"))
    shown = [n for n in numbers if n.bit_count() == 1] if many else numbers
    for number in shown:
        parts.append(_text(x(number), height - BOTTOM + 18, str(number), "tick", "middle"))
    parts.append(_text((LEFT + right) / 2, height - 6, x_label, "label", "middle"))
    labels: list[tuple[float, str, str]] = []
    if level is not None:
        parts.append(_line(LEFT, y(level[1]), right, y(level[1]), "level"))
        labels.append((y(level[1]), level[0], "muted"))
    for place, (name, values) in enumerate(series.items()):
        points = [(x(number), y(value)) for number, value in sorted(values.items())]
        for one, other in itertools.pairwise(numbers):
            if one in values and other in values:
                ends = x(one), y(values[one]), x(other), y(values[other])
                parts.append(_line(*ends, f"line s{place % 6}"))
        for (a, b), (number, value) in zip(points, sorted(values.items()), strict=True):
            parts.append(
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="{5 - place % 6 * 0.8:.1f}" '
                f'class="dot s{place % 6}"><title>{escape(name)}, {number}: {value:.4g}</title>'
                "</circle>"
            )
        labels.append((points[-1][1], name, f"name s{place % 6}"))
    at = -math.inf
    for wanted, name, kind in sorted(labels):
        at = max(wanted, at + 17)
        parts.append(_text(right + 10, at + 4, name, kind))
    return _svg(title, WIDTH, height, parts)


def bars(
    title: str,
    groups: Mapping[str, Mapping[str, float]],
    *,
    unit: str = "",
) -> str:
    """Horizontal bars: for each name, one for each series, with its value behind it."""
    names = list(dict.fromkeys(key for values in groups.values() for key in values))
    each, gap, left = 13, 12, 110
    highest = max((v for values in groups.values() for v in values.values()), default=0) or 1
    room = WIDTH - left - 110
    parts = []
    for place, name in enumerate(names):
        parts.append(
            f'<rect x="{left + place * 190}" y="6" width="11" height="11" class="s{place}"/>'
        )
        parts.append(_text(left + place * 190 + 16, 16, name, "tick"))
    y = float(TOP + 6)
    for group, values in groups.items():
        middle = y + each * len(values) / 2 + 4
        parts.append(_text(left - 8, middle, group, "tick", "end"))
        for name, value in values.items():
            length = max(value / highest * room, 0.5)
            place = names.index(name)
            parts.append(
                f'<rect x="{left}" y="{y:.1f}" width="{length:.1f}" height="{each - 2}" '
                f'class="s{place}"><title>{escape(group)}, {escape(name)}: {value:.4g}{unit}'
                "</title></rect>"
            )
            parts.append(_text(left + length + 6, y + each - 3, f"{_three(value)}{unit}", "value"))
            y += each
        y += gap
    return _svg(title, WIDTH, y + 4, parts)


def _three(value: float) -> str:
    """Three digits, and no exponent for what is large."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def histogram(title: str, found: Histogram, *, x_label: str) -> str:
    """How often values fell where; what lies outside is in the outermost bars, drawn pale."""
    width, height = 340, 170
    highest = max([*found.counts, found.below, found.above, 1])
    room = width - 24
    step = room / (len(found.counts) + 2)
    base = height - 34
    total = max(sum(found.counts) + found.below + found.above, 1)
    parts = []
    for place, number in enumerate([found.below, *found.counts, found.above]):
        outside = place in (0, len(found.counts) + 1)
        tall = number / highest * (base - 14)
        if number:
            parts.append(
                f'<rect x="{12 + place * step:.2f}" y="{base - max(tall, 0.7):.2f}" '
                f'width="{step - 0.6:.2f}" height="{max(tall, 0.7):.2f}" '
                f'class="{"pale" if outside else "s0"}"><title>{number / total:.2%}</title></rect>'
            )
    parts.append(_line(12, base, width - 12, base, "axis"))
    for value in ticks(found.low, found.high, 6):
        share = (value - found.low) / (found.high - found.low)
        x = 12 + step + share * (room - 2 * step)
        parts.append(_line(x, base, x, base + 4, "axis"))
        parts.append(_text(x, base + 15, f"{value:g}", "tick", "middle"))
    parts.append(_text(width / 2, height - 3, x_label, "tick", "middle"))
    return _svg(title, width, height, parts, "small")


def counts(title: str, found: Mapping[str, int]) -> str:
    """How often a neuron sent each spike count in one time-step."""
    width, height = 340, 170
    total = max(sum(found.values()), 1)
    step = (width - 24) / max(len(found), 1)
    base = height - 34
    parts = []
    highest = max([*found.values(), 1])
    for place, (count, number) in enumerate(found.items()):
        tall = max(number / highest * (base - 30), 0.7)
        x = 12 + place * step
        parts.append(
            f'<rect x="{x + 3:.1f}" y="{base - tall:.1f}" width="{max(step - 6, 2):.1f}" '
            f'height="{tall:.1f}" class="{"pale" if count == "0" else "s1"}"/>'
        )
        if len(found) <= 9:
            middle = x + step / 2
            share = f"{100 * number / total:.1f} %"
            parts.append(_text(middle, base - tall - 5, share, "value", "middle"))
        parts.append(_text(x + step / 2, base + 15, count, "tick", "middle"))
    parts.append(_line(12, base, width - 12, base, "axis"))
    parts.append(_text(width / 2, height - 3, "spikes in a time-step", "tick", "middle"))
    return _svg(title, width, height, parts, "small")


def timeline(
    title: str,
    names: Sequence[str],
    spans: Sequence[Sequence[Sequence[int]]],
    accepted: Sequence[int],
    finished: Sequence[int],
) -> str:
    """Which layer works on which image when.

    :param spans: [layer][image], first and last clock
    :param accepted: [image], clock of its first beat
    :param finished: [image], clock of its last logit
    """
    end = max(finished)
    left, row = 110, 26 if len(names) <= 12 else 18
    right = WIDTH - 20

    def x(cycle: float) -> float:
        return left + cycle / end * (right - left)

    top = 30
    height = top + row * len(names) + 40
    bottom = top + row * len(names)
    parts = []
    for cycle in ticks(0, end, 6):
        parts.append(_line(x(cycle), top - 4, x(cycle), bottom, "grid"))
        parts.append(_text(x(cycle), bottom + 16, f"{cycle:g}", "tick", "middle"))
    parts.append(_text((left + right) / 2, height - 5, "clocks", "label", "middle"))
    for layer, name in enumerate(names):
        y = top + layer * row
        parts.append(_text(left - 8, y + row / 2 + 4, name, "tick", "end"))
        for image, (start, last) in enumerate(spans[layer]):
            width = max(x(last + 1) - x(start), 1)
            parts.append(
                f'<rect x="{x(start):.1f}" y="{y + 3}" width="{width:.1f}" height="{row - 6}" '
                f'class="s{image % 6}" rx="2"><title>{escape(name)}, image {image}: clocks {start} '
                f"to {last}</title></rect>"
            )
            if width > 16:
                middle = x(start) + width / 2
                parts.append(_text(middle, y + row / 2 + 4, str(image), "inside", "middle"))
    for image, (start, done) in enumerate(zip(accepted, finished, strict=True)):
        parts.append(
            f'<path d="M{x(start) - 4:.1f},{top - 14} h8 l-4,9 z" class="s{image % 6}">'
            f"<title>image {image} enters at {start}</title></path>"
        )
        parts.append(
            f'<path d="M{x(done) - 4:.1f},{bottom + 1} h8 l-4,-7 z" class="s{image % 6}">'
            f"<title>image {image} is done at {done}</title></path>"
        )
    return _svg(title, WIDTH, height, parts)
