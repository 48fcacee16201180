# SPDX-License-Identifier: Apache-2.0
"""A mapped netlist to a bitstream: place and route on given pins, pack."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cygnet.cache import content_key
from cygnet.cosim.tools import Tool
from cygnet.errors import CygnetError
from cygnet.files import write_bytes, write_text
from cygnet.synthesis.nextpnr import nextpnr, place_and_route
from cygnet.synthesis.refusals import check_done, check_placed
from cygnet.synthesis.report import Route, read_route
from cygnet.synthesis.run import scratch_folder
from cygnet.synthesis.targets import Target

__all__ = ["SUFFIXES", "Clock", "Placed", "pack", "packer", "place"]

SUFFIXES = {"ecp5": ".bit", "ice40": ".bin"}
"""Of a bitstream, by family."""


@dataclass(frozen=True)
class Clock:
    """One clock of a placed design.

    :param name: of its net
    :param mhz: what was asked of it
    :param fmax_mhz: what it reaches
    """

    name: str
    mhz: float
    fmax_mhz: float

    @property
    def met(self) -> bool:
        return self.fmax_mhz >= self.mhz


@dataclass(frozen=True)
class Placed:
    """A placement, and what it is packed from.

    :param route: seed, cells, speed and critical path
    :param available: how many cells of each kind the device has
    :param clocks: all that feed registers
    :param text: nextpnr's configuration (ECP5) or bit map (iCE40)
    """

    route: Route
    available: Mapping[str, int]
    clocks: tuple[Clock, ...]
    text: Path

    @property
    def met(self) -> bool:
        """Whether every clock reaches what was asked of it."""
        return all(clock.met for clock in self.clocks)


def place(
    netlist: str,
    target: Target,
    constraints: str,
    *,
    mhz: float,
    seed: int,
    options: Sequence[str] = (),
    cache: Path,
) -> Placed:
    """Place and route on the pins of ``constraints``; kept by content.

    :param netlist: as :func:`cygnet.synthesis.run.map_design` gives it
    :param mhz: of clocks that the constraints and the PLL do not set
    :raises TooBigError: the device has too few of some kind of cell
    :raises CygnetError: nextpnr is missing, or refuses the design
    """
    tool = nextpnr(target.family)
    arguments = [*target.route, "--freq", f"{mhz:g}", "--timing-allow-fail", *options]
    key = content_key(netlist, constraints, arguments, seed, str(tool))
    report, text = cache / f"{key}.place.json", cache / f"{key}.place.txt"
    if not report.is_file():
        pins, out = ("--pcf", "--asc") if target.family == "ice40" else ("--lpf", "--textcfg")
        with tempfile.TemporaryDirectory(prefix="cygnet-place-", dir=scratch_folder(cache)) as work:
            (Path(work) / "netlist.json").write_text(netlist)
            (Path(work) / "pins").write_text(constraints)
            files = ["--json", "netlist.json", pins, "pins", "--report", "report.json", out, "out"]
            done = place_and_route(tool, [*arguments, *files, "--seed", str(seed)], cwd=Path(work))
            check_placed(done, target.name, "a larger board")
            write_bytes(text, (Path(work) / "out").read_bytes())
            write_text(report, (Path(work) / "report.json").read_text())
    found: dict[str, Any] = json.loads(report.read_text())
    return Placed(
        read_route(report.read_text(), seed),
        {kind: use["available"] for kind, use in found["utilization"].items()},
        tuple(
            Clock(name, clock["constraint"], clock["achieved"])
            for name, clock in found["fmax"].items()
        ),
        text,
    )


def pack(text: Path, family: str, *, cache: Path) -> bytes:
    """The bitstream of a placement.

    :raises CygnetError: the packer is missing, or refuses its input
    """
    tool = packer(family)
    with tempfile.TemporaryDirectory(prefix="cygnet-pack-", dir=scratch_folder(cache)) as work:
        shutil.copyfile(text, Path(work) / "in")
        options = ["--compress", "in", "out"] if family == "ecp5" else ["in", "out"]
        check_done(tool.run(options, cwd=Path(work)), tool.name, text.name)
        return (Path(work) / "out").read_bytes()


@cache
def packer(family: str) -> Tool:
    """ecppack or icepack: the one on the PATH, else the one of nextpnr's wheel.

    :raises CygnetError: there is none
    """
    name = "ecppack" if family == "ecp5" else "icepack"
    native = shutil.which(name)
    if native is not None:
        return Tool(name, (), (native,), native=True)
    package = f"yowasp_nextpnr_{family}"
    if importlib.util.find_spec(package) is None:
        raise CygnetError(
            f"{name} was not found; install it with: pip install yowasp-nextpnr-{family}"
        )
    call = f"import sys, {package} as p; sys.exit(p.run_{name}(sys.argv[1:]))"
    return Tool(name, nextpnr(family).version, (sys.executable, "-c", call), native=False)
