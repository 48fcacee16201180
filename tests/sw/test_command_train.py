# SPDX-License-Identifier: Apache-2.0
"""``cygnet train`` as a user runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from cygnet.command.train import train
from cygnet.errors import CygnetError
from cygnet.models import build, load_weights
from cygnet.models.weights import read_notes

MODEL = "mlp(inputs=64, hidden=(16,))"
DIGITS = ["--data", "digits", "--batch", "32", "--lr", "0.05"]


def call(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(train)
    result = CliRunner().invoke(app, arguments, catch_exceptions=True)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def start(*arguments: str) -> subprocess.Popen[str]:
    code = "from cygnet.command.train import train; import typer; typer.run(train)"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
    )


def test_json_and_weights(tmp_path: Path) -> None:
    out = tmp_path / "w.safetensors"
    result = json.loads(
        call(MODEL, *DIGITS, "--epochs", "3", "-o", str(out), "--seed", "4", "--json")
    )
    schema = Path(__file__).parents[2] / "docs" / "reference" / "schemas" / "train.json"
    jsonschema.Draft202012Validator(json.loads(schema.read_text())).validate(result)
    assert result["recipe"]["seed"] == 4
    assert result["parameters"] == 64 * 16 + 16 + 1 + 16 * 10 + 10
    assert [epoch["number"] for epoch in result["history"]] == [1, 2, 3]
    assert result["data"]["images"] == [1293, 144]
    assert 0.5 < result["test_accuracy"] <= 1
    assert result["validation_accuracy"] == max(epoch["validation"] for epoch in result["history"])
    load_weights(build(MODEL), out)
    notes = read_notes(out)
    assert notes["model"] == MODEL
    assert notes["input"] == {"scale": 1 / 16, "mean": [0.0], "std": [1.0]}
    assert notes["test_accuracy"] == result["test_accuracy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.safetensors"]


def test_parts_and_test_set(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in "abt":
        x = rng.integers(0, 256, (40, 3, 4, 4), dtype=np.uint8)
        np.savez(tmp_path / f"{name}.npz", x=x, y=np.arange(40) % 2)
    paths = [str(tmp_path / f"{name}.npz") for name in "abt"]
    common = ["mlp(inputs=48, classes=2)", "--data", paths[0], "--data", paths[1], "--epochs", "1"]
    common += ["--layout", "nchw", "--mean", "0.5,0.4,0.3", "--std", "0.5", "--batch", "8"]
    out = tmp_path / "w.safetensors"
    said = call(
        *common, "--test", paths[2], "-o", str(out), "--augment", "crop, flip,cutout,colour"
    )
    assert re.search(r"^test +\d+\.\d\d%$", said, re.MULTILINE)
    assert read_notes(out)["data"]["images"] == [72, 8]
    assert read_notes(out)["input"]["mean"] == [0.5, 0.4, 0.3]
    assert "test" not in call(*common, "-o", str(out)).replace(str(out), "")
    assert read_notes(out)["test_accuracy"] is None


def test_an_interrupted_command_goes_on(tmp_path: Path) -> None:
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    options = [MODEL, *DIGITS, "--epochs", "25", "--augment", "shift"]
    undisturbed = start(*options, "-o", whole)
    undisturbed.communicate()
    assert undisturbed.returncode == 0
    checkpoint = tmp_path / "parts.checkpoint"
    for number in (signal.SIGINT, signal.SIGKILL):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        stopped = start(*options, "-o", parts, "--interval", "0.1")
        while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == before:
            assert stopped.poll() is None
            time.sleep(0.01)
        stopped.send_signal(number)
        _, said = stopped.communicate()
        if number == signal.SIGINT:
            assert stopped.returncode == 130
            assert "the same command goes on from" in " ".join(said.split())
        assert checkpoint.exists()
        assert not Path(parts).exists()
    resumed = start(*options, "-o", parts)
    resumed.communicate()
    assert resumed.returncode == 0
    assert Path(whole).read_bytes() == Path(parts).read_bytes()
    assert not checkpoint.exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mlp", "--data", "digits"], "mlp: does not take images of (8, 8, 1): "),
        (["mlp(inputs=64, classes=9)", "--data", "digits"], "gives (9,) values an image for 10"),
        (
            [MODEL, "--data", "digits", "--epochs", "0"],
            "epochs must be an integer >= 1, not 0; mend",
        ),
        ([MODEL, "--data", "digits", "--augment", "blur"], "augment must be of crop, shift, flip"),
        ([MODEL, "--data", "digits", "--layout", "chw"], "--layout: 'chw' must be nhwc or nchw"),
        ([MODEL, "--data", "digits", "--mean", "x"], "--mean: 'x' must be numbers"),
        ([MODEL, "--data", "digits", "--std", "0"], "mend --input-scale, --mean or --std"),
        ([MODEL, "--data", "digits", "--input-scale", "1,2"], "--input-scale: '1,2' must be one"),
        ([MODEL, "--data", "digits", "--device", "tpu9"], "--device: 'tpu9' must be auto, cpu"),
        ([MODEL, "--data", "nowhere.npz"], "nowhere.npz: cannot be read: No such file"),
        (["nets.none:f", "--data", "digits"], "nets.none:f: there is no module nets"),
    ],
)
def test_refusals_are_one_sentence(tmp_path: Path, arguments: list[str], message: str) -> None:
    with pytest.raises(CygnetError, match=re.escape(message)) as caught:
        call(*arguments, "-o", str(tmp_path / "w"))
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())
