# SPDX-License-Identifier: Apache-2.0
"""nextpnr, made to come to an end."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from cygnet.cosim.tools import Tool
from cygnet.errors import CygnetError

__all__ = ["ROUNDS", "nextpnr", "place_and_route", "router"]

LARGE = 3000
"""Lookup tables from which :func:`router` takes nextpnr's second router."""
ROUNDS = 1600
"""That the second router may take; late paths it gives up itself after 1,500."""
_ROUND = re.compile(r"\biter=(\d+) wires=")
_RIPUP = ("--tmg-ripup", "--router2-tmg-ripup")
_SECOND = re.compile(r"^(--router=)?router2$")
_CUT_OFF = re.compile(r"Failed to route arc .* of net '(.+)\$TRELLIS_IO_IN'")
"""What nextpnr says of a pin that it chose for the clock."""


def router(family: str, cells: Mapping[str, int]) -> tuple[str, ...]:
    """The options of nextpnr that choose its router.

    The first one does not end for large designs, and on iCE40 for a placement in a hundred.

    :param family: of the target
    :param cells: number of each kind in the mapped design
    """
    tables = sum(count for kind, count in cells.items() if kind.startswith("LUT"))
    return ("--router", "router2") if family == "ice40" or tables > LARGE else ()


def place_and_route(
    tool: Tool, arguments: Sequence[str], *, cwd: Path, clock: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run nextpnr with another set of options where it would fail, or never end.

    The second router goes round for ever where wires stay overused. After :data:`ROUNDS` rounds it
    is stopped: the same placement is routed without ``--tmg-ripup``, or, if that was not given, by
    the first router.

    :param clock: a pin for the clock, where the one that nextpnr chose cannot reach its network
    :returns: of the last run, standard error in ``stdout``
    :raises CygnetError: it goes round for ever, and there is no other router to take
    """
    done = tool.watch(arguments, cwd=cwd, stop=_goes_round)
    if done is None:
        other = [option for option in arguments if option not in _RIPUP]
        if other == [*arguments]:
            other = [_SECOND.sub(r"\1router1", option) for option in arguments]
        if other == [*arguments]:
            raise CygnetError(
                f"{tool.name} went round {ROUNDS} times without an end; give --option=--router "
                "--option=router1, or another number of --seeds"
            )
        return place_and_route(tool, other, cwd=cwd, clock=clock)
    cut_off = _CUT_OFF.search(done.stdout)
    if done.returncode and cut_off and clock:
        (cwd / "clock.lpf").write_text(f'LOCATE COMP "{cut_off[1]}" SITE "{clock}";\n')
        located = ["--lpf", "clock.lpf", "--lpf-allow-unconstrained"]
        return place_and_route(tool, [*arguments, *located], cwd=cwd)
    return done


def _goes_round(line: str) -> bool:
    found = _ROUND.search(line)
    return found is not None and int(found[1]) > ROUNDS


@cache
def nextpnr(family: str) -> Tool:
    """nextpnr for a family: the one on the PATH, else the one of its wheel.

    :raises CygnetError: there is none
    """
    name = f"nextpnr-{family}"
    native = shutil.which(name)
    if native is not None:
        shown = subprocess.run([native, "--version"], capture_output=True, text=True, check=False)
        version = tuple(map(int, re.findall(r"\d+", shown.stdout + shown.stderr)[:3]))
        return Tool(name, version, (native,), native=True)
    package = f"yowasp_nextpnr_{family}"
    if importlib.util.find_spec(package) is None:
        raise CygnetError(
            f"{name} was not found; install it with: pip install yowasp-nextpnr-{family}"
        )
    version = tuple(
        map(int, re.findall(r"\d+", importlib.metadata.version(package.replace("_", "-")))[:4])
    )
    call = f"import sys, {package} as p; sys.exit(p.run_nextpnr_{family}(sys.argv[1:]))"
    return Tool(name, version, (sys.executable, "-c", call), native=False)
