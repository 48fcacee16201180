# SPDX-License-Identifier: Apache-2.0
"""The commands are one family: a table over all of them, so that a new one is looked at too."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from cygnet.command.common import bar, say
from cygnet.command.family import NEXT, SPEECH, what_next
from cygnet.command.main import COMMANDS, app
from cygnet.command.options import HardwareOptions

from .conftest import SCHEMAS, Call

SHORT = {
    "-h": "--help",
    "-j": "--jobs",
    "-o": "--out",
    "-q": "--quiet",
    "-v": "--verbose",
    "-w": "--weights",
}
"""A short option means the same everywhere."""

ALWAYS_SHORT = {long: short for short, long in SHORT.items()}

SAME_HELP = {"--json", "--split", "--limit", "--lanes", "--beat", "--cores", "--arithmetic",
             "--neuron-core", "--quiet", "--verbose", "--block", "--jobs", "--neuron", "--tau",
             "--threshold", "--normalization", "--calibration", "--layout"}  # fmt: skip
"""These mean the same wherever they are, word for word; a command may add a sentence."""


def parameters(command: str) -> list[Any]:
    group: Any = typer.main.get_command(app([command]))
    return list(group.commands[command].params)


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_a_command(command: str) -> None:
    found = parameters(command)
    names = {option for one in found for option in one.opts}
    assert {"--json", "--quiet", "--verbose"} <= names
    for one in found:
        if one.param_type_name != "option":
            continue
        longs = [option for option in one.opts if option.startswith("--")]
        shorts = [option for option in one.opts if not option.startswith("--")]
        assert longs, one.opts
        for long in longs:
            assert long == long.lower()
            assert "_" not in long
        for short in shorts:
            assert SHORT[short] in longs, f"{short} means {SHORT.get(short)} elsewhere"
        for long in longs:
            if long in ALWAYS_SHORT:
                assert ALWAYS_SHORT[long] in shorts, f"{long} has the short form elsewhere"
        assert one.help, f"{longs[0]} has no help"
        assert one.help.endswith("."), one.help


def test_an_option_is_explained_alike_everywhere() -> None:
    helps = defaultdict(set)
    for command in COMMANDS:
        for one in parameters(command):
            for option in one.opts:
                if option in SAME_HELP:
                    helps[option].add(one.help)
    assert set(helps) == SAME_HELP
    # `cygnet convert` judges with both splits.
    for option, texts in helps.items():
        assert len(texts) == (2 if option == "--split" else 1), (option, texts)


@pytest.mark.parametrize("command", COMMANDS)
def test_summary_and_help_are_sentences(call: Call, command: str) -> None:
    assert COMMANDS[command].endswith(".")
    text = call(command, "--help").out
    assert "\x1b" not in text
    assert "--no-json" not in text


@pytest.mark.parametrize("command", NEXT)
def test_what_is_next_names_arguments_that_the_command_has(command: str) -> None:
    assert command in COMMANDS
    values: dict[str, Any] = {one.name: ["x"] for one in parameters(command)}
    values = {name: Path("a/b") if name == "out" else value for name, value in values.items()}
    said = what_next(command, values)
    assert said.startswith("cygnet ")
    # What is said of an argument that was left out is not said.
    spoken = [name for name in values if f"{{{name}" in NEXT[command]]
    assert spoken
    for name in spoken:
        assert what_next(command, {**values, name: None}) == ""


def test_quiet_and_verbose(call: Call, cyg: Path) -> None:
    common = ("eval", cyg, "--data", "digits", "--steps", 1)
    plain, quiet, verbose = (call(*common, *more) for more in ((), ("-q",), ("-v",)))
    assert plain.out == quiet.out == verbose.out
    assert plain.err == f"golden model\nnext: cygnet sim {cyg} --data digits\n"
    assert quiet.err == ""
    assert "s] golden model: " in verbose.err
    assert verbose.err.startswith("[")
    assert call(*common, "--json").err == ""
    both = call(*common, "-q", "-v")
    assert both.code == 2
    assert both.err == "cygnet: --quiet and --verbose cannot both be given; leave one out\n"


def test_verbose_shows_where_an_error_came_from(call: Call) -> None:
    assert "Traceback" in call("eval", "none.cyg", "--data", "digits", "-v").err
    assert "Traceback" not in call("eval", "none.cyg", "--data", "digits").err


def test_progress_off_a_terminal_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    SPEECH.quiet = SPEECH.verbose = False
    with bar("counting") as progress:
        progress(1, 2)
    say("done")
    with bar("nothing", quiet=True) as progress:
        progress(1, 2)
    assert capsys.readouterr().err == "counting\ndone\n"


def test_colours_only_on_a_terminal(call: Call, cyg: Path) -> None:
    for command in (("explain", cyg), ("eval", cyg, "--data", "digits"), ("diff", cyg, cyg)):
        outcome = call(*command)
        assert "\x1b" not in outcome.out + outcome.err


def on_a_terminal(*words: str, **variables: str) -> str:
    """What a command writes where its output is a terminal."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    kept = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cygnet.command.main", *words],
        env={**kept, "PYTHONPATH": path, "TERM": "xterm-256color", "COLUMNS": "80", **variables},
        stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    parts = []
    with contextlib.suppress(OSError):  # how Linux says that the other end is shut
        while part := os.read(ours, 4096):
            parts.append(part)
    os.close(ours)
    assert process.wait() == 0
    return b"".join(parts).decode()


