// SPDX-License-Identifier: Apache-2.0
//
// What a board's top instantiates of its device, as far as a digital simulation goes: pins pass,
// and a PLL's clock is the clock that comes in, so the model runs at the PLL's rate.

module EHXPLLL #(
    parameter PLLRST_ENA = "DISABLED", INTFB_WAKE = "DISABLED", STDBY_ENABLE = "DISABLED",
              DPHASE_SOURCE = "DISABLED", OUTDIVIDER_MUXA = "DIVA", OUTDIVIDER_MUXB = "DIVB",
              FEEDBK_PATH = "CLKOP", CLKOP_ENABLE = "ENABLED", CLKOS_ENABLE = "ENABLED",
    parameter integer CLKI_DIV = 1, CLKFB_DIV = 1, CLKOP_DIV = 1, CLKOP_CPHASE = 0,
                      CLKOP_FPHASE = 0, CLKOS_DIV = 1, CLKOS_CPHASE = 0, CLKOS_FPHASE = 0
) (
    input CLKI, CLKFB, RST, STDBY, PHASESEL0, PHASESEL1, PHASEDIR, PHASESTEP, PHASELOADREG,
          PLLWAKESYNC, ENCLKOP,
    output CLKOP, CLKOS, LOCK
);
    assign CLKOP = CLKI;
    assign CLKOS = CLKI;
    assign LOCK = ~RST;
endmodule

module SB_PLL40_PAD #(
    parameter FEEDBACK_PATH = "SIMPLE", parameter DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (
    input PACKAGEPIN, RESETB, BYPASS,
    output PLLOUTGLOBAL, LOCK
);
    assign PLLOUTGLOBAL = PACKAGEPIN;
    assign LOCK = RESETB;
endmodule

module SB_PLL40_CORE #(
    parameter FEEDBACK_PATH = "SIMPLE", parameter DIVR = 0, DIVF = 0, DIVQ = 0, FILTER_RANGE = 0
) (
    input REFERENCECLK, RESETB, BYPASS,
    output PLLOUTGLOBAL, LOCK
);
    assign PLLOUTGLOBAL = REFERENCECLK;
    assign LOCK = RESETB;
endmodule

module IB (
    input I,
    output O
);
    assign O = I;
endmodule

module OBZ (
    input I, T,
    output O
);
    assign O = I;
endmodule

module SB_GB_IO #(
    parameter [5:0] PIN_TYPE = 1, parameter IO_STANDARD = "SB_LVCMOS", parameter PULLUP = 0
) (
    input PACKAGE_PIN,
    output GLOBAL_BUFFER_OUTPUT
);
    assign GLOBAL_BUFFER_OUTPUT = PACKAGE_PIN;
endmodule

module SB_IO #(
    parameter [5:0] PIN_TYPE = 1, parameter IO_STANDARD = "SB_LVCMOS", parameter PULLUP = 0
) (
    inout PACKAGE_PIN,
    input D_OUT_0, OUTPUT_ENABLE,
    output D_IN_0
);
    generate
        if (PIN_TYPE[5:2] == 0) assign D_IN_0 = PACKAGE_PIN;
        else assign PACKAGE_PIN = D_OUT_0;
    endgenerate
endmodule
