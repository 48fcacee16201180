# SPDX-License-Identifier: Apache-2.0
"""What simulations have seen: lines and toggles of the Verilog, and functions of the design.

Verilog coverage is Verilator's, read from its own files and merged over runs; which of its holes no
input can reach is for :mod:`cygnet.cosim.unreachable` to prove. Functional coverage is a list of
named bins that a suite must fill; the holes are named.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cygnet.cosim.bench import CaseReport
from cygnet.cosim.compile import Recipe
from cygnet.cosim.simulator import recipe

__all__ = [
    "Bins",
    "Kind",
    "Point",
    "VerilogCoverage",
    "coverage_recipe",
    "handshake_bins",
]

Kind = Literal["line", "branch", "toggle"]


def coverage_recipe() -> Recipe:
    """How to compile a model that counts; run it with ``options=("coverage=FILE",)``."""
    return recipe("-O1", "--coverage-line", "--coverage-toggle", defines=("VM_COVERAGE=1",))


@dataclass(frozen=True, order=True)
class Point:
    """One thing that can be seen.

    :param place: instance, from the top module
    :param line: in the Verilog
    :param what: branch taken, or the signal's bit and direction
    """

    kind: Kind
    place: str
    line: int
    what: str


class VerilogCoverage:
    """Counts of every point, over all runs of one Verilog text.

    :param verilog: the text; points that no input can reach by the way it is written are left out:
        the empty branch that only wakes ``always @*`` blocks, and the words of memories (what
        their ports carry is counted)
    """

    def __init__(self, verilog: str) -> None:
        self.verilog = verilog
        self._lines = verilog.splitlines()
        self._memories: dict[str, set[str]] = {}
        self._widths: dict[str, dict[str, int]] = {}
        self._modules: list[str] = []
        module = ""
        for line in self._lines:
            if match := re.match(r"module (\w+)", line):
                module = match[1]
            self._modules.append(module)
            if match := re.match(r"  (?:wire|reg) (?:\[(\d+):0\] )?(\w+)(?: = .*)?;", line):
                self._widths.setdefault(module, {})[match[2]] = int(match[1] or 0) + 1
            elif match := re.match(r"  reg (?:\[\d+:0\] )?(\w+) \[\d+:0\];", line):
                self._memories.setdefault(module, set()).add(match[1])
        self.counts: Counter[Point] = Counter()

    def add(self, file: Path) -> None:
        """Take in what one run wrote."""
        for line in file.read_text(errors="replace").splitlines():
            if not line.startswith("C '"):
                continue
            body, _, count = line[3:].rpartition("' ")
            fields = dict(part.split("\x02", 1) for part in body.split("\x01") if part)
            kind = fields["t"]
            if kind not in ("line", "branch", "toggle"):
                continue
            number = int(fields["l"])
            if kind != "toggle" and "_auto_verilog_backend" in self._lines[number - 1]:
                continue
            page = fields["page"].rpartition("/")[2]
            if kind == "toggle" and fields["o"].partition("[")[0] in self._memories.get(page, ()):
                continue
            place = fields["h"].partition(".")[2]
            what = fields["o"] if kind == "toggle" else f"{fields['o']} {fields['n']}"
            self.counts[Point(kind, place, number, what)] += int(count)  # type: ignore[arg-type]

    def share(self, *kinds: Kind) -> float:
        """Points seen over all points of these kinds."""
        chosen = [count for point, count in self.counts.items() if point.kind in kinds]
        return sum(count > 0 for count in chosen) / max(1, len(chosen))

    def holes(self, *kinds: Kind) -> list[Point]:
        """Points that no run has seen."""
        return sorted(p for p, count in self.counts.items() if p.kind in kinds and not count)

    def text(self, point: Point) -> str:
        """The line of a point, without the spaces around it."""
        return self.line(point).strip()

    def line(self, point: Point) -> str:
        """The line of a point, as it stands."""
        return self._lines[point.line - 1]

    def above(self, point: Point) -> list[str]:
        """The lines before that of a point within its block, and those around the block, as they
        stand."""
        found: list[str] = []
        level = len(self.line(point)) - len(self.line(point).lstrip())
        for line in reversed(self._lines[: point.line - 1]):
            here = len(line) - len(line.lstrip())
            if line.startswith("module "):
                break
            if here <= level:
                found.append(line)
                level = here
        return found[::-1]

    def width(self, point: Point, name: str) -> int | None:
        """Bits of a signal of the module of a point, None where it has no such signal."""
        return self._widths.get(self._modules[point.line - 1], {}).get(name)

    def grouped(self, points: Iterable[Point]) -> dict[tuple[str, str], int]:
        """Number of points by instance and signal (or line), most first."""
        groups: Counter[tuple[str, str]] = Counter()
        for point in points:
            if point.kind == "toggle":
                name = re.split(r"[\[:]", point.what)[0]
            else:
                name = f"line {point.line}: {self.text(point)}"
            groups[point.place, name] += 1
        return dict(groups.most_common())


class Bins:
    """Functional coverage: named bins, each to be hit at least once."""

    def __init__(self, names: Iterable[str]) -> None:
        self.hits: dict[str, int] = dict.fromkeys(names, 0)

    def hit(self, name: str, times: int = 1) -> None:
        """Count; a name that is no bin is refused, since it would hide a hole.

        :raises KeyError: there is no such bin
        """
        self.hits[name] += times

    @property
    def holes(self) -> list[str]:
        return [name for name, hits in self.hits.items() if not hits]

    @property
    def share(self) -> float:
        return (len(self.hits) - len(self.holes)) / max(1, len(self.hits))

    def report(self) -> str:
        """A table for people, the holes at its end."""
        width = max(map(len, self.hits), default=0)
        lines = [f"{name:{width}}  {hits}" for name, hits in self.hits.items()]
        lines.append(f"{len(self.hits) - len(self.holes)} of {len(self.hits)} bins hit")
        lines += [f"hole: {name}" for name in self.holes]
        return "\n".join(lines)


_STATES = ("transfer", "held", "empty", "idle")
_IMPOSSIBLE = {("held", "empty"), ("held", "idle")}
"""A valid stays until its transfer."""


def handshake_bins(
    reports: Sequence[CaseReport], *, streams: Mapping[str, str] | None = None
) -> Bins:
    """Every state of each stream's handshake, and every state after every other.

    ``transfer``: valid and ready; ``held``: valid only; ``empty``: ready only; ``idle``: neither.

    :param streams: names to report the streams under, by their names in the reports
    """
    names = streams or {name: name for report in reports for name in report.handshakes}
    bins = Bins(
        f"{shown}: {what}"
        for shown in names.values()
        for what in (
            *_STATES,
            *(f"{a} then {b}" for a in _STATES for b in _STATES if (a, b) not in _IMPOSSIBLE),
        )
    )
    for report in reports:
        for name, counts in report.handshakes.items():
            if name in names:
                for what, times in counts.items():
                    bins.hit(f"{names[name]}: {what}", times)
    return bins
