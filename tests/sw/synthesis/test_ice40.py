# SPDX-License-Identifier: Apache-2.0
"""Write clocks of block RAMs in an iCE40 netlist: of a table that is only read, and of a buffer."""

from __future__ import annotations

from pathlib import Path

from cygnet.cosim.tools import yosys
from cygnet.synthesis.ice40 import share_clocks
from cygnet.synthesis.netlist import Netlist

MEMORIES = """
module memories(input clk, input write, input [7:0] a, input [15:0] d, output reg [15:0] x, y);
  (* ram_style = "block" *) reg [15:0] table_ [0:255];
  (* ram_style = "block" *) reg [15:0] buffer [0:255];
  initial begin table_[0] = 1; table_[9] = 7; end
  always @(posedge clk) begin
    if (write) buffer[a] <= d;
    x <= table_[a];
    y <= buffer[d];
  end
endmodule
"""


def test_only_what_is_never_written_changes(tmp_path: Path) -> None:
    (tmp_path / "memories.v").write_text(MEMORIES)
    script = "read_verilog memories.v; synth_ice40 -top memories; write_json memories.json"
    done = yosys().run(["-q", "-p", script], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    netlist = Netlist((tmp_path / "memories.json").read_text())
    table, buffer = sorted(
        netlist.of_type("SB_RAM40_4K"), key=lambda name: netlist.bit(name, "WCLK") != "0"
    )
    clock = netlist.bit(table, "RCLK")
    assert netlist.bit(table, "WCLK") == "0"
    assert netlist.bit(buffer, "WCLK") == clock
    written = netlist.bit(buffer, "WCLKE")
    assert not isinstance(written, str)
    assert share_clocks(netlist) == 1
    assert netlist.bit(table, "WCLK") == clock
    assert netlist.bit(table, "WCLKE") == "0"
    assert netlist.bit(buffer, "WCLKE") == written
    assert share_clocks(netlist) == 0
