# SPDX-License-Identifier: Apache-2.0
"""And-inverter graphs with registers, in the format AIGER (Biere, Heljanko and Wieringa, "AIGER 1.9
and beyond", 2011), and miters of a graph with itself under other values of some inputs.

A literal is twice a variable, plus 1 where it is inverted; variable 0 is the constant 0.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

__all__ = ["Aiger", "Build", "Miters"]


@dataclass(frozen=True)
class Aiger:
    """A graph. Variables are the inputs, then the registers, then the gates; registers start at 0.

    :param inputs: their names, empty where they have none
    :param registers: the literal of what each becomes
    :param outputs: literals
    :param gates: of each AND, its two literals, both of variables before its own
    :param names: of the registers, empty where they have none
    """

    inputs: tuple[str, ...]
    registers: Sequence[int]
    outputs: Sequence[int]
    gates: Sequence[tuple[int, int]]
    names: tuple[str, ...] = ()

    @property
    def first_gate(self) -> int:
        """Variable of the first gate."""
        return 1 + len(self.inputs) + len(self.registers)

    @classmethod
    def read(cls, data: bytes) -> Aiger:
        """From a binary file.

        :raises ValueError: the bytes are no such file, or a register does not start at 0
        """
        lines = data.split(b"\n", 1)
        header = lines[0].split()
        if len(header) != 6 or header[0] != b"aig":
            raise ValueError(f"data must be a binary AIGER file, not {header!r}")
        top, inputs, registers, outputs, gates = map(int, header[1:])
        if top != inputs + registers + gates:
            raise ValueError(f"data must count {inputs + registers + gates} variables, not {top}")
        at = len(lines[0]) + 1
        numbers = []
        for _ in range(registers + outputs):
            end = data.index(b"\n", at)
            first, *start = data[at:end].split()
            if start not in ([], [b"0"]):
                raise ValueError(f"registers must start at 0, not {start!r}")
            numbers.append(int(first))
            at = end + 1
        pairs = []
        for gate in range(gates):
            high, at = _delta(data, at)
            low, at = _delta(data, at)
            left = 2 * (1 + inputs + registers + gate) - high
            pairs.append((left, left - low))
        names = {b"i": [""] * inputs, b"l": [""] * registers}
        for line in data[at:].split(b"\n"):
            if line == b"c":
                break
            if line[:1] in names:
                number, _, name = line[1:].partition(b" ")
                names[line[:1]][int(number)] = name.decode()
        said = tuple(names[b"l"])
        return cls(tuple(names[b"i"]), numbers[:registers], numbers[registers:], pairs, said)

    def near(self, levels: int) -> Aiger:
        """The outputs and ``levels`` ranks of registers before them. The registers before those
        become inputs, free in every clock: an output that never is 1 here never is 1 in the whole
        graph either.
        """
        return self.near_by(levels)[0]

    def near_by(self, levels: int) -> tuple[Aiger, Mapping[int, int]]:
        """:meth:`near`, and of each variable that is in it its variable there."""
        first = 1 + len(self.inputs)
        gates: set[int] = set()
        inputs: set[int] = set()
        kept: set[int] = set()
        waiting = [literal >> 1 for literal in self.outputs]
        for level in range(levels + 1):
            rank: set[int] = set()
            while waiting:
                variable = waiting.pop()
                if variable >= self.first_gate:
                    if variable not in gates:
                        gates.add(variable)
                        waiting += [one >> 1 for one in self.gates[variable - self.first_gate]]
                elif variable >= first:
                    rank.add(variable)
                elif variable:
                    inputs.add(variable)
            rank -= kept
            if level == levels:
                inputs |= rank
            else:
                kept |= rank
                waiting = [self.registers[variable - first] >> 1 for variable in rank]
        order = [*sorted(inputs), *sorted(kept), *sorted(gates)]
        number = {0: 0} | {variable: at for at, variable in enumerate(order, 1)}

        def moved(literal: int) -> int:
            return 2 * number[literal >> 1] | literal & 1

        pairs = (self.gates[variable - self.first_gate] for variable in sorted(gates))
        found = Aiger(
            tuple(self.inputs[one - 1] if one < first else "" for one in sorted(inputs)),
            [moved(self.registers[variable - first]) for variable in sorted(kept)],
            [moved(literal) for literal in self.outputs],
            [(moved(a), moved(b)) for a, b in pairs],
        )
        return found, number

    def assuming(self, always: Iterable[tuple[Sequence[int], Sequence[int]]]) -> Aiger:
        """Outputs are 1 only as long as some things have held in every clock.

        :param always: of each, inputs or registers, as variables, and the values that they take
            together, the first one in the lowest bit
        """
        broken = self.first_gate
        build = Build(broken + 1)
        found = [2 * variable for variable in range(broken)]
        for a, b in self.gates:
            found.append(build.both(found[a >> 1] ^ (a & 1), found[b >> 1] ^ (b & 1)))
        held = 1
        for variables, values in always:
            held = build.both(held, build.among([2 * one for one in variables], values))
        counts = build.both(held, 2 * broken ^ 1)
        registers = [found[one >> 1] ^ (one & 1) for one in self.registers]
        outputs = [build.both(found[one >> 1] ^ (one & 1), counts) for one in self.outputs]
        return Aiger(self.inputs, [*registers, counts ^ 1], outputs, build.gates)

    def where_zero(self, literals: Iterable[int]) -> Aiger:
        """The same graph with 0 for some literals, which are known to be 0 always."""
        known = {literal >> 1: literal & 1 for literal in literals}

        def moved(literal: int) -> int:
            return known.get(literal >> 1, literal & ~1) ^ (literal & 1)

        return Aiger(
            self.inputs,
            [moved(one) for one in self.registers],
            [moved(one) for one in self.outputs],
            [(moved(a), moved(b)) for a, b in self.gates],
        )

    def bytes(self) -> bytes:
        """As a binary file, without names."""
        counts = [len(self.inputs), len(self.registers), len(self.outputs), len(self.gates)]
        top = counts[0] + counts[1] + counts[3]
        text = f"aig {top} {' '.join(map(str, counts))}\n"
        text += "".join(f"{one}\n" for one in (*self.registers, *self.outputs))
        coded = bytearray(text.encode())
        for variable, (one, other) in enumerate(self.gates, self.first_gate):
            high, low = max(one, other), min(one, other)
            for number in (2 * variable - high, high - low):
                rest = number
                while rest > 127:
                    coded.append(rest & 127 | 128)
                    rest >>= 7
                coded.append(rest)
        return bytes(coded)


def _delta(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


class Build:
    """A graph that grows; equal gates are one, and constants go through.

    :param first: variable of the first gate
    :param gates: that are there from the start
    """

    def __init__(self, first: int, gates: Sequence[tuple[int, int]] = ()) -> None:
        self._first = first
        self.gates = list(gates)
        self._known = {
            (min(pair), max(pair)): 2 * (first + at) for at, pair in enumerate(self.gates)
        }

    def both(self, a: int, b: int) -> int:
        if a > b:
            a, b = b, a
        if a == 0 or a ^ 1 == b:
            return 0
        if a in (1, b):
            return b
        made = self._known.get((a, b))
        if made is None:
            made = 2 * (self._first + len(self.gates))
            self._known[a, b] = made
            self.gates.append((a, b))
        return made

    def differ(self, a: int, b: int) -> int:
        return self.both(self.both(a, b) ^ 1, self.both(a ^ 1, b ^ 1) ^ 1)

    def among(self, bits: Sequence[int], values: Iterable[int]) -> int:
        """Whether some literals, the first in the lowest bit, have one of some values."""
        known: dict[tuple[int, ...], int] = {}

        def of(width: int, some: tuple[int, ...]) -> int:
            if not some or len(some) == 1 << width:
                return int(bool(some))
            key = (width, *some)
            if key not in known:
                top = 1 << (width - 1)
                low = of(width - 1, tuple(one for one in some if one < top))
                high = of(width - 1, tuple(one - top for one in some if one >= top))
                bit = bits[width - 1]
                either = self.both(self.both(bit, high) ^ 1, self.both(bit ^ 1, low) ^ 1)
                known[key] = either ^ 1
            return known[key]

        return of(len(bits), tuple(sorted(set(values))))

    def cut(self, count: int) -> None:
        """Forget the gates from one on."""
        for pair in self.gates[count:]:
            del self._known[pair]
        del self.gates[count:]


class Miters:
    """A graph with some inputs at 0, beside copies of it that have a value there. All other inputs
    are common, and what a copy cannot change is there only once.

    :param graph: with inputs ``name[bit]``
    :param name: of the inputs that take the values
    :raises ValueError: there is no such input
    """

    def __init__(self, graph: Aiger, name: str) -> None:
        self._graph = graph
        self._held: dict[int, int] = {}
        for variable, one in enumerate(graph.inputs, 1):
            base, _, bit = one.partition("[")
            if base == name:
                self._held[variable] = int(bit.rstrip("]"))
        if not self._held:
            raise ValueError(f"graph must have an input {name!r}, not {sorted(graph.inputs)!r}")
        self._registers = range(1 + len(graph.inputs), graph.first_gate)
        self._readers: list[list[int]] = [[] for _ in range(graph.first_gate + len(graph.gates))]
        for variable, (a, b) in enumerate(graph.gates, graph.first_gate):
            self._readers[a >> 1].append(variable)
            self._readers[b >> 1].append(variable)
        for variable, literal in zip(self._registers, graph.registers, strict=True):
            self._readers[literal >> 1].append(variable)

    def of(self, values: Iterable[tuple[int, bool]], *, depth: int | None = None) -> Aiger:
        """Output ``k`` is 1 where an output of copy ``k`` differs.

        :param values: of each copy; and whether it is there in every clock, or only in some,
            whichever
        :param depth: registers that a difference may pass within a copy; behind them, a register
            that differs counts as an output, which is quicker and proves less. None: all of them
        """
        graph = self._graph
        highs = [(value, 1 if always else 2 * min(self._held)) for value, always in values]
        build = Build(graph.first_gate)
        plain = self._through(build, self._from({}, 0, 1))
        reached = []
        for value, high in highs:
            before = len(build.gates)
            other = self._through(build, self._from({}, value, high))
            reached.append(self._reached(self._changed(plain, other), depth))
            build.cut(before)
        copied = [sorted(one for one in found if one in self._registers) for found in reached]
        build = Build(graph.first_gate + sum(map(len, copied)))
        plain = self._through(build, self._from({}, 0, 1))
        becomes = [plain[literal >> 1] ^ (literal & 1) for literal in graph.registers]
        outputs, free = [], graph.first_gate
        for (value, high), registers, found in zip(highs, copied, reached, strict=True):
            own = {one: 2 * at for at, one in enumerate(registers, free)}
            free += len(registers)
            other = self._through(build, self._from({}, value, high))
            known = [None if at in found else literal for at, literal in enumerate(other)]
            other = self._through(build, self._from(own, value, high), known)
            same = 1
            for literal in graph.outputs:
                same = build.both(same, _differ(build, literal, plain, other) ^ 1)
            for variable, literal in zip(self._registers, graph.registers, strict=True):
                if variable in own:
                    becomes.append(other[literal >> 1] ^ (literal & 1))
                else:
                    same = build.both(same, _differ(build, literal, plain, other) ^ 1)
            outputs.append(same ^ 1)
        names = (*graph.names, *[""] * sum(map(len, copied))) if graph.names else ()
        return Aiger(graph.inputs, becomes, outputs, build.gates, names)

    def copied(self, value: int, always: bool, depth: int | None = None) -> list[int]:
        """Numbers of the registers that :meth:`of` copies for a value, in the order of the copies.

        :param always: as there
        """
        build = Build(self._graph.first_gate)
        high = 1 if always else 2 * min(self._held)
        plain = self._through(build, self._from({}, 0, 1))
        other = self._through(build, self._from({}, value, high))
        reached = self._reached(self._changed(plain, other), depth)
        return sorted(one - self._registers[0] for one in reached if one in self._registers)

    def _from(self, copies: Mapping[int, int], value: int, high: int) -> list[int]:
        """Literals of all that is no gate.

        :param high: of a bit of the value that is 1
        """
        found = [2 * variable for variable in range(self._graph.first_gate)]
        for variable, bit in self._held.items():
            found[variable] = high if value >> bit & 1 else 0
        for variable, literal in copies.items():
            found[variable] = literal
        return found

    def _through(
        self, build: Build, found: list[int], known: Sequence[int | None] = ()
    ) -> list[int]:
        """Literals of the gates, too.

        :param known: of each variable, its literal where it needs not be made
        """
        both = build.both
        for variable, (a, b) in enumerate(self._graph.gates, self._graph.first_gate):
            literal = known[variable] if known else None
            if literal is None:
                literal = both(found[a >> 1] ^ (a & 1), found[b >> 1] ^ (b & 1))
            found.append(literal)
        return found

    def _changed(self, plain: Sequence[int], other: Sequence[int]) -> list[int]:
        """Registers that become another."""
        return [
            variable
            for variable, literal in zip(self._registers, self._graph.registers, strict=True)
            if plain[literal >> 1] != other[literal >> 1]
        ]

    def _reached(self, start: Sequence[int], depth: int | None) -> set[int]:
        """Variables behind some registers, through gates and registers, and these themselves."""
        reached: set[int] = set()
        level, passed = set(start), 0
        while level and (depth is None or passed < depth):
            reached |= level
            waiting, level = deque(level), set()
            while waiting:
                for variable in self._readers[waiting.popleft()]:
                    if variable in reached:
                        continue
                    if variable in self._registers:
                        level.add(variable)
                    else:
                        reached.add(variable)
                        waiting.append(variable)
            passed += 1
        return reached


def _differ(build: Build, literal: int, plain: Sequence[int], other: Sequence[int]) -> int:
    a, b = plain[literal >> 1], other[literal >> 1]
    return 0 if a == b else build.differ(a, b)
