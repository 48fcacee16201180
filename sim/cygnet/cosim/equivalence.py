# SPDX-License-Identifier: Apache-2.0
"""Mutants that no check can kill, because nothing that comes out is ever another: proofs of that.

The design and a mutant run from their start side by side on any inputs, resets at any time
included. ABC looks for signals that are always equal, by induction over time (``&scorr``;
Mishchenko, Case, Brayton and Jang, "Scalable and scalably-verifiable sequential synthesis", 2008),
until the difference of the outputs is the constant 0. Before that it looks for an invariant of the
registers near the fault, all others free but for the bounds of :mod:`cygnet.cosim.reachable`
(``pdr``; Een, Mishchenko and Brayton, "Efficient implementation of property directed reachability",
2011), by which the difference never gets far: a counter that stays below a bound, say; and for
differences that lie where nobody looks (:mod:`cygnet.cosim.guarded`). Each may fail where it is
true, and never proves what is false.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from threading import Lock

from cygnet.cosim import aiger, guarded, reachable, tools
from cygnet.cosim.aiger import Aiger, Miters
from cygnet.cosim.findings import Findings
from cygnet.cosim.mutation import Mutant, Mutated
from cygnet.cosim.reachable import Relations

__all__ = ["TO_GATES", "equivalent", "found_invariant", "graph", "stays_zero", "swept"]

TO_GATES = (
    "async2sync",
    "dffunmap",
    "simplemap",
    "zinit -all",
    # All start at 0 now; what became of wires that are constant needs no say.
    "setattr -unset init w:*",
    "zinit -all",
    "setundef -undriven -zero",
    "aigmap",
)
"""Commands of Yosys: from a flat netlist of its own gates to ANDs and registers that start at 0."""

_QUICK = "&scorr -C 2000; &write proved.aig"
_THOROUGH = "&scorr -o -C 2000; &write proved.aig"
_SMALL = 3000
"""Registers up to which the thorough, older engine comes to an end."""
_SOURCES = (__file__, aiger.__file__, reachable.__file__, guarded.__file__)
_GUARDED = "&scorr -o -C 1000; &write proved.aig"
_SOON, _FAR = 2, 16
"""Ranks of registers that a difference may pass, where conditions are looked for; in the first of
these, of more kinds."""
_DEPTHS = (0, 1, 2)
"""Ranks of registers that a difference may pass, in the search for invariants."""
_RANKS = (1, 2, 3, 4, 5, 6, 8)
"""Ranks of registers before the difference that keep what they are in that search."""
_SEARCHES = (4, 60)
"""Seconds of each search: in all depths first what is found soon."""


def equivalent(
    mutated: Mutated,
    some: Sequence[Mutant],
    *,
    top: str,
    seconds: float = 90,
    jobs: int = 1,
    findings: Findings | None = None,
) -> set[int]:
    """Numbers of those mutants that are proved to be the design itself; the others are open.

    Mutants of clocks are never proved: this model has no other clock than the one.

    :param seconds: for each, in each of these ways to prove it: with all others at once; from what
        is near the fault; under conditions (:mod:`cygnet.cosim.guarded`); and a third of them in
        the whole design. When they are over, it stays open there; with 0, nothing is tried
    :param jobs: proofs side by side
    :param findings: where each proof, and that there was none, is kept, and looked for first
    :raises CygnetError: there is no Yosys or no ABC
    :raises RuntimeError: one of them fails
    """
    some = [one for one in some if not one.port.startswith("CLK")]
    if not some or seconds <= 0:
        return set()
    kept = _Kept(mutated, seconds, findings)
    miters = _Lazy(mutated, some, top)
    # All at once where the difference ends soon; then one by one.
    group = [one for one in some if kept.get("group", one) is None]
    if group:
        proved = miters.proved(group, 1, _QUICK, seconds * len(group))
        for one in group:
            kept.keep("group", one, one.number in proved)
    found = {one.number for one in some if kept.get("group", one)}
    ways: dict[str, Callable[[Mutant], bool]] = {
        "near": lambda one: miters.bounded(one, seconds),
        "guarded": lambda one: miters.guarded(one, seconds),
        "whole": lambda one: miters.whole(one, seconds / 3),
    }
    for way, prove in ways.items():

        def known(one: Mutant, way: str = way, prove: Callable[[Mutant], bool] = prove) -> bool:
            said = kept.get(way, one)
            if said is None:
                said = prove(one)
                kept.keep(way, one, said)
            return said

        left = [one for one in some if one.number not in found]
        with ThreadPoolExecutor(jobs) as pool:
            said = pool.map(known, left)
            found |= {one.number for one, proved in zip(left, said, strict=True) if proved}
    return found


class _Kept:
    """What each way to prove said of each mutant."""

    def __init__(self, mutated: Mutated, seconds: float, findings: Findings | None) -> None:
        self._mutated = mutated
        self._findings = findings
        self._here: dict[tuple[str, int], bool] = {}
        sources = [Path(module).read_text() for module in _SOURCES]
        self._common = (str(tools.abc()), seconds, sources)

    def get(self, way: str, one: Mutant) -> bool | None:
        """None where it was not tried."""
        known = self._here.get((way, one.number))
        if known is None and self._findings is not None:
            known = self._findings.get(way, self._mutated.key(one.number), *self._common)
        return known

    def keep(self, way: str, one: Mutant, proved: bool) -> None:
        self._here[way, one.number] = proved
        if self._findings is not None:
            self._findings.keep(proved, way, self._mutated.key(one.number), *self._common)


class _Lazy:
    """The registers and gates of some mutants, made where they are asked for."""

    def __init__(self, mutated: Mutated, some: Sequence[Mutant], top: str) -> None:
        self._mutated = mutated
        self._some = some
        self._top = top
        self._lock = Lock()

    @cached_property
    def _made(self) -> tuple[Aiger, bool]:
        """The graph; whether a mixed bit is exactly that in it."""
        try:
            return graph(self._mutated, self._some, top=self._top), True
        except RuntimeError as error:
            if "loop" not in str(error):
                raise
        # A bit may depend on the one that it is mixed with: a loop, though none that ever closes.
        # Inverted in any clocks at all, whichever, covers mixed.
        return graph(self._mutated, self._some, top=self._top, change=_inverted), False

    @cached_property
    def _miters(self) -> Miters:
        return Miters(self._made[0], "mutant")

    @cached_property
    def _relations(self) -> Relations:
        return Relations(self._miters.of([]))

    def _of(self, group: Sequence[Mutant], depth: int | None) -> Aiger:
        exact = self._made[1]
        values = [(one.number, exact or "cnot" not in one.mode) for one in group]
        return self._miters.of(values, depth=depth)

    def proved(
        self, group: Sequence[Mutant], depth: int | None, script: str, seconds: float
    ) -> set[int]:
        with self._lock:
            miter = self._of(group, depth)
        outputs = swept(miter, script, seconds).outputs
        return {one.number for one, literal in zip(group, outputs, strict=True) if literal == 0}

    def bounded(self, one: Mutant, seconds: float) -> bool:
        end = time.monotonic() + seconds
        with self._lock:
            relations = self._relations
            miters = [self._of([one], depth) for depth in _DEPTHS]
        # Bounds help most, but not always.
        return any(
            stays_zero(miter, known, search=search, seconds=end - time.monotonic())
            for search in _SEARCHES
            for known in (relations, None)
            for miter in miters
        )

    def guarded(self, one: Mutant, seconds: float) -> bool:
        with self._lock:
            always = self._made[1] or "cnot" not in one.mode
            first = self._miters.copied(one.number, always, _SOON)
            copied = self._miters.copied(one.number, always, _FAR)
            miter = self._of([one], _FAR)
            more = guarded.guarded(miter, copied, first, self._relations)
        return more is not None and swept(more, _GUARDED, seconds).outputs[0] == 0

    def whole(self, one: Mutant, seconds: float) -> bool:
        with self._lock:
            small = len(self._made[0].registers) < _SMALL
        script = f"{_QUICK}; {_THOROUGH}" if small else _QUICK
        return bool(self.proved([one], None, script, seconds))


def stays_zero(
    miter: Aiger,
    relations: Relations | None = None,
    *,
    search: int = 60,
    seconds: float = 300,
) -> bool:
    """Whether an invariant of the registers near the one output is found, by which it stays 0.

    :param relations: what is known of its first registers
    :param search: seconds of the search with as many ranks of registers
    :param seconds: after which it counts as not found
    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    if miter.outputs[0] == 0:
        return True
    end = time.monotonic() + seconds
    before = -1
    for ranks in _RANKS:
        near, place = miter.near_by(ranks)
        left = min(search, int(end - time.monotonic()))
        if len(near.registers) == before or left < 1:
            return False
        before = len(near.registers)
        if relations is not None:
            first = 1 + len(miter.inputs)
            known = {
                one - first: at for one, at in place.items() if first <= one < miter.first_gate
            }
            holding = relations.holding({one for one in known if miter.names[one]})
            near = near.assuming(
                ([known[one] for one in found.registers], found.states.tolist())
                for found in holding
            )
        proved = found_invariant(near, f"-T {left}")
        if proved is not False:
            return proved is True
    return False


