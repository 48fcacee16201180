# SPDX-License-Identifier: Apache-2.0
"""Bounds that hold for ever: which values a few registers can have together.

A register and those that it depends on, as far as they are few, are followed from their start
through all states, with all other signals free in every clock. What is found holds in the whole
design: where a counter ends, which part of a memory an address lies in.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.aiger import Aiger

__all__ = ["Relation", "Relations", "word"]

_BITS = 40
"""Bits of the registers that are followed together."""
_FREE = 11
"""Free bits that decide what these become."""
_STATES = 20_000
_SOURCES = 24
"""Bits of what is right before a register, followed for its sake."""
_WORD = 8
"""Bits of a register that has bounds of its own."""
_CHUNK = 1 << 20


@dataclass(frozen=True, eq=False)
class Relation:
    """The values that registers have together, at any time.

    :param registers: numbers of one-bit registers of the graph
    :param states: int64[n], in ascending order; the first register in the lowest bit
    """

    registers: tuple[int, ...]
    states: NDArray[np.int64]

    def only(self, some: Sequence[int]) -> Relation:
        """Of some of its registers."""
        at = [self.registers.index(one) for one in some]
        values = np.zeros_like(self.states)
        for bit, place in enumerate(at):
            values |= (self.states >> place & 1) << bit
        return Relation(tuple(some), np.unique(values))


class Relations:
    """Those of a graph, each found where it is first asked for.

    :param graph: with the names of its registers
    """

    def __init__(self, graph: Aiger) -> None:
        self._graph = graph
        self._words: dict[str, list[int]] = defaultdict(list)
        for number, name in enumerate(graph.names):
            if name:
                self._words[word(name)].append(number)
        self._support: dict[int, tuple[set[int], set[int]]] = {}
        self._found: dict[str, Relation | None] = {}
        self._sources: dict[tuple[int, ...], Relation | None] = {}
        self._lock = Lock()

    def of(self, register: int) -> Relation | None:
        """Of the word of a register, and perhaps others; None where it has no bounds, or none that
        are found soon."""
        name = word(self._graph.names[register])
        bits = self._words.get(name, [])
        if not 2 <= len(bits) <= _WORD:
            return None
        if name not in self._found:
            self._found[name] = self._behind(bits) or self._search(bits)
        return self._found[name]

    def holding(self, some: Collection[int]) -> list[Relation]:
        """What is known of some registers, as far as it says anything of them alone."""
        found: dict[tuple[tuple[int, ...], int], Relation] = {}
        for register in sorted(some):
            with self._lock:
                relation = self.of(register)
            if relation is None:
                continue
            here = [one for one in relation.registers if one in some]
            only = relation.only(here)
            if len(only.states) < 1 << len(here):
                found[only.registers, len(only.states)] = only
        return list(found.values())

    def _search(self, seed: Sequence[int]) -> Relation | None:
        """With as many ranks of registers as can be followed, and as make a difference."""
        best, fewest, idle = None, 1 << len(seed), 0
        for cluster in self._clusters(seed):
            if len(cluster) > _BITS:
                break
            found = self._follow(seed, cluster)
            if found is None:
                # A rank further there may be less: what bounds a counter, say.
                continue
            values = len(found.only(seed).states)
            idle += 1
            if values < fewest:
                best, fewest, idle = found, values, 0
            elif best is not None and idle == 2:
                break
        return best

    def _behind(self, seed: Sequence[int]) -> Relation | None:
        """From the values that what is right before it has together."""
        graph = self._graph
        before = [self.before(one) for one in seed]
        inputs = sorted(set().union(*(one for _, one in before)))
        words = {word(graph.names[one]) for found, _ in before for one in found - set(seed)}
        sources = sorted(bit for name in words for bit in self._words.get(name, ()))
        if len(inputs) > 2 or not sources or len(sources) > _SOURCES:
            return None
        among = tuple(sources)
        if among not in self._sources:
            self._sources[among] = self._search(sources)
        found = self._sources[among]
        if found is None:
            return None
        first = 1 + len(graph.inputs)
        values = found.only(sources).states
        for bit in range(len(inputs)):
            values = np.concatenate([values, values | 1 << (len(sources) + bit)])
        result = self._reached(seed, [first + one for one in sources] + inputs, values)
        return result if result is not None and len(result.states) < 1 << len(seed) else None

    def _clusters(self, seed: Sequence[int]) -> Iterator[list[int]]:
        """A word, and ranks of words before it."""
        cluster = list(seed)
        while True:
            yield cluster
            more: list[int] = []
            alone = self._alone(cluster) - set(seed)
            for one in cluster:
                if one not in alone:
                    for other in sorted(self.before(one)[0]):
                        more += self._words.get(word(self._graph.names[other]), ())
            more = [one for one in dict.fromkeys(more) if one not in cluster]
            if not more:
                return
            cluster = cluster + more

    def before(self, register: int) -> tuple[set[int], set[int]]:
        """Registers and inputs that decide what one becomes, by variable for the inputs."""
        if register not in self._support:
            graph = self._graph
            first = 1 + len(graph.inputs)
            registers, inputs, seen = set(), set(), set()
            waiting = [graph.registers[register] >> 1]
            while waiting:
                variable = waiting.pop()
                if variable in seen:
                    continue
                seen.add(variable)
                if variable >= graph.first_gate:
                    waiting += [one >> 1 for one in graph.gates[variable - graph.first_gate]]
                elif variable >= first:
                    registers.add(variable - first)
                elif variable:
                    inputs.add(variable)
            self._support[register] = registers, inputs
        return self._support[register]

    def _follow(self, seed: Sequence[int], cluster: Sequence[int]) -> Relation | None:
        """All states from the start on; None where they, or what is free, are too many."""
        graph = self._graph
        first = 1 + len(graph.inputs)
        own = self._alone(cluster) - set(seed)
        followed = [one for one in cluster if one not in own]
        free = {first + one for one in own}
        for one in followed:
            registers, inputs = self.before(one)
            free |= {first + other for other in registers if other not in followed} | inputs
        if len(free) > _FREE or not followed:
            return None
        return self._reached(followed, sorted(free), np.arange(1 << len(free)))

    def _reached(
        self, registers: Sequence[int], free: Sequence[int], values: NDArray[np.int64]
    ) -> Relation | None:
        """:param values: that what is free may have in any clock"""
        step = _Step(self._graph, registers, free, values)
        known = np.zeros(1, np.int64)
        fresh = known
        while len(fresh):
            if len(known) > _STATES:
                return None
            fresh = np.setdiff1d(step.after(fresh), known, assume_unique=True)
            known = np.union1d(known, fresh)
        return Relation(tuple(registers), known)

    def _alone(self, cluster: Sequence[int]) -> set[int]:
        """Those that depend on nothing but what is free, and on which nothing else of the cluster
        does: as good as free themselves."""
        first = 1 + len(self._graph.inputs)
        inside = {first + other for other in cluster}
        before = {}
        readers: dict[int, int] = defaultdict(int)
        for one in cluster:
            registers, inputs = self.before(one)
            before[one] = {first + other for other in registers} | inputs
            for variable in before[one]:
                readers[variable] += 1
        return {
            one
            for one, found in before.items()
            if found and not found & inside and all(readers[other] == 1 for other in found)
        }


def word(name: str) -> str:
    """Of a bit's name."""
    return re.sub(r"\[\d+\]$", "", name)


