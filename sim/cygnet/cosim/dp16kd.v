// SPDX-License-Identifier: Apache-2.0
// Block RAM of ECP5, as far as Yosys uses it: the cell library has its ports only. After Lattice's
// memory usage guide (FPGA-TN-02204): 1024 words of 18 bits; ports of 1, 2, 4, 9 or 18 bits; with 36
// bits port A writes and port B reads, through the pins of both; a write changes what is read a
// clock later only (READBEFOREWRITE); OUTREG adds a register that OCE enables.
module DP16KD (
@PORTS@
);
@PARAMETERS@
  reg [17:0] words [0:1023];
  wire [20479:0] contents = {@CONTENTS@};
  integer n;
  initial for (n = 0; n < 1024; n = n + 1) words[n] = contents[n * 20 +: 18];

  wire [13:0] ada = {@ADA@}, adb = {@ADB@};
  wire [17:0] dia = {@DIA@}, dib = {@DIB@};
  reg [17:0] read_a = 0, read_b = 0, kept_a = 0, kept_b = 0;
  wire wide = DATA_WIDTH_B == 36;

  function [17:0] pick(input [17:0] word, input [3:0] low, input integer width);
    case (width)
      18: pick = word;
      9: pick = word >> (low[3] * 9) & 18'h1ff;
      4: pick = word >> (low[3] * 9 + low[2] * 4) & 18'hf;
      2: pick = word >> (low[3] * 9 + low[2:1] * 2) & 18'h3;
      default: pick = word >> (low[3] * 9 + low[2:0]) & 18'h1;
    endcase
  endfunction

  function [17:0] put(
    input [17:0] word, input [17:0] value, input [3:0] low, input integer width
  );
    reg [17:0] mask;
    reg [4:0] shift;
    begin
      shift = low[3] * 9;
      case (width)
        18: begin mask = {{9{low[1]}}, {9{low[0]}}}; shift = 0; end
        9: mask = 18'h1ff;
        4: begin mask = 18'hf; shift = shift + low[2] * 4; end
        2: begin mask = 18'h3; shift = shift + low[2:1] * 2; end
        default: begin mask = 18'h1; shift = shift + low[2:0]; end
      endcase
      put = word & ~(mask << shift) | (value & mask) << shift;
    end
  endfunction

  wire clock_a = CLKAMUX == "INV" ? ~CLKA : CLKA;
  wire clock_b = CLKBMUX == "INV" ? ~CLKB : CLKB;
  always @(posedge clock_a) begin
    if (CEA && !wide) read_a <= pick(words[ada[13:4]], ada[3:0], DATA_WIDTH_A);
    if (CEA && WEA && DATA_WIDTH_A == 36) begin
      words[{ada[13:5], 1'b0}] <= put(words[{ada[13:5], 1'b0}], dia, {2'b00, ada[1:0]}, 18);
      words[{ada[13:5], 1'b1}] <= put(words[{ada[13:5], 1'b1}], dib, {2'b00, ada[3:2]}, 18);
    end else if (CEA && WEA)
      words[ada[13:4]] <= put(words[ada[13:4]], dia, ada[3:0], DATA_WIDTH_A);
    if (OCEA && !wide) kept_a <= read_a;
  end
  always @(posedge clock_b) begin
    if (CEB && wide) begin
      read_a <= words[{adb[13:5], 1'b0}];
      read_b <= words[{adb[13:5], 1'b1}];
    end else if (CEB)
      read_b <= pick(words[adb[13:4]], adb[3:0], DATA_WIDTH_B);
    if (CEB && WEB) words[adb[13:4]] <= put(words[adb[13:4]], dib, adb[3:0], DATA_WIDTH_B);
    if (OCEB) kept_b <= read_b;
    if (OCEA && wide) kept_a <= read_a;
  end
  assign {@DOA@} = REGMODE_A == "OUTREG" ? kept_a : read_a;
  assign {@DOB@} = REGMODE_B == "OUTREG" ? kept_b : read_b;
endmodule
