# SPDX-License-Identifier: Apache-2.0
"""Copies of registers hold what the register holds, and none drives more than it may."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cygnet.synthesis.fanout import BLOCK_WEIGHT, copy_drivers
from cygnet.synthesis.netlist import Netlist

CLOCK, RESET, ENABLE, DATA = 2, 3, 4, 5


def register(data: int, output: int, **connections: list[Any]) -> dict[str, Any]:
    parameters = {"CEMUX": "CE", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "SET"}
    pins: dict[str, list[Any]] = {"CLK": [CLOCK], "DI": [data], "CE": [ENABLE], "LSR": [RESET]}
    pins |= {"Q": [output]} | connections
    return {"type": "TRELLIS_FF", "parameters": parameters, "connections": pins}


def table(init: int, pins: list[Any], output: int) -> dict[str, Any]:
    connections = dict(zip("ABCD", ([pin] for pin in pins), strict=True)) | {"Z": [output]}
    return {"type": "LUT4", "parameters": {"INIT": f"{init:016b}"}, "connections": connections}


def netlist(cells: dict[str, Any], outputs: list[int]) -> Netlist:
    ports = {"y": {"direction": "output", "bits": outputs}}
    module = {"attributes": {"top": "00000001"}, "ports": ports, "cells": cells, "netnames": {}}
    return Netlist(json.dumps({"modules": {"top": module}}))


def crowd(readers: int) -> Netlist:
    """A register that two stand before, and that many tables and an output read; it is read by its
    own input, too."""
    cells: dict[str, Any] = {
        "early": register(DATA, 10),
        "steer": register(12, 11),
        "own": table(0b0110, [10, 11, "0", "0"], 12),
    }
    for n in range(readers):
        cells[f"lane_{n}"] = table(1 << n % 16, [11, 20, 21, "1"], 100 + n)
    return netlist(cells, [11, *range(100, 100 + readers)])


def simulate(design: Netlist, inputs: list[dict[int, int]], outputs: list[int]) -> list[list[int]]:
    """Values of nets in each clock, with set and enable."""
    state = dict.fromkeys(design.of_type("TRELLIS_FF"), 1)
    trace = []
    for given in inputs:
        values: dict[Any, int] = {"0": 0, "1": 1, **given}
        values |= {design.bit(name, "Q"): held for name, held in state.items()}
        for name in design.of_type("LUT4"):
            at = sum(values[design.bit(name, pin)] << n for n, pin in enumerate("ABCD"))
            init = int(design.cells[name]["parameters"]["INIT"], 2)
            values[design.bit(name, "Z")] = init >> at & 1
        trace.append([values[bit] for bit in outputs])
        for name in state:
            if values[design.bit(name, "LSR")]:
                state[name] = 1
            elif values[design.bit(name, "CE")]:
                state[name] = values[design.bit(name, "DI")]
    return trace


@pytest.mark.parametrize(("readers", "most"), [(6, 8), (7, 8), (40, 8), (100, 3)])
def test_copies_change_nothing(readers: int, most: int) -> None:
    rng = random.Random(readers)
    nets = [RESET, ENABLE, DATA, 20, 21]
    inputs = [{net: rng.getrandbits(1) for net in nets} for _ in range(100)]
    before, after = crowd(readers), crowd(readers)
    copies = copy_drivers(after, most)
    # The tables, the output and the register's own input.
    assert copies >= -(-(readers + 2) // most) - 1
    for name in after.of_type("TRELLIS_FF"):
        assert 0 < len(after.readers[after.bit(name, "Q")]) <= most
    watched = [11, *range(100, 100 + readers)]
    assert simulate(after, inputs, watched) == simulate(before, inputs, watched)
    # What is written says the same as what is in memory.
    again = Netlist(after.text())
    assert simulate(again, inputs, watched) == simulate(before, inputs, watched)


def test_neighbours_share_a_copy() -> None:
    design = crowd(18)
    assert copy_drivers(design, 10) == 1
    drivers = [design.drivers[design.bit(f"lane_{n}", "A")][0] for n in range(18)]
    assert drivers == sorted(drivers, key=drivers.index)
    assert len(set(drivers)) == 2


def test_the_register_before_is_copied_in_its_turn() -> None:
    cells: dict[str, Any] = {"first": register(DATA, 10), "second": register(10, 11)}
    for n in range(64):
        cells[f"lane_{n}"] = table(2, [11, "0", "0", "0"], 100 + n)
    design = netlist(cells, list(range(100, 164)))
    assert copy_drivers(design, 4) == 15 + 3
    registers = design.of_type("TRELLIS_FF")
    assert all(len(design.readers[design.bit(name, "Q")]) <= 4 for name in registers)


def test_a_block_counts_for_more() -> None:
    cells: dict[str, Any] = {"value": register(DATA, 10)}
    for n in range(8):
        pins = {"A0": [10], "P0": [100 + n]}
        directions = {"A0": "input", "P0": "output"}
        cells[f"multiplier_{n}"] = {
            "type": "MULT18X18D",
            "parameters": {},
            "connections": pins,
            "port_directions": directions,
        }
    design = netlist(cells, list(range(100, 108)))
    assert copy_drivers(design, 2 * BLOCK_WEIGHT) == 3
