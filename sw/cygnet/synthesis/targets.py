# SPDX-License-Identifier: Apache-2.0
"""The devices that Verilog is synthesised for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["TARGETS", "Target", "target"]


@dataclass(frozen=True)
class Target:
    """One device in one speed grade.

    :param name: such as ``"ecp5-25k-6"``
    :param family: decides the passes
    :param synth: the Yosys command, without ``-top`` and ``-json``
    :param route: options of nextpnr that choose the device; none where there is no open router
    :param clock: a pin with a wire of its own to the clock network, where that is needed
    """

    name: str
    family: Literal["ecp5", "ice40", "xilinx"]
    synth: str
    route: tuple[str, ...] = ()
    clock: str = ""

    @property
    def routed(self) -> bool:
        """Whether the design is placed and routed, not only mapped."""
        return bool(self.route)


def _ecp5(size: str, speed: int) -> Target:
    package, clock = ("CABGA756", "B29") if size == "85k" else ("CABGA381", "G2")
    route = (f"--{size}", "--package", package, "--speed", str(speed))
    return Target(f"ecp5-{size}-{speed}", "ecp5", "synth_ecp5", route, clock)


TARGETS = {
    target.name: target
    for target in (
        *(_ecp5(size, speed) for size in ("25k", "45k", "85k") for speed in (6, 7, 8)),
        Target("ice40-hx8k", "ice40", "synth_ice40", ("--hx8k", "--package", "ct256")),
        Target("ice40-up5k", "ice40", "synth_ice40 -dsp", ("--up5k", "--package", "sg48")),
        Target("xilinx7", "xilinx", "synth_xilinx -family xc7 -noiopad"),
    )
}
"""By name: ``ecp5-<size>-<speed>``, ``ice40-hx8k``, ``ice40-up5k``, ``xilinx7``."""


def target(name: str) -> Target:
    """The target of a name (ValueError otherwise); of an ECP5 without a speed, the slowest."""
    name = f"{name}-6" if f"{name}-6" in TARGETS else name
    if name not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}, not {name!r}")
    return TARGETS[name]
