# SPDX-License-Identifier: Apache-2.0
"""Block RAMs and multipliers on sites: sites that exist, along the chain, at the least cost."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.synthesis import synthesize, target
from cygnet.synthesis.area import DEVICES
from cygnet.synthesis.floorplan import (
    CROWDED,
    GRIDS,
    Grid,
    assign_sites,
    regions,
    stage_of,
    tied,
)
from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.nextpnr import nextpnr

LINE = Grid(36, 10, 5, (4, 13, 22), {"DP16KD": (2, 8), "MULT18X18D": (4,)})
"""A made-up device: two rows of 12 block RAMs, one of 12 multipliers."""


def netlist(kinds: Mapping[str, str], *, clocked: bool = False) -> str:
    """JSON of a design of unconnected cells, or such that share a clock.

    :param kinds: type by name
    """
    ports = {"clk": {"direction": "input", "bits": [2]}} if clocked else {}
    cells: dict[str, Any] = {}
    for n, (name, kind) in enumerate(kinds.items(), start=3):
        clock, output = ("CLKA", "DOA0") if kind == "DP16KD" else ("CLK0", "P0")
        cells[name] = {
            "type": kind,
            "parameters": {},
            "attributes": {},
            "port_directions": {clock: "input", output: "output"} if clocked else {},
            "connections": {clock: [2], output: [n]} if clocked else {},
        }
    top = {"attributes": {"top": "1"}, "ports": ports, "cells": cells, "netnames": {}}
    return json.dumps({"modules": {"top": top}})


def mapped(kinds: Mapping[str, str]) -> dict[str, Any]:
    """The same as ``map_design`` gives it."""
    return {"netlist": netlist(kinds), "cells": Counter(kinds.values())}


def bels(design: Netlist) -> dict[str, str]:
    return {name: cell["attributes"].get("BEL", "") for name, cell in design.cells.items()}


def column(bel: str) -> int:
    return int(bel.split("/", maxsplit=1)[0][1:])


@pytest.mark.parametrize("size", GRIDS)
def test_there_are_as_many_sites_as_the_maker_says(size: str) -> None:
    device = DEVICES[f"ecp5-{size}"]
    for kind, number in (("DP16KD", device.rams), ("MULT18X18D", device.dsps)):
        found = [site.bel for site in GRIDS[size].sites(kind)]
        assert len(set(found)) == len(found) == number


@pytest.mark.parametrize("size", GRIDS)
def test_nextpnr_knows_every_site(size: str, tmp_path: Path) -> None:
    """Each cell of a design that fills the device is where it was put."""
    grid = GRIDS[size]
    wished = {
        f"{kind.lower()}{n}": (kind, site.bel)
        for kind in ("DP16KD", "MULT18X18D")
        for n, site in enumerate(grid.sites(kind))
    }
    text = json.loads(netlist({name: kind for name, (kind, _) in wished.items()}, clocked=True))
    for name, (_, bel) in wished.items():
        text["modules"]["top"]["cells"][name]["attributes"]["BEL"] = bel
    (tmp_path / "netlist.json").write_text(json.dumps(text))
    arguments = [*target(f"ecp5-{size}").route, "--json", "netlist.json", "--no-route"]
    done = nextpnr("ecp5").run([*arguments, "--write", "placed.json"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    (module,) = json.loads((tmp_path / "placed.json").read_text())["modules"].values()
    for name, (_, bel) in wished.items():
        assert module["cells"][name]["attributes"]["NEXTPNR_BEL"] == bel


def test_layers_of_cells() -> None:
    stages = ["conv1", "conv1_2", "fc10"]
    for cell, stage in (
        ("conv1.engine.sums$lut", "conv1"),
        ("conv1_neurons.core0.v", "conv1"),
        ("conv1_to_fc10_main.encoder", "conv1"),
        ("conv1_2.engine", "conv1_2"),
        ("conv10.engine", None),
        ("fc1.engine", None),
        ("fc10", "fc10"),
        ("accelerator.conv1_neurons.core0", "conv1"),
        ("accelerator.readout.conv1", None),
    ):
        assert stage_of(cell, stages) == stage


def test_the_chain_goes_there_and_back() -> None:
    """Eight equal layers, half of the rows for each way: four steps there, four back."""
    stages = [f"l{n}" for n in range(8)]
    cells = {f"{stage}.lut{n}": "LUT4" for stage in stages for n in range(5)}
    found = regions(Netlist(netlist(cells)), LINE, stages)
    assert [region.width for region in found.values()] == pytest.approx([9] * 8)
    there = [4.5, 13.5, 22.5, 31.5]
    assert [region.x for region in found.values()] == pytest.approx(there + there[::-1])
    assert [region.y for region in found.values()] == [2.5] * 4 + [7.5] * 4


def test_what_a_layer_takes_makes_it_wide() -> None:
    """By the mean of its logic (the larger share of tables and flip-flops) and the largest of all
    shares: b has 2/4 of the flip-flops and 1/4 of the memories, c 3/4 of these."""
    cells = dict.fromkeys(("a.t1", "a.t2"), "LUT4") | dict.fromkeys(("b.t1", "c.t1"), "LUT4")
    cells |= dict.fromkeys(("a.f", "b.f1", "b.f2", "c.f"), "TRELLIS_FF")
    cells |= dict.fromkeys(("b.m", "c.m1", "c.m2", "c.m3"), "DP16KD")
    grid = Grid(100, 100, 100, (), {})
    found = regions(Netlist(netlist(cells)), grid, ["a", "b", "c"])
    shares = np.array([2 / 4, 2 / 4, (1 / 4 + 3 / 4) / 2])
    assert [region.width for region in found.values()] == pytest.approx(100 * shares / sum(shares))


def test_no_other_assignment_costs_less() -> None:
    """Against every way to put four memories of two layers on six sites."""
    grid = Grid(24, 10, 5, (4, 13), {"DP16KD": (2,), "MULT18X18D": (4,)})
    cells = {"a.m1": "DP16KD", "b.m1": "DP16KD", "b.m2": "DP16KD", "c.m": "DP16KD", "a.t": "LUT4"}
    design = Netlist(netlist(cells))
    stages = ["a", "b", "c"]
    assert assign_sites(design, grid, stages) == 4
    where = regions(design, grid, stages)
    sites = {site.bel: site for site in grid.sites("DP16KD")}

    def cost(name: str, bel: str) -> float:
        region, site = where[name[0]], sites[bel]
        aside = abs(site.x - region.x)
        outside = max(0.0, aside - region.width / 2)
        other = 24 if (site.y < 5) != (region.y < 5) else 0
        return outside**2 + 0.05 * aside**2 + 0.2 * (site.y - region.y) ** 2 + other

    memories = design.of_type("DP16KD")
    chosen = [bels(design)[name] for name in memories]
    least = min(
        sum(map(cost, memories, way)) for way in itertools.permutations(sites, len(memories))
    )
    assert sum(map(cost, memories, chosen)) == pytest.approx(least)
    assert bels(design)["a.t"] == ""


def test_neighbours_in_the_chain_are_neighbours_on_the_device() -> None:
    stages = [f"l{n}" for n in range(6)]
    cells = {f"{stage}.m{n}": "DP16KD" for stage in stages for n in range(4)}
    cells |= {f"{stage}.x{n}": "MULT18X18D" for stage in stages for n in range(2)}
    design = Netlist(netlist(cells))
    assert assign_sites(design, LINE, stages) == 36
    found = bels(design)
    assert len(set(found.values())) == 36
    middles = [np.mean([column(found[f"{stage}.m{n}"]) for n in range(4)]) for stage in stages]
    assert middles[:3] == sorted(middles[:3])
    assert middles[3:] == sorted(middles[3:], reverse=True)


def test_only_what_belongs_to_a_layer_is_tied() -> None:
    design = Netlist(netlist({"a.m": "DP16KD", "link.queue.m": "DP16KD"}))
    assert assign_sites(design, LINE, ["a"]) == 1
    assert bels(design)["link.queue.m"] == ""


@pytest.mark.parametrize(
    "cells",
    [{"b.m": "DP16KD"}, {f"a.x{n}": "MULT18X18D" for n in range(13)} | {"a.m": "DP16KD"}],
)
def test_nothing_is_tied_where_that_does_not_go(cells: dict[str, str]) -> None:
    design = Netlist(netlist(cells))
    assert assign_sites(design, LINE, ["a"]) == 0
    assert set(bels(design).values()) == {""}


def test_only_crowded_devices() -> None:
    sites = len(GRIDS["25k"].sites("DP16KD"))
    device = target("ecp5-25k")
    few = mapped({f"a.m{n}": "DP16KD" for n in range(int(CROWDED * sites) - 1)})
    assert tied(few, device, ["a"]) == few["netlist"]
    many = mapped({f"a.m{n}": "DP16KD" for n in range(int(CROWDED * sites))})
    assert all(bels(Netlist(tied(many, device, ["a"]))).values())
    for other, stages in ((device, ["b"]), (device, []), (target("ice40-hx8k"), ["a"])):
        assert tied(many, other, stages) == many["netlist"]
    assert bels(Netlist(tied(many, target("ecp5-85k"), ["a"])))["a.m0"] == ""


def test_synthesis_ties_those_of_a_crowded_accelerator(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Two layers of a memory each, on a device that counts as crowded with two."""
    memory = """
    module memory(input clk, input [9:0] a, input [8:0] d, input w, output reg [8:0] q);
      reg [8:0] m [0:1023];
      always @(posedge clk) begin q <= m[a]; if (w) m[a] <= d; end
    endmodule
    module two(input clk, input [9:0] a, input [8:0] d, input w, output [8:0] q);
      wire [8:0] x;
      memory first(clk, a, d, w, x);
      memory second(clk, a, x, w, q);
    endmodule
    """
    monkeypatch.setattr("cygnet.synthesis.floorplan.CROWDED", 2 / 56)

    def files(stages: tuple[str, ...]) -> tuple[int, int]:
        device = target("ecp5-25k")
        found = synthesize(
            memory, top="two", target=device, seeds=(1,), stages=stages, cache=tmp_path
        )
        assert found.brams == 2
        return tuple(len(list(tmp_path.glob(f"*.{kind}.json"))) for kind in ("map", "route"))  # type: ignore[return-value]

    assert files(()) == (1, 1)
    assert files(("third",)) == (1, 1)
    assert files(("first", "second")) == (1, 2)
