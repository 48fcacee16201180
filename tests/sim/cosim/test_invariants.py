# SPDX-License-Identifier: Apache-2.0
"""Bits by their names, and what never happens to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.cosim import tools
from cygnet.cosim.aiger import Aiger
from cygnet.cosim.invariants import Claims, NamedGraph, named_graph, never
from cygnet.errors import CygnetError

NAMES = """\
module inner(input clk, input [7:4] a, output reg [3:0] kept = 4'h5);
  wire high = kept[3] & ~kept[3];
  always @(posedge clk) kept <= a;
endmodule
module top(input clk, input [3:0] a, output [3:0] y, output z);
  wire \\twice$1 = a[0];
  wire twice_1 = a[1];
  wire \\alone$1 = a[2];
  inner part(.clk(clk), .a(a), .kept(y));
  assign z = \\twice$1 ^ twice_1 ^ \\alone$1 ;
endmodule
"""


def test_bits_have_their_names(tmp_path: Path) -> None:
    found = named_graph(NAMES, top="top", images=tmp_path)
    graph = found.graph
    a = [found.bits["a", number] for number in range(4)]
    assert [graph.inputs[literal // 2 - 1] for literal in a] == [f"a[{n}]" for n in range(4)]
    assert [found.bits["part.a", number] for number in range(4, 8)] == a
    assert found.bits["part.high", 0] == 0
    assert found.bits["part.kept", 2] == found.bits["y", 2]
    assert found.bits["alone_1", 0] == a[2]
    # Two that differ only in their special characters.
    assert ("twice_1", 0) not in found.bits
    claims = Claims(found)
    # Registers start at 0 in the graph: those of 1 are there inverted.
    kept = [found.bits["part.kept", number] for number in range(4)]
    assert [literal & 1 for literal in kept] == [1, 0, 1, 0]
    assert [claims.changed(("part.kept", n)) for n in range(4)] == [one & ~1 for one in kept]
    assert claims.changed(("there_is_none", 0)) is None
    assert claims.edge(("a", 0), True) is None


@pytest.fixture(scope="module")
def ring() -> NamedGraph:
    """A bit goes round in three registers whenever x is 1; one register is set by the last."""
    # Inputs: x. Registers: 2, 3, 4 (the last inverted, as it starts at 1), 5 stays when set.
    gates: list[tuple[int, int]] = []

    def both(a: int, b: int) -> int:
        gates.append((max(a, b), min(a, b)))
        return 2 * (5 + len(gates))

    def choose(one: int, other: int) -> int:
        return both(both(2, one) ^ 1, both(3, other) ^ 1) ^ 1

    first, second, last, done = 4, 6, 9, 10
    registers = [choose(last, first), choose(first, second), choose(second, last) ^ 1]
    registers.append(both(done ^ 1, last ^ 1) ^ 1)
    graph = Aiger(("x",), registers, [], gates)
    bits = {("first", 0): first, ("second", 0): second, ("last", 0): last, ("done", 0): done}
    return NamedGraph(graph, bits)


def test_what_never_happens(ring: NamedGraph) -> None:
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")
    claims = Claims(ring, ring.bits)
    first, second, last, done = (claims.bit(one) or 0 for one in ring.bits)
    listed = {
        "first and second": claims.both(first, second),
        "second and last": claims.both(second, last),
        "none": claims.both(claims.both(first ^ 1, second ^ 1), last ^ 1),
        "done falls": claims.edge(("done", 0), False),
        "done rises": claims.edge(("done", 0), True),
        "first and done": claims.both(first, done),
        "last falls": claims.edge(("last", 0), False),
        "last rises": claims.edge(("last", 0), True),
        "last changed": claims.changed(("last", 0)),
        "done changed": claims.changed(("done", 0)),
    }
    literals = [one for one in listed.values() if one is not None]
    assert len(literals) == len(listed)
    found = never(claims.graph, literals, seconds=30)
    assert [name for name, proved in zip(listed, found, strict=True) if proved] == [
        "first and second",
        "second and last",
        "none",
        "done falls",
    ]
