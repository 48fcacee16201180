# SPDX-License-Identifier: Apache-2.0
"""Bitstreams: a small one for real, and the search for a clock with placements made up."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from cygnet.boards import build as module
from cygnet.boards.build import build
from cygnet.boards.table import BOARDS, board
from cygnet.boards.top import BoardDesign
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.synthesis.bitstream import Clock, Placed, place
from cygnet.synthesis.refusals import TooBigError
from cygnet.synthesis.report import Route
from cygnet.synthesis.run import map_design
from designs import RAMS
from networks import dense_network

KINDS = {found.platform.partition(":")[0]: name for name, found in BOARDS.items()}
"""One board of each kind."""
IDCODES = {
    "LFE5U-12F": "21111043",
    "LFE5U-25F": "41111043",
    "LFE5U-45F": "41112043",
    "LFE5U-85F": "41113043",
    "LFE5UM5G-45F": "81112043",
    "LFE5UM5G-85F": "81113043",
}
"""Of ECP5 devices: Lattice FPGA-TN-02039 (sysCONFIG), table of JTAG identities."""


def small() -> tuple[Network, HardwareConfig]:
    network = dense_network(4, (3, 2))
    return network, HardwareConfig.uniform(network, steps=1, lanes=1, beat=1, neuron="small")


def test_a_bitstream(tmp_path: Path) -> None:
    network, hardware = small()
    said: list[str] = []
    icebreaker = board("icebreaker")
    built = build(
        network, hardware, icebreaker, clock_mhz=12, seeds=(1,), cache=tmp_path, say=said.append
    )
    assert (
        built.bitstream[:7].hex() == "ff0000ff7eaa99" or b"\x7e\xaa\x99\x7e" in built.bitstream[:64]
    )
    assert len(built.bitstream) == 104_090
    assert built.placed.met
    manifest = json.loads(json.dumps(built.manifest))
    assert manifest["network"] == {"name": network.name, "sha256": network.digest}
    assert (manifest["board"], manifest["clock_mhz"], manifest["seed"]) == ("icebreaker", 12, 1)
    assert manifest["fmax_mhz"] >= 12
    assert manifest["sha256"] == hashlib.sha256(built.bitstream).hexdigest()
    assert manifest["cells"]["ICESTORM_LC"]["available"] == 5280
    assert said == ["12 MHz: Yosys", "12 MHz: nextpnr, placement 1 of 1", "packing"]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS.values())
def test_a_bitstream_of_every_kind_of_board(name: str, tmp_path: Path) -> None:
    """At a clock that its PLL makes, with timing met, for its device."""
    network, hardware = small()
    found = board(name)
    mhz = 24 if found.family == "ice40" else 60
    built = build(network, hardware, found, clock_mhz=mhz, cache=tmp_path)
    assert built.placed.met
    assert built.manifest["clock_mhz"] == mhz
    assert built.manifest["cells"].keys() & {"EHXPLLL", "ICESTORM_PLL"}
    if found.family == "ice40":
        assert b"\x7e\xaa\x99\x7e" in built.bitstream[:64]
    else:
        # VERIFY_ID: a device takes only a bitstream with its own identity.
        device = found.create().device
        assert b"\xe2\x00\x00\x00" + bytes.fromhex(IDCODES[device]) in built.bitstream[:256]


class Tools:
    """Yosys and nextpnr made up: the design reaches ``speed(clock, seed)`` MHz."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path, speed: Any) -> None:
        self.asked: list[tuple[float, int]] = []
        self.text = folder / "text"
        design = BoardDesign("", {}, "", {})
        monkeypatch.setattr(module, "board_design", lambda *_, **__: design)
        monkeypatch.setattr(module, "map_design", lambda *_: {"cells": {}, "netlist": ""})
        monkeypatch.setattr(module, "pack", lambda text, family, cache: b"bits")
        monkeypatch.setattr(module, "place", self.place)
        self.speed = speed

    def place(self, *_: object, mhz: float, seed: int, **__: object) -> Placed:
        self.asked.append((mhz, seed))
        speed = self.speed(mhz, seed)
        return Placed(Route(seed, speed, {}, ()), {}, (Clock("clk", mhz, speed),), self.text)