COLOUR = re.compile(r"\x1b\[(3[0-7]|38;|9[0-7])")


def test_no_color_is_heeded_on_a_terminal(cyg: Path) -> None:
    """https://no-color.org; what is bold stays bold. The bar tells the time that is left."""
    words = ("eval", str(cyg), "--data", "digits", "--steps", "1")
    plain, without = on_a_terminal(*words), on_a_terminal(*words, NO_COLOR="1")
    assert COLOUR.search(plain)
    assert not COLOUR.search(without)
    for text in (plain, without):
        assert "360/360" in text
        assert "0:00:00" in text
        assert "next: cygnet sim" in text


def complete(words: str, shell: str = "bash") -> list[str]:
    """What a shell would offer behind the words."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    variables = {
        "bash": {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split(" ")) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": words},
    }
    found = subprocess.run(
        [sys.executable, "-m", "cygnet.command.main"],
        env={
            **os.environ, "PYTHONPATH": path, "_CYGNET_COMPLETE": f"complete_{shell}",
            **variables[shell],
        },
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return found.stdout.split()


def test_completion_of_commands_and_options() -> None:
    assert {"eval", "explain"} <= set(complete("cygnet e"))
    assert complete("cygnet verilog x.cyg --li") == ["--lint"]
    assert '"--lint":"Run' in " ".join(complete("cygnet verilog x.cyg --li", "zsh"))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("convert m.py:net --neuron ", ["gn", "if", "snm"]),
        ("convert le", ["lenet5"]),
        ("verilog x.cyg --arithmetic dsp,l", ["dsp,lut", "dsp,lut6"]),
        ("synth x.cyg --target ice40-u", ["ice40-up5k"]),
        ("build x.cyg --board iceb", ["icebreaker"]),
        ("eval x.cyg --split t", ["train", "test"]),
    ],
)
def test_completion_of_values(words: str, offered: list[str]) -> None:
    assert complete(f"cygnet {words}") == offered


def test_hardware_is_chosen_by_the_same_options_everywhere() -> None:
    names = [f"--{one.name.replace('_', '-')}" for one in fields(HardwareOptions)]
    for command in ("image", "verilog", "sim", "build", "synth"):
        found = {one.opts[0]: one for one in parameters(command)}
        assert set(names) <= set(found)
        for name, one in zip(names, fields(HardwareOptions), strict=True):
            assert found[name].default == one.default


def test_completion_can_be_shown(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--install-completion" in call("--help").out


@pytest.mark.parametrize("command", COMMANDS)
def test_json_has_a_schema(command: str) -> None:
    """What a command prints is validated against it wherever a test reads ``Outcome.json``."""
    schema = json.loads((SCHEMAS / f"{command}.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["title"].startswith(f"cygnet {command} --json")
    page = (SCHEMAS.parent / "json.md").read_text()
    assert f"[{command}](schemas/{command}.json)" in page
