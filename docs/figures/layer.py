# SPDX-License-Identifier: Apache-2.0
"""Draws layer.svg: the parts of a layer, what they keep, and where rows go."""

from __future__ import annotations

from pathlib import Path

WIDE, TALL, GAP = 118, 54, 26
PARTS = [
    ("LineBuffer", "events of lines"),
    ("Walker", "an event a clock"),
    ("SynapseEngine", "P x S sums"),
    ("Drain", "shortcut, bias"),
    ("NeuronArray", "fires, resets"),
    ("EncoderPath", "rows of counts"),
]
MEMORIES = {0: "pixel ends", 2: "weights", 3: "biases", 4: "K, F, v(0)"}
STYLE = (
    "text{font-family:'Segoe UI','DejaVu Sans',Arial,sans-serif;text-anchor:middle;fill:#1d2327}"
    ".name{font-size:13px;font-weight:600}.small{font-size:11.5px;fill:#46525a}"
    ".edge{stroke:#46525a;stroke-width:1.6;fill:none;marker-end:url(#tip)}"
    ".room{stroke:#a23b8f;stroke-width:1.6;fill:none;stroke-dasharray:5 4;marker-end:url(#room)}"
)


def box(x: float, y: float, name: str, below: str, colour: str, tall: float = TALL) -> str:
    """A labelled box."""
    second = f'<text x="{x + WIDE / 2}" y="{y + 41}" class="small">{below}</text>' if below else ""
    first = f'<text x="{x + WIDE / 2}" y="{y + 23}" class="name">{name}</text>'
    frame = f'width="{WIDE}" height="{tall}" rx="7" fill="{colour}" stroke="#59656d"'
    return f'<rect x="{x}" y="{y}" {frame}/>{first}{second}'


def main() -> None:
    """Write the file beside this one."""
    top, parts = 78, []

    def left(number: int) -> float:
        return 56 + number * (WIDE + GAP)

    for number, (name, below) in enumerate(PARTS):
        parts.append(box(left(number), top, name, below, "#e3e8ef"))
        middle = top + TALL / 2
        parts.append(
            f'<line x1="{left(number) - GAP}" y1="{middle}" x2="{left(number) - 2}" y2="{middle}" '
            'class="edge"/>'
        )
    end = left(len(PARTS)) - GAP
    middle = top + TALL / 2
    parts.append(f'<line x1="{end}" y1="{middle}" x2="{end + 34}" y2="{middle}" class="edge"/>')
    parts.append(f'<text x="28" y="{middle - 8}" class="small">rows</text>')
    parts.append(f'<text x="{end + 18}" y="{middle - 8}" class="small">rows</text>')
    low = top + TALL + 34
    for number, name in MEMORIES.items():
        parts.append(box(left(number), low, name, "", "#d5ead9", 36))
        x = left(number) + WIDE / 2
        parts.append(f'<line x1="{x}" y1="{low}" x2="{x}" y2="{top + TALL + 2}" class="edge"/>')
    parts.append(box(left(3) - WIDE / 2 - GAP / 2, 8, "SkipBuffer", "", "#f7dcc0", 36))
    x = left(3) + WIDE / 2
    parts.append(f'<path d="M{left(3) + WIDE / 2 - GAP / 2},26 H{x} V{top - 2}" class="edge"/>')
    parts.append(
        f'<path d="M{end + 14},{middle} V{low + 62} H{left(1) + WIDE / 2} V{top + TALL + 2}" '
        'class="room"/>'
        f'<text x="{(left(1) + WIDE + end) / 2}" y="{low + 56}" '
        'class="small">room that readers promise: '
        "a window starts only when its results have a place, and nothing behind stalls</text>"
    )
    width, height = end + 48, low + 76
    tips = "".join(
        f'<marker id="{name}" viewBox="0 0 8 8" refX="6" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0,0 L8,4 L0,8 z" fill="{colour}"/></marker>'
        for name, colour in (("tip", "#46525a"), ("room", "#a23b8f"))
    )
    Path(__file__).with_name("layer.svg").write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'aria-label="The parts of a layer from left to right, with their memories below">'
        f"<title>The parts of a layer</title><style>{STYLE}</style><defs>{tips}</defs>"
        f'<rect width="{width}" height="{height}" rx="10" fill="#fbfbfa"/>{"".join(parts)}</svg>\n'
    )


if __name__ == "__main__":
    main()
