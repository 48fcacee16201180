# SPDX-License-Identifier: Apache-2.0
"""Bounds of counters: all that is reached lies in them, and they say what the design means."""

from __future__ import annotations

import numpy as np
import pytest

from cygnet.cosim.aiger import Aiger, Miters
from cygnet.cosim.equivalence import graph
from cygnet.cosim.mutation import mutants
from cygnet.cosim.reachable import Relations

DESIGN = """\
module top(input clk, input rst, input valid, input event_, input [1:0] a, output [3:0] y);
  reg line = 0;
  reg [1:0] place = 0;
  reg [2:0] pointer = 0;
  reg [2:0] end0 = 0;
  reg [2:0] end1 = 0;
  reg [1:0] free = 0;
  wire done = valid && place == 2'd2;
  always @(posedge clk)
    if (rst) begin line <= 0; place <= 0; pointer <= 0; end
    else if (valid) begin
      place <= done ? 2'd0 : place + 2'd1;
      line <= line ^ done;
      pointer <= done ? (line ? 3'd0 : 3'd4) : pointer + event_;
    end
  always @(posedge clk) begin
    if (valid && !line) end0 <= pointer + event_;
    if (valid && line) end1 <= pointer + event_;
    free <= a;
  end
  assign y = {end0 ^ end1, free[0] ^ free[1]};
endmodule
"""
"""Two lines of three places each; the events of line k lie at 4 k and behind."""


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Aiger:
    mutated = mutants(
        DESIGN, top="top", images=tmp_path_factory.mktemp("images"), parts={"all": ("*xor*", 2)}
    )
    return Miters(graph(mutated, mutated.mutants, top="top"), "mutant").of([])


def bits(design: Aiger, word: str) -> list[int]:
    found = {name: at for at, name in enumerate(design.names)}
    return [found[f"{word}[{bit}]"] for bit in range(3) if f"{word}[{bit}]" in found]


@pytest.mark.parametrize(
    ("word", "values"),
    [
        ("place", [0, 1, 2]),
        ("pointer", [0, 1, 2, 4, 5, 6]),
        ("end0", [0, 1, 2, 3]),
        # And 0, from the start on.
        ("end1", [0, 4, 5, 6, 7]),
    ],
)
def test_values_of_words(design: Aiger, word: str, values: list[int]) -> None:
    registers = bits(design, word)
    found = Relations(design).of(registers[0])
    assert found is not None
    assert found.only(registers).states.tolist() == values


def test_what_is_free_has_no_bounds(design: Aiger) -> None:
    assert Relations(design).of(bits(design, "free")[0]) is None


def _step(design: Aiger, state: list[int], inputs: list[int]) -> tuple[list[int], list[int]]:
    value = [0, *inputs, *state]
    for a, b in design.gates:
        value.append((value[a >> 1] ^ (a & 1)) & (value[b >> 1] ^ (b & 1)))
    return [
        [value[one >> 1] ^ (one & 1) for one in some] for some in (design.registers, design.outputs)
    ]


def _inputs(design: Aiger, rng: np.random.Generator) -> list[int]:
    return [
        int(name != "rst" or rng.random() < 0.05) & int(rng.integers(2)) for name in design.inputs
    ]


def test_all_that_is_reached_is_in_them(design: Aiger) -> None:
    relations = Relations(design)
    known = relations.holding(range(len(design.registers)))
    assert known
    rng = np.random.default_rng(81)
    state = [0] * len(design.registers)
    for _ in range(2000):
        for one in known:
            value = sum(state[register] << bit for bit, register in enumerate(one.registers))
            assert value in one.states
        state, _outputs = _step(design, state, _inputs(design, rng))


def test_outputs_end_with_the_first_breach(design: Aiger) -> None:
    """Under an assumption that is broken now and then: as before, and 0 from then on."""
    place = bits(design, "place")
    first = 1 + len(design.inputs)
    whole = Aiger(design.inputs, design.registers, [1], design.gates)
    assumed = whole.assuming([([first + one for one in place], [0, 1])])
    assert len(assumed.registers) == len(design.registers) + 1
    rng = np.random.default_rng(82)
    state, other = [0] * len(design.registers), [0] * len(assumed.registers)
    held = True
    seen = set()
    for _ in range(60):
        inputs = _inputs(design, rng)
        value = sum(state[register] << bit for bit, register in enumerate(place))
        held = held and value in (0, 1)
        state, _outputs = _step(whole, state, inputs)
        other, (output,) = _step(assumed, other, inputs)
        assert output == int(held)
        seen.add(output)
    assert seen == {0, 1}
