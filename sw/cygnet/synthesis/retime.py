# SPDX-License-Identifier: Apache-2.0
"""More registers of ECP5 netlists put where the device has room for them.

*Banks.* A memory deeper than a block RAM is several, and what chooses between them stands between
the memories and the register behind them, after 5.6 ns. :func:`retime_banks` moves the register to
the memories' side, where :func:`cygnet.synthesis.ecp5.absorb_registers` finds it.

*Multipliers.* Yosys uses none of the registers of a multiplier block;
:func:`absorb_multiplier_registers` moves those on both its sides into it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cygnet.synthesis.netlist import Bit, Netlist

__all__ = ["absorb_multiplier_registers", "plain_register", "retime_banks"]

_LOGIC = ("LUT4", "PFUMX", "L6MUX21")
_MOST_LEAVES = 48
OPERAND, PRODUCT = 18, 36


def plain_register(netlist: Netlist, cell: str) -> bool:
    """Whether a cell is a flip-flop that takes its input in every clock, with neither reset nor
    enable."""
    return _enable(netlist, cell) == "1"


def _enable(netlist: Netlist, cell: str) -> Bit | None:
    """What enables a flip-flop without reset, "1" where it always is; None for other cells."""
    found = netlist.cells[cell]
    parameters = found["parameters"]
    if (
        found["type"] != "TRELLIS_FF"
        or parameters.get("CLKMUX", "CLK") != "CLK"
        or netlist.bit(cell, "LSR") not in ("0", "x")
        or parameters.get("REGSET", "RESET") != "RESET"
    ):
        return None
    # Yosys puts a space behind a text that could be a number.
    mode = parameters.get("CEMUX", "1").strip()
    return "1" if mode == "1" else netlist.bit(cell, "CE") if mode == "CE" else None


@dataclass(frozen=True)
class _Cone:
    """The logic in front of a register.

    :param register: its flip-flop
    :param enable: of that
    :param memories: pins of block RAMs that it reads
    :param sides: pins of its cells that read something else
    """

    register: str
    enable: Bit
    memories: tuple[tuple[str, str], ...]
    sides: tuple[tuple[str, str], ...]


def _cone(netlist: Netlist, register: str) -> _Cone | None:
    """None where the logic is more than a choice between memories, or is shared with others."""
    memories: dict[tuple[str, str], Bit] = {}
    sides: list[tuple[str, str]] = []
    cells = {register}
    inside: set[Bit] = set()
    waiting = [(register, "DI")]
    while waiting:
        cell, port = waiting.pop()
        bit = netlist.bit(cell, port)
        if isinstance(bit, str):
            continue
        driver, driven, _ = netlist.drivers.get(bit, ("", "", 0))
        kind = netlist.cells[driver]["type"] if driver else ""
        if kind == "DP16KD":
            memories[driver, driven] = bit
        elif kind in _LOGIC and not _shallow(netlist, driver):
            inside.add(bit)
            if driver not in cells:
                cells.add(driver)
                for name in netlist.cells[driver]["connections"]:
                    if not netlist.is_output(netlist.cells[driver], name):
                        waiting.append((driver, name))
        else:
            sides.append((cell, port))
        if len(memories) + len(sides) > _MOST_LEAVES:
            return None
    enable = _enable(netlist, register)
    if enable is None or not memories or any(cell == register for cell, _ in sides):
        return None
    readers = (reader for bit in inside | {*memories.values()} for reader in netlist.readers[bit])
    if any(cell not in cells for cell, _, _ in readers):
        return None
    return _Cone(register, enable, tuple(memories), tuple(sides))


def _shallow(netlist: Netlist, cell: str) -> bool:
    """Whether no block RAM lies behind a cell, so that its output counts as a side input."""
    waiting, seen = [cell], {cell}
    while waiting:
        for port, bits in netlist.cells[waiting.pop()]["connections"].items():
            for bit in bits:
                driver = netlist.drivers.get(bit, ("", "", 0))[0]
                if not driver or driver in seen or port in ("Z",):
                    continue
                kind = netlist.cells[driver]["type"]
                if kind == "DP16KD":
                    return False
                if kind in _LOGIC:
                    seen.add(driver)
                    waiting.append(driver)
    return True


def retime_banks(netlist: Netlist) -> int:
    """Move registers behind the choice between block RAMs in front of it; returns how many.

    Registers are moved where all that is read of a memory goes to such registers, of one enable.
    What chooses is delayed by registers of its own, few beside those that the memories take.
    """
    cones: dict[str, _Cone] = {}
    for register in netlist.of_type("TRELLIS_FF"):
        cone = _cone(netlist, register)
        if cone is not None and cone.sides:
            cones[register] = cone
    while True:
        read = defaultdict(set)
        enables = defaultdict(set)
        for cone in cones.values():
            for memory, pin in cone.memories:
                read[memory].add(pin)
                enables[memory].add(cone.enable)
        whole = {
            memory
            for memory, pins in read.items()
            if _read_pins(netlist, memory) <= pins and len(enables[memory]) == 1
        }
        kept = {
            name: cone
            for name, cone in cones.items()
            if all(memory in whole for memory, _ in cone.memories)
        }
        if len(kept) == len(cones):
            break
        cones = kept
    late: dict[tuple[Bit, Bit], Bit] = {}
    for cone in cones.values():
        _move(netlist, cone, late)
    return len(cones)


def _read_pins(netlist: Netlist, memory: str) -> set[str]:
    return {
        port
        for port, bits in netlist.cells[memory]["connections"].items()
        if port.startswith("DO") and not isinstance(bits[0], str) and netlist.readers[bits[0]]
    }


def _move(netlist: Netlist, cone: _Cone, late: dict[tuple[Bit, Bit], Bit]) -> None:
    """The register goes, its logic drives what it drove, and has a register at each input."""
    like = netlist.cells[cone.register]
    output = netlist.bit(cone.register, "Q")
    driver, port, at = netlist.drivers[netlist.bit(cone.register, "DI")]
    netlist.remove(cone.register)
    netlist.drive(driver, port, output, at)
    for cell, pin in cone.sides:
        bit = netlist.bit(cell, pin)
        if (bit, cone.enable) not in late:
            late[bit, cone.enable] = _registered(netlist, like, bit)
        netlist.connect(cell, pin, late[bit, cone.enable])
    for memory, pin in cone.memories:
        bit = netlist.bit(memory, pin)
        readers = sorted(netlist.readers[bit])
        held = _registered(netlist, like, bit)
        for cell, read, place in readers:
            netlist.connect(cell, read, held, place)


def _registered(netlist: Netlist, like: Mapping[str, Any], bit: Bit) -> Bit:
    """The output of a new register behind a net."""
    connections = {port: [*bits] for port, bits in like["connections"].items()}
    connections |= {"DI": [bit], "Q": [netlist.new_net()]}
    parameters = dict(like["parameters"])
    return netlist.add({**like, "parameters": parameters, "connections": connections}, "Q")


def absorb_multiplier_registers(netlist: Netlist) -> int:
    """Move registers at the operands and at the product of multiplier blocks into them; returns how
    many bits.

    An operand's registers may have other readers too, and stay for those. A product's must be all
    that reads it.
    """
    moved = 0
    for multiplier in netlist.of_type("MULT18X18D"):
        for operand in "AB":
            pins = [f"{operand}{n}" for n in range(OPERAND)]
            moved += _absorb_operand(netlist, multiplier, operand, pins)
        moved += _absorb_product(netlist, multiplier)
    return moved


def _absorb_operand(netlist: Netlist, multiplier: str, operand: str, pins: Sequence[str]) -> int:
    inputs: dict[str, Bit] = {}
    registers = set()
    for pin in pins:
        bit = netlist.bit(multiplier, pin)
        if isinstance(bit, str):
            continue
        driver = netlist.drivers.get(bit, ("", "", 0))[0]
        if not driver or not plain_register(netlist, driver):
            return 0
        registers.add(driver)
        inputs[pin] = netlist.bit(driver, "DI")
    if not _take_clock(netlist, multiplier, f"REG_INPUT{operand}", registers):
        return 0
    for pin, bit in inputs.items():
        netlist.connect(multiplier, pin, bit)
    for register in registers:
        if not netlist.readers[netlist.bit(register, "Q")]:
            netlist.remove(register)
    return len(registers)


def _absorb_product(netlist: Netlist, multiplier: str) -> int:
    outputs: dict[str, str] = {}
    for number in range(PRODUCT):
        pin = f"P{number}"
        bit = netlist.bit(multiplier, pin)
        readers = set() if isinstance(bit, str) else netlist.readers[bit]
        if not readers:
            continue
        register, port, _ = next(iter(readers))
        if len(readers) > 1 or not register or port != "DI":
            return 0
        if not plain_register(netlist, register):
            return 0
        outputs[pin] = register
    if not _take_clock(netlist, multiplier, "REG_OUTPUT", set(outputs.values())):
        return 0
    for pin, register in outputs.items():
        bit = netlist.bit(register, "Q")
        netlist.remove(register)
        netlist.drive(multiplier, pin, bit)
    return len(outputs)


def _take_clock(netlist: Netlist, multiplier: str, what: str, registers: set[str]) -> bool:
    """Switch a register of a multiplier on, if those that it replaces have one clock."""
    clocks = {netlist.bit(register, "CLK") for register in registers}
    present = netlist.bit(multiplier, "CLK0")
    if len(clocks) != 1 or (not isinstance(present, str) and clocks != {present}):
        return False
    for port, bit in (("CLK0", clocks.pop()), ("CE0", "1"), ("RST0", "0")):
        netlist.connect(multiplier, port, bit)
    parameters = netlist.cells[multiplier]["parameters"]
    parameters |= {f"{what}_CLK": "CLK0", f"{what}_CE": "CE0", f"{what}_RST": "RST0"}
    return True
