# SPDX-License-Identifier: Apache-2.0
"""What each layer takes: cells of modules by layer, the estimate, and the command that measures."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.command.options import HardwareOptions
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.images import memories
from cygnet.layer_plan import plan_layers
from cygnet.network import Network
from cygnet.report.device import by_layer, estimate, find_synthesis, measured, synth_command
from cygnet.report.page import page
from cygnet.synthesis.area import DEVICES, layer_area, total
from cygnet.synthesis.hierarchy import KINDS
from networks import random_mlp, random_residual


@pytest.fixture(scope="module")
def mlp() -> tuple[Network, HardwareConfig]:
    network = random_mlp(np.random.default_rng(0), steps=2)
    return network, HardwareConfig.uniform(network, steps=2, lanes=4)


def cells(**given: int) -> dict[str, int]:
    return dict.fromkeys(KINDS, 0) | given


MODULES = {
    "": cells(luts=1),
    "fc": cells(luts=10),
    "fc.engine": cells(luts=100, brams=2),
    "fc.walker.windows": cells(carries=7),
    "fc_neurons": cells(ffs=3),
    "fc_neurons.core0": cells(luts=1000, ram=4),
    "fc_to_fc_two_main": cells(ffs=50),
    "fc_two": cells(dsps=5),
    "fc_two.drain": cells(luts=20),
    "fc_two_neurons.core0": cells(luts=40),
    "pixels": cells(luts=2),
    "readout.logits": cells(ffs=8),
}


@pytest.mark.parametrize("around", ["", "accelerator."])
def test_cells_go_to_the_layer_that_they_belong_to(around: str) -> None:
    """By hand; ``fc`` and ``fc_two`` begin alike."""
    modules = {f"{around}{place}": use for place, use in MODULES.items() if place}
    modules |= {"": MODULES[""], "registers": cells(ffs=0)}
    found = by_layer(modules, ["fc", "fc_two"])
    assert found == {
        "fc": cells(luts=1110, carries=7, ffs=53, ram=4, brams=2),
        "fc_two": cells(luts=60, dsps=5),
        "input, readout": cells(luts=3, ffs=8),
    }
    assert by_layer(modules, ["fc", "fc_two", "fc_three"]) is None
    assert by_layer({}, ["fc"]) is None


def report_of(network: Network, hardware: HardwareConfig | None, luts: int) -> dict[str, Any]:
    """What ``cygnet synth -o`` writes, with cells by hand."""
    modules = {layer.name: cells(luts=luts + n) for n, layer in enumerate(network.layers)}
    modules |= {"readout": cells(luts=7, ffs=9)}
    content = {
        "target": "ecp5-85k-6", "area": 4321, "ffs": 2100, "brams": 9, "dsps": 4,
        "fmax_mhz": 133.7, "modules": modules, "command": f"cygnet synth net.cyg --seeds {luts}",
        "network": network.digest, "hardware": None if hardware is None else asdict(hardware),
        "file": f"synth{luts}.json",
    }  # fmt: skip
    found: dict[str, Any] = json.loads(json.dumps(content))
    return found


def test_measured_rows_and_their_sum(mlp: tuple[Network, HardwareConfig]) -> None:
    network, hardware = mlp
    found = measured(report_of(network, hardware, 500), network)
    assert found is not None
    assert found.measured
    assert [row.name for row in found.rows] == [
        *(layer.name for layer in network.layers), "input, readout", "in all",
    ]  # fmt: skip
    count = len(network.layers)
    first = found.columns.index("LUT")
    assert [row.cells[first] for row in found.rows[:-1]] == [*range(500, 500 + count), 7]
    assert found.rows[-1].cells[first] == sum(range(500, 500 + count)) + 7
    assert found.rows[count - 1].share == 1
    other = random_residual(np.random.default_rng(0))
    assert measured(report_of(network, hardware, 500), other) is None


def test_estimate_is_that_of_the_area_model(mlp: tuple[Network, HardwareConfig]) -> None:
    network, hardware = mlp
    device = DEVICES["xc7a100t"]
    areas = [layer_area(plan, device) for plan in plan_layers(network, hardware)]
    found = estimate(network, hardware, device.name, "cygnet synth")
    assert not found.measured
    assert [row.cells for row in found.rows[:-2]] == [(a.tables, a.rams, a.dsps) for a in areas]
    whole = total(areas, device)
    assert found.rows[-1].cells == (whole.tables, whole.rams, whole.dsps)


@pytest.mark.parametrize(
    "layers",
    [
        (LayerHardware(4), LayerHardware(4), LayerHardware(3)),
        (
            LayerHardware(8, "small", 2, "dsp", 4),
            LayerHardware(2, "small", 1, "lut6", 1),
            LayerHardware(1, "small", 1, "lut", 8),
        ),
    ],
)
@pytest.mark.parametrize("beat", [8, 3])
def test_the_command_that_measures_gives_the_same_hardware(
    mlp: tuple[Network, HardwareConfig], layers: tuple[LayerHardware, ...], beat: int
) -> None:
    network, _ = mlp
    config = HardwareConfig(steps=2, beat=beat, layers=layers)
    config.check(network)
    words = shlex.split(synth_command(config, network, "xc7z020", "a b.cyg", "out"))
    assert words[:3] == ["cygnet", "synth", "a b.cyg"]
    given = dict(zip(words[3::2], words[4::2], strict=True))
    assert given.pop("--target") == "xilinx7"
    assert given.pop("-o") == "out/synth.json"
    options: dict[str, Any] = {name[2:].replace("-", "_"): text for name, text in given.items()}
    steps = int(options.pop("steps"))
    if "beat" in options:
        options["beat"] = int(options["beat"])
    assert HardwareOptions(**options).config(network, steps) == config


def test_reports_of_other_networks_are_left_out(
    tmp_path: Path, mlp: tuple[Network, HardwareConfig]
) -> None:
    network, hardware = mlp
    other = random_mlp(np.random.default_rng(5), steps=2)
    (tmp_path / "t1").mkdir()
    ours = report_of(network, hardware, 1)
    for name, content in (
        ("a.json", ours),
        ("t1/b.json", {**ours, "network": None}),
        ("c.json", report_of(other, None, 1)),
        ("d.json", {"target": "ecp5"}),
        ("e.json", []),
    ):
        (tmp_path / name).write_text(json.dumps(content))
    (tmp_path / "f.json").write_text("{")
    assert [one["file"] for one in find_synthesis(tmp_path, network)] == ["a.json", "t1/b.json"]
    apart = tmp_path / "t1" / "b.json"
    (found,) = find_synthesis(tmp_path / "none", network, [apart])
    assert found["file"] == str(apart)
    with pytest.raises(ValueError, match=r"c.json: is of another network; run cygnet synth on"):
        find_synthesis(tmp_path / "none", network, [tmp_path / "c.json"])
    with pytest.raises(ValueError, match=r"d.json: is no report of cygnet synth; write one with"):
        find_synthesis(tmp_path / "none", network, [tmp_path / "d.json"])


def table(text: str) -> list[list[str]]:
    """Cells of the page's table of what layers take."""
    (found,) = re.findall(r'<table id="taken">.*?</table>', text, re.DOTALL)
    rows = re.findall(r"<tr.*?</tr>", found, re.DOTALL)
    return [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row) for row in rows]


