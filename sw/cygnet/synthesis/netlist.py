# SPDX-License-Identifier: Apache-2.0
"""A mapped netlist as Yosys writes it in JSON, with who drives and who reads each net."""

from __future__ import annotations

import itertools
import json
from collections import defaultdict
from typing import Any

__all__ = ["Bit", "Netlist", "Pin"]

Bit = int | str
"""A net's number, or one of the constants ``"0"``, ``"1"``, ``"x"``."""

Pin = tuple[str, str, int]
"""(cell, port, bit of the port); the cell is ``""`` for a port of the module."""

_OUTPUTS = {
    "CCU2C": {"S0", "S1", "COUT"},
    "LUT4": {"Z"},
    "PFUMX": {"Z"},
    "L6MUX21": {"Z"},
    "TRELLIS_FF": {"Q"},
}


class Netlist:
    """The top module of a Yosys JSON file.

    :param text: the file; one module must have the attribute ``top``
    """

    def __init__(self, text: str) -> None:
        self._design: dict[str, Any] = json.loads(text)
        tops = [
            module
            for module in self._design["modules"].values()
            if int(module.get("attributes", {}).get("top", "0"), 2)
        ]
        if len(tops) != 1:
            raise ValueError(f"text must have one top module, not {len(tops)}")
        self._module: dict[str, Any] = tops[0]
        self.cells: dict[str, dict[str, Any]] = self._module["cells"]
        self.drivers: dict[Bit, Pin] = {}
        self.readers: dict[Bit, set[Pin]] = defaultdict(set)
        for name, port in self._module["ports"].items():
            for at, bit in enumerate(port["bits"]):
                if port["direction"] == "output":
                    self.readers[bit].add(("", name, at))
        for name, cell in self.cells.items():
            for port, bits in cell["connections"].items():
                for at, bit in enumerate(bits):
                    if self.is_output(cell, port):
                        self.drivers[bit] = name, port, at
                    else:
                        self.readers[bit].add((name, port, at))
        named = (net["bits"] for net in self._module["netnames"].values())
        nets = (*self.drivers, *self.readers, *itertools.chain.from_iterable(named))
        self._next = max((bit for bit in nets if not isinstance(bit, str)), default=1)

    def is_output(self, cell: dict[str, Any], port: str) -> bool:
        """Whether a cell drives a port, from its kind or from what Yosys wrote."""
        known = _OUTPUTS.get(cell["type"])
        if known is not None:
            return port in known
        return bool(cell.get("port_directions", {}).get(port) == "output")

    def of_type(self, kind: str) -> list[str]:
        """Names of the cells of one kind, in the file's order."""
        return [name for name, cell in self.cells.items() if cell["type"] == kind]

    def bit(self, cell: str, port: str, at: int = 0) -> Bit:
        """What is on a pin; ``"x"`` where nothing is."""
        bits: list[Bit] = self.cells[cell]["connections"].get(port, [])
        return bits[at] if at < len(bits) else "x"

    def connect(self, cell: str, port: str, bit: Bit, at: int = 0) -> None:
        """Put another net or a constant on an input pin."""
        bits = self.cells[cell]["connections"].setdefault(port, ["x"])
        self.cells[cell].setdefault("port_directions", {}).setdefault(port, "input")
        self.readers[bits[at]].discard((cell, port, at))
        bits[at] = bit
        self.readers[bit].add((cell, port, at))

    def drive(self, cell: str, port: str, bit: Bit, at: int = 0) -> None:
        """Let an output pin drive another net, whose own driver has gone."""
        self.cells[cell]["connections"][port][at] = bit
        self.drivers[bit] = cell, port, at

    def new_net(self) -> Bit:
        """The number of a net that does not exist yet."""
        self._next += 1
        return self._next

    def add(self, cell: dict[str, Any], output: str, like: str = "") -> Bit:
        """Put a cell in, its nets as in its connections; returns the net at one of its outputs.

        :param like: what its name begins with
        """
        name = f"{like}$cygnet${len(self.cells)}${cell['connections'][output][0]}"
        self.cells[name] = cell
        for port, bits in cell["connections"].items():
            for at, bit in enumerate(bits):
                if self.is_output(cell, port):
                    self.drivers[bit] = name, port, at
                else:
                    self.readers[bit].add((name, port, at))
        net: Bit = cell["connections"][output][0]
        return net

    def remove(self, cell: str) -> None:
        """Take a cell out."""
        for port, bits in self.cells[cell]["connections"].items():
            for at, bit in enumerate(bits):
                self.readers[bit].discard((cell, port, at))
                if self.drivers.get(bit) == (cell, port, at):
                    del self.drivers[bit]
        del self.cells[cell]

    def text(self) -> str:
        """The file again; names of nets that are gone stay, as nextpnr ignores them."""
        return json.dumps(self._design)
