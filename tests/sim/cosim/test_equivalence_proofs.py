# SPDX-License-Identifier: Apache-2.0
"""Proofs that mutants are none, on designs small enough to know the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.cosim import equivalence, tools
from cygnet.cosim.aiger import Aiger, Miters
from cygnet.cosim.equivalence import equivalent, stays_zero
from cygnet.cosim.findings import Findings
from cygnet.cosim.mutation import Mutant, mutants
from cygnet.errors import CygnetError

DESIGN = """\
module top(input clk, input rst, input step, input [1:0] a, output [1:0] y, output never);
  reg [1:0] count = 0;
  reg seen = 0;
  wire over = count == 2'd3;
  always @(posedge clk)
    if (rst) count <= 0;
    else if (step) count <= count == 2'd2 ? 2'd0 : count + 2'd1;
  always @(posedge clk) seen <= seen | over;
  assign y = count ^ (seen ? 2'd1 : 2'd0) ^ a;
  assign never = over;
endmodule
"""
"""Counts 0, 1, 2, so that ``over`` and ``seen`` stay 0: known by induction only."""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Mutant], set[int]]:
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")
    mutated = mutants(
        DESIGN, top="top", images=tmp_path_factory.mktemp("images"), parts={"all": ("*", 60)}
    )
    return mutated.mutants, equivalent(mutated, mutated.mutants, top="top")


def test_what_cannot_be_seen_is_proved(found: tuple[list[Mutant], set[int]]) -> None:
    listed, proved = found
    unseen = [one for one in listed if one.wire in ("over[0]", "seen[0]") and one.mode == "const0"]
    assert unseen
    assert {one.number for one in unseen} <= proved


def test_what_can_be_seen_is_not(found: tuple[list[Mutant], set[int]]) -> None:
    listed, proved = found
    seen = {
        one.number
        for one in listed
        if one.port.startswith("CLK")
        or (one.mode == "inv" and one.wire in ("y[0]", "y[1]", "never[0]", "count[0]", "a[1]"))
    }
    assert len(seen) > 2
    assert not seen & proved


def test_proofs_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the searches only those that were not made before are made again."""
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")
    mutated = mutants(DESIGN, top="top", images=tmp_path, parts={"all": ("*", 8)})
    findings = Findings(tmp_path / "findings")
    swept, calls = equivalence.swept, 0

    def interrupted(*some: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        return swept(*some)

    def proved(findings: Findings | None, **how: Any) -> set[int]:
        return equivalent(mutated, mutated.mutants, top="top", findings=findings, **how)

    monkeypatch.setattr(equivalence, "swept", interrupted)
    with pytest.raises(KeyboardInterrupt):
        proved(findings)
    found = proved(findings)
    resumed, calls = calls - 3, 3
    assert found == proved(None)
    # One of all at once, one that came to its end alone.
    assert resumed == calls - 3 - 2
    monkeypatch.setattr(equivalence, "graph", None)
    assert proved(findings) == found
    with pytest.raises(TypeError):
        proved(findings, seconds=91)


@pytest.mark.parametrize(
    ("graph", "never"),
    [
        # Two registers that take x and its inverse, from 0 on: never both 1, but both 0 at first.
        (Aiger(("x",), [2, 3], [8], [(6, 4)]), True),
        (Aiger(("x",), [2, 3], [8], [(7, 5)]), False),
        # Three registers in a ring, of which all start at 0.
        (Aiger((), [6, 2, 4], [8], [(6, 4)]), True),
        # The last of nine registers in a row is x of nine clocks ago.
        (Aiger(("x",), [2 * one for one in range(1, 10)], [20], []), False),
        (Aiger(("x",), [0], [0], []), True),
    ],
)
def test_invariants(graph: Aiger, never: bool) -> None:
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")
    assert stays_zero(graph) is never


def test_what_is_known_goes_through() -> None:
    # Of two inputs and a register: both; both and the register.
    graph = Aiger(("x", "y"), [8], [8, 9, 10], [(4, 2), (8, 6)])
    assert graph.where_zero([10]).outputs == [8, 9, 0]
    known = graph.where_zero([8])
    assert (known.outputs, known.registers) == ([0, 1, 10], [0])
    assert known.gates[1] == (0, 6)
    assert graph.where_zero([9]).outputs == [1, 0, 10]


def _values(graph: Aiger, steps: list[list[int]]) -> list[list[int]]:
    """Outputs in each clock, by evaluation."""
    state = [0] * len(graph.registers)
    found = []
    for inputs in steps:
        value = [0, *inputs, *state]
        for a, b in graph.gates:
            value.append((value[a >> 1] ^ (a & 1)) & (value[b >> 1] ^ (b & 1)))
        found.append([value[one >> 1] ^ (one & 1) for one in graph.outputs])
        state = [value[one >> 1] ^ (one & 1) for one in graph.registers]
    return found


def _random(rng: np.random.Generator) -> Aiger:
    """A graph with two inputs that are held, two that are not, and three registers."""
    names = ("m[0]", "x", "m[1]", "y")
    gates = []
    for variable in range(8, 38):
        a, b = rng.choice(variable, 2, replace=False)
        gates.append((2 * int(a) + int(rng.integers(2)), 2 * int(b) + int(rng.integers(2))))
    literals = [int(one) for one in rng.integers(2, 76, 6)]
    return Aiger(names, literals[:3], literals[3:], gates)


@pytest.mark.parametrize("seed", range(10))
def test_a_miter_is_the_difference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    graph = _random(rng)
    assert Aiger.read(graph.bytes()).gates == [(max(pair), min(pair)) for pair in graph.gates]
    value = int(rng.integers(1, 4))
    steps = rng.integers(0, 2, (20, 4)).tolist()
    plain = _values(graph, [[0, x, 0, y] for _, x, _, y in steps])
    other = _values(graph, [[value & 1, x, value >> 1, y] for _, x, _, y in steps])
    expected = [[int(a != b)] for a, b in zip(plain, other, strict=True)]
    assert _values(Aiger.read(Miters(graph, "m").of([(value, True)]).bytes()), steps) == expected
    sometimes = _values(graph, [[value & m & 1, x, (value >> 1) * m, y] for m, x, _, y in steps])
    expected = [[int(a != b)] for a, b in zip(plain, sometimes, strict=True)]
    both = _values(Miters(graph, "m").of([(0, True), (value, False)]), steps)
    assert both == [[0, *one] for one in expected]
    # A difference that is cut short shows at least as soon.
    cut = _values(Miters(graph, "m").of([(value, False)], depth=1), steps)
    assert np.maximum.accumulate(cut)[-1] >= np.max(expected)


@pytest.mark.parametrize("seed", range(10))
def test_what_is_near_the_outputs_may_do_more(seed: int) -> None:
    """All registers kept: the same outputs. Fewer: free inputs, among whose values are those that
    the registers have."""
    rng = np.random.default_rng(seed)
    graph = _random(rng)
    steps = rng.integers(0, 2, (20, 4)).tolist()
    names = dict(zip(graph.inputs, zip(*steps, strict=True), strict=True))
    expected = _values(graph, steps)
    whole = graph.near(len(graph.registers))
    given = [list(row) for row in zip(*(names[name] for name in whole.inputs), strict=True)]
    assert _values(whole, given or [[]] * len(steps)) == expected
    none = graph.near(0)
    assert not none.registers
    reached = set()
    for number in range(1 << len(none.inputs)):
        values = [number >> at & 1 for at in range(len(none.inputs))]
        reached.add(tuple(_values(none, [values])[0]))
    assert {tuple(row) for row in expected} <= reached


def test_files_that_are_none() -> None:
    for data in (b"aag 1 1 0 0 0\n", b"aig 3 1 1 0 0\n", b"aig 1 0 1 0 0\n0 1\n"):
        with pytest.raises(ValueError, match="must"):
            Aiger.read(data)
    with pytest.raises(ValueError, match="input 'm'"):
        Miters(Aiger(("x",), [], [2], []), "m")
