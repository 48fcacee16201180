# SPDX-License-Identifier: Apache-2.0
"""The design of every board, up to its pins."""

from __future__ import annotations

import re

import pytest

from cygnet.boards.build import choose_clock
from cygnet.boards.pll import plls
from cygnet.boards.table import BOARDS, board
from cygnet.boards.top import TOP, board_design
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from networks import dense_network

NETWORK = dense_network(1, (3, 2, 2))
HARDWARE = HardwareConfig.uniform(NETWORK, steps=1, lanes=1, beat=2)
KINDS = {found.platform.partition(":")[0]: name for name, found in BOARDS.items()}
"""One board of each kind; the others differ in their device alone."""


@pytest.mark.parametrize("name", KINDS.values())
def test_pins(name: str) -> None:
    """Every port is on a pin of its own, the clock has its frequency, all lamps are there."""
    found = board(name)
    own = int(found.create().default_clk_frequency)
    pll = choose_clock(plls(found.family, own), found.mhz)
    assert pll is not None
    design = board_design(NETWORK, HARDWARE, found, pll, baud=found.baud)
    placed = r"^set_io (\S+) (\S+)$|^LOCATE COMP \"(\S+)\" SITE \"(\S+)\";$"
    matches = re.finditer(placed, design.constraints, re.MULTILINE)
    sites = {match[1] or match[3]: match[2] or match[4] for match in matches}
    assert sites.keys() == set(design.pins.values())
    assert len(set(sites.values())) == len(sites)
    assert set(design.pins) == {"clock", "rx", "tx", *(f"led{n}" for n in range(len(found.leds)))}
    assert f"{own / 1e6}" in design.constraints or f"{float(own)} HZ" in design.constraints
    ports = re.search(rf"^module {TOP}\((.*)\);$", design.verilog, re.MULTILINE)
    assert ports is not None
    assert set(ports[1].split(", ")) == sites.keys()
    assert set(re.findall(r'\$readmemh\("(.*)"', design.verilog)) == design.images.keys()


def test_devices() -> None:
    targets = {name: found.target().route[0] for name, found in BOARDS.items()}
    assert targets["ulx3s-12f"] == "--12k"
    assert targets["orangecrab-25f"] == "--25k"
    assert targets["ecpix5-45f"] == "--um5g-45k"
    assert targets["icebreaker"] == targets["icesugar"] == "--up5k"
    assert len(BOARDS) == len(targets) == 14


def test_refusals() -> None:
    with pytest.raises(CygnetError, match=r"^--board: 'abacus' is not known; it must be one of "):
        board("abacus")
    found = board("icebreaker")
    (slow,) = (pll for pll in plls("ice40", 12_000_000) if pll.output_hz == 12_000_000)
    with pytest.raises(
        CygnetError,
        match=r"^--baud: 4000000 needs a clock of 16 MHz, and it is 12 MHz; give a lower --baud$",
    ):
        board_design(NETWORK, HARDWARE, found, slow, baud=4_000_000)