def found_invariant(graph: Aiger, limits: str) -> bool | None:
    """Whether the one output always stays 0; None where that is open within some limits.

    :param limits: options of ``pdr``, of which one is its seconds, at most 60
    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    abc = tools.abc()
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        (folder / "near.aig").write_bytes(graph.bytes())
        done = abc.run(["-c", f"read near.aig; pdr {limits}"], cwd=folder, timeout=600)
        if done.returncode != 0:
            raise RuntimeError(f"{abc} failed:\n{done.stdout[-2000:]}")
    if "Property proved." in done.stdout:
        return True
    return None if "UNDECIDED" in done.stdout else False


def _inverted(command: str) -> str:
    return re.sub(r" -ctrlbit \d+", "", re.sub(r"cnot\d", "inv", command))


def swept(graph: Aiger, script: str, seconds: float) -> Aiger:
    """The graph after commands of ABC that write ``proved.aig``; of its outputs, those are 0 that
    are proved to be. As far as they come in some seconds.

    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        (folder / "graph.aig").write_bytes(graph.bytes())
        file = folder / "proved.aig"
        abc = tools.abc()
        try:
            done = abc.run(["-c", f"&read graph.aig; {script}"], cwd=folder, timeout=seconds)
        except subprocess.TimeoutExpired:
            if not file.exists():
                return graph
        else:
            if done.returncode != 0 or not file.exists():
                raise RuntimeError(f"{abc} failed:\n{done.stdout[-2000:]}")
        return Aiger.read(file.read_bytes())


def graph(
    mutated: Mutated,
    some: Sequence[Mutant],
    *,
    top: str,
    change: Callable[[str], str] = str,
) -> Aiger:
    """Registers and gates of a flat design with some of its mutants; memories are registers too,
    and what has no initial value starts at 0, as in the simulations.

    :param change: what becomes of the commands that put them in
    :raises RuntimeError: Yosys fails
    """
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        (folder / "design.il").write_text(mutated.design)
        tools.run_yosys(
            folder,
            [
                "read_rtlil design.il",
                *(change(mutated.commands[one.number]) for one in some),
                f"hierarchy -top {top}",
                "opt_clean -purge",
                "memory_map",
                "opt -fast -purge",
                "setundef -init -zero",
                "techmap",
                "opt -fast -purge",
                *TO_GATES,
                "opt_clean -purge",
                "write_aiger -symbols design.aig",
            ],
        )
        return Aiger.read((folder / "design.aig").read_bytes())
