# SPDX-License-Identifier: Apache-2.0
"""Two steps between Yosys and nextpnr that make ECP5 netlists smaller and faster.

*Folding.* A half of a carry cell (CCU2C) has a four-input table in front of its sum, but Yosys
uses two of the inputs and puts every multiplexer or gate that feeds an adder into tables of its
own. :func:`fold_tables` moves them into the carry cell where its structure allows that:

    sum = P(A, B, C, D) xor carry in      carry out = carry in if P(A, B, C, D) else P(A, B, 0, 0)

(P is the table INIT, and what it holds for C = D = 0 generates the carry), so the pins are chosen
such that both parts come out right.

*Block RAM registers.* A block RAM's output is valid 5.6 ns after the clock, too late for anything
above 150 MHz. Yosys leaves the register behind it in the fabric; :func:`absorb_registers` moves it
into the memory.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cygnet.synthesis.netlist import Bit, Netlist

__all__ = ["absorb_registers", "fold_tables"]

_PINS = "ABCD"
WIDE = 36


@dataclass(frozen=True)
class _Half:
    """One half of a carry cell: its logic as a table over named nets.

    ``inputs`` are nets; entry n of ``propagate`` and ``generate`` is for input i being bit i of n;
    ``generate`` counts where ``propagate`` is 0.
    """

    inputs: tuple[Bit, ...]
    propagate: tuple[bool, ...]
    generate: tuple[bool, ...]


def _value(bit: Bit, inputs: Sequence[Bit], entry: int) -> int:
    if isinstance(bit, str):
        return int(bit == "1")
    return entry >> inputs.index(bit) & 1


def _init(parameter: str) -> int:
    return int(parameter, 2)


def _half(netlist: Netlist, cell: str, half: int) -> _Half:
    init = _init(netlist.cells[cell]["parameters"][f"INIT{half}"])
    pins = [netlist.bit(cell, f"{pin}{half}") for pin in _PINS]
    inputs = tuple(dict.fromkeys(bit for bit in pins if not isinstance(bit, str)))
    propagate, generate = [], []
    for entry in range(1 << len(inputs)):
        a, b, c, d = (_value(bit, inputs, entry) for bit in pins)
        propagate.append(bool(init >> (a + 2 * b + 4 * c + 8 * d) & 1))
        generate.append(bool(init >> (a + 2 * b) & 1))
    return _Half(inputs, tuple(propagate), tuple(generate))


def _merge(netlist: Netlist, half: _Half, table: str) -> _Half | None:
    """The half with the table cell inside it, if that has four inputs at most."""
    net = netlist.bit(table, "Z")
    pins = [netlist.bit(table, pin) for pin in _PINS]
    nets = [bit for bit in (*half.inputs, *pins) if not isinstance(bit, str) and bit != net]
    inputs = tuple(dict.fromkeys(nets))
    if len(inputs) > 4:
        return None
    init = _init(netlist.cells[table]["parameters"]["INIT"])
    propagate, generate = [], []
    for entry in range(1 << len(inputs)):
        at = sum(_value(bit, inputs, entry) << n for n, bit in enumerate(pins))
        old = sum(
            (init >> at & 1 if bit == net else _value(bit, inputs, entry)) << n
            for n, bit in enumerate(half.inputs)
        )
        propagate.append(half.propagate[old])
        generate.append(half.generate[old])
    return _Half(inputs, tuple(propagate), tuple(generate))


def _assignments(inputs: tuple[Bit, ...]) -> Iterator[tuple[Bit, ...]]:
    """Nets for the pins A to D; a spare D is 1, which frees the low half of the table."""
    if len(inputs) < 4:
        yield from (
            (*order, "1") for order in itertools.permutations((*inputs, *["0"] * (3 - len(inputs))))
        )
    else:
        yield from itertools.permutations(inputs)


def _place(half: _Half) -> tuple[tuple[Bit, ...], int] | None:
    """Pins and INIT of a carry cell's half that does the same, if there are any."""
    for pins in _assignments(half.inputs):
        table: dict[int, bool] = {}
        needed: dict[int, bool] = {}
        fits = True
        for entry, propagate in enumerate(half.propagate):
            at = sum(_value(bit, half.inputs, entry) << n for n, bit in enumerate(pins))
            table[at] = propagate
            if not propagate:
                low = at & 3
                if needed.setdefault(low, half.generate[entry]) != half.generate[entry]:
                    fits = False
                    break
        if fits and all(table.get(low, value) == value for low, value in needed.items()):
            table = needed | table
            return pins, sum(value << at for at, value in table.items())
    return None


def fold_tables(netlist: Netlist) -> int:
    """Move tables that only feed carry cells into these; returns how many tables went.

    A table behind one that is moved, and read by nothing else, is complemented where that lets
    the move succeed. Tables that nothing reads go, too.
    """
    before = len(netlist.of_type("LUT4"))
    changed = True
    while changed:
        changed = False
        for table in netlist.of_type("LUT4"):
            if not netlist.readers[netlist.bit(table, "Z")]:
                netlist.remove(table)
                changed = True
            elif _fold(netlist, table):
                changed = True
    return before - len(netlist.of_type("LUT4"))


