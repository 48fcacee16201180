# SPDX-License-Identifier: Apache-2.0
"""Draws flow.svg: from a trained network to an accelerator, and what is compared with what."""

from __future__ import annotations

from pathlib import Path

BOXES = [
    ("trained network", "torch, floats", "#e3e8ef"),
    ("spiking network", "torch, floats", "#e3e8ef"),
    ("integer network", ".cyg file", "#f7dcc0"),
    ("golden model", "values and clocks", "#d5ead9"),
    ("Verilog, images", "Amaranth, .mem", "#d5ead9"),
    ("bitstream", "Yosys, nextpnr", "#d5ead9"),
]
WIDE, TALL, GAP = 136, 58, 64


def main() -> None:
    parts = []
    places = [(0, 0), (1, 0), (2, 0), (3, -1), (3, 1), (4, 1)]

    def corner(place: tuple[int, int]) -> tuple[float, float]:
        return 16 + place[0] * (WIDE + GAP), 104 + place[1] * 52

    for (name, below, colour), place in zip(BOXES, places, strict=True):
        x, y = corner(place)
        parts.append(
            f'<rect x="{x}" y="{y}" width="{WIDE}" height="{TALL}" rx="8" fill="{colour}" '
            f'stroke="#59656d"/><text x="{x + WIDE / 2}" y="{y + 25}" class="name">{name}</text>'
            f'<text x="{x + WIDE / 2}" y="{y + 44}" class="small">{below}</text>'
        )
    for first, second, word in (
        (0, 1, "convert"), (1, 2, "round"), (2, 3, "run"), (2, 4, "write"), (4, 5, "build"),
    ):  # fmt: skip
        (x1, y1), (x2, y2) = corner(places[first]), corner(places[second])
        y1, y2 = y1 + TALL / 2, y2 + TALL / 2
        parts.append(
            f'<line x1="{x1 + WIDE}" y1="{y1}" x2="{x2 - 3}" y2="{y2}" class="edge"/>'
            f'<text x="{(x1 + WIDE + x2) / 2}" y="{(y1 + y2) / 2 - 9}" class="small">{word}</text>'
        )
    x, y = corner(places[3])
    parts.append(
        f'<line x1="{x + WIDE / 2}" y1="{y + TALL + 3}" x2="{x + WIDE / 2}" y2="{y + 104 - 3}" '
        'class="equal"/>'
        f'<text x="{x + WIDE / 2 + 12}" y="{y + 87}" class="big" text-anchor="start" '
        'style="text-anchor:start">== every logit, label and clock</text>'
    )
    middle = corner(places[2])[0] - GAP / 2
    parts.append(f'<line x1="{middle}" y1="20" x2="{middle}" y2="236" class="border"/>')
    for x, side, word in (
        (middle - 12, "end", "measured"),
        (middle + 12, "start", "equal, bit for bit"),
    ):
        words = f'class="big" style="text-anchor:{side}">{word}</text>'
        parts.append(f'<text x="{x}" y="28" {words}')
    style = (
        "text{font-family:'Segoe UI','DejaVu Sans',Arial,sans-serif;text-anchor:middle;"
        "fill:#1d2327}"
        ".name{font-size:14px;font-weight:600}.small{font-size:12px;fill:#46525a}"
        ".big{font-size:13px;font-weight:600;fill:#17703c}"
        ".edge{stroke:#46525a;stroke-width:1.6;marker-end:url(#tip)}"
        ".equal{stroke:#17703c;stroke-width:3;marker-end:url(#green);marker-start:url(#green)}"
        ".border{stroke:#a9b3b9;stroke-dasharray:5 5}"
    )
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="{size}" '
        f'markerHeight="{size}" orient="auto-start-reverse"><path d="M0,0 L8,4 L0,8 z" '
        f'fill="{colour}"/></marker>'
        for name, colour, size in (("tip", "#46525a", 7), ("green", "#17703c", 4))
    )
    width = 16 + 5 * (WIDE + GAP) + 16
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} 246" role="img" '
        'aria-label="Trained network, spiking network and integer network; from there golden model '
        'and Verilog, which are equal"><title>From a trained network to an accelerator</title>'
        f"<style>{style}</style><defs>{tips}</defs>"
        f'<rect width="{width}" height="246" rx="10" fill="#fbfbfa"/>{"".join(parts)}</svg>\n'
    )
    Path(__file__).with_name("flow.svg").write_text(text)


if __name__ == "__main__":
    main()
