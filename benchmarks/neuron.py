# SPDX-License-Identifier: Apache-2.0
"""Area and speed of the neuron cores, each beside a registered adder as wide as its membrane.

Writes build/bench/neuron.json. Run by ``make bench-neuron``; results are kept by content, so only
what has changed is built again.
"""

from __future__ import annotations

import argparse
import json
import os
import random
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from amaranth.back import verilog
from rich.console import Console
from rich.table import Table

from cygnet.files import write_text
from cygnet.gateware.neuron import neuron_core
from cygnet.neuron_core import NeuronCoreConfig
from cygnet.synthesis import SEEDS, Report, synthesize, target

WIDTH = 24
BASE: dict[str, Any] = {
    "kind": "gn",
    "tau": 4,
    "membrane_width": WIDTH,
    "current_width": 20,
    "threshold_width": 16,
    "depth": 32,
    "channels": 128,
}
IF = {"kind": "if", "tau": 1}
SNM = {"kind": "snm", "tau": 1, "memory_width": 3, "initial_level": "zero"}
POW2 = {"threshold": "pow2", "reset": 1 << 14, "fire": 1 << 14, "initial": 1 << 13}
FAST, SMALL = {"variant": "fast"}, {"variant": "small"}
BLOCK = {"state_memory": "block"}

CONFIGS: dict[str, dict[str, Any]] = {
    "gn-fast-w24-tau4-d32": FAST,
    "gn-small-w24-tau4-d32": SMALL,
    "gn-small-w24-tau4-d32-block": SMALL | BLOCK,
    "gn-pow2-w24-tau4-d32": SMALL | POW2,
    "gn-pow2-fast-w24-tau4-d32": FAST | POW2,
    "gn-fast-w24-tau4-d32-k18": FAST | {"threshold_width": 18},
    "gn-small-w24-tau4-d32-k18": SMALL | {"threshold_width": 18},
    "gn-small-w24-tau2-d32": SMALL | {"tau": 2},
    "gn-small-w24-tau8-d32": SMALL | {"tau": 8},
    "gn-small-w24-tau16-d32": SMALL | {"tau": 16},
    "gn-small-w24-tau4-d32-fire": SMALL | {"fire_level": "memory"},
    "gn-small-w24-tau4-d32-saturate": SMALL | {"saturate": True},
    "if-fast-w24-d32": FAST | IF,
    "if-small-w24-d32": SMALL | IF,
    "if-small-w24-d32-block": SMALL | IF | BLOCK,
    "snm-fast-w24-d32": FAST | SNM,
    "snm-small-w24-d32": SMALL | SNM,
    "snm-small-w24-d32-block": SMALL | SNM | BLOCK,
}
PLAIN = ("gn-fast-w24-tau4-d32", "gn-small-w24-tau4-d32", "gn-small-w24-tau4-d32-block")
"""Built once more without the ECP5 netlist steps."""

TARGETS = ("ecp5-25k-6", "ecp5-25k-8", "ice40-hx8k", "xilinx7")

ADDER = f"""
module top(input clk, input [{WIDTH - 1}:0] a, b, output reg [{WIDTH - 1}:0] y);
  reg [{WIDTH - 1}:0] ra, rb;
  always @(posedge clk) begin ra <= a; rb <= b; y <= ra + rb; end
endmodule
"""


def design(options: Mapping[str, Any], family: str) -> str:
    """Verilog of one core, its rows filled at random (seeded)."""
    chosen = BASE | dict(options)
    if family == "ice40":
        chosen |= BLOCK  # there is no other RAM in the device
    config = NeuronCoreConfig(**chosen)
    rng = random.Random(1)
    rows = [rng.getrandbits(config.row_width) for _ in range(config.channels)]
    core = neuron_core(config, rows if config.row_width else None)
    text: str = verilog.convert(core, emit_src=False, strip_internal_attrs=True)
    return text


def row(name: str, where: str, report: Report, adder: Report) -> dict[str, Any]:
    """One line of the table."""
    return {
        "config": name,
        "target": where,
        "area": report.area,
        "ffs": report.ffs,
        "brams": report.brams,
        "dsps": report.dsps,
        "fmax_mhz": report.fmax_mhz,
        "adder_fmax_mhz": adder.fmax_mhz,
        "fmax_by_seed": {str(route.seed): route.fmax_mhz for route in report.routes},
    }


def measure(names: Sequence[str], targets: Sequence[str], jobs: int) -> list[dict[str, Any]]:
    """All rows; designs side by side, the seeds of one design one after the other."""
    work: list[tuple[str, str, str, bool]] = []
    for where in targets:
        family = target(where).family
        for name in names:
            work.append((name, where, design(CONFIGS[name], family), True))
            if name in PLAIN and family == "ecp5":
                work.append((f"{name}-plain", where, design(CONFIGS[name], family), False))

    def build(job: tuple[str, str, str, bool]) -> dict[str, Any]:
        name, where, text, optimise = job
        device = target(where)
        report = synthesize(text, top="top", target=device, optimise=optimise, copies=False)
        adder = synthesize(ADDER, top="top", target=device)
        return row(name, where, report, adder)

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        return list(pool.map(build, work))


def show(rows: Sequence[Mapping[str, Any]]) -> None:
    """The table, for people."""
    table = Table("config", "target", "area", "FF", "RAM", "DSP", "MHz", "of the adder")
    for entry in rows:
        fmax, adder = entry["fmax_mhz"], entry["adder_fmax_mhz"]
        speed = ("", "") if fmax is None else (f"{fmax:.0f}", f"{fmax / adder:.2f}")
        counts = [str(entry[key]) for key in ("area", "ffs", "brams", "dsps")]
        table.add_row(entry["config"], entry["target"], *counts, *speed)
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", action="append", choices=CONFIGS, help="only this one")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, default=Path("build/bench/neuron.json"))
    options = parser.parse_args()
    rows = measure(options.config or list(CONFIGS), options.target or TARGETS, options.jobs)
    document = {"seeds": list(SEEDS), "rows": rows}
    write_text(options.output, json.dumps(document, indent=2) + "\n")
    show(rows)


if __name__ == "__main__":
    main()
