// SPDX-License-Identifier: Apache-2.0
// Multiplier of ECP5, as far as Yosys and Cygnet's netlist steps use it: the cell library has its ports
// only. After Lattice's sysDSP usage guide (FPGA-TN-02205): 18 by 18 bits, each signed or not, with
// registers at the operands and at the product, on clock 0 without an enable or a reset.
module MULT18X18D (
@PORTS@
);
@PARAMETERS@
  wire signed [18:0] a = {SIGNEDA & A17, @A@}, b = {SIGNEDB & B17, @B@};
  reg signed [18:0] kept_a = 0, kept_b = 0;
  reg [35:0] kept = 0;
  wire signed [18:0] used_a = REG_INPUTA_CLK == "NONE" ? a : kept_a;
  wire signed [18:0] used_b = REG_INPUTB_CLK == "NONE" ? b : kept_b;
  wire signed [37:0] product = used_a * used_b;

  always @(posedge CLK0) begin
    kept_a <= a;
    kept_b <= b;
    kept <= product[35:0];
  end
  assign {@P@} = REG_OUTPUT_CLK == "NONE" ? product[35:0] : kept;
endmodule
