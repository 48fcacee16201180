# SPDX-License-Identifier: Apache-2.0
"""``cygnet report`` on folders that other commands wrote to."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from cygnet.data import digits
from cygnet.golden.values import run
from cygnet.network_file import load

from .conftest import MODEL, Call


@pytest.fixture
def folder(call: Call, cyg: Path, tmp_path: Path) -> Path:
    shutil.copy(cyg, tmp_path)
    assert call("image", cyg, "-o", tmp_path, "--steps", 2, "--lanes", 4).code == 0
    return tmp_path


def test_everything_that_a_folder_holds(call: Call, folder: Path, weights: Path) -> None:
    synth = {"target": "ice40", "area": 77, "ffs": 5, "brams": 1, "dsps": 0, "fmax_mhz": None}
    (folder / "synth.json").write_text(json.dumps(synth))
    outcome = call(
        "report", folder, "--data", "digits", "--limit", 30, "--model", MODEL, "-w", weights,
        "--json",
    )  # fmt: skip
    assert outcome.code == 0
    network = load(folder / "tiny.cyg")
    assert outcome.json == {
        "file": str(folder / "report.html"),
        "network": network.digest,
        "sections": ["accuracy", "activity", "errors"],
        "synthesis": ["synth.json"],
    }
    sections = json.loads((folder / "measurements.json").read_text())["sections"]
    assert sections["activity"]["images"] == 30
    assert sections["activity"]["steps"] == 2
    assert sections["activity"]["latency"] > sections["activity"]["interval"]
    test = digits("test").take(slice(0, 30))
    golden = sections["accuracy"]["golden"]
    assert golden == {
        str(t): float((run(network, test.x, steps=t).labels == test.y).mean()) for t in (1, 2, 3, 4)
    }
    assert [row["name"] for row in sections["errors"]["layers"]] == [
        layer.name for layer in network.layers
    ]
    text = (folder / "report.html").read_text()
    assert "From <code>cygnet report" in text
    assert "not routed" in text
    # What was measured stays, and the page can be written again without it.
    assert call("report", folder, "-o", folder / "again.html").code == 0
    assert "From <code>cygnet report" in (folder / "again.html").read_text()


def test_a_folder_with_a_network_alone(call: Call, cyg: Path, tmp_path: Path) -> None:
    outcome = call("report", tmp_path, "--network", cyg)
    assert outcome.code == 0
    assert outcome.err == "spikes, events and clocks are missing: give --data\n"
    assert "Not measured" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("{tmp}", "{tmp}: holds no .cyg file; name the network with --network"),
        ("{tmp}/none", "{tmp}/none: is no folder; give the one that other commands wrote to"),
        ("{folder} --steps 1", "--steps: 1 must be one of 2, as in {folder}"),
        ("{tmp} --network {cyg} --steps 5", "--steps: 5 must be in 1..4, the most of {cyg}"),
        ("{folder} --model mlp", "--model: is compared on images; give --data too"),
        ("{folder} -w {weights}", "--weights: are of a --model; give it too"),
        ("{folder} --target z80", "--target: 'z80' must be one of ecp5-25k, "),
        ("{folder} --synth {cyg}", "--synth: {cyg}: is no report of cygnet synth; write one"),
        (
            "{folder} --data digits --model mlp",
            "mlp: is of the zoo and not trained; give --weights",
        ),
        (
            "{folder} --data digits --limit 9 -w {weights} --model mlp(inputs=64,hidden=(12,9,9))",
            "{weights}: ",
        ),
    ],
)
def test_faults(
    call: Call, folder: Path, cyg: Path, weights: Path, arguments: str, sentence: str
) -> None:
    empty = folder / "empty"
    empty.mkdir()
    places = {"tmp": empty, "folder": folder, "cyg": cyg, "weights": weights}
    outcome = call("report", *arguments.format(**places).split())
    assert outcome.code == 2
    assert outcome.err.splitlines()[-1].startswith(f"cygnet: {sentence.format(**places)}")
