# SPDX-License-Identifier: Apache-2.0
"""Differences where nobody looks are proved to be none; where somebody does, they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.cosim import tools
from cygnet.cosim.aiger import Miters
from cygnet.cosim.equivalence import _GUARDED, graph, swept
from cygnet.cosim.guarded import guarded
from cygnet.cosim.mutation import mutants
from cygnet.cosim.reachable import Relations
from cygnet.errors import CygnetError

DESIGN = """\
module top(
  input clk, input rst, input go, input [3:0] x, input [1:0] fault, output [3:0] y
);
  reg [1:0] beat = 0;
  reg busy = 0;
  reg valid_0 = 0;
  reg valid_1 = 0;
  reg [3:0] data_0 = 0;
  reg [3:0] data_1 = 0;
  reg [3:0] sum = 0;
  wire wrong = fault == 2'd1 ? beat == 2'd3 : fault == 2'd2 ? beat == 2'd2 : fault == 2'd3 & ~busy;
  always @(posedge clk) begin
    data_0 <= x ^ {4{wrong}};
    data_1 <= data_0;
    if (rst) begin beat <= 0; busy <= 0; valid_0 <= 0; valid_1 <= 0; end
    else begin
      if (go) busy <= 1;
      if (busy) beat <= beat + 2'd1;
      if (busy && beat == 2'd3) busy <= go;
      valid_0 <= busy && beat != 2'd3;
      valid_1 <= valid_0;
    end
    if (rst) sum <= 0; else if (valid_1) sum <= sum + data_1;
  end
  assign y = sum;
endmodule
"""
"""Four beats, of which the last does not count; faults: wrong data there, in the one before, and
while there are none."""


@pytest.mark.parametrize(("fault", "unseen"), [(1, True), (2, False), (3, True)])
def test_data_without_a_valid(fault: int, unseen: bool, tmp_path: Path) -> None:
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")
    flat = mutants(DESIGN, top="top", images=tmp_path, parts={"all": ("*", 1)})
    design = graph(flat, [], top="top")
    miters = Miters(design, "fault")
    miter = miters.of([(fault, True)])
    copied = miters.copied(fault, True)
    assert len(miter.registers) == len(design.registers) + len(copied)
    more = guarded(miter, copied, miters.copied(fault, True, 2), Relations(miters.of([])))
    assert more is not None
    assert more.outputs[: len(miter.outputs)] == miter.outputs
    assert (swept(more, _GUARDED, 60).outputs[0] == 0) is unseen
    # By equal signals alone it is not found: registers of data do differ.
    assert swept(miter, _GUARDED, 60).outputs[0] != 0
