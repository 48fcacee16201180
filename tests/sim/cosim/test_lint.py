# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from typing import Literal

import pytest
from amaranth import Module, Signal, signed
from amaranth.back import verilog
from amaranth.lib import wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.cosim.lint import WAIVERS, lint
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from networks import dense_network


class Accumulator(wiring.Component):  # type: ignore[misc]
    """Adds what enters to a word of a memory: registers, a signed sum and a memory."""

    def __init__(self) -> None:
        super().__init__({"index": In(4), "value": In(signed(5)), "total": Out(signed(9))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.memory = memory = Memory(shape=signed(9), depth=16, init=[])
        read, write = memory.read_port(), memory.write_port()
        value = Signal(signed(5))
        m.d.comb += read.addr.eq(self.index), write.data.eq(self.total), write.en.eq(1)
        m.d.sync += write.addr.eq(self.index), value.eq(self.value)
        m.d.comb += self.total.eq(read.data + value)
        return m


def test_what_amaranth_writes_is_clean() -> None:
    text = verilog.convert(
        Accumulator(), name="accumulator", emit_src=False, strip_internal_attrs=True
    )
    assert lint(text, top="accumulator") == []


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ("assign y = a + wide;", "WIDTHTRUNC"),
        ("wire [3:0] loop = loop + a; assign y = loop;", "UNOPTFLAT"),
        ("always @* if (a[0]) y = a;", "LATCH"),
        ("assign y = b;", "find definition"),
        ("assign y = ;", "syntax error"),
        ("", "UNDRIVEN"),
    ],
)
def test_faults_are_found(body: str, rule: str) -> None:
    kind = "output reg" if "always" in body else "output"
    text = f"module t (input [3:0] a, input [7:0] wide, {kind} [3:0] y);\n{body}\nendmodule\n"
    found = lint(text, top="t")
    assert any(rule in line for line in found), found


def test_every_waiver_says_why() -> None:
    lines = WAIVERS.read_text().splitlines()
    waived = [number for number, line in enumerate(lines) if line.startswith("lint_off")]
    assert 0 < len(waived) <= 8
    for number in waived:
        assert lines[number - 1].startswith("// "), lines[number]


@pytest.mark.parametrize(("kind", "steps"), [("gn", 1), ("gn", 4), ("if", 3)])
def test_accelerators_are_clean(kind: Literal["gn", "if"], steps: int) -> None:
    network = dense_network(3, (23, 19, 11, 6), kind=kind)
    hardware = HardwareConfig.uniform(network, steps=steps, lanes=4)
    assert lint(generate(network, hardware), top=top_name(network)) == []
