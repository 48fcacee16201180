# SPDX-License-Identifier: Apache-2.0
"""Each command against what the library says, on the digits."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from cygnet.command import demo as demo_module
from cygnet.command.convert import falls
from cygnet.command.demo import demo
from cygnet.cosim import diagnose as diagnose_module
from cygnet.data import digits
from cygnet.gateware.verilog import generate
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.models import build, load_weights
from cygnet.network_file import load, save

from .conftest import validate

if TYPE_CHECKING:
    from .conftest import Call

MODEL = "mlp(inputs=64,hidden=(12,9))"


def golden_accuracy(path: Path, steps: int, split: Any = "test", limit: int | None = None) -> float:
    data = digits(split)
    labels = run(load(path), data.x[:limit], steps=steps).labels
    return float((labels == data.y[:limit]).mean())


def test_convert_prints_what_the_golden_model_says(
    call: Call, weights: Path, tmp_path: Path
) -> None:
    path = tmp_path / "Tiny net.cyg"
    common = ("convert", MODEL, "-w", weights, "--data", "digits", "--steps", 3)
    found = call(*common, "-o", path, "--json").json
    network = load(path)
    assert network.name == "tiny_net"
    assert network.steps == 3
    assert found["network"] == network.digest
    assert network.input.scale == 1 / 16
    assert network.layers[0].neurons is not None
    assert network.layers[0].neurons.tau == 4
    assert found["images"] == 360
    for t in (1, 2, 3):
        assert found["steps"][str(t)]["golden"] == golden_accuracy(path, t)
    # T = 1, tau = L: the same classes but for activations on a tie.
    assert found["steps"]["1"]["agreement"] > 0.98
    text = call(*common, "-o", tmp_path / "again.cyg", "--name", "tiny_net").out
    assert f"{100 * found['ann']:.2f} %" in text
    assert (tmp_path / "again.cyg").read_bytes() == path.read_bytes()


def test_convert_options_reach_the_network(call: Call, weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.cyg"
    outcome = call(
        *("convert", MODEL, "-w", weights, "--data", "digits", "-o", path, "--json"),
        *("--neuron", "if", "--threshold", "pow2", "--bits", "6,fc2=4", "--steps", 2),
        *("--input-scale", "1/32", "--mean", "0.1", "--std", "0.5", "--normalization", "layer"),
    )
    assert outcome.code == 0
    network = load(path)
    assert [layer.synapses.bits for layer in network.layers] == [6, 4, 6]
    assert (network.input.scale, network.input.mean, network.input.std) == (1 / 32, (0.1,), (0.5,))
    for layer in network.layers[:-1]:
        assert layer.neurons is not None
        assert layer.neurons.kind == "if"
        assert set(np.bitwise_count(layer.neurons.reset).tolist()) == {1}
        assert layer.neurons.step[0] != 1.0  # what the network was made with


def test_falls() -> None:
    assert falls([0.5, 0.5, 0.6]) == []
    assert falls([0.98, 0.99, 0.97, 0.98]) == [
        "accuracy falls from 99.00 % at T = 2 to 97.00 % at T = 3; more steps are not always better"
    ]


def test_eval(call: Call, cyg: Path) -> None:
    found = call("eval", cyg, "--data", "digits", "--json").json
    assert found["accuracy"] == {str(t): golden_accuracy(cyg, t) for t in (1, 2, 3, 4)}
    found = call(
        "eval",
        cyg,
        "--data",
        "digits",
        "--split",
        "train",
        "--steps",
        "4,2",
        "--limit",
        50,
        "--json",
    ).json
    assert found["images"] == 50
    assert found["accuracy"] == {str(t): golden_accuracy(cyg, t, "train", 50) for t in (2, 4)}
    assert f"{100 * golden_accuracy(cyg, 1):.2f} %" in call("eval", cyg, "--data", "digits").out


def test_samples_are_a_number_or_all(call: Call, cyg: Path) -> None:
    every = call("eval", cyg, "--data", "digits", "--samples", "all", "--json").json
    assert every["images"] == len(digits("test"))
    assert call("eval", cyg, "--data", "digits", "--samples", 7, "--json").json["images"] == 7
    failed = call("eval", cyg, "--data", "digits", "--samples", "most")
    assert failed.code == 2
    assert "'most' must be a number or 'all'" in failed.err


def test_eval_of_an_npz_file_of_vectors(call: Call, cyg: Path, tmp_path: Path) -> None:
    data = digits("test")
    np.savez(tmp_path / "flat.npz", x=data.x.reshape(-1, 64), y=data.y.astype(np.uint8))
    found = call("eval", cyg, "--data", tmp_path / "flat.npz", "--json").json
    assert found["accuracy"] == {str(t): golden_accuracy(cyg, t) for t in (1, 2, 3, 4)}


def test_images_hold_the_network(call: Call, cyg: Path, tmp_path: Path) -> None:
    """Weights, biases and thresholds read back from the files, by the manifest alone."""
    assert call("image", cyg, "-o", tmp_path, "--steps", 2, "--lanes", "5,4,10").code == 0
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    network = load(cyg)
    assert manifest["network"] == {"name": "tiny", "sha256": network.digest}
    assert manifest["hardware"]["steps"] == 2
    files = {memory["name"]: memory for memory in manifest["memories"]}
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["manifest.json", *(memory["file"] for memory in files.values())]
    )
    for memory in files.values():
        text = (tmp_path / memory["file"]).read_bytes()
        assert hashlib.sha256(text).hexdigest() == memory["sha256"]
        lines = text.decode().splitlines()
        assert len(lines) == memory["depth"]
        assert {len(line) for line in lines} == {-(-memory["width"] // 4)}
        assert all(int(line, 16) < 2 ** memory["width"] for line in lines)
    for number, layer in enumerate(network.layers):
        lanes = (5, 4, 10)[number]
        outputs, inputs = layer.synapses.fan_in().shape
        weight = read(tmp_path, files[f"{layer.name}_weight"])
        assert weight.shape == (-(-outputs // lanes) * inputs, lanes)
        for o in range(outputs):
            for i in range(0, inputs, 7):
                assert weight[(o // lanes) * inputs + i, o % lanes] == layer.synapses.weight[o, i]
        # A layer that accumulates starts from the biases of all its steps.
        bias = layer.bias * (2 if layer.neurons is None else 1)
        assert read(tmp_path, files[f"{layer.name}_bias"])[:, 0].tolist() == bias.tolist()


def read(folder: Path, memory: dict[str, Any]) -> np.ndarray:
    """int[depth, fields]"""
    words = [int(line, 16) for line in (folder / memory["file"]).read_text().split()]
    return np.array(
        [
            [
                (word >> field["low"] & (1 << field["width"]) - 1)
                - ((word >> field["low"] + field["width"] - 1 & field["signed"]) << field["width"])
                for field in memory["fields"]
            ]
            for word in words
        ]
    )


def test_image_prints_the_manifest_as_json(call: Call, cyg: Path, tmp_path: Path) -> None:
    found = call("image", cyg, "-o", tmp_path, "--json").json
    assert found == json.loads((tmp_path / "manifest.json").read_text())
    assert "fc1_weight.mem" in call("image", cyg, "-o", tmp_path).out


def test_verilog(call: Call, cyg: Path, tmp_path: Path) -> None:
    outcome = call("verilog", cyg, "-o", tmp_path, "--steps", 2, "--lanes", 4, "--lint", "--json")
    assert outcome.code == 0
    assert outcome.json["top"] == "cygnet_tiny"
    network = load(cyg)
    expected = generate(network, HardwareConfig.uniform(network, steps=2, lanes=4))
    assert (tmp_path / "cygnet_tiny.v").read_text() == expected


def test_lint_warning_is_a_failed_check(
    call: Call, cyg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cygnet.cosim.lint.lint", lambda *_, **__: ["%Warning-WIDTH: x", "y"])
    outcome = call("verilog", cyg, "-o", tmp_path, "--lint")
    assert outcome.code == 1
    assert "cygnet_tiny.v: 2 lint warnings, the first: %Warning-WIDTH: x" in outcome.err


def test_sim_refuses_images_of_something_else(call: Call, cyg: Path, tmp_path: Path) -> None:
    other, folder = tmp_path / "other.cyg", tmp_path / "images"
    save(replace(load(cyg), name="other"), other)
    common = ("--data", "digits", "--steps", 2, "--limit", 2, "--images", folder)
    manifest = folder / "manifest.json"

    def refused(network: Path, message: str, *options: object) -> None:
        outcome = call("sim", network, *common, *options)
        assert outcome.code == 2
        assert message in " ".join(outcome.err.split())

    refused(cyg, "manifest.json: cannot be read")
    assert call("image", cyg, "-o", folder, "--steps", 2).code == 0
    mine, others = load(cyg).digest[:12], load(other).digest[:12]
    refused(
        other,
        f"the images are of network {mine}, not of {others}; run cygnet image for this network",
    )
    refused(
        cyg,
        "the images are for other hardware; run cygnet image with the same options",
        *("--lanes", 4),
    )
    bias = folder / "fc2_bias.mem"
    bias.write_text(bias.read_text()[::-1])
    refused(cyg, "fc2_bias.mem: is not the image that manifest.json speaks of")
    manifest.write_text("{}")
    refused(cyg, "manifest.json: is no manifest of memory images; run cygnet image again")
    outcome = call("sim", cyg, "--data", "digits", "--steps", "1,2", "--images", folder)
    assert outcome.code == 2
    assert "--images: of one T, not of 1,2" in outcome.err


def test_sim_and_its_exit_code(
    call: Call, cyg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("sim", cyg, "--data", "digits", "--steps", 2, "--limit", 40, "--workers", 2)
    found = call(*common, "--json", "-o", tmp_path).json["steps"]["2"]
    assert found["mismatches"] == 0
    assert found["accuracy"] == golden_accuracy(cyg, 2, "test", 40)
    assert found["latency"]["measured"] == found["latency"]["predicted"]
    assert found["interval"]["measured"] == found["interval"]["predicted"]
    assert found["interval"]["measured"] < found["latency"]["measured"]
    assert 0 < found["lane_use"] <= 1
    assert (tmp_path / "t2" / "manifest.json").is_file()
    kept = json.loads((tmp_path / "measurements.json").read_text())["sections"]["simulation"]
    assert kept["steps"]["2"] == found
    assert kept["command"].startswith("cygnet sim ")

    # The images that it left do as well as new ones.
    again = call(*common, "--json", "--images", tmp_path / "t2").json["steps"]["2"]
    assert again["mismatches"] == 0

    # Other weights in the images than in the golden model: the Verilog is the same.
    import cygnet.cosim.verify as module

    written = module.write_accelerator

    def spoilt(network: Any, hardware: Any, folder: Path) -> str:
        text = written(network, hardware, folder)
        bias = folder / "fc2_bias.mem"
        lines = bias.read_text().splitlines()
        lines[4] = f"{int(lines[4], 16) ^ 1 << 4 * len(lines[4]) - 6:0{len(lines[4])}x}"
        bias.write_text("\n".join(lines) + "\n")
        return text

    monkeypatch.setattr(module, "write_accelerator", spoilt)
    recorded: list[Path] = []
    monkeypatch.setattr(
        diagnose_module, "record", lambda *args, **options: recorded.append(args[5])
    )
    outcome = call(*common, "-o", tmp_path)
    assert outcome.code == 1
    assert re.search(
        r"T = 2: RTL and golden model differ in \d+ of 40 images, first in the logits of image "
        r"\d+: image \d+, layer fc2, neuron 4, step [12], cycle \d+: expected \d, got \d ",
        outcome.err,
    )
    assert recorded == [tmp_path / "mismatch-t2.fst"]


def test_demo(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At T = 2 alone; `make demo` is the whole of it."""
    monkeypatch.setattr(demo_module, "STEPS", (2,))
    monkeypatch.setattr(demo_module, "PLOTTED", 3)
    outcome = call("demo", "-o", tmp_path)
    assert outcome.code == 0
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert set(summary) == {"accuracy", "mismatches", "cycles", "lane_use"}
    assert summary["mismatches"] == 0
    assert summary["accuracy"]["ann"] > 0.95
    assert summary["accuracy"]["rtl"] == summary["accuracy"]["golden"]
    assert summary["accuracy"]["golden"] == {"2": golden_accuracy(tmp_path / "digits.cyg", 2)}
    assert summary["cycles"]["2"]["measured"] == summary["cycles"]["2"]["predicted"]
    assert f"{100 * summary['lane_use']:.2f} %" in outcome.out
    assert {path.name for path in (tmp_path / "t2").glob("*.v")} == {"cygnet_digits.v"}
    assert json.loads((tmp_path / "t2" / "manifest.json").read_text())["hardware"]["steps"] == 2
    picture = (tmp_path / "steps.png").read_bytes()
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", picture[16:24]) == (1080, 432)
    assert demo.__doc__ is not None
    page = (tmp_path / "report.html").read_text()
    assert "From <code>cygnet demo" in page
    assert f"{100 * summary['accuracy']['rtl']['2']:.2f} %" in page
    measured = json.loads((tmp_path / "measurements.json").read_text())
    validate(measured, "measurements")
    validate(summary, "demo")
    sections = measured["sections"]
    assert set(sections) == {"accuracy", "errors", "activity", "simulation"}
    assert list(sections["accuracy"]["float"]) == ["1", "2", "3"]
    assert sections["activity"]["latency"] == summary["cycles"]["2"]["measured"]


