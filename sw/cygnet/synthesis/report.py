# SPDX-License-Identifier: Apache-2.0
"""What a synthesis came to."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Report", "Route", "mapped_area", "named_path", "read_route"]


@dataclass(frozen=True)
class Route:
    """One placement.

    :param seed: of nextpnr
    :param fmax_mhz: of the slowest clock; infinite where no register feeds another
    :param cells: cells in use, by nextpnr's kinds
    :param critical: the slowest path, cell by cell, with delays in ns
    """

    seed: int
    fmax_mhz: float
    cells: Mapping[str, int]
    critical: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """Area and speed of one design on one target.

    :param target: its name
    :param area: ECP5: TRELLIS_COMB as placed, distributed RAM included; iCE40: logic cells;
        Xilinx 7: tables, those used as RAM included
    :param ffs: flip-flops
    :param brams: block RAMs (ECP5: 18 kbit; iCE40: 4 kbit; Xilinx 7: 18 kbit)
    :param dsps: multipliers
    :param fmax_mhz: median over the seeds; None where the target is only mapped
    :param routes: one for each seed
    :param modules: cells of each module by its place, see :mod:`cygnet.synthesis.hierarchy`
    """

    target: str
    area: int
    ffs: int
    brams: int
    dsps: int
    fmax_mhz: float | None
    routes: tuple[Route, ...] = ()
    modules: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


_XILINX_RAM_TABLES = {
    "RAM32X1S": 1,
    "RAM32X1D": 2,
    "RAM64X1S": 1,
    "RAM64X1D": 2,
    "RAM128X1S": 2,
    "RAM128X1D": 4,
    "RAM256X1S": 4,
    "RAM32M": 4,
    "RAM64M": 4,
    "SRL16E": 1,
    "SRLC32E": 1,
}


def mapped_area(cells: Mapping[str, int]) -> tuple[int, int, int, int]:
    """Area, flip-flops, RAMs and multipliers of a mapped Xilinx 7 netlist."""
    count: Counter[str] = Counter()
    for kind, number in cells.items():
        if kind.startswith("LUT"):
            count["area"] += number
        elif kind in _XILINX_RAM_TABLES:
            count["area"] += _XILINX_RAM_TABLES[kind] * number
        elif kind.startswith(("FDRE", "FDSE", "FDCE", "FDPE")):
            count["ffs"] += number
        elif kind.startswith(("RAMB18", "RAMB36")):
            count["brams"] += number * (2 if kind.startswith("RAMB36") else 1)
        elif kind.startswith("DSP48"):
            count["dsps"] += number
    return count["area"], count["ffs"], count["brams"], count["dsps"]


_CELL = re.compile(r"(?<=.)_(TRELLIS_FF|LUT4|CCU2C|PFUMX|L6MUX21|DP16KD|MULT18X18D|SB_\w+?)_.*$")
_NUMBER = re.compile(r"\._(signal_)?\d+$")


def named_path(critical: Sequence[str]) -> list[tuple[str, float]]:
    """A critical path in the design's own names: (module and signal, ns), what belongs to one
    signal added up. Names of cells that Yosys made out of a signal lose what Yosys added, and what
    has no name but a number of Amaranth's goes by its module."""
    path: list[tuple[str, float]] = []
    for line in critical:
        delay, _, place = line.split(" ", 2)
        name = _CELL.sub("", place.rpartition(".")[0].partition("$")[0])
        name = _NUMBER.sub("", name)
        if path and path[-1][0] == name:
            path[-1] = name, path[-1][1] + float(delay)
        else:
            path.append((name, float(delay)))
    return [(name, round(delay, 2)) for name, delay in path]


def read_route(text: str, seed: int) -> Route:
    """A route out of the JSON report of nextpnr."""
    data: dict[str, Any] = json.loads(text)
    cells = {kind: use["used"] for kind, use in data["utilization"].items() if use["used"]}
    fmax = min((clock["achieved"] for clock in data["fmax"].values()), default=math.inf)
    slowest: tuple[float, tuple[str, ...]] = (-1.0, ())
    for path in data["critical_paths"]:
        if not (path["from"].startswith("posedge") and path["to"].startswith("posedge")):
            continue
        total = sum(segment["delay"] for segment in path["path"])
        if total > slowest[0]:
            lines = tuple(
                f"{segment['delay']:.2f} {segment['type']} "
                f"{segment['from']['cell']}.{segment['from']['port']}"
                for segment in path["path"]
            )
            slowest = total, lines
    return Route(seed, fmax, cells, slowest[1])


def routed_report(
    name: str,
    family: str,
    ffs: int,
    routes: tuple[Route, ...],
    modules: Mapping[str, Mapping[str, int]],
) -> Report:
    """The report of a placed design; area as of the first seed, speed as the median."""
    cells = routes[0].cells
    kinds = {
        "ecp5": ("TRELLIS_COMB", "DP16KD", "MULT18X18D"),
        "ice40": ("ICESTORM_LC", "ICESTORM_RAM", "ICESTORM_DSP"),
    }[family]
    area, brams, dsps = (cells.get(kind, 0) for kind in kinds)
    fmax = statistics.median(route.fmax_mhz for route in routes)
    return Report(name, area, cells.get("TRELLIS_FF", ffs), brams, dsps, fmax, routes, modules)
