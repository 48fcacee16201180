# SPDX-License-Identifier: Apache-2.0
"""Clocks that the PLLs of ECP5 and iCE40 make of a board's clock.

Limits: Lattice FPGA-DS-02012 (ECP5 and ECP5-5G family data sheet), table "sysCLOCK PLL Timing";
Lattice FPGA-TN-02052 (iCE40 sysCLOCK PLL design and usage guide).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from amaranth.hdl import Instance, IOValue, Signal, Value

__all__ = ["Family", "Pll", "plls"]

Family = Literal["ecp5", "ice40"]

ECP5_VCO = range(400_000_000, 800_000_001)
ECP5_OUTPUT = range(10_000_000, 250_000_001)
ECP5_GRID = 500_000
"""Of the many clocks that an ECP5 can make, those that are whole numbers of these."""
ICE40_VCO = range(533_000_000, 1_066_000_001)
ICE40_OUTPUT = range(16_000_000, 120_000_001)
ICE40_FILTERS = {17: 1, 26: 2, 44: 3, 66: 4, 101: 5, 134: 6}
"""FILTER_RANGE by the least MHz at the phase detector that are too many for it."""


@dataclass(frozen=True)
class Pll:
    """One setting.

    :param input_hz: what comes in
    :param output_hz: what it makes
    :param family: of the device
    :param parameters: of its primitive; none where the clock goes through unchanged
    """

    input_hz: int
    output_hz: int
    family: Family
    parameters: Mapping[str, int]

    def ecp5(self, clock: Value, output: Signal, locked: Signal) -> Instance:
        """EHXPLLL; its first output is the input again, and closes the loop."""
        loop = Signal(name="pll_loop")
        return Instance(
            "EHXPLLL",
            a_ICP_CURRENT="12",
            a_LPF_RESISTOR="8",
            a_MFG_ENABLE_FILTEROPAMP="1",
            a_MFG_GMCREF_SEL="2",
            p_PLLRST_ENA="DISABLED",
            p_INTFB_WAKE="DISABLED",
            p_STDBY_ENABLE="DISABLED",
            p_DPHASE_SOURCE="DISABLED",
            p_OUTDIVIDER_MUXA="DIVA",
            p_OUTDIVIDER_MUXB="DIVB",
            p_FEEDBK_PATH="CLKOP",
            p_CLKI_DIV=1,
            p_CLKFB_DIV=1,
            p_CLKOP_ENABLE="ENABLED",
            p_CLKOP_DIV=self.parameters["CLKOP_DIV"],
            p_CLKOP_CPHASE=self.parameters["CLKOP_DIV"] - 1,
            p_CLKOP_FPHASE=0,
            p_CLKOS_ENABLE="ENABLED",
            p_CLKOS_DIV=self.parameters["CLKOS_DIV"],
            p_CLKOS_CPHASE=self.parameters["CLKOS_DIV"] - 1,
            p_CLKOS_FPHASE=0,
            i_CLKI=clock,
            i_CLKFB=loop,
            i_RST=0,
            i_STDBY=0,
            i_PHASESEL0=0,
            i_PHASESEL1=0,
            i_PHASEDIR=1,
            i_PHASESTEP=1,
            i_PHASELOADREG=1,
            i_PLLWAKESYNC=0,
            i_ENCLKOP=0,
            o_CLKOP=loop,
            o_CLKOS=output,
            o_LOCK=locked,
        )

    def ice40_pad(self, pin: IOValue, output: Signal, locked: Signal) -> Instance:
        """SB_PLL40_PAD, on whose pin the clock comes in."""
        return self._ice40("PAD", {"i_PACKAGEPIN": pin}, output, locked)

    def ice40_core(self, clock: Value, output: Signal, locked: Signal) -> Instance:
        """SB_PLL40_CORE, for a clock from a pin that is not that of a PLL."""
        return self._ice40("CORE", {"i_REFERENCECLK": clock}, output, locked)

    def _ice40(
        self, kind: str, reference: Mapping[str, Any], output: Signal, locked: Signal
    ) -> Instance:
        return Instance(
            f"SB_PLL40_{kind}",
            p_FEEDBACK_PATH="SIMPLE",
            **{f"p_{name}": value for name, value in self.parameters.items()},
            **reference,
            i_RESETB=1,
            i_BYPASS=0,
            o_PLLOUTGLOBAL=output,
            o_LOCK=locked,
        )


@cache
def plls(family: Family, input_hz: int) -> tuple[Pll, ...]:
    """All clocks of a board from the slowest to the fastest, its own among them.

    :raises ValueError: a family without a PLL here
    """
    if family not in ("ecp5", "ice40"):
        raise ValueError(f"family must be 'ecp5' or 'ice40', not {family!r}")
    found = {input_hz: Pll(input_hz, input_hz, family, {})}
    for pll in (_ecp5 if family == "ecp5" else _ice40)(input_hz):
        found.setdefault(pll.output_hz, pll)
    return tuple(found[hz] for hz in sorted(found))


def _ecp5(input_hz: int) -> list[Pll]:
    found = []
    for loop in range(1, 129):
        vco = input_hz * loop
        for divisor in range(1, 129) if vco in ECP5_VCO else ():
            output, rest = divmod(vco, divisor)
            if rest or output % ECP5_GRID or output not in ECP5_OUTPUT:
                continue
            found.append(Pll(input_hz, output, "ecp5", {"CLKOP_DIV": loop, "CLKOS_DIV": divisor}))
    return found


def _ice40(input_hz: int) -> list[Pll]:
    found = []
    for reference in range(16):
        detector = input_hz / (reference + 1)
        if not 10e6 <= detector <= 133e6:
            continue
        band = next(number for mhz, number in ICE40_FILTERS.items() if detector < mhz * 1e6)
        for feedback in range(128):
            vco = input_hz * (feedback + 1) / (reference + 1)
            if not ICE40_VCO.start <= vco < ICE40_VCO.stop:
                continue
            for shift in range(1, 7):
                output, rest = divmod(input_hz * (feedback + 1), (reference + 1) << shift)
                if rest or output not in ICE40_OUTPUT:
                    continue
                parameters = {
                    "DIVR": reference,
                    "DIVF": feedback,
                    "DIVQ": shift,
                    "FILTER_RANGE": band,
                }
                found.append(Pll(input_hz, output, "ice40", parameters))
    return found
