# SPDX-License-Identifier: Apache-2.0
"""Registers and tables with many readers, copied for each group of them.

A register that steers all lanes of an engine has readers all over the device, and the longest of
its wires sets the clock. Copies that the gateware asks for do not survive: Yosys merges equal
cells, whether or not their nets are to be kept. So they are made behind Yosys.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from cygnet.synthesis.netlist import Bit, Netlist, Pin

__all__ = ["MOST_READERS", "copy_drivers"]

MOST_READERS = 32
"""Pins that a copy drives, at most."""
BLOCK_WEIGHT = 4
"""Pins that one of a block RAM or of a multiplier counts for: few of these lie side by side."""
_BLOCKS = ("DP16KD", "MULT18X18D")
_OUTPUT = {"TRELLIS_FF": "Q", "LUT4": "Z"}
_NUMBER = re.compile(r"(\d+)")


def copy_drivers(netlist: Netlist, most: int = MOST_READERS) -> int:
    """Copy flip-flops and tables until none drives more than ``most`` pins; returns how many copies
    there are.

    Readers are grouped by the order of their names, numbers as such, so that a copy serves a few
    neighbouring lanes, or the bits of a word. A copy has the same inputs, and a register's the same
    reset and enable, so it always says the same. What feeds a register or a table feeds its copies
    too, and is copied in its turn. Tables that end in a wide multiplexer stay.
    """
    copies = 0
    waiting = [*netlist.of_type("LUT4"), *netlist.of_type("TRELLIS_FF")]
    while waiting:
        crowded: list[str] = []
        for driver in waiting:
            output = _OUTPUT[netlist.cells[driver]["type"]]
            groups = _groups(netlist, netlist.readers[netlist.bit(driver, output)], most)
            if len(groups) < 2:
                continue
            for group in groups[1:]:
                _copy(netlist, driver, output, group)
            copies += len(groups) - 1
            for port in ("DI", "CE", "LSR", *"ABCD"):
                before = netlist.drivers.get(netlist.bit(driver, port), ("", "", 0))[0]
                if before and netlist.cells[before]["type"] in _OUTPUT:
                    crowded.append(before)
        waiting = list(dict.fromkeys(crowded))
    return copies


def _groups(netlist: Netlist, readers: Collection[Pin], most: int) -> list[list[Pin]]:
    """Readers in order, in as few even groups as do."""
    if len(readers) * BLOCK_WEIGHT <= most:
        return [list(readers)]
    ordered = sorted(readers, key=_place)
    weights = [
        BLOCK_WEIGHT if cell and netlist.cells[cell]["type"] in _BLOCKS else 1
        for cell, _, _ in ordered
    ]
    total = sum(weights)
    count = -(-total // most)
    groups: list[list[Pin]] = [[] for _ in range(count)]
    before = 0
    for pin, weight in zip(ordered, weights, strict=True):
        groups[before * count // total].append(pin)
        before += weight
    return groups


def _place(pin: Pin) -> tuple[list[str | int], str, int]:
    cell, port, at = pin
    # Text and numbers alternate, so that only like is compared with like.
    parts = _NUMBER.split(cell)
    return [int(part) if n % 2 else part for n, part in enumerate(parts)], port, at


def _copy(netlist: Netlist, driver: str, output: str, readers: list[Pin]) -> None:
    like = netlist.cells[driver]
    connections = {port: [*bits] for port, bits in like["connections"].items()}
    connections[output] = [netlist.new_net()]
    parameters = dict(like["parameters"])
    copy = {**like, "parameters": parameters, "connections": connections}
    bit: Bit = netlist.add(copy, output, like=driver)
    for cell, port, at in readers:
        if cell:
            netlist.connect(cell, port, bit, at)
