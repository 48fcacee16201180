# SPDX-License-Identifier: Apache-2.0
"""``cygnet synth``: what it says of itself, and what the report makes of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cygnet.command.synth import synth
from cygnet.network_file import load
from cygnet.synthesis import Report
from cygnet.synthesis.hierarchy import KINDS

from .conftest import Call, validate

FAKE = Report("ecp5-25k-6", 10, 20, 3, 0, 99.5, (), {"": dict.fromkeys(KINDS, 1)})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """No tools run; the arguments are kept."""
    seen: dict[str, Any] = {}

    def instead(verilog: str, **given: Any) -> Report:
        seen.update(given, verilog=verilog)
        return FAKE

    monkeypatch.setitem(synth.__globals__, "synthesize", instead)
    return seen


def test_a_network(call: Call, cyg: Path, tmp_path: Path, fake: dict[str, Any]) -> None:
    out = tmp_path / "synth.json"
    outcome = call(
        "synth", cyg, "--steps", 2, "--lanes", "4,3,5", "--arithmetic", "dsp", "--seeds", 2,
        "-j", 3, "-o", out, "--json",
    )  # fmt: skip
    assert outcome.code == 0
    found = outcome.json
    assert json.loads(out.read_text()) == found
    network = load(cyg)
    assert found["network"] == network.digest
    assert found["hardware"]["steps"] == 2
    assert [layer["lanes"] for layer in found["hardware"]["layers"]] == [4, 3, 5]
    assert {layer["arithmetic"] for layer in found["hardware"]["layers"]} == {"dsp"}
    assert found["fmax_mhz"] == 99.5
    assert found["modules"] == {"": dict.fromkeys(KINDS, 1)}
    assert (fake["top"], fake["jobs"], list(fake["seeds"])) == ("cygnet_tiny", 3, [1, 2])
    validate(found, "synth")
    # A multiplier for each lane, which two steps share.
    assert found["estimate"]["dsps"] == 4 + 3 + 5
    assert network.digest in fake["verilog"]
    shown = call("synth", cyg, "-o", out)
    assert shown.err.endswith(
        f"next: cygnet report {tmp_path}, which shows what each layer takes\n"
    )
    assert call("synth", cyg).err == "mapping, placing\n"


def test_how_far_the_estimate_was_off(call: Call, cyg: Path, fake: dict[str, Any]) -> None:
    """FAKE has 10 tables, 3 block RAMs and no multiplier."""
    options = ("--lanes", 2, "--arithmetic", "dsp")
    estimate = call("synth", cyg, *options, "--json").json["estimate"]
    shown = call("synth", cyg, *options).out
    (off,) = re.findall(r"which is off by +(.*)", shown)
    area, brams, dsps = off.split()
    assert float(area.rstrip("%")) == pytest.approx(10 * (estimate["area"] - 10), abs=0.5)
    assert float(brams.rstrip("%")) == pytest.approx(100 * (estimate["brams"] / 3 - 1), abs=0.5)
    assert (estimate["dsps"], dsps) == (6, "+6")


def test_verilog_of_a_network_and_of_anybody(
    call: Call, cyg: Path, tmp_path: Path, fake: dict[str, Any]
) -> None:
    assert call("verilog", cyg, "-o", tmp_path).code == 0
    found = call("synth", tmp_path / "cygnet_tiny.v", "--json").json
    assert found["network"] == load(cyg).digest
    assert found["hardware"] is None
    assert found["estimate"] is None
    (tmp_path / "own.v").write_text("module own(input clk); endmodule\n")
    found = call("synth", tmp_path / "own.v", "--json").json
    assert found["network"] is None
    assert call("synth", cyg, "-j", "-1").err == "cygnet: --jobs: -1 must be at least 0\n"


@pytest.mark.slow
def test_the_report_divides_a_real_one_by_layer(call: Call, cyg: Path, tmp_path: Path) -> None:
    """Modules are named as the report expects them, and nothing of them is lost."""
    out = tmp_path / "synth.json"
    options = ("--steps", 2, "--lanes", 2, "--beat", 2)
    done = call(
        "synth", cyg, *options, "--target", "xilinx7", "--cache", tmp_path / "cache", "-o", out,
        "--json",
    )  # fmt: skip
    assert done.code == 0
    report = json.loads(out.read_text())
    validate(report, "synth")
    assert call("image", cyg, *options, "-o", tmp_path).code == 0
    assert call("report", tmp_path, "--network", cyg).code == 0
    text = (tmp_path / "report.html").read_text()
    (table,) = re.findall(r'<table id="taken">.*?</table>', text, re.DOTALL)
    rows = [
        [re.sub("<.*?>", "", cell) for cell in re.findall(r"<td.*?</td>", row)]
        for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]
    ]
    names = [layer.name for layer in load(cyg).layers]
    assert [row[0] for row in rows] == [*names, "input, readout", "in all"]
    for row in rows[:3]:
        assert int(row[1].replace(",", "")) > 20
    for place, kind in enumerate(("luts", "carries", "ffs", "ram", "brams", "dsps"), start=1):
        whole = sum(use[kind] for use in report["modules"].values())
        assert rows[-1][place] == f"{whole:,}"
    assert "cygnet synth" in table
