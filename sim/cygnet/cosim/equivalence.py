# SPDX-License-Identifier: Apache-2.0
"""Mutants that no check can kill, because nothing that comes out is ever another: proofs of that.

The design and a mutant run from their start side by side on any inputs, resets at any time
included. ABC looks for signals that are always equal, by induction over time (``&scorr``;
Mishchenko, Case, Brayton and Jang, "Scalable and scalably-verifiable sequential synthesis", 2008),
until the difference of the outputs is the constant 0. Before that it looks for an invariant of the
registers near the fault, all others free (``pdr``; Een, Mishchenko and Brayton, "Efficient
implementation of property directed reachability", 2011), by which the difference never gets far: a
counter that stays below a bound, say. Either may fail where it is true, and never proves what is
false.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from cygnet.cosim import tools
from cygnet.cosim.aiger import Aiger, Miters
from cygnet.cosim.mutation import Mutant, Mutated

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
_DEPTHS = (0, 1, 2)
"""Ranks of registers that a difference may pass, in the search for invariants."""
_RANKS = (1, 2, 3, 4, 5, 6, 8)
"""Ranks of registers before the difference that keep what they are in that search."""
_SEARCH = 10
"""Seconds of each search; with more ranks it would take longer."""


def equivalent(
    mutated: Mutated, some: Sequence[Mutant], *, top: str, seconds: float = 120
) -> set[int]:
    """Numbers of those mutants that are proved to be the design itself; the others are open.

    Mutants of clocks are never proved: this model has no other clock than the one.

    :param seconds: for each; when they are over, it stays open
    :raises CygnetError: there is no Yosys or no ABC
    :raises RuntimeError: one of them fails
    """
    some = [one for one in some if not one.port.startswith("CLK")]
    if not some:
        return set()
    exact = True
    try:
        design = graph(mutated, some, top=top)
    except RuntimeError as error:
        if "loop" not in str(error):
            raise
        # A bit may depend on the one that it is mixed with: a loop, though none that ever closes.
        # Inverted in any clocks at all, whichever, covers mixed.
        exact = False
        design = graph(mutated, some, top=top, change=_inverted)
    miters = Miters(design, "mutant")

    def proved(group: Sequence[Mutant], depth: int | None, script: str) -> set[int]:
        values = [(one.number, exact or "cnot" not in one.mode) for one in group]
        left = swept(miters.of(values, depth=depth), script, seconds * len(group))
        return {one.number for one, at in zip(group, left.outputs, strict=True) if at == 0}

    def bounded(one: Mutant) -> bool:
        value = [(one.number, exact or "cnot" not in one.mode)]
        return any(stays_zero(miters.of(value, depth=depth)) for depth in _DEPTHS)

    # All at once where the difference ends soon; then one by one.
    found = proved(some, 1, _QUICK)
    found |= {one.number for one in some if one.number not in found and bounded(one)}
    small = len(design.registers) < _SMALL
    for one in some:
        if one.number not in found:
            found |= proved([one], None, f"{_QUICK}; {_THOROUGH}" if small else _QUICK)
    return found


def stays_zero(miter: Aiger) -> bool:
    """Whether an invariant of the registers near the one output is found, by which it stays 0.

    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    if miter.outputs[0] == 0:
        return True
    before = -1
    for ranks in _RANKS:
        near = miter.near(ranks)
        if len(near.registers) == before:
            return False
        before = len(near.registers)
        found = found_invariant(near, f"-T {_SEARCH}")
        if found is not False:
            return found is True
    return False


def found_invariant(graph: Aiger, limits: str) -> bool | None:
    """Whether the one output always stays 0; None where that is open within some limits.

    :param limits: options of ``pdr``, of which one is its seconds, at most 30
    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    abc = tools.abc()
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        (folder / "near.aig").write_bytes(graph.bytes())
        done = abc.run(["-c", f"read near.aig; pdr {limits}"], cwd=folder, timeout=60)
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