class _Step:
    """What some registers become, for all values of what is free."""

    def __init__(
        self,
        graph: Aiger,
        registers: Sequence[int],
        free: Sequence[int],
        values: NDArray[np.int64],
    ) -> None:
        self._values = values
        self._first = 1 + len(graph.inputs)
        self._registers = registers
        self._free = free
        self._becomes = [graph.registers[one] for one in registers]
        known = {self._first + one for one in registers} | set(free) | {0}
        gates: set[int] = set()
        waiting = [literal >> 1 for literal in self._becomes]
        while waiting:
            variable = waiting.pop()
            if variable not in known and variable not in gates:
                gates.add(variable)
                waiting += [one >> 1 for one in graph.gates[variable - graph.first_gate]]
        self._gates = [(one, *graph.gates[one - graph.first_gate]) for one in sorted(gates)]

    def after(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        """int64[n], in ascending order."""
        width = max(1, _CHUNK // len(self._values))
        parts = [
            self._after(states[start : start + width]) for start in range(0, len(states), width)
        ]
        return np.unique(np.concatenate(parts))

    def _after(self, states: NDArray[np.int64]) -> NDArray[np.int64]:
        every = self._values
        value = {0: np.zeros(1, bool)}
        for bit, variable in enumerate(self._free):
            value[variable] = (every >> bit & 1).astype(bool)[None, :]
        for bit, register in enumerate(self._registers):
            value[self._first + register] = (states >> bit & 1).astype(bool)[:, None]

        def of(literal: int) -> NDArray[np.bool_]:
            found = value[literal >> 1]
            return ~found if literal & 1 else found

        for variable, a, b in self._gates:
            value[variable] = of(a) & of(b)
        found = np.zeros((len(states), len(every)), np.int64)
        for bit, literal in enumerate(self._becomes):
            found |= of(literal).astype(np.int64) << bit
        return np.unique(found)
