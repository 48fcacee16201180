# SPDX-License-Identifier: Apache-2.0
"""The command line as a whole: help, exit codes, one sentence for every fault."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cygnet import __version__
from cygnet.command.main import COMMANDS
from cygnet.errors import MismatchError

if TYPE_CHECKING:
    from conftest import Call

MODEL = "mlp(inputs=64,hidden=(12,9))"


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(call: Call, command: str) -> None:
    outcome = call(command, "--help")
    assert outcome.code == 0
    assert f"Example: cygnet {command}" in " ".join(outcome.out.split())
    assert "--json" in outcome.out


def test_help_lists_the_commands_without_importing_torch() -> None:
    code = (
        "import sys; from cygnet.command.main import main\n"
        "try: main(['--help'])\n"
        "finally: assert 'torch' not in sys.modules and 'amaranth' not in sys.modules"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


def test_version(call: Call) -> None:
    assert call("--version").out == f"cygnet {__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("eval",), "cygnet: Missing argument 'NETWORK'; see 'cygnet eval --help'\n"),
        (("eval", "x", "--nope"), "cygnet: No such option: --nope; see 'cygnet eval --help'\n"),
    ],
)
def test_usage_is_told_in_one_sentence(
    call: Call, arguments: tuple[str, ...], sentence: str
) -> None:
    outcome = call(*arguments)
    assert (outcome.code, outcome.out, outcome.err) == (2, "", sentence)


def test_no_command_shows_help(call: Call) -> None:
    outcome = call()
    assert outcome.code == 0
    assert "Commands:" in outcome.out


def test_interrupted(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cygnet.network_file.read_bytes", interrupt)
    outcome = call("eval", "x.cyg", "--data", "digits")
    assert outcome.code == 130
    assert outcome.err == "cygnet: interrupted; what was written is whole\n"


def test_unknown_command(call: Call) -> None:
    outcome = call("fly")
    assert outcome.code == 2
    assert "No such command 'fly'" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("eval none.cyg --data digits", "none.cyg: cannot be read: No such file or directory; "),
        ("eval {cyg} --data none.npz", "none.npz: cannot be read: No such file or directory; "),
        ("eval {cyg} --data {text}", "{text}: is not an .npz file; "),
        ("eval {text} --data digits", "{text}: is 5 bytes long; a .cyg file has at least 8"),
        ("eval {cyg} --data digits --split all", "--split: 'all' must be train or test"),
        ("eval {cyg} --data digits --steps 5", "--steps: 5 must be in 1..4, the most that {cyg} "),
        ("eval {cyg} --data digits --steps 1;2", "--steps: '1;2' must be whole numbers such as "),
        ("eval {cyg} --data digits --limit 0", "--limit: 0 must be at least 1"),
        ("eval {cyg} --data {other}", "other.npz: images of (2, 2, 1) are not of (8, 8, 1) as "),
        ("eval {cyg} --data {classes}", "classes.npz: has 12 classes and {cyg} gives 10; give "),
        ("image {cyg} -o {out} --lanes 0", "lanes must be an integer in 1..512, not 0; mend "),
        ("image {cyg} -o {out} --lanes 4,4", "--lanes: '4,4' must be one number, or one for "),
        ("image {cyg} -o {out} --lanes 12,9,11", "lanes of layer 'fc3' must be at most its 10"),
        ("image {cyg} -o {out} --beat 65", "beat must be an integer in 1..64, not 65; mend "),
        ("image {cyg} -o {out} --steps 5", "steps must be at most 4, the T_max of the network"),
        ("image {cyg} -o {text}/x", "{text}/x/fc1_weight.mem: cannot be written: "),
        ("verilog {cyg} -o {out} --neuron-core big", "--neuron-core: 'big' must be fast or small"),
        ("sim {cyg} --data digits --jobs -1", "--jobs: -1 must be at least 0"),
        ("convert {model} -w none --data digits -o {out}/x.cyg", "none: cannot be read: No such "),
        ("convert {model} -w {text} --data digits -o {out}/x.cyg", "{text}: is neither safetens"),
        ("convert mlp -w {weights} --data digits -o {out}/x.cyg", "{weights}: "),
        ("convert nn:mlp -w {weights} --data digits -o {out}/x.cyg", "nn:mlp: there is no module"),
        ("{convert} --neuron lif", "--neuron: 'lif' must be gn or if or snm"),
        ("{convert} --threshold log", "--threshold: 'log' must be exact or pow2"),
        ("{convert} --tau 17", "--tau: 17 must be in 1..16"),
        ("{convert} --steps 0", "--steps: 0 must be in 1..4096"),
        ("{convert} --bits 9", "--bits: 9 must be in 2..8"),
        ("{convert} --bits 8,fc=4", "--bits: there is no layer 'fc'; layers are fc1, fc2, fc3"),
        ("{convert} --percentile 0", "--percentile: 0.0 must be in 0 < . <= 100"),
        ("{convert} --calibration 0", "--calibration: 0 must be at least 1"),
        ("{convert} --name Tiny", "--name: 'Tiny' must be lower-case letters, digits and under"),
        ("{convert} --input-scale 1/0", "--input-scale: '1/0' must be numbers such as 0.5, 1/255"),
        ("{convert} --input-scale 1,2", "--input-scale: '1,2' must be one number"),
        ("{convert} --mean 0,0", "input mean must have one value for each of 1 channels, not 2; "),
        ("{convert} --std 0", "input std must be a finite number > 0, not 0.0; mend "),
        ("{convert} --layout hwc", "--layout: 'hwc' must be nhwc or nchw"),
    ],
)
def test_bad_input_is_one_sentence(
    call: Call, cyg: Path, weights: Path, tmp_path: Path, arguments: str, sentence: str
) -> None:
    import numpy as np

    text = tmp_path / "text"
    text.write_text("text\n")
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 2, 2), np.uint8), y=np.zeros(3, np.int64))
    np.savez(tmp_path / "classes.npz", x=np.zeros((3, 8, 8), np.uint8), y=np.full(3, 11))
    places = {
        "cyg": cyg,
        "weights": weights,
        "text": text,
        "out": tmp_path / "out",
        "other": tmp_path / "other.npz",
        "classes": tmp_path / "classes.npz",
        "model": MODEL,
        "convert": f"convert {MODEL} -w {weights} --data digits -o {tmp_path}/out/x.cyg",
    }
    outcome = call(*arguments.format(**places).split())
    assert outcome.err.splitlines()[-1].startswith(f"cygnet: {sentence.format(**places)}")
    assert outcome.code == 2
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    assert not (tmp_path / "out").exists()


def test_mismatch_is_exit_code_1(call: Call, cyg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MismatchError("they differ")

    monkeypatch.setattr("cygnet.command.evaluate.run", fail)
    outcome = call("eval", cyg, "--data", "digits")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1] == "cygnet: they differ"


def test_a_fault_of_our_own_is_told_as_such(
    call: Call, cyg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oh")

    monkeypatch.setattr("cygnet.command.evaluate.run", fail)
    outcome = call("eval", cyg, "--data", "digits")
    assert outcome.code == 1
    assert "cygnet: a fault in Cygnet: ZeroDivisionError: oh (set CYGNET_TRACEBACK=1" in outcome.err
    assert "Traceback" not in outcome.err
    monkeypatch.setenv("CYGNET_TRACEBACK", "1")
    assert "Traceback" in call("eval", cyg, "--data", "digits").err
