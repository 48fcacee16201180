# SPDX-License-Identifier: Apache-2.0
"""Verilog that several tests synthesise."""

from __future__ import annotations

__all__ = ["RAMS"]

RAMS = """
module rams(input clk, input i, output o);
  wire words [0:31];
  assign words[0] = i;
  assign o = words[31];
  for (genvar n = 0; n < 31; n = n + 1) begin : ram
    SB_RAM40_4K word(.RDATA(words[n + 1]), .RADDR(11'd0), .RCLK(clk), .RCLKE(1'b1), .RE(1'b1),
      .WADDR(11'd0), .WCLK(clk), .WCLKE(1'b1), .WDATA(words[n]), .MASK(16'd0), .WE(1'b1));
  end
endmodule
"""
"""31 block RAMs of an iCE40; a UP5K has 30."""
