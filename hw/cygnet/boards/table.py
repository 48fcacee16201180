# SPDX-License-Identifier: Apache-2.0
"""The boards that Cygnet builds for; pins and clocks are those of amaranth-boards."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.build import Attrs

from cygnet.boards.pll import Family
from cygnet.errors import CygnetError
from cygnet.synthesis.targets import Target

__all__ = ["BOARDS", "Board", "board"]

Led = tuple[str, int] | tuple[str, int, str]
"""A resource of the platform, and where it has several lamps, which."""


@dataclass(frozen=True)
class Board:
    """One board.

    :param name: on the command line
    :param platform: module and class in amaranth-boards
    :param family: of its device
    :param leds: lamps that show the class in binary, its lowest bit first
    :param baud: bits a second that its serial adapter is good for
    :param mhz: the clock that a build tries first
    :param uart: pins of the serial line on a connector (connector, rx, tx, attributes), where the
        board has no serial adapter
    :param extra: resources to add, by their name in the platform class
    :param pll_pin: whether the clock comes in on the pin of an iCE40's PLL
    """

    name: str
    platform: str
    family: Family
    leds: tuple[Led, ...]
    baud: int
    mhz: int
    uart: tuple[tuple[str, int], str, str, Mapping[str, str]] | None = None
    extra: str | None = None
    pll_pin: bool = True

    def create(self) -> Any:
        """A new platform of amaranth-boards; one serves for one design."""
        from amaranth_boards.resources import UARTResource

        module, name = self.platform.split(":")
        kind = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)
        platform = kind() if self.family == "ice40" else kind(toolchain="Trellis")
        if self.extra is not None:
            platform.add_resources(getattr(platform, self.extra))
        if self.uart is not None:
            connector, rx, tx, attributes = self.uart
            platform.add_resources(
                [UARTResource(0, rx=rx, tx=tx, conn=connector, attrs=Attrs(**attributes))]
            )
        return platform

    def target(self) -> Target:
        """Its device, for Yosys and nextpnr."""
        platform = self.create()
        size = platform._nextpnr_device_options[platform.device]
        if self.family == "ice40":
            package = platform.package.lower() + platform._nextpnr_package_options.get(
                platform.device, ""
            )
            synth = "synth_ice40 -dsp" if platform.device == "iCE40UP5K" else "synth_ice40"
            return Target(self.name, "ice40", synth, (size, "--package", package))
        package = platform._nextpnr_package_options[platform.package].upper()
        route = (size, "--package", package, "--speed", platform.speed)
        return Target(self.name, "ecp5", "synth_ecp5", route)


def _lamps(name: str, numbers: range) -> tuple[Led, ...]:
    return tuple((name, number) for number in numbers)


def _rgb(count: int) -> tuple[Led, ...]:
    return tuple(("rgb_led", number, colour) for number in range(count) for colour in "rgb")


_FEATHER = (("io", 0), "0", "1", {"IO_TYPE": "LVCMOS33"})

BOARDS = {
    found.name: found
    for found in (
        *(
            Board(
                f"ulx3s-{size}f",
                f"ulx3s:ULX3S_{size}F_Platform",
                "ecp5",
                _lamps("led", range(8)),
                baud=3_000_000,
                mhz=60,
            )
            for size in (12, 25, 45, 85)
        ),
        *(
            Board(
                f"orangecrab-{size}f",
                f"orangecrab_r0_2:OrangeCrabR0_2_{size}FPlatform",
                "ecp5",
                _rgb(1),
                baud=1_000_000,
                mhz=80,
                uart=_FEATHER,
            )
            for size in (25, 85)
        ),
        *(
            Board(
                f"ecpix5-{size}f",
                f"ecpix5:ECPIX5{size}Platform",
                "ecp5",
                _rgb(4),
                baud=3_000_000,
                mhz=80,
            )
            for size in (45, 85)
        ),
        Board(
            "ecp5-evn",
            "ecp5_5g_evn:ECP55GEVNPlatform",
            "ecp5",
            _lamps("led", range(8)),
            baud=3_000_000,
            mhz=80,
        ),
        Board(
            "colorlight-5a75b",
            "colorlight_5a75b_r7_0:Colorlight_5A75B_R70Platform",
            "ecp5",
            (),
            baud=1_000_000,
            mhz=60,
        ),
        Board(
            "icesugar-pro",
            "icesugar_pro:ICESugarProPlatform",
            "ecp5",
            _rgb(1),
            baud=1_000_000,
            mhz=60,
        ),
        Board(
            "icebreaker",
            "icebreaker:ICEBreakerPlatform",
            "ice40",
            _lamps("led", range(2, 7)),
            baud=3_000_000,
            mhz=24,
            extra="break_off_pmod",
        ),
        Board(
            "icesugar",
            "icesugar:ICESugarPlatform",
            "ice40",
            _lamps("led", range(3)),
            baud=1_000_000,
            mhz=24,
        ),
        Board(
            "ice40-hx8k-evn",
            "ice40_hx8k_b_evn:ICE40HX8KBEVNPlatform",
            "ice40",
            _lamps("led", range(8)),
            baud=3_000_000,
            mhz=48,
            pll_pin=False,
        ),
    )
}
"""By name."""


def board(name: str) -> Board:
    """The board of a name.

    :raises CygnetError: there is none
    """
    if name not in BOARDS:
        raise CygnetError(f"--board: {name!r} is not known; it must be one of {', '.join(BOARDS)}")
    return BOARDS[name]
