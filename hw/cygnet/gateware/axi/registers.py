# SPDX-License-Identifier: Apache-2.0
"""Registers behind an AXI4-Lite port, built from their description."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from amaranth.hdl import Cat, Const, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from cygnet.registers import ADDRESS_BITS, Field, Register

__all__ = ["OKAY", "SLVERR", "RegisterBlock", "axi_lite_ports"]

OKAY, SLVERR = 0, 2
"""Responses: done; refused."""


def axi_lite_ports(prefix: str = "s_axi") -> dict[str, Any]:
    """The members of an AXI4-Lite port of 32 bits, as a subordinate has them."""
    return {
        f"{prefix}_awaddr": In(ADDRESS_BITS),
        f"{prefix}_awprot": In(3),
        f"{prefix}_awvalid": In(1),
        f"{prefix}_awready": Out(1),
        f"{prefix}_wdata": In(32),
        f"{prefix}_wstrb": In(4),
        f"{prefix}_wvalid": In(1),
        f"{prefix}_wready": Out(1),
        f"{prefix}_bresp": Out(2),
        f"{prefix}_bvalid": Out(1),
        f"{prefix}_bready": In(1),
        f"{prefix}_araddr": In(ADDRESS_BITS),
        f"{prefix}_arprot": In(3),
        f"{prefix}_arvalid": In(1),
        f"{prefix}_arready": Out(1),
        f"{prefix}_rdata": Out(32),
        f"{prefix}_rresp": Out(2),
        f"{prefix}_rvalid": Out(1),
        f"{prefix}_rready": In(1),
    }


def _members(found: Register, field: Field) -> dict[str, Any]:
    name = f"{found.name}_{field.name}".lower()
    match field.access:
        case "read":
            return {name: In(field.width)}
        case "read-write" | "pulse":
            return {name: Out(field.width, **_init(field))}
        case "clear":
            return {f"{name}_set": In(field.width), name: Out(field.width)}
        case "pop":
            return {name: In(field.width), f"{name}_taken": Out(1)}
        case "push":
            return {name: Out(field.width), f"{name}_given": Out(1)}
    return {}


def _init(field: Field) -> dict[str, int]:
    return {"init": field.reset} if field.access == "read-write" else {}


class RegisterBlock(wiring.Component):
    """Reads and writes registers; one transfer of each direction at a time.

    A transfer takes three clocks from address (and data) to response, and never depends on what the
    registers stand for. Addresses that no register has, writes to registers that can only be read,
    and writes of parts of a word to registers that are ``push`` are answered with SLVERR and do
    nothing.

    Parameters
    ----------
    registers : sequence of Register
    constants : mapping of (register, field) to int
        Values of the constants whose description leaves them to the design.

    Members
    -------
    s_axi_* : AXI4-Lite, 32 bits
    <register>_<field> : In
        Of a field that is ``read`` or ``pop``: its value. Of a field that is ``clear``, with
        ``_set`` behind it: bits to set.
    <register>_<field> : Out
        Of a field that is ``read-write``, ``clear``, ``pulse`` or ``push``: its value; a pulse
        lasts one clock.
    <register>_<field>_taken, <register>_<field>_given : Out(1)
        For one clock, when a ``pop`` was read and when a ``push`` was written.
    """

    def __init__(
        self, registers: Sequence[Register], constants: Mapping[tuple[str, str], int]
    ) -> None:
        self._registers = tuple(registers)
        self._constants = dict(constants)
        known = {(found.name, field.name) for found in registers for field in found.fields}
        for key in constants:
            if key not in known:
                raise ValueError(f"constants must be of fields that there are, not {key!r}")
        members = axi_lite_ports()
        for found in registers:
            for field in found.fields:
                members |= _members(found, field)
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._write(m)
        self._read(m)
        return m

    def _port(self, found: Register, field: Field, suffix: str = "") -> Any:
        return getattr(self, f"{found.name}_{field.name}{suffix}".lower())

    def _write(self, m: Module) -> None:
        address, data, strobes = Signal(ADDRESS_BITS - 2), Signal(32), Signal(4)
        has_address, has_data = Signal(), Signal()
        go = Signal()
        m.d.comb += [
            self.s_axi_awready.eq(~has_address),
            self.s_axi_wready.eq(~has_data),
            go.eq(has_address & has_data & ~self.s_axi_bvalid),
        ]
        with m.If(self.s_axi_awvalid & ~has_address):
            m.d.sync += [has_address.eq(1), address.eq(self.s_axi_awaddr[2:])]
        with m.If(self.s_axi_wvalid & ~has_data):
            m.d.sync += [has_data.eq(1), data.eq(self.s_axi_wdata), strobes.eq(self.s_axi_wstrb)]
        done = Signal()
        with m.If(self.s_axi_bvalid & self.s_axi_bready):
            m.d.sync += self.s_axi_bvalid.eq(0)
        with m.If(go):
            m.d.sync += [
                has_address.eq(0),
                has_data.eq(0),
                self.s_axi_bvalid.eq(1),
                self.s_axi_bresp.eq(Mux(done, OKAY, SLVERR)),
            ]

        mask = Cat(strobe.replicate(8) for strobe in strobes)
        chosen = {found.name: Signal(name=f"writes_{found.name}") for found in self._registers}
        with m.Switch(address):
            for found in self._registers:
                if found.writable:
                    with m.Case(found.offset // 4):
                        m.d.comb += done.eq(strobes.all() if found.whole else 1)
                        m.d.comb += chosen[found.name].eq(go & done)
        for found in self._registers:
            writes = chosen[found.name]
            for field in found.fields:
                bits = slice(field.low, field.low + field.width)
                self._write_field(m, found, field, writes, data[bits], mask[bits])

    def _write_field(
        self, m: Module, found: Register, field: Field, writes: Signal, data: Any, mask: Any
    ) -> None:
        match field.access:
            case "read-write":
                value = self._port(found, field)
                with m.If(writes):
                    m.d.sync += value.eq((value & ~mask) | (data & mask))
            case "pulse":
                m.d.sync += self._port(found, field).eq(Mux(writes, data & mask, 0))
            case "clear":
                value = self._port(found, field)
                cleared = Mux(writes, data & mask, 0)
                m.d.sync += value.eq((value & ~cleared) | self._port(found, field, "_set"))
            case "push":
                m.d.sync += self._port(found, field, "_given").eq(writes)
                with m.If(writes):
                    m.d.sync += self._port(found, field).eq(data)

    def _read(self, m: Module) -> None:
        address, asked = Signal(ADDRESS_BITS - 2), Signal()
        m.d.comb += self.s_axi_arready.eq(~asked & ~self.s_axi_rvalid)
        with m.If(self.s_axi_arvalid & self.s_axi_arready):
            m.d.sync += [asked.eq(1), address.eq(self.s_axi_araddr[2:])]
        with m.If(self.s_axi_rvalid & self.s_axi_rready):
            m.d.sync += self.s_axi_rvalid.eq(0)
        word, known = Signal(32), Signal()
        with m.Switch(address):
            for found in self._registers:
                if found.readable:
                    with m.Case(found.offset // 4):
                        m.d.comb += [word.eq(self._word(found)), known.eq(1)]
                        for field in found.fields:
                            if field.access == "pop":
                                m.d.comb += self._port(found, field, "_taken").eq(asked)
        with m.If(asked):
            m.d.sync += [
                asked.eq(0),
                self.s_axi_rvalid.eq(1),
                self.s_axi_rdata.eq(word),
                self.s_axi_rresp.eq(Mux(known, OKAY, SLVERR)),
            ]

    def _word(self, found: Register) -> Any:
        parts: list[Any] = []
        filled = 0
        for field in sorted(found.fields, key=lambda field: field.low):
            if not field.readable:
                continue
            parts += [Const(0, field.low - filled), self._value(found, field)]
            filled = field.low + field.width
        return Cat(*parts)

    def _value(self, found: Register, field: Field) -> Any:
        if field.access == "constant":
            value = self._constants.get((found.name, field.name), field.reset)
            if not 0 <= value < 1 << field.width:
                raise ValueError(
                    f"{found.name} {field.name} must fit into {field.width} bits, not {value!r}"
                )
            return Const(value, field.width)
        return self._port(found, field)
