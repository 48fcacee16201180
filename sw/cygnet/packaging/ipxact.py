# SPDX-License-Identifier: Apache-2.0
"""``component.xml``: IP-XACT (IEEE 1685-2009, as Vivado reads it) of a design with AXI ports."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence

from cygnet.packaging.design import Design, Port
from cygnet.registers import ADDRESS_BITS, Field, Register

__all__ = ["component", "interfaces"]

SPIRIT = "http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009"
XILINX = "http://www.xilinx.com"
MAP = "registers"
RESET = "aresetn"
CLOCK = "aclk"


def interfaces(design: Design) -> list[tuple[str, bool]]:
    """The AXI ports of a design by their prefixes, and whether it is the one that offers data."""
    found = []
    for name, offers in (
        ("s_axi", False),
        ("s_axis", False),
        ("m_axis", True),
        ("s_axis_load", False),
    ):
        if design.bus(name):
            found.append((name, offers))
    return found


def component(design: Design, registers: Sequence[Register]) -> str:
    """The document; names of files are relative to it.

    :param registers: those that the design has
    """
    ET.register_namespace("spirit", SPIRIT)
    root = _Element("component")
    _identify(root, "cygnet", "accelerator", design.top, design.release)
    buses = root.add("busInterfaces")
    for name, offers in interfaces(design):
        _bus(buses, design, name, offers)
    _clock_and_reset(buses, design)
    maps = root.add("memoryMaps")
    _memory_map(maps, registers)
    model = root.add("model")
    view = model.add("views").add("view")
    view.add("name", "verilog")
    view.add("envIdentifier", "verilogSource:vivado.xilinx.com:synthesis")
    view.add("envIdentifier", "verilogSource:vivado.xilinx.com:simulation")
    view.add("language", "verilog")
    view.add("modelName", design.top)
    view.add("fileSetRef").add("localName", "sources")
    ports = model.add("ports")
    for port in design.ports:
        _port(ports, port)
    files = root.add("fileSets").add("fileSet")
    files.add("name", "sources")
    for name, kind in ((design.source, "verilogSource"), *((n, "unknown") for n in design.images)):
        file = files.add("file")
        file.add("name", name)
        file.add("fileType", kind)
    root.add("description", f"Spiking accelerator of {design.network}, {design.digest[:16]}")
    ET.indent(root.element)
    text = ET.tostring(root.element, encoding="unicode", xml_declaration=False)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


class _Element:
    """An element of IP-XACT's namespace."""

    def __init__(self, name: str) -> None:
        self.element = ET.Element(f"{{{SPIRIT}}}{name}")

    def add(self, name: str, text: str | None = None, /, **attributes: str) -> _Element:
        inner = _Element(name)
        inner.element.text = text
        for key, value in attributes.items():
            inner.element.set(f"{{{SPIRIT}}}{key}", value)
        self.element.append(inner.element)
        return inner


def _identify(parent: _Element, vendor: str, library: str, name: str, version: str) -> None:
    for key, value in (
        ("vendor", vendor),
        ("library", library),
        ("name", name),
        ("version", version),
    ):
        parent.add(key, value)


def _type(parent: _Element, library: str, name: str) -> None:
    """Bus type and its abstraction."""
    for element, suffix in (("busType", ""), ("abstractionType", "_rtl")):
        parent.add(
            element, vendor="xilinx.com", library=library, name=f"{name}{suffix}", version="1.0"
        )


def _bus(parent: _Element, design: Design, name: str, offers: bool) -> None:
    bus = parent.add("busInterface")
    bus.add("name", name)
    lite = name == "s_axi"
    _type(bus, "interface", "aximm" if lite else "axis")
    role = bus.add("master" if offers else "slave")
    if lite:
        role.add("memoryMapRef", memoryMapRef=MAP)
    maps = bus.add("portMaps")
    for port in design.bus(name):
        _map(maps, port.name[len(name) + 1 :].upper(), port)
    if lite:
        _parameters(bus, PROTOCOL="AXI4LITE")


def _map(maps: _Element, logical: str, port: Port) -> None:
    both = maps.add("portMap")
    both.add("logicalPort").add("name", logical)
    both.add("physicalPort").add("name", port.name)


def _parameters(parent: _Element, **values: str) -> None:
    listed = parent.add("parameters")
    for name, value in values.items():
        one = listed.add("parameter")
        one.add("name", name)
        one.add("value", value)


def _clock_and_reset(buses: _Element, design: Design) -> None:
    named = {port.name: port for port in design.ports}
    associated = ":".join(name for name, _ in interfaces(design))
    for name, kind, logical, offers, parameters in (
        (
            CLOCK,
            "clock",
            "CLK",
            False,
            {"ASSOCIATED_BUSIF": associated, "ASSOCIATED_RESET": RESET},
        ),
        (RESET, "reset", "RST", False, {"POLARITY": "ACTIVE_LOW"}),
        ("irq", "interrupt", "INTERRUPT", True, {"SENSITIVITY": "LEVEL_HIGH"}),
    ):
        bus = buses.add("busInterface")
        bus.add("name", name)
        _type(bus, "signal", kind)
        bus.add("master" if offers else "slave")
        _map(bus.add("portMaps"), logical, named[name])
        _parameters(bus, **parameters)


def _memory_map(maps: _Element, registers: Sequence[Register]) -> None:
    whole = maps.add("memoryMap")
    whole.add("name", MAP)
    block = whole.add("addressBlock")
    block.add("name", "block")
    block.add("baseAddress", "0x0")
    block.add("range", f"0x{1 << ADDRESS_BITS:X}")
    block.add("width", "32")
    block.add("usage", "register")
    for found in registers:
        register = block.add("register")
        register.add("name", found.name)
        register.add("description", found.description)
        register.add("addressOffset", f"0x{found.offset:X}")
        register.add("size", "32")
        register.add("access", _access(found.readable, found.writable))
        for field in found.fields:
            _field(register, field)


def _field(register: _Element, field: Field) -> None:
    one = register.add("field")
    one.add("name", field.name)
    one.add("description", field.description)
    one.add("bitOffset", str(field.low))
    one.add("bitWidth", str(field.width))
    one.add("access", _access(field.readable, field.writable))
    if field.access == "clear":
        one.add("modifiedWriteValue", "oneToClear")
    if field.access == "pop":
        one.add("readAction", "modify")


def _access(readable: bool, writable: bool) -> str:
    if readable and writable:
        return "read-write"
    return "read-only" if readable else "write-only"


def _port(ports: _Element, port: Port) -> None:
    one = ports.add("port")
    one.add("name", port.name)
    wire = one.add("wire")
    wire.add("direction", port.direction)
    if port.width > 1:
        vector = wire.add("vector")
        vector.add("left", str(port.width - 1))
        vector.add("right", "0")
