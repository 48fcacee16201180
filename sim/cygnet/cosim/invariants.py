# SPDX-License-Identifier: Apache-2.0
"""What never happens in a design, whatever comes in: proofs of that.

The design runs from its start on any inputs, resets at any time included, as a graph of gates and
registers. ABC looks for signals that are constant or always equal, by induction over time
(``&scorr``), and then, of what is left, for an invariant of the registers near it, all others free
(``pdr``); what was proved becomes a constant, from which more follows. See
:mod:`cygnet.cosim.equivalence` for both. Either may fail where it is true, and never proves what is
false.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cygnet.cosim import tools
from cygnet.cosim.aiger import Aiger
from cygnet.cosim.equivalence import TO_GATES, found_invariant, swept

__all__ = ["Claims", "NamedGraph", "named_graph", "never"]

_FIRST = "&scorr -C 1000; &scorr -F 4 -C 1000; &write proved.aig"
_AGAIN = "&scorr -C 1000; &write proved.aig"
_RANKS = ((3, "-F 20 -T 10"), (5, "-F 60 -T 10"))
"""Ranks of registers before a claim that keep what they are in the search for an invariant, one
after the other (with 8, 3 of 87 more claims were proved), and limits of each search: time frames,
so that slow machines prove the same, and seconds."""
_TOGETHER = 16
"""Claims to prove before the next induction."""

Bit = tuple[str, int]
"""Name of a signal within the top module, and the number of one of its bits."""


@dataclass(frozen=True)
class NamedGraph:
    """A flat design.

    :param graph: of it; memories are registers too, and what has no initial value starts at 0, as
        in the simulations
    :param bits: literals of the bits of its signals, by names without special characters
        (:func:`plain`); 0 and 1 are constants
    """

    graph: Aiger
    bits: Mapping[Bit, int]


def plain(name: str) -> str:
    """A name as both Yosys and Verilator can be read: no escapes, no special characters."""
    found = re.sub(r"__0([0-9A-F]{2})", lambda match: chr(int(match[1], 16)), name)
    return re.sub(r"[^\w.]", "_", found)


def named_graph(verilog: str, *, top: str, images: Path) -> NamedGraph:
    """The design as a graph; the memory images count.

    :param images: folder with the ``.mem`` files that the Verilog reads
    :raises CygnetError: there is no Yosys
    :raises RuntimeError: Yosys fails
    """
    with tools.source_folder(verilog, images) as folder:
        tools.run_yosys(
            folder,
            [
                "read_verilog source.v",
                f"hierarchy -check -top {top}",
                "proc",
                "flatten",
                # A bit that is constant or equal to another keeps its name.
                "setattr -set keep 1 w:*",
                "memory_map",
                "opt -fast",
                "setundef -init -zero",
                "techmap",
                "opt -fast",
                *TO_GATES,
                "write_aiger -symbols -vmap names.txt design.aig",
                "delete */c:*",
                "write_json names.json",
            ],
        )
        graph = Aiger.read((folder / "design.aig").read_bytes())
        nets = json.loads((folder / "names.json").read_text())["modules"][top]["netnames"]
        lines = (folder / "names.txt").read_text().splitlines()
    named: list[tuple[str, int, int]] = [
        (name, number, int(bit))
        for name, net in nets.items()
        for number, bit in enumerate(net["bits"], net.get("offset", 0))
        if bit in ("0", "1")
    ]
    for line in lines:
        kind, literal, number, name = line.split(" ", 3)
        if kind == "wire" and not re.search(r"(^|\.)\$", name):
            named.append((name, int(number), int(literal)))
    names: dict[str, set[str]] = {}
    for name, _, _ in named:
        names.setdefault(plain(name), set()).add(name)
    # Of two that are the same without special characters, nobody can say which one is meant.
    return NamedGraph(
        graph,
        {
            (plain(name), number): literal
            for name, number, literal in named
            if len(names[plain(name)]) == 1
        },
    )


class Claims:
    """Things that may never happen in a design, each a literal of a graph of it that grows.

    :param design: whose graph is the first part of that graph
    :param remembered: bits of which the value in the clock before is needed, too
    """

    def __init__(self, design: NamedGraph, remembered: Iterable[Bit] = ()) -> None:
        graph = design.graph
        wanted = {bit: design.bits[bit] for bit in remembered}
        start = self._start(graph)
        self._first = graph.first_gate + len(wanted)
        # Gates come after the registers that are new.
        shift = 2 * len(wanted)

        def moved(literal: int) -> int:
            return literal + (shift if literal >> 1 >= graph.first_gate else 0)

        self._inputs = graph.inputs
        self._registers = [moved(one) for one in graph.registers]
        self._gates = [(moved(a), moved(b)) for a, b in graph.gates]
        self._bits = {bit: moved(literal) for bit, literal in design.bits.items()}
        self._initial = {
            bit: start[literal >> 1] ^ (literal & 1) for bit, literal in design.bits.items()
        }
        self._free = self._after_inputs()
        self._before: dict[Bit, int] = {}
        for number, (bit, literal) in enumerate(wanted.items(), graph.first_gate):
            # Registers start at 0: what is remembered is whether it is other than at first.
            flipped = self._initial[bit]
            self._registers.append(moved(literal) ^ flipped)
            self._before[bit] = 2 * number ^ flipped

    @property
    def graph(self) -> Aiger:
        """With all claims up to now, without outputs."""
        return Aiger(self._inputs, tuple(self._registers), (), tuple(self._gates))

    def bit(self, bit: Bit) -> int | None:
        """That a bit is 1; None where it has no such name."""
        return self._bits.get(bit)

    def changed(self, bit: Bit) -> int | None:
        """That it is not what it was at the start."""
        literal = self._bits.get(bit)
        return None if literal is None else literal ^ self._initial[bit]

    def edge(self, bit: Bit, rises: bool) -> int | None:
        """That it was 0 in the clock before and is 1, or the other way round; None for one that
        follows an input within a clock, which may change twice in it."""
        if bit not in self._before or self._bits[bit] >> 1 in self._free:
            return None
        now, before = self._bits[bit], self._before[bit]
        return self.both(now ^ (not rises), before ^ rises)

    def both(self, a: int, b: int) -> int:
        """That two things are so."""
        self._gates.append((a, b))
        return 2 * (self._first + len(self._gates) - 1)

    @staticmethod
    def _start(graph: Aiger) -> list[int]:
        """Value of each variable in the first clock, while the inputs are 0."""
        values = [0] * (graph.first_gate + len(graph.gates))
        for variable, (a, b) in enumerate(graph.gates, graph.first_gate):
            values[variable] = (values[a >> 1] ^ (a & 1)) & (values[b >> 1] ^ (b & 1))
        return values

    def _after_inputs(self) -> set[int]:
        """Variables that an input reaches through gates alone."""
        found = set(range(1, 1 + len(self._inputs)))
        for variable, (a, b) in enumerate(self._gates, self._first):
            if a >> 1 in found or b >> 1 in found:
                found.add(variable)
        return found


def never(graph: Aiger, literals: Sequence[int], *, seconds: float = 120) -> list[bool]:
    """Of each literal, whether it is proved to be 0 in every clock.

    :param seconds: after which no further search begins
    :raises CygnetError: there is no ABC
    :raises RuntimeError: it fails
    """
    end = time.monotonic() + seconds
    left = swept(_with_outputs(graph, literals), _FIRST, seconds)
    for ranks, limits in _RANKS:
        sizes = [len(_near(left, output, ranks).registers) for output in left.outputs]
        tried: list[int] = []
        zero: list[int] = []
        for number in sorted(range(len(sizes)), key=sizes.__getitem__):
            output = left.outputs[number]
            if output == 0 or any(output == left.outputs[other] for other in tried):
                continue
            if time.monotonic() > end:
                break
            tried.append(number)
            if found_invariant(_near(left, output, ranks), limits):
                zero.append(output)
            # Much of what is left follows from a few.
            if len(zero) == _TOGETHER:
                left, zero = swept(left.where_zero(zero), _AGAIN, seconds), []
        if zero:
            left = swept(left.where_zero(zero), _AGAIN, seconds)
    return [output == 0 for output in left.outputs]


def _near(graph: Aiger, output: int, ranks: int) -> Aiger:
    return _with_outputs(graph, [output]).near(ranks)


def _with_outputs(graph: Aiger, literals: Sequence[int]) -> Aiger:
    return Aiger(graph.inputs, graph.registers, literals, graph.gates)
