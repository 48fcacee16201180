# SPDX-License-Identifier: Apache-2.0
"""Registers that move change nothing after the first clocks, and go where they should."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from cygnet.synthesis.ecp5 import absorb_registers
from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.retime import absorb_multiplier_registers, retime_banks

CLOCK = 2


def design(cells: dict[str, Any], outputs: list[int]) -> str:
    ports = {"y": {"direction": "output", "bits": outputs}}
    module = {"attributes": {"top": "00000001"}, "ports": ports, "cells": cells, "netnames": {}}
    return json.dumps({"modules": {"top": module}})


def lut(init: int, pins: list[Any], output: int) -> dict[str, Any]:
    connections = dict(zip("ABCD", ([pin] for pin in pins), strict=True)) | {"Z": [output]}
    return {"type": "LUT4", "parameters": {"INIT": f"{init:016b}"}, "connections": connections}


def register(data: Any, output: int, enable: int = 0, **parameters: str) -> dict[str, Any]:
    chosen = {"CEMUX": "1 ", "CLKMUX": "CLK", "LSRMUX": "LSR", "REGSET": "RESET"} | parameters
    connections = {"CLK": [CLOCK], "DI": [data], "LSR": ["0"], "Q": [output]}
    if enable:
        chosen["CEMUX"], connections["CE"] = "CE", [enable]
    return {"type": "TRELLIS_FF", "parameters": chosen, "connections": connections}


def memory(*outputs: int) -> dict[str, Any]:
    connections = {"CLKA": [CLOCK], **{f"DOA{n}": [bit] for n, bit in enumerate(outputs)}}
    directions = {port: "output" if port.startswith("DO") else "input" for port in connections}
    parameters = {"DATA_WIDTH_A": "1001", "DATA_WIDTH_B": "1001"}
    return {
        "type": "DP16KD",
        "parameters": parameters,
        "connections": connections,
        "port_directions": directions,
    }


CHOICE = sum((at >> (at >> 2 & 1) & 1) << at for at in range(16))
"""C ? B : A."""


def banks(**enable: str) -> str:
    """Two bits of three memories, the third chosen by net 31, then a register for each bit."""
    cells: dict[str, Any] = {
        f"bank{n}": memory(*(100 + 10 * n + bit for bit in range(2))) for n in range(3)
    }
    for bit in range(2):
        cells[f"low{bit}"] = lut(CHOICE, [100 + bit, 110 + bit, 30, "0"], 200 + bit)
        cells[f"high{bit}"] = lut(CHOICE, [200 + bit, 120 + bit, 31, "0"], 210 + bit)
        cells[f"q{bit}"] = register(210 + bit, 220 + bit, **enable)
    cells["select"] = register(50, 30)
    return design(cells, [220, 221])


def simulate(netlist: Netlist, inputs: list[dict[int, int]], outputs: list[int]) -> list[list[int]]:
    """Values of the outputs in each clock; nets that nothing drives, and memories, are inputs."""
    state = {n: 0 for n, cell in netlist.cells.items() if cell["type"] == "TRELLIS_FF"}
    trace = []
    for given in inputs:
        values: dict[Any, int] = {"0": 0, "1": 1, **given}
        values |= {netlist.bit(name, "Q"): held for name, held in state.items()}
        tables = dict.fromkeys(netlist.of_type("LUT4"))
        while tables:
            for name in list(tables):
                pins = [netlist.bit(name, pin) for pin in "ABCD"]
                if all(pin in values for pin in pins):
                    at = sum(values[pin] << n for n, pin in enumerate(pins))
                    init = int(netlist.cells[name]["parameters"]["INIT"], 2)
                    values[netlist.bit(name, "Z")] = init >> at & 1
                    del tables[name]
        trace.append([values[bit] for bit in outputs])
        for name in state:
            if (
                netlist.cells[name]["parameters"]["CEMUX"] != "CE"
                or values[netlist.bit(name, "CE")]
            ):
                state[name] = values[netlist.bit(name, "DI")]
    return trace


def test_banks_are_chosen_behind_the_registers() -> None:
    rng = random.Random(1)
    nets = [*range(100, 102), *range(110, 112), *range(120, 122), 31, 50]
    inputs = [{net: rng.getrandbits(1) for net in nets} for _ in range(64)]
    before, after = Netlist(banks()), Netlist(banks())
    assert retime_banks(after) == 2
    # Six at the memories, two for what chooses, the one that was there; q0 and q1 are gone.
    assert len(after.of_type("TRELLIS_FF")) == 6 + 2 + 1
    expected, found = (simulate(netlist, inputs, [220, 221]) for netlist in (before, after))
    assert found[1:] == expected[1:]
    assert absorb_registers(after) == 6
    assert all(after.cells[f"bank{n}"]["parameters"]["REGMODE_A"] == "OUTREG" for n in range(3))


def test_a_choice_in_two_tables_that_read_the_same_bit() -> None:
    """As Yosys makes what has five inputs: two tables of four, and a PFUMX behind them."""
    cells: dict[str, Any] = {f"bank{n}": memory(100 + n) for n in range(3)}
    cells["low"] = lut(CHOICE, [100, 101, 30, "0"], 200)
    cells["high"] = lut(CHOICE, [100, 102, 30, "0"], 201)
    # Stands in for the PFUMX: the same choice by net 31.
    cells["choose"] = lut(CHOICE, [200, 201, 31, "0"], 210)
    cells["q"] = register(210, 220)
    before, after = (Netlist(design(cells, [220])) for _ in range(2))
    rng = random.Random(2)
    inputs = [{net: rng.getrandbits(1) for net in (100, 101, 102, 30, 31)} for _ in range(64)]
    assert retime_banks(after) == 1
    assert len(after.of_type("TRELLIS_FF")) == 3 + 2
    expected, found = (simulate(netlist, inputs, [220]) for netlist in (before, after))
    assert found[1:] == expected[1:]
    assert absorb_registers(after) == 3


def test_banks_behind_registers_of_one_enable() -> None:
    cells = json.loads(banks())["modules"]["top"]["cells"]
    cells |= {f"q{bit}": register(210 + bit, 220 + bit, enable=60) for bit in range(2)}
    before, after = (Netlist(design(cells, [220, 221])) for _ in range(2))
    rng = random.Random(3)
    nets = [*range(100, 102), *range(110, 112), *range(120, 122), 31, 50, 60]
    inputs = [{net: rng.getrandbits(1) for net in nets} for _ in range(64)]
    inputs[0][60] = 1  # memories come out of reset with something else than the register
    assert retime_banks(after) == 2
    expected, found = (simulate(netlist, inputs, [220, 221]) for netlist in (before, after))
    assert found[1:] == expected[1:]
    assert absorb_registers(after) == 6
    assert all(after.bit(f"bank{n}", "OCEA") == 60 for n in range(3))


def test_banks_behind_registers_of_two_enables_stay() -> None:
    cells = json.loads(banks())["modules"]["top"]["cells"]
    cells |= {f"q{bit}": register(210 + bit, 220 + bit, enable=60 + bit) for bit in range(2)}
    assert retime_banks(Netlist(design(cells, [220, 221]))) == 0


def test_a_choice_that_something_else_reads_stays() -> None:
    cells = json.loads(banks())["modules"]["top"]["cells"]
    cells["other"] = lut(CHOICE, [200, 30, 31, "0"], 300)
    netlist = Netlist(design(cells, [220, 221, 300]))
    assert retime_banks(netlist) == 0


def test_banks_read_by_others_stay() -> None:
    cells = json.loads(banks())["modules"]["top"]["cells"]
    cells["other"] = lut(CHOICE, [100, 100, 100, "0"], 300)
    netlist = Netlist(design(cells, [220, 221, 300]))
    assert retime_banks(netlist) == 0


@pytest.mark.parametrize(
    "parameters", [{"CEMUX": "INV"}, {"CLKMUX": "INV"}, {"REGSET": "SET"}], ids=str
)
def test_registers_with_an_inverted_enable_or_another_edge_stay(parameters: dict[str, str]) -> None:
    netlist = Netlist(banks(**parameters))
    assert retime_banks(netlist) == 0


def multiplier(**parameters: str) -> str:
    connections: dict[str, Any] = {f"A{n}": [100 + min(n, 7)] for n in range(18)}
    connections |= {f"B{n}": [120 + n] if n < 3 else ["0"] for n in range(18)}
    connections |= {f"P{n}": [200 + n] for n in range(36)}
    directions = {port: "output" if port.startswith("P") else "input" for port in connections}
    cells: dict[str, Any] = {
        "times": {
            "type": "MULT18X18D",
            "parameters": {},
            "connections": connections,
            "port_directions": directions,
        }
    }
    for bit in range(8):
        cells[f"a{bit}"] = register(300 + bit, 100 + bit, **parameters)
    for bit in range(3):
        cells[f"b{bit}"] = register(320 + bit, 120 + bit)
    for bit in range(11):
        cells[f"p{bit}"] = register(200 + bit, 400 + bit)
    return design(cells, [*range(400, 411), 120])


def test_multiplier_takes_its_registers() -> None:
    netlist = Netlist(multiplier())
    assert absorb_multiplier_registers(netlist) == 8 + 3 + 11
    # One operand's low bit is read elsewhere.
    assert netlist.of_type("TRELLIS_FF") == ["b0"]
    parameters = netlist.cells["times"]["parameters"]
    assert {parameters[f"REG_{name}_CLK"] for name in ("INPUTA", "INPUTB", "OUTPUT")} == {"CLK0"}
    assert [netlist.bit("times", f"A{n}") for n in range(9)] == [*range(300, 308), 307]
    assert [netlist.bit("times", f"P{n}") for n in range(11)] == [*range(400, 411)]
    assert netlist.bit("times", "CLK0") == CLOCK


def test_operand_with_another_edge_stays() -> None:
    netlist = Netlist(multiplier(CLKMUX="INV"))
    assert absorb_multiplier_registers(netlist) == 3 + 11
    assert "REG_INPUTA_CLK" not in netlist.cells["times"]["parameters"]
