# SPDX-License-Identifier: Apache-2.0
"""Verilog through Yosys and nextpnr, every result kept by the content that it came from."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cygnet.cache import content_key
from cygnet.cache import default_cache as common_cache
from cygnet.cosim.tools import yosys
from cygnet.files import write_text
from cygnet.synthesis import ecp5, fanout, hierarchy, ice40, retime
from cygnet.synthesis import netlist as netlists
from cygnet.synthesis.floorplan import tied
from cygnet.synthesis.hierarchy import module_use
from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.nextpnr import nextpnr, place_and_route, router
from cygnet.synthesis.refusals import check_done, check_placed
from cygnet.synthesis.report import Report, Route, mapped_area, read_route, routed_report
from cygnet.synthesis.targets import Target

__all__ = [
    "default_cache",
    "map_design",
    "scratch_folder",
    "synthesize",
]

SEEDS = (1, 2, 3, 4, 5, 6, 7)
_STEPS = {"ecp5": (ecp5, retime, netlists), "ice40": (ice40, netlists)}
"""Modules of the steps on a mapped netlist, by family."""


def synthesize(
    verilog: str,
    *,
    top: str,
    target: Target,
    images: Mapping[str, str] | None = None,
    seeds: Sequence[int] = SEEDS,
    mhz: int = 400,
    optimise: bool = True,
    copies: bool = True,
    stages: Sequence[str] = (),
    options: Sequence[str] = (),
    jobs: int = 1,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Map, place and route a design.

    :param verilog: text of all modules
    :param top: the top module
    :param images: text by file name of what ``$readmemh`` reads
    :param seeds: one placement each
    :param mhz: what nextpnr aims at; it need not be met
    :param optimise: Cygnet's steps between Yosys and nextpnr: :mod:`cygnet.synthesis.ecp5`,
        :mod:`cygnet.synthesis.retime`, :mod:`cygnet.synthesis.ice40`
    :param copies: and :mod:`cygnet.synthesis.fanout`
    :param stages: names of the layers of an accelerator, in order: on an ECP5 most of whose block
        RAMs are in use, :mod:`cygnet.synthesis.floorplan` gives these their sites
    :param options: more options for nextpnr, such as ``--router router1``; without that
        one, :func:`router` chooses
    :param jobs: placements at a time
    :param cache: folder of kept results; see :func:`default_cache`
    :param progress: called with the steps that are done and their number: mapping, each placement
    :raises CygnetError: a tool is missing, or it refuses the design
    """
    folder = cache or default_cache()
    if not seeds:
        raise ValueError("seeds must be at least one, not none")
    total = 1 + len(seeds) * target.routed
    progress(0, total)
    mapped = map_design(verilog, top, target, dict(images or {}), optimise, folder, copies)
    progress(1, total)
    if not target.routed:
        area = mapped_area(mapped["cells"])
        return Report(target.name, *area, None, modules=mapped["modules"])
    if "--router" not in options:
        options = (*options, *router(target.family, mapped["cells"]))
    netlist = tied(mapped, target, stages) if optimise else mapped["netlist"]
    arguments = [*target.route, "--freq", str(mhz), "--timing-allow-fail", *options]
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        routes = pool.map(lambda seed: _route(netlist, target, arguments, seed, folder), seeds)
        found = []
        for route in routes:
            found.append(route)
            progress(1 + len(found), total)
    ffs = sum(count for kind, count in mapped["cells"].items() if kind.startswith("SB_DFF"))
    return routed_report(target.name, target.family, ffs, tuple(found), mapped["modules"])


def default_cache() -> Path:
    """``$CYGNET_CACHE/synthesis``, or ``build/cache/synthesis`` in the working directory."""
    return common_cache() / "synthesis"


def map_design(
    verilog: str,
    top: str,
    target: Target,
    images: dict[str, str],
    optimise: bool,
    folder: Path,
    copies: bool = True,
) -> dict[str, Any]:
    """{"cells": number by kind, "modules": the same by module, "netlist": JSON text for nextpnr} of
    the mapped design."""
    tool = yosys()
    steps = list(_STEPS.get(target.family, ())) if optimise else []
    steps += [fanout] if copies and ecp5 in steps else []
    passes = _source(*steps, hierarchy)
    key = content_key(verilog, top, target.synth, images, str(tool), passes)
    kept = folder / f"{key}.map.json"
    if kept.is_file():
        result: dict[str, Any] = json.loads(kept.read_text())
        return result
    with tempfile.TemporaryDirectory(prefix="cygnet-synth-", dir=scratch_folder(folder)) as work:
        for name, text in images.items():
            (Path(work) / name).write_text(text)
        (Path(work) / "design.v").write_text(verilog)
        script = (
            f"read_verilog -sv design.v; {target.synth} -top {top}; "
            "tee -q -o stat.json stat -json; write_json netlist.json"
        )
        check_done(tool.run(["-q", "-p", script], cwd=Path(work)), "Yosys", top)
        design = json.loads(_object((Path(work) / "stat.json").read_text()))["design"]
        text = (Path(work) / "netlist.json").read_text()
    if steps:
        parsed = Netlist(text)
        if target.family == "ice40":
            ice40.share_clocks(parsed)
        else:
            retime.retime_banks(parsed)
            retime.absorb_multiplier_registers(parsed)
            ecp5.absorb_registers(parsed)
            ecp5.fold_tables(parsed)
            if copies:
                fanout.copy_drivers(parsed)
        text = parsed.text()
    result = {
        "cells": design["num_cells_by_type"],
        "modules": module_use(text),
        "netlist": text if target.routed else "",
    }
    write_text(kept, json.dumps(result))
    return result


def _route(text: str, target: Target, arguments: list[str], seed: int, folder: Path) -> Route:
    tool = nextpnr(target.family)
    key = content_key(text, arguments, seed, str(tool))
    kept = folder / f"{key}.route.json"
    if not kept.is_file():
        with tempfile.TemporaryDirectory(
            prefix="cygnet-route-", dir=scratch_folder(folder)
        ) as work:
            (Path(work) / "netlist.json").write_text(text)
            files = ["--json", "netlist.json", "--report", "report.json"]
            if target.family == "ice40":
                files.append("--pcf-allow-unconstrained")
            command = [*arguments, *files, "--seed", str(seed)]
            done = place_and_route(tool, command, cwd=Path(work), clock=target.clock)
            check_placed(done, target.name, "a larger --target")
            write_text(kept, (Path(work) / "report.json").read_text())
    return read_route(kept.read_text(), seed)


def scratch_folder(folder: Path) -> Path:
    """Where to make working folders: the cache's own, which YoWASP's tools can see into."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder.absolute()


def _object(text: str) -> str:
    """The JSON object in what ``stat -json`` writes, which has lines around it."""
    return text[text.index("{") : text.rindex("}") + 1]


def _source(*modules: Any) -> str:
    return content_key(*(Path(module.__file__).read_text() for module in modules))
