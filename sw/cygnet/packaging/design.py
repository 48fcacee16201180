# SPDX-License-Identifier: Apache-2.0
"""What a packager must know of a Verilog file: its top module's ports and the images it reads."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Design", "Port"]


@dataclass(frozen=True)
class Port:
    """A port of the top module.

    :param direction: ``"in"`` or ``"out"``
    :param width: bits
    """

    name: str
    direction: str
    width: int


@dataclass(frozen=True)
class Design:
    """A generated Verilog file.

    :param top: name of its top module, and of the file, which ends in ``.v``
    :param network: name of the network
    :param digest: its SHA-256
    :param version: of Cygnet
    :param ports: of the top module, in their order in the file
    :param images: names of the files that its memories read
    """

    top: str
    network: str
    digest: str
    version: str
    ports: tuple[Port, ...]
    images: tuple[str, ...]

    @classmethod
    def of(cls, text: str, *, top: str, network: str, digest: str, version: str) -> Design:
        """From the Verilog.

        :raises ValueError: it has no module of that name
        """
        found = re.search(rf"^module {re.escape(top)}\(.*?^endmodule$", text, re.M | re.S)
        if found is None:
            raise ValueError(f"text must have a module {top}, not {text[:40]!r}")
        ports = tuple(
            Port(name, "in" if kind == "input" else "out", int(high or 0) + 1)
            for kind, high, name in re.findall(
                r"^  (input|output) (?:\[(\d+):0\] )?(\w+);$", found[0], re.M
            )
        )
        images = tuple(re.findall(r'\$readmemh\("([^"]+)"', text))
        return cls(top, network, digest, version, ports, images)

    @property
    def source(self) -> str:
        """Name of the file."""
        return f"{self.top}.v"

    @property
    def release(self) -> str:
        """Version in numbers, as IP-XACT and FuseSoC want it."""
        found = re.match(r"\d+(\.\d+)*", self.version)
        return found[0] if found else "0"

    def bus(self, prefix: str) -> tuple[Port, ...]:
        """The ports whose names begin with ``prefix_`` and a part without further underscore."""
        return tuple(
            port
            for port in self.ports
            if port.name.startswith(f"{prefix}_") and "_" not in port.name[len(prefix) + 1 :]
        )
