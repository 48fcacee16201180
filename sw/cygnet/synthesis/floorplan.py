# SPDX-License-Identifier: Apache-2.0
"""Where the block RAMs and multipliers of an accelerator go on an ECP5.

They stand in a few rows of the device. nextpnr's placers first find where each would like to be and
then move it to the nearest site that is free; where most sites are taken the last ones are moved
across the device, and all that belongs to them follows. Here every one of them gets its site before
anything else is placed.

Layers are a chain. It is laid along the upper part of the device and back along the lower one, each
layer as wide as what it takes. Sites are then dealt out so that all memories together, and all
multipliers, are as near to their layers as they can be (an assignment of least cost: Kuhn 1955).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.targets import Target

__all__ = [
    "CROWDED",
    "GRIDS",
    "Grid",
    "Region",
    "Site",
    "assign_sites",
    "regions",
    "stage_of",
    "tied",
]

CROWDED = 0.75
"""Share of a device's block RAMs in use from which :func:`tied` ties them to sites."""

_GROUP = 9
"""Columns from one group of four block RAMs, or four multipliers, to the next."""
_SITES = {
    "DP16KD": ((0, "EBR0"), (2, "EBR1"), (4, "EBR2"), (6, "EBR3")),
    "MULT18X18D": ((0, "MULT18_0"), (1, "MULT18_1"), (4, "MULT18_4"), (5, "MULT18_5")),
}
"""By kind of cell: column in a group, name of the site there."""
_LOGIC = {"LUT4": 1, "CCU2C": 2, "TRELLIS_DPR16X4": 6}
"""Tables that a cell takes."""
_SHARE = 0.05
"""What a column from the middle of its layer costs a cell, next to one outside of the layer."""
_ACROSS = 0.2
"""What a row from the middle of its layer's band costs, next to a column outside of the layer."""


@dataclass(frozen=True)
class Site:
    """A place for one cell.

    :param bel: nextpnr's name of it
    """

    x: int
    y: int
    bel: str


@dataclass(frozen=True)
class Grid:
    """The device as far as it matters here, in nextpnr's coordinates.

    :param width: columns
    :param height: rows
    :param split: the row that parts the upper band from the lower one
    :param groups: first column of each group of sites
    :param rows: rows of sites, by kind of cell
    """

    width: int
    height: int
    split: int
    groups: tuple[int, ...]
    rows: dict[str, tuple[int, ...]]

    def sites(self, kind: str) -> list[Site]:
        """All sites for one kind of cell."""
        return [
            Site(first + column, y, f"X{first + column}/Y{y}/{name}")
            for y in self.rows[kind]
            for first in self.groups
            for column, name in _SITES[kind]
        ]


def _groups(*starts: tuple[int, int]) -> tuple[int, ...]:
    """(first column, number) of runs of groups."""
    return tuple(first + _GROUP * n for first, number in starts for n in range(number))


GRIDS = {
    "25k": Grid(72, 50, 31, _groups((4, 3), (33, 4)), {"DP16KD": (25, 37), "MULT18X18D": (13,)}),
    "45k": Grid(
        90, 71, 40, _groups((4, 4), (42, 5)), {"DP16KD": (10, 34, 58), "MULT18X18D": (22, 46)}
    ),
    "85k": Grid(
        126,
        95,
        58,
        _groups((4, 7), (69, 6)),
        {"DP16KD": (22, 46, 70, 82), "MULT18X18D": (10, 34, 58)},
    ),
}
"""By the size of the ECP5."""


@dataclass(frozen=True)
class Region:
    """Where a layer should lie.

    :param x: its middle
    :param y: of its band
    :param width: columns
    """

    x: float
    y: float
    width: float


def stage_of(cell: str, stages: Sequence[str]) -> str | None:
    """The layer that a cell belongs to: ``conv1.engine.sums``, ``conv1_neurons.core0`` and
    ``conv1_to_conv2_main`` are of ``conv1``, whether the accelerator is the top or lies in it."""
    for place in cell.split(".", 2)[:2]:
        found = (stage for stage in stages if re.match(rf"{re.escape(stage)}(?![^\W_])", place))
        stage = max(found, key=len, default=None)
        if stage is not None:
            return stage
    return None