def test_the_fastest_clock_that_is_met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The device reaches 41 MHz, and a little less where more is asked of it."""
    tools = Tools(monkeypatch, tmp_path, lambda mhz, seed: 41.0 if mhz <= 41 else 40.3)
    built = build(*small(), board("ulx3s-85f"), seeds=(1, 2), cache=tmp_path)
    assert built.manifest["clock_mhz"] == 40.5 or built.manifest["clock_mhz"] == 40
    assert tools.asked[:2] == [(60, 1), (60, 2)]
    assert built.placed.met


def test_a_faster_clock_is_tried_where_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """75 MHz is met only by the second placement; at 80 none is, so 75 stays."""
    tools = Tools(
        monkeypatch, tmp_path, lambda mhz, seed: 80.2 if mhz == 60 else 75.4 if seed == 2 else 74.9
    )
    built = build(*small(), board("ulx3s-85f"), seeds=(1, 2), cache=tmp_path)
    assert (built.manifest["clock_mhz"], built.manifest["seed"]) == (75, 2)
    assert tools.asked == [(60, 1), (80, 1), (80, 2), (75, 1), (75, 2)]


def test_room_for_what_fails_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a placement of an OrangeCrab reached: more is asked of it, less comes out."""
    reached = {80: 179.1, 176: 173.0, 168: 156.1, 144: 151.0}
    tools = Tools(monkeypatch, tmp_path, lambda mhz, seed: reached[mhz])
    built = build(*small(), board("orangecrab-85f"), seeds=(1,), cache=tmp_path)
    assert built.manifest["clock_mhz"] == 144
    # 144 MHz reach 151, but 0.95 of that is no faster.
    assert [mhz for mhz, _ in tools.asked] == [80, 176, 168, 144]


def test_a_clock_that_is_not_met_is_refused_with_one_that_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Tools(monkeypatch, tmp_path, lambda mhz, seed: 50.0 + seed)
    with pytest.raises(
        CygnetError,
        match=r"^ulx3s-85f: timing is not met at 60 MHz: 3 placements reach 53.0 MHz at best; "
        r"--clock 47.5 works, or give fewer --lanes$",
    ):
        build(*small(), board("ulx3s-85f"), clock_mhz=60, cache=tmp_path)


def test_a_clock_that_the_pll_does_not_make_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        CygnetError,
        match=r"^--clock: icebreaker cannot make 20.1 MHz; near it are 19.875 and 20.25 MHz$",
    ):
        build(*small(), board("icebreaker"), clock_mhz=20.1, cache=tmp_path)


@pytest.mark.slow
def test_a_clock_that_fails_and_the_one_that_the_refusal_names(tmp_path: Path) -> None:
    """For real: no placement of a network reaches 60 MHz on a UP5K."""
    network, hardware = small()
    icebreaker = board("icebreaker")
    with pytest.raises(CygnetError, match=r"^icebreaker: timing is not met at 60 MHz: ") as refused:
        build(network, hardware, icebreaker, clock_mhz=60, seeds=(1,), cache=tmp_path)
    named = re.search(r"; --clock ([\d.]+) works, or", str(refused.value))
    assert named is not None
    mhz = float(named[1])
    built = build(network, hardware, icebreaker, clock_mhz=mhz, cache=tmp_path)
    assert built.placed.met
    assert built.manifest["clock_mhz"] == mhz
    assert 24 < mhz < 60


def test_too_big_a_design_is_refused(tmp_path: Path) -> None:
    """31 block RAMs for a device that has 30."""
    found = board("icebreaker").target()
    mapped = map_design(RAMS, "rams", found, {}, True, tmp_path)
    assert mapped["cells"]["SB_RAM40_4K"] == 31
    pins = "set_io clk 35\nset_io i 6\nset_io o 9\n"
    with pytest.raises(
        TooBigError,
        match=r"^icebreaker: the design is too big: it takes 31 block RAMs of 30; give fewer "
        r"--lanes, weights of fewer bits, or a larger board$",
    ):
        place(mapped["netlist"], found, pins, mhz=12, seed=1, cache=tmp_path)


@pytest.mark.slow
def test_too_big_a_network_is_refused(tmp_path: Path) -> None:
    """Its weights alone take more than all of the device's block RAM."""
    network = dense_network(4, (200, 100, 4))
    hardware = HardwareConfig.uniform(network, steps=1, lanes=2, beat=1, neuron="small")
    with pytest.raises(
        TooBigError,
        match=r"^icebreaker: the design is too big: it takes (.* and )?\d+ block RAMs of 30"
        r"( and .*)?; give fewer --lanes, weights of fewer bits, or a larger board$",
    ):
        build(network, hardware, board("icebreaker"), clock_mhz=12, cache=tmp_path)
