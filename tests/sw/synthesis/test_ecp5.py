# SPDX-License-Identifier: Apache-2.0
"""The ECP5 netlist steps change no function: every rewritten carry cell, for every input."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

from cygnet.synthesis.ecp5 import absorb_registers, fold_tables
from cygnet.synthesis.netlist import Netlist


def design(cells: dict[str, Any], outputs: list[int]) -> str:
    ports = {"y": {"direction": "output", "bits": outputs}}
    module = {"attributes": {"top": "00000001"}, "ports": ports, "cells": cells, "netnames": {}}
    return json.dumps({"modules": {"top": module}})


def lut(init: int, pins: list[Any], output: int) -> dict[str, Any]:
    connections = dict(zip("ABCD", ([pin] for pin in pins), strict=True)) | {"Z": [output]}
    return {"type": "LUT4", "parameters": {"INIT": f"{init:016b}"}, "connections": connections}


def carry(init: tuple[int, int], pins: list[Any], carry_in: Any, first: int) -> dict[str, Any]:
    names = [f"{pin}{half}" for half in range(2) for pin in "ABCD"]
    connections = dict(zip(names, ([pin] for pin in pins), strict=True))
    connections |= {"CIN": [carry_in], "S0": [first], "S1": [first + 1], "COUT": [first + 2]}
    parameters = {f"INIT{half}": f"{init[half]:016b}" for half in range(2)}
    parameters |= {"INJECT1_0": "NO", "INJECT1_1": "NO"}
    return {"type": "CCU2C", "parameters": parameters, "connections": connections}


def evaluate(netlist: Netlist, inputs: dict[int, int]) -> dict[int, int]:
    """Values of all nets, from the cells' published functions."""
    values: dict[Any, int] = {"0": 0, "1": 1, "x": 0, **inputs}
    waiting = dict(netlist.cells)
    while waiting:
        ready = [
            name
            for name, cell in waiting.items()
            if all(
                bit in values
                for port, bits in cell["connections"].items()
                if not netlist.is_output(cell, port)
                for bit in bits
            )
        ]
        assert ready, "a loop"
        for name in ready:
            cell = waiting.pop(name)
            bits = {port: nets[0] for port, nets in cell["connections"].items()}
            if cell["type"] == "LUT4":
                at = sum(values[bits[pin]] << n for n, pin in enumerate("ABCD"))
                values[bits["Z"]] = int(cell["parameters"]["INIT"], 2) >> at & 1
                continue
            chain = values[bits["CIN"]]
            for half in "01":
                init = int(cell["parameters"][f"INIT{half}"], 2)
                at = sum(values[bits[f"{pin}{half}"]] << n for n, pin in enumerate("ABCD"))
                propagate = init >> at & 1
                values[bits[f"S{half}"]] = propagate ^ chain
                chain = chain if propagate else init >> (at & 3) & 1
            values[bits["COUT"]] = chain
    return values


ADD, PLUS_NOT = 0x96AA, 0x96AA
"""A + (B ^ C) with D = 1, as Yosys maps every adder and subtractor."""


def random_design(rng: random.Random) -> str:
    """Two carry cells in a row, tables of two or three inputs in front of them."""
    free = list(range(10, 18))
    cells: dict[str, Any] = {}
    net = itertools.count(100)
    pins: list[Any] = []
    for _ in range(4):
        operands: list[int] = []
        for _ in range(2):
            bit = rng.choice(free)
            for _ in range(rng.choice([0, 1, 1, 2])):
                output = next(net)
                extra = rng.sample(free, 2)
                if rng.random() < 0.5:
                    extra[1:] = []
                init = rng.getrandbits(16)
                inputs = [bit, *extra, *["0"] * (3 - len(extra))]
                cells[f"table{output}"] = lut(init, inputs, output)
                bit = output
            operands.append(bit)
        pins += [*operands, rng.choice(["0", "1"]), "1"]
    cells["low"] = carry((ADD, ADD), pins[:8], rng.choice(["0", "1", 17]), 200)
    cells["high"] = carry((ADD, PLUS_NOT), pins[8:], 202, 300)
    return design(cells, [200, 201, 300, 301, 302])


