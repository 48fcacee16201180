# SPDX-License-Identifier: Apache-2.0
"""Markdown tables and the plot of docs/results/data/quantized-*.json."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def table(found: dict[str, Any]) -> str:
    steps = found["steps"]
    lines = [
        "| bits | thresholds | fine-tuned | "
        + " | ".join(f"T = {step}" for step in steps)
        + " | class as torch's, T = 1 |",
        "|---|---|---|" + "---:|" * (len(steps) + 1),
        "| float GN | | | "
        + " | ".join(f"{100 * share:.2f}" for share in found["float"])
        + f" | {100 * found['float_agrees']:.2f} |",
    ]
    for row in found["integer"]:
        head = f"| {row['bits']} | {row['threshold']} | {'yes' if row['finetuned'] else ''} | "
        if "refused" in row:
            lines.append(head + "refused |" + " |" * len(steps))
            continue
        shares = " | ".join(f"{100 * share:.2f}" for share in row["accuracy"])
        lines.append(f"{head}{shares} | {100 * row['agree']:.2f} |")
    return "\n".join(lines)


def plot(runs: dict[str, dict[str, Any]], path: Path) -> None:
    """Accuracy at T = 1 against the width, a panel for each network."""
    figure = Figure(figsize=(3.4 * len(runs), 3.2), layout="constrained")
    panels = figure.subplots(1, len(runs), squeeze=False)[0]
    for axes, (name, found) in zip(panels, runs.items(), strict=True):
        for form, colour in (("exact", "#0b5fa5"), ("pow2", "#d1495b")):
            for tuned, style in ((False, "-"), (True, "--")):
                rows = [
                    (row["bits"], 100 * row["accuracy"][0])
                    for row in found["integer"]
                    if row["threshold"] == form and row["finetuned"] == tuned and "accuracy" in row
                ]
                if rows:
                    label = f"{form}, fine-tuned" if tuned else form
                    axes.plot(
                        *zip(*rows, strict=True), style, marker="o", color=colour, label=label
                    )
        axes.axhline(100 * found["float"][0], color="black", linestyle=":", label="float GN")
        axes.set(title=name, xlabel="bits of a weight")
        axes.invert_xaxis()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("accuracy at T = 1, %")
    panels[0].legend(fontsize="small")
    figure.savefig(path, format="svg", metadata={"Date": None})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("docs/results"))
    options = parser.parse_args()
    runs = {}
    for path in sorted((options.results / "data").glob("quantized-*.json")):
        found = json.loads(path.read_text())
        name = path.stem.removeprefix("quantized-")
        runs[name] = found
        print(f"{name}: ANN {100 * found['ann']:.2f}\n\n{table(found)}\n")
    plot(runs, options.results / "quantization.svg")


if __name__ == "__main__":
    main()
