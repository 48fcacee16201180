# SPDX-License-Identifier: Apache-2.0
"""The synthesis runner on a counter: results, cache, refusals, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cygnet.command.family import member
from cygnet.command.synth import synth
from cygnet.cosim.tools import Tool
from cygnet.errors import CygnetError
from cygnet.synthesis import synthesize, target
from cygnet.synthesis.refusals import TooBigError
from cygnet.synthesis.report import mapped_area
from cygnet.synthesis.targets import Target
from designs import RAMS

COUNTER = """
module counter(input clk, input [7:0] step, output reg [7:0] y);
  always @(posedge clk) y <= y + step;
endmodule
"""
ROM = """
module rom(input clk, input [1:0] a, output reg [7:0] y);
  reg [7:0] words [0:3];
  initial $readmemh("words.mem", words);
  always @(posedge clk) y <= words[a];
endmodule
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("synthesis")


@pytest.mark.parametrize("name", ["ecp5-25k-6", "ice40-hx8k", "xilinx7"])
def test_counter(folder: Path, name: str) -> None:
    report = synthesize(COUNTER, top="counter", target=target(name), seeds=(1,), cache=folder)
    assert report.target == name
    assert report.ffs == 8
    assert 8 <= report.area <= 20
    assert (report.brams, report.dsps) == (0, 0)
    if target(name).routed:
        (route,) = report.routes
        assert route.fmax_mhz == report.fmax_mhz
        assert report.fmax_mhz is not None
        assert report.fmax_mhz > 50
        assert route.critical
    else:
        assert report.fmax_mhz is None


def test_what_was_built_is_not_built_again(folder: Path, monkeypatch: Any) -> None:
    first = synthesize(
        COUNTER, top="counter", target=target("ecp5-25k-6"), seeds=(1, 2), cache=folder
    )

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a tool was called")

    monkeypatch.setattr(Tool, "run", refuse)
    again = synthesize(
        COUNTER, top="counter", target=target("ecp5-25k-6"), seeds=(2, 1), cache=folder
    )
    assert {route.seed: route.fmax_mhz for route in again.routes} == {
        route.seed: route.fmax_mhz for route in first.routes
    }
    with pytest.raises(AssertionError, match="a tool was called"):
        synthesize(
            COUNTER + "\n", top="counter", target=target("ecp5-25k-6"), seeds=(1,), cache=folder
        )


def test_contents_of_memories_count(folder: Path) -> None:
    mapped = Target("mapped", "ecp5", "synth_ecp5")
    registers = [
        synthesize(
            ROM, top="rom", target=mapped, images={"words.mem": words}, cache=folder
        ).modules[""]["ffs"]
        for words in ("00 00 00 00\n", "01 02 04 08\n")
    ]
    assert registers[0] < registers[1]


def test_refusals(folder: Path) -> None:
    with pytest.raises(CygnetError, match=r"^other: Yosys refuses the design: ERROR: .*other"):
        synthesize(COUNTER, top="other", target=target("xilinx7"), cache=folder)
    with pytest.raises(ValueError, match=r"^target must be one of .*, not 'abacus'$"):
        target("abacus")
    with pytest.raises(ValueError, match=r"^seeds must be at least one, not none$"):
        synthesize(COUNTER, top="counter", target=target("xilinx7"), seeds=(), cache=folder)


def test_too_big_a_design_is_one_sentence(folder: Path) -> None:
    with pytest.raises(
        TooBigError,
        match=r"^ice40-up5k: the design is too big: it takes 31 block RAMs of 30; give fewer "
        r"--lanes, weights of fewer bits, or a larger --target$",
    ):
        synthesize(RAMS, top="rams", target=target("ice40-up5k"), seeds=(1,), cache=folder)


def test_tables_used_as_memory_are_area() -> None:
    cells = {"LUT6": 3, "RAM32M": 2, "FDRE": 5, "RAMB36E1": 1, "RAMB18E1": 1, "DSP48E1": 2}
    assert mapped_area(cells) == (11, 5, 3, 2)


def test_command(folder: Path) -> None:
    app = typer.Typer()
    app.command()(member("synth", synth))
    source, report = folder / "counter.v", folder / "report.json"
    source.write_text(COUNTER)
    options = ["--seeds", "1", "--cache", str(folder), "--out", str(report)]
    result = CliRunner().invoke(app, [str(source), "--target", "ecp5-25k-6", *options])
    assert result.exit_code == 0, result.output
    assert "ecp5-25k-6" in result.output
    found = json.loads(report.read_text())
    assert found["ffs"] == 8
    assert found["network"] is None
    assert found["hardware"] is None
    assert found["command"].startswith("cygnet")
    wrong = CliRunner().invoke(app, [str(source), "--target", "abacus"])
    assert isinstance(wrong.exception, CygnetError)
    assert "--target must be one of" in str(wrong.exception)
