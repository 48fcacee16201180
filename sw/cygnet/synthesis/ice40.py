# SPDX-License-Identifier: Apache-2.0
"""A step on iCE40 netlists between Yosys and nextpnr."""

from __future__ import annotations

from cygnet.synthesis.netlist import Netlist

__all__ = ["share_clocks"]


def share_clocks(netlist: Netlist) -> int:
    """Put the write clock of block RAMs that are only read on their read clock.

    Yosys ties it to 0, and nextpnr makes the constant a second global clock, which takes a global
    buffer and which its first router may never end to route (HX8K, nextpnr 0.11.1). Such a RAM is
    still never written: its write port is not enabled.

    :returns: how many RAMs were changed
    """
    changed = 0
    for name in netlist.of_type("SB_RAM40_4K"):
        idle = "0" in (netlist.bit(name, "WCLKE"), netlist.bit(name, "WE"))
        if idle and isinstance(netlist.bit(name, "WCLK"), str):
            netlist.connect(name, "WCLK", netlist.bit(name, "RCLK"))
            changed += 1
    return changed
