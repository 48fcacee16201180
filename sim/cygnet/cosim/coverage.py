# SPDX-License-Identifier: Apache-2.0
"""What simulations have seen: lines and toggles of the Verilog, and functions of the design.

Verilog coverage is Verilator's, read from its own files and merged over runs. Functional coverage
is a list of named bins that a suite must fill; the holes are named.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cygnet.cosim import tools
from cygnet.cosim.bench import CaseReport
from cygnet.cosim.compile import Recipe
from cygnet.cosim.simulator import recipe

__all__ = [
    "UNREACHABLE",
    "Bins",
    "Point",
    "VerilogCoverage",
    "constant_bits",
    "coverage_recipe",
    "handshake_bins",
    "unexplained",
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
        self._lines = verilog.splitlines()
        self._memories: dict[str, set[str]] = {}
        module = ""
        for line in self._lines:
            if match := re.match(r"module (\w+)", line):
                module = match[1]
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
        """The line of a point."""
        return self._lines[point.line - 1].strip()

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


UNREACHABLE: tuple[tuple[str, str], ...] = (
    (
        r"\.engine product_\w+$",
        "a product shifted left by its bit's weight: the low bits are constant 0",
    ),
    (
        r"\.(engine|drain|encoder) base$",
        "a base that advances by the inputs or the lanes: bits below a power of two stay 0",
    ),
    (
        r"\.(\w*neurons(\.core\d+)?|skid|encoder) "
        r".*(if \(i__ready\) begin|i__ready \? i__payload : kept;)$",
        "a layer starts a frame only when its whole output has room, so its neurons never wait; "
        "the bench of the core alone stalls it",
    ),
    (
        r"\.walker next$",
        "the line of a window after this one: that of a dense layer has one",
    ),
    (
        r"\.layer\w+(\.\w+)* \w*ready(_\d+)?$",
        "the readies on the way of the spikes: high for the same reason, once a frame is let in",
    ),
)
"""What an accelerator's points look like that no input can reach (instance, then signal or line),
and why."""


def constant_bits(verilog: str, *, top: str, images: Path) -> frozenset[tuple[str, int]]:
    """(instance and signal, bit) of all that Yosys proves constant in the flattened design.

    By propagation of constants and, for registers, by induction (``opt_dff -sat``); the memory
    images count.

    :raises RuntimeError: Yosys fails
    """
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        for image in images.glob("*.mem"):
            shutil.copyfile(image, folder / image.name)
        (folder / "source.v").write_text(verilog)
        tools.run_yosys(
            folder,
            [
                "read_verilog source.v",
                f"hierarchy -check -top {top}",
                "proc",
                "flatten",
                *["opt -full", "opt_dff -sat"] * 2,
                "opt -full",
                "write_json flat.json",
            ],
        )
        design = json.loads((folder / "flat.json").read_text())
    return frozenset(
        (_plain(name), net.get("offset", 0) + number)
        for name, net in design["modules"][top]["netnames"].items()
        for number, bit in enumerate(net["bits"])
        if isinstance(bit, str)
    )


def _plain(name: str) -> str:
    """A name as both Yosys and Verilator can be read: no escapes, no special characters."""
    plain = re.sub(r"__0([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), name)
    return re.sub(r"[^\w.]", "_", plain)


def _is_constant(point: Point, constants: Collection[tuple[str, int]]) -> bool:
    """Whether a toggle is of a bit in ``constants``, whose names leave the top module out."""
    found = re.match(r"([^\[:]+)(?:\[(\d+)\])?:", point.what)
    if point.kind != "toggle" or found is None:
        return False
    inside = point.place.partition(".")[2]
    name = _plain(f"{inside}.{found[1]}" if inside else found[1])
    return (name, int(found[2] or 0)) in constants


def unexplained(
    seen: VerilogCoverage,
    points: Iterable[Point],
    constants: Collection[tuple[str, int]] = (),
) -> list[Point]:
    """The points that neither :data:`UNREACHABLE` nor :func:`constant_bits` covers."""
    rest = []
    for point in points:
        if _is_constant(point, constants):
            continue
        what = re.split(r"[\[:]", point.what)[0] if point.kind == "toggle" else seen.text(point)
        if not any(re.search(pattern, f"{point.place} {what}") for pattern, _ in UNREACHABLE):
            rest.append(point)
    return rest