def test_page_prefers_what_was_synthesised(mlp: tuple[Network, HardwareConfig]) -> None:
    """And of several reports that of its own hardware."""
    network, hardware = mlp
    others = HardwareConfig.uniform(network, steps=1, lanes=1)
    reports = [report_of(network, others, 500), report_of(network, hardware, 700)]
    text = page(network, {}, hardware=hardware, synthesis=reports)
    rows = table(text)
    assert rows[0] == ["layer", "LUT", "carry", "flip-flops", "RAM cells", "block RAM", "DSP",
                       "images, Kbit"]  # fmt: skip
    assert rows[1][:2] == [network.layers[0].name, "700"]
    assert rows[-1][:2] == ["in all", "2,110"]
    assert "From <code>cygnet synth net.cyg --seeds 700</code>" in text
    assert "Estimate" not in text
    assert f"{rows[1][1]} LUT, 0 carry" in text


def test_page_calls_an_estimate_one(mlp: tuple[Network, HardwareConfig]) -> None:
    network, hardware = mlp
    old = {key: value for key, value in report_of(network, None, 1).items() if key != "modules"}
    for reports in ([], [old]):
        text = page(
            network, {}, hardware=hardware, synthesis=reports, device="ecp5-25k", file="n.cyg",
            folder="out",
        )  # fmt: skip
        found = estimate(network, hardware, "ecp5-25k", "")
        assert [row[:-1] for row in table(text)[1:]] == [
            [row.name, *(f"{value:,}" for value in row.cells)] for row in found.rows
        ]
        bits = [memory.width * memory.depth for memory in memories(network, hardware)]
        assert table(text)[-1][-1] == f"{sum(bits) / 1024:,.1f}"
        command = synth_command(hardware, network, "ecp5-25k", "n.cyg", "out")
        assert "<b>Estimate</b>" in text
        assert f"To measure it: <code>{command}</code>" in text
        assert "takes, estimated" in text
    assert 'id="taken"' not in page(network, {})
