# SPDX-License-Identifier: Apache-2.0
"""Registers with many readers, copied for each group of them.

A register that steers all lanes of an engine has readers all over the device, and the longest of
its wires sets the clock. Copies that the gateware asks for do not survive: Yosys merges equal
cells, whether or not their nets are to be kept. So they are made behind Yosys.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from cygnet.synthesis.netlist import Bit, Netlist, Pin

__all__ = ["MOST_READERS", "copy_registers"]

MOST_READERS = 32
"""Pins that a copy drives, at most."""
BLOCK_WEIGHT = 4
"""Pins that one of a block RAM or of a multiplier counts for: few of these lie side by side."""
_BLOCKS = ("DP16KD", "MULT18X18D")
_NUMBER = re.compile(r"(\d+)")


def copy_registers(netlist: Netlist, most: int = MOST_READERS) -> int:
    """Copy flip-flops until none drives more than ``most`` pins; returns how many copies there are.

    Readers are grouped by the order of their names, numbers as such, so that a copy serves a few
    neighbouring lanes, or the bits of a word. A copy takes the same input, reset and enable in the
    same clock, so it always holds the same value. What feeds a register feeds its copies too; a
    register there is copied in its turn.
    """
    copies = 0
    waiting = netlist.of_type("TRELLIS_FF")
    while waiting:
        crowded: list[str] = []
        for register in waiting:
            groups = _groups(netlist, netlist.readers[netlist.bit(register, "Q")], most)
            if len(groups) < 2:
                continue
            for group in groups[1:]:
                _copy(netlist, register, group)
            copies += len(groups) - 1
            for port in ("DI", "CE", "LSR"):
                driver = netlist.drivers.get(netlist.bit(register, port), ("", "", 0))[0]
                if driver and netlist.cells[driver]["type"] == "TRELLIS_FF":
                    crowded.append(driver)
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


def _copy(netlist: Netlist, register: str, readers: list[Pin]) -> None:
    like = netlist.cells[register]
    connections = {port: [*bits] for port, bits in like["connections"].items()}
    connections["Q"] = [netlist.new_net()]
    parameters = dict(like["parameters"])
    copy = {**like, "parameters": parameters, "connections": connections}
    output: Bit = netlist.add(copy, "Q", like=register)
    for cell, port, at in readers:
        if cell:
            netlist.connect(cell, port, output, at)