def test_convert_by_three_roads(call: Call, weights: Path, tmp_path: Path) -> None:
    """A factory with weights, torch.export and ONNX: one file, with data and without."""
    model = build(MODEL)
    load_weights(model, weights)
    model.eval()
    example = (torch.zeros(1, 1, 8, 8),)
    torch.export.save(torch.export.export(model, example), tmp_path / "x.pt2")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter that needs no further package is deprecated
        torch.onnx.export(model, example, str(tmp_path / "x.onnx"), dynamo=False)
    roads = (
        (MODEL, "-w", weights, "--data", "digits"),
        (tmp_path / "x.pt2", "--data", "digits"),
        (tmp_path / "x.onnx", "--data", "digits"),
        (tmp_path / "x.onnx", "--input-scale", "1/16"),
    )
    found = []
    for road in roads:
        outcome = call("convert", *road, "-o", tmp_path / "same.cyg", "--steps", 2, "--json")
        assert outcome.code == 0
        found.append(((tmp_path / "same.cyg").read_bytes(), outcome.json))
    assert len({data for data, _ in found}) == 1
    for _, result in found[1:3]:
        assert result["ann"] == pytest.approx(found[0][1]["ann"], abs=1 / 360)
        assert {t: row["golden"] for t, row in result["steps"].items()} == {
            t: row["golden"] for t, row in found[0][1]["steps"].items()
        }
    assert "steps" not in found[3][1]
    outcome = call("convert", MODEL, "-w", weights, "-o", tmp_path / "x.cyg")
    assert outcome.code == 2
    assert "--data: is needed, for the network does not state the shape of its inp" in outcome.err
