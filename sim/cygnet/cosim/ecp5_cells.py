# SPDX-License-Identifier: Apache-2.0
"""Verilog models of the ECP5 cells that Yosys has none of: block memory and multiplier.

``dp16kd.v`` and ``mult18x18d.v`` with their many ports and parameters. Resets and chip selects are
left out, as no design has any: :func:`check` refuses one that does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from cygnet.synthesis.netlist import Netlist

__all__ = ["block_memory", "check", "models"]

CONSTANT = {
    "DP16KD": {f"{pin}{port}": "0" for port in "AB" for pin in ("RST", "CS")},
    "MULT18X18D": {"RST": "0", "CE": "1", "SOURCE": "0"},
}
"""What the pins that begin so must be for the models to be right, where they are connected."""


def models() -> str:
    """Verilog of both."""
    return block_memory() + "\n" + _multiplier()


def block_memory() -> str:
    """Verilog of DP16KD."""
    inputs: list[str] = []
    outputs: list[str] = []
    contents: list[str] = []
    for port in "AB":
        inputs += [_bus(f"DI{port}", 18), _bus(f"AD{port}", 14), _bus(f"CS{port}", 3)]
        inputs += [f"CE{port}", f"OCE{port}", f"CLK{port}", f"WE{port}", f"RST{port}"]
        outputs.append(_bus(f"DO{port}", 18))
    values = {"DATA_WIDTH": "18", "REGMODE": '"NOREG"', "WRITEMODE": '"NORMAL"'}
    values |= {"CSDECODE": '"0b000"'}
    parameters = [f"{name}_{port} = {value}" for name, value in values.items() for port in "AB"]
    parameters += [f'CLK{port}MUX = "CLK{port}"' for port in "AB"]
    parameters += ['RESETMODE = "SYNC"', 'ASYNC_RESET_RELEASE = "SYNC"', 'GSR = "ENABLED"']
    for number in range(64):
        parameters.append(f"[319:0] INITVAL_{number:02X} = 320'h0")
        contents.insert(0, f"INITVAL_{number:02X}")
    buses = {
        f"{way}{port}": 14 if way == "AD" else 18 for way in ("DI", "DO", "AD") for port in "AB"
    }
    return _filled("dp16kd.v", inputs, outputs, parameters, buses, CONTENTS=", ".join(contents))


def _multiplier() -> str:
    inputs = [_bus(operand, 18) for operand in "ABC"]
    inputs += ["SIGNEDA", "SIGNEDB", "SOURCEA", "SOURCEB", "CLK0", "CE0", "RST0"]
    parameters = [
        f'REG_{name}_{what} = "{value}"'
        for name in ("INPUTA", "INPUTB", "OUTPUT")
        for what, value in (("CLK", "NONE"), ("CE", "CE0"), ("RST", "RST0"))
    ]
    buses = {"A": 18, "B": 18, "P": 36}
    return _filled("mult18x18d.v", inputs, [_bus("P", 36)], parameters, buses)


def check(netlist: Netlist) -> None:
    """Refuse what the models leave out (ValueError)."""
    for kind, constant in CONSTANT.items():
        for cell in netlist.of_type(kind):
            for pin in netlist.cells[cell]["connections"]:
                wanted = next((v for name, v in constant.items() if pin.startswith(name)), None)
                found = netlist.bit(cell, pin)
                if wanted is not None and found not in (wanted, "x"):
                    raise ValueError(f"{cell}.{pin} must be {wanted}, not {found!r}")


def _bus(name: str, width: int) -> str:
    """The pins of a bus, the highest first."""
    return ", ".join(f"{name}{bit}" for bit in reversed(range(width)))


def _filled(
    file: str,
    inputs: list[str],
    outputs: list[str],
    parameters: list[str],
    buses: Mapping[str, int],
    **others: str,
) -> str:
    fills = {
        "PORTS": f"  input {', '.join(inputs)},\n  output {', '.join(outputs)}",
        "PARAMETERS": "".join(f"  parameter {one};\n" for one in parameters),
        **{name: _bus(name, width) for name, width in buses.items()},
        **others,
    }
    text = (Path(__file__).parent / file).read_text()
    return re.sub(r"@(\w+)@", lambda match: fills[match[1]], text)