def _fold(netlist: Netlist, table: str) -> bool:
    readers = netlist.readers[netlist.bit(table, "Z")]
    halves = set()
    for cell, port, _ in readers:
        if not cell or netlist.cells[cell]["type"] != "CCU2C" or port == "CIN":
            return False
        half = int(port[-1])
        if netlist.cells[cell]["parameters"][f"INJECT1_{half}"] != "NO":
            return False
        halves.add((cell, half))
    merged = [_merge(netlist, _half(netlist, *half), table) for half in sorted(halves)]
    wholes = [half for half in merged if half is not None]
    if len(wholes) < len(merged):
        return False
    private = _private(netlist, table)
    for count in range(len(private) + 1):
        for inverted in itertools.combinations(private, count):
            placed = [_place(_invert(half, inverted)) for half in wholes]
            if all(placed):
                for (cell, half), place in zip(sorted(halves), placed, strict=True):
                    assert place is not None
                    _write(netlist, cell, half, *place)
                netlist.remove(table)
                for bit in inverted:
                    _complement(netlist, bit)
                return True
    return False


def _private(netlist: Netlist, table: str) -> list[Bit]:
    """Inputs of a table that come from other tables and go nowhere else."""
    found = []
    for pin in _PINS:
        bit = netlist.bit(table, pin)
        driver = netlist.drivers.get(bit, ("", "", 0))[0]
        if driver and netlist.cells[driver]["type"] == "LUT4" and len(netlist.readers[bit]) == 1:
            found.append(bit)
    return found


def _invert(half: _Half, inverted: Sequence[Bit]) -> _Half:
    mask = sum(1 << n for n, bit in enumerate(half.inputs) if bit in inverted)
    return _Half(
        half.inputs,
        tuple(half.propagate[entry ^ mask] for entry in range(len(half.propagate))),
        tuple(half.generate[entry ^ mask] for entry in range(len(half.generate))),
    )


def _complement(netlist: Netlist, bit: Bit) -> None:
    parameters = netlist.cells[netlist.drivers[bit][0]]["parameters"]
    parameters["INIT"] = f"{_init(parameters['INIT']) ^ 0xFFFF:016b}"


def _write(netlist: Netlist, cell: str, half: int, pins: tuple[Bit, ...], init: int) -> None:
    for pin, bit in zip(_PINS, pins, strict=True):
        netlist.connect(cell, f"{pin}{half}", bit)
    netlist.cells[cell]["parameters"][f"INIT{half}"] = f"{init:016b}"


def absorb_registers(netlist: Netlist) -> int:
    """Move registers that alone read a block RAM's port into it; returns how many bits went.

    A port is changed where every bit that is read goes to one flip-flop without reset, all of
    them on the port's clock and with one clock enable. A memory 36 bits wide reads through both
    ports' pins, at port B's clock.
    """
    absorbed = 0
    for memory in netlist.of_type("DP16KD"):
        parameters = netlist.cells[memory]["parameters"]
        wide = _init(parameters["DATA_WIDTH_B"]) == WIDE
        for ports in ("AB",) if wide else ("A", "B"):
            if any(parameters.get(f"REGMODE_{port}", "NOREG") != "NOREG" for port in ports):
                continue
            registers = _registers(netlist, memory, ports)
            if not registers:
                continue
            enable = _enable(netlist, registers[0][1])
            for port in ports:
                parameters[f"REGMODE_{port}"] = "OUTREG"
                netlist.connect(memory, f"OCE{port}", enable)
            for pin, register in registers:
                output = netlist.bit(register, "Q")
                netlist.remove(register)
                netlist.drive(memory, pin, output)
            absorbed += len(registers)
    return absorbed


def _enable(netlist: Netlist, register: str) -> Bit:
    # Yosys puts a space behind a text that could be a number.
    mode = netlist.cells[register]["parameters"].get("CEMUX", "1").strip()
    return "1" if mode == "1" else netlist.bit(register, "CE")


def _registers(netlist: Netlist, memory: str, ports: str) -> list[tuple[str, str]]:
    """(output pin, flip-flop) of every bit that is read, or nothing where they do not fit."""
    clock = netlist.bit(memory, f"CLK{ports[-1]}")
    mux = netlist.cells[memory]["parameters"].get(f"CLK{ports[-1]}MUX", "CLK")
    found = []
    for port, at in itertools.product(ports, range(18)):
        pin = f"DO{port}{at}"
        readers = netlist.readers[netlist.bit(memory, pin)]
        if netlist.bit(memory, pin) == "x" or not readers:
            continue
        register, input_pin, _ = next(iter(readers))
        if len(readers) != 1 or not register or input_pin != "DI":
            return []
        cell = netlist.cells[register]
        parameters = cell["parameters"]
        if (
            cell["type"] != "TRELLIS_FF"
            or netlist.bit(register, "CLK") != clock
            or not mux.startswith(parameters.get("CLKMUX", "CLK"))
            or netlist.bit(register, "LSR") not in ("0", "x")
            or parameters.get("REGSET", "RESET") != "RESET"
            or parameters.get("CEMUX", "1") == "INV"
        ):
            return []
        found.append((pin, register))
    return found if len({_enable(netlist, register) for _, register in found}) == 1 else []
