# SPDX-License-Identifier: Apache-2.0
"""``cygnet verilog --budget``: what it chooses, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.network_file import load
from cygnet.synthesis.area import DEVICES
from cygnet.synthesis.budget import balance

from .conftest import Call


def test_the_hardware_is_that_of_the_budget(call: Call, cyg: Path, tmp_path: Path) -> None:
    found = call("verilog", cyg, "--budget", "ecp5-25k", "--beat", 2, "-o", tmp_path, "--json").json
    network = load(cyg)
    expected = balance(network, DEVICES["ecp5-25k"], steps=1, beat=2).hardware
    assert found["hardware"]["beat"] == 2
    assert [layer["lanes"] for layer in found["hardware"]["layers"]] == [
        layer.lanes for layer in expected.layers
    ]
    assert [row["layer"] for row in found["budget"]] == [layer.name for layer in network.layers]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ("--budget z80", "--budget: 'z80' must be one of ecp5-25k, ecp5-45k, "),
        ("--budget ecp5-25k --lanes 4", "--lanes: is chosen by --budget; leave one of the two out"),
        ("--budget ecp5-25k --neuron-core small", "--neuron-core: is chosen by --budget; "),
        ("--fps 10", "--fps and --data: belong to --budget; give it too"),
        ("--budget ecp5-25k --mhz 0", "--mhz and --fps: must be above 0"),
        (
            "--budget ecp5-25k --fps 1e9",
            "{cyg}: 1,000,000,000 frames/s at 100 MHz need 0 clocks a ",
        ),
    ],
)
def test_refusals(call: Call, cyg: Path, tmp_path: Path, options: str, sentence: str) -> None:
    """Those of the budget name the file, not the name in it."""
    outcome = call("verilog", cyg, "-o", tmp_path / "out", *options.split())
    assert outcome.code == 2
    assert outcome.err.startswith(f"cygnet: {sentence.format(cyg=cyg)}")
    assert len(outcome.err.splitlines()) == 1
    assert not (tmp_path / "out").exists()
