# SPDX-License-Identifier: Apache-2.0
"""Clocks of the PLLs, by the formulas of Lattice's guides and settings of its calculators."""

from __future__ import annotations

from fractions import Fraction

import pytest

from cygnet.boards.build import choose_clock
from cygnet.boards.pll import plls


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


def test_settings_of_icepll() -> None:
    """What ``icepll -i 12 -o F`` prints for 24 and 60 MHz, and ``-i 100 -o 20``."""

    def settings(mhz: int, output: int) -> dict[str, int]:
        (pll,) = (p for p in plls("ice40", mhz * 10**6) if p.output_hz == output * 10**6)
        return dict(pll.parameters)

    assert settings(12, 24) == {"DIVR": 0, "DIVF": 63, "DIVQ": 5, "FILTER_RANGE": 1}
    assert settings(12, 60) == {"DIVR": 0, "DIVF": 79, "DIVQ": 4, "FILTER_RANGE": 1}


def test_choice() -> None:
    choices = plls("ecp5", 25_000_000)
    found = choose_clock(choices, 60.4)
    assert found is not None
    assert found.output_hz == 60_000_000
    assert choose_clock(choices, 9.0) is None


def test_refusal() -> None:
    with pytest.raises(ValueError, match=r"^family must be 'ecp5' or 'ice40', not 'max10'$"):
        plls("max10", 12_000_000)  # type: ignore[arg-type]