@pytest.mark.parametrize("seed", range(150))
def test_folding_changes_no_function(seed: int) -> None:
    text = random_design(random.Random(seed))
    before, after = Netlist(text), Netlist(text)
    fold_tables(after)
    for values in itertools.product((0, 1), repeat=8):
        inputs = dict(zip(range(10, 18), values, strict=True))
        expected, found = evaluate(before, inputs), evaluate(after, inputs)
        for bit in (200, 201, 300, 301, 302):
            assert found[bit] == expected[bit]


def multiplexer(inverted: bool) -> str:
    """p + (s ? a : b): the multiplexer can go into the carry cell."""
    select = 0b11001010 if not inverted else 0b00110101
    table = sum((select >> (at & 7) & 1) << at for at in range(16))
    pins = [10, 100, "1" if inverted else "0", "1", 11, 101, "1" if inverted else "0", "1"]
    cells = {
        "mux0": lut(table, [12, 13, 14, "0"], 100),
        "mux1": lut(table, [15, 16, 14, "0"], 101),
        "sum": carry((ADD, ADD), pins, "0", 200),
    }
    return design(cells, [200, 201, 202])


@pytest.mark.parametrize("inverted", [False, True])
def test_a_multiplexer_before_an_adder_folds(inverted: bool) -> None:
    netlist = Netlist(multiplexer(inverted))
    assert fold_tables(netlist) == 2
    assert netlist.of_type("LUT4") == []


def test_a_table_that_others_read_stays() -> None:
    text = json.loads(multiplexer(False))
    text["modules"]["top"]["ports"]["y"]["bits"].append(100)
    netlist = Netlist(json.dumps(text))
    assert fold_tables(netlist) == 1
    assert netlist.of_type("LUT4") == ["mux0"]


def memory(registers: dict[str, Any], width: int = 18) -> str:
    ports = {"DOA0": [20], "DOA1": [21], "DOB0": [22], "CLKA": [1], "CLKB": [1]}
    directions = {port: "output" if port.startswith("DO") else "input" for port in ports}
    cell = {
        "type": "DP16KD",
        "parameters": {"DATA_WIDTH_A": f"{18:032b}", "DATA_WIDTH_B": f"{width:032b}"},
        "port_directions": directions,
        "connections": ports,
    }
    return design({"ram": cell, **registers}, [30, 31, 32])


def register(data: int, output: int, **changes: Any) -> dict[str, Any]:
    parameters = {"CEMUX": "CE", "CLKMUX": "CLK", "REGSET": "RESET"}
    connections = {"DI": [data], "Q": [output], "CLK": [1], "CE": [2], "LSR": ["0"]}
    for name, value in changes.items():
        target = parameters if name in parameters else connections
        target[name] = value
    return {"type": "TRELLIS_FF", "parameters": parameters, "connections": connections}


@pytest.mark.parametrize("width", [18, 36])
def test_registers_behind_a_memory_go_into_it(width: int) -> None:
    registers = {f"ff{n}": register(20 + n, 30 + n) for n in range(3)}
    netlist = Netlist(memory(registers, width))
    assert absorb_registers(netlist) == 3
    assert netlist.of_type("TRELLIS_FF") == []
    ram = netlist.cells["ram"]
    assert [ram["parameters"][f"REGMODE_{port}"] for port in "AB"] == ["OUTREG", "OUTREG"]
    assert [netlist.bit("ram", pin) for pin in ("DOA0", "DOA1", "DOB0")] == [30, 31, 32]
    assert [netlist.bit("ram", f"OCE{port}") for port in "AB"] == [2, 2]


@pytest.mark.parametrize(
    "change",
    [
        {"LSR": [3]},
        {"CLK": [4]},
        {"CE": [5]},
        {"REGSET": "SET"},
        {"CLKMUX": "INV"},
        {"CEMUX": "INV"},
    ],
)
def test_a_register_of_another_kind_keeps_its_port_as_it_is(change: dict[str, Any]) -> None:
    registers = {
        "ff0": register(20, 30),
        "ff1": register(21, 31, **change),
        "ff2": register(22, 32),
    }
    netlist = Netlist(memory(registers))
    assert absorb_registers(netlist) == 1
    assert netlist.of_type("TRELLIS_FF") == ["ff0", "ff1"]
    assert "REGMODE_A" not in netlist.cells["ram"]["parameters"]


def test_refuses_a_file_without_a_top() -> None:
    with pytest.raises(ValueError, match=r"^text must have one top module, not 0$"):
        Netlist('{"modules": {}}')