def regions(netlist: Netlist, grid: Grid, stages: Sequence[str]) -> dict[str, Region]:
    """The region of each layer, by its share of tables, flip-flops and block RAMs."""
    use: dict[str, Counter[str]] = {stage: Counter() for stage in stages}
    for name, cell in netlist.cells.items():
        stage = stage_of(name, stages)
        if stage is None:
            continue
        kind = cell["type"]
        use[stage]["tables"] += _LOGIC.get(kind, 0)
        use[stage]["flip-flops"] += kind == "TRELLIS_FF"
        use[stage]["memories"] += kind == "DP16KD"
    whole = sum(use.values(), Counter())
    shares = []
    for stage in stages:
        tables, registers, memories = (
            use[stage][what] / max(1, whole[what]) for what in ("tables", "flip-flops", "memories")
        )
        logic = max(tables, registers)
        shares.append((logic + max(logic, memories)) / 2)
    ends = np.cumsum(shares) / sum(shares)
    upper = grid.split / grid.height
    found = {}
    for stage, share, end in zip(stages, shares, ends, strict=True):
        part = share / sum(shares)
        middle = end - part / 2
        if middle < upper:
            x, y, band = middle / upper, grid.split / 2, upper
        else:
            x, y, band = (1 - middle) / (1 - upper), (grid.split + grid.height) / 2, 1 - upper
        found[stage] = Region(grid.width * x, y, grid.width * part / band)
    return found


def assign_sites(netlist: Netlist, grid: Grid, stages: Sequence[str]) -> int:
    """Tie the layers' block RAMs and multipliers to sites (nextpnr's attribute ``BEL``); returns
    how many. Nothing is changed where there are more than sites.

    :param stages: names of the layers, in the order of the chain
    """
    owner = {cell: stage_of(cell, stages) for kind in _SITES for cell in netlist.of_type(kind)}
    if all(stage is None for stage in owner.values()):
        return 0
    where = regions(netlist, grid, stages)
    chosen: dict[str, str] = {}
    for kind in _SITES:
        cells, sites = netlist.of_type(kind), grid.sites(kind)
        if len(cells) > len(sites):
            return 0
        costs = {cell: _cost(where[stage], sites, grid) for cell in cells if (stage := owner[cell])}
        if costs:
            _, columns = linear_sum_assignment(np.array(list(costs.values())))
            chosen |= {cell: sites[at].bel for cell, at in zip(costs, columns, strict=True)}
    for name, bel in chosen.items():
        netlist.cells[name].setdefault("attributes", {})["BEL"] = bel
    return len(chosen)


def tied(mapped: Mapping[str, Any], target: Target, stages: Sequence[str]) -> str:
    """A netlist for nextpnr, block RAMs and multipliers tied to sites if the device is a crowded
    ECP5.

    :param mapped: as :func:`cygnet.synthesis.run.map_design` gives it
    :param stages: names of the layers, in the order of the chain
    """
    text = str(mapped["netlist"])
    if target.family != "ecp5" or not stages:
        return text
    # 12k is 25k with less of it told; --um-85k and --um5g-85k differ in what is around the fabric.
    size = target.route[0].rpartition("-")[2]
    grid = GRIDS["25k" if size == "12k" else size]
    if mapped["cells"].get("DP16KD", 0) < CROWDED * len(grid.sites("DP16KD")):
        return text
    netlist = Netlist(text)
    return netlist.text() if assign_sites(netlist, grid, stages) else text


def _cost(region: Region, sites: Sequence[Site], grid: Grid) -> NDArray[np.float64]:
    """Of a layer's cell on each site: squares of how far that is."""
    x = np.array([site.x for site in sites])
    y = np.array([site.y for site in sites])
    aside = np.abs(x - region.x)
    outside = np.maximum(0, aside - region.width / 2)
    other = (y < grid.split) != (region.y < grid.split)
    return np.asarray(
        outside**2 + _SHARE * aside**2 + _ACROSS * (y - region.y) ** 2 + other * float(grid.width),
        dtype=np.float64,
    )
