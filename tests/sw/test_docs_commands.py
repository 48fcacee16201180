# SPDX-License-Identifier: Apache-2.0
"""Every command line in the documents is one that there is; those of the guides run as well.

Long trainings, other people's data and boards are not at hand in a test: commands of docs/results
and of boards are only parsed. Those of the README and the guides run on small stand-ins under the
same file names.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from cygnet.command.main import COMMANDS, app

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
CIFAR = "--data cifar10.npz"
"""What docs/results/training.md calls $CIFAR, as far as parsing goes."""


def command_lines(page: Path) -> list[list[str]]:
    """Words behind ``cygnet`` in indented and fenced blocks, and in code within a sentence."""
    text = page.read_text().replace("\\\n", " ")
    blocks = re.findall(r"^(?:    |\$ )cygnet ([^\n]+)$", text, re.MULTILINE)
    within = re.findall(r"(?<!`)`cygnet ([^`]+)`(?!`)", re.sub(r"^    .*$", "", text, flags=re.M))
    found = []
    for line in (*blocks, *within):
        words = shlex.split(line.replace("$CIFAR", CIFAR), comments=True)
        if "..." not in words:
            found.append(words)
    return found


ALL = [(page, words) for page in PAGES for words in command_lines(page)]


def parameters(command: str) -> Any:
    group: Any = typer.main.get_command(app([command]))
    return group.commands[command]


def test_many_lines_are_found() -> None:
    assert len(ALL) > 80
    assert {words[0] for _, words in ALL} >= set(COMMANDS) - {"trace", "compare"}


@pytest.mark.parametrize("command", COMMANDS)
def test_documented_options_are_there(command: str) -> None:
    """A whole line parses; of one that names only some options, they are the command's."""
    known = parameters(command)
    options = {name for one in known.params for name in one.opts} | {"--help", "-h"}
    for page, words in ALL:
        if words[0] != command:
            continue
        where = f"{page.name}: cygnet {shlex.join(words)}"
        for word in words[1:]:
            if re.match(r"--?[a-z]", word):
                assert word.partition("=")[0].rstrip(",.;") in options, where
        example = [word for word in words[1:] if not word.startswith("[")]
        if page.name in ("README.md", "boards.md", "choose.md", "bring.md", "axi.md") and (
            len(example) > 3
        ):
            known.make_context(command, example)


def test_first_words_are_commands() -> None:
    for page, words in ALL:
        assert words[0] in COMMANDS or words[0].startswith("-"), f"{page.name}: {words}"


def stand_ins(folder: Path) -> None:
    """Files that the guides take for granted, small."""
    rng = np.random.default_rng(0)
    for name, shape in (("mnist", (28, 28, 1)), ("images", (8, 8, 3))):
        np.savez(
            folder / f"{name}.npz",
            x_train=rng.integers(0, 256, (60, *shape), dtype=np.uint8),
            y_train=np.arange(60) % 10,
            x_test=rng.integers(0, 256, (12, *shape), dtype=np.uint8),
            y_test=np.arange(12) % 10,
        )
    (folder / "mymodule.py").write_text(
        "from torch import nn\n"
        "def factory():\n"
        "    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(),\n"
        "        nn.Linear(144, 16), nn.ReLU(), nn.Linear(16, 10))\n"
        "if __name__ == '__main__':\n"
        "    import torch\n"
        "    from safetensors.torch import save_file\n"
        "    torch.manual_seed(0)\n"
        "    save_file(factory().state_dict(), 'weights.safetensors')\n"
    )


STOPS = ("build ", "run ", "sim ")
"""What needs a board, a router for minutes, or the compiler for longer than the rest together."""


@pytest.mark.slow
def test_the_lines_of_the_guides_run(tmp_path: Path) -> None:
    """README, bring, choose and axi, one after another, as a reader would type them."""
    stand_ins(tmp_path)
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def python(*words: str) -> None:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}:\n{done.stdout}{done.stderr}"

    python("mymodule.py")
    ran = set()
    names = ("README.md", "docs/guides/bring.md", "docs/guides/choose.md", "docs/axi.md")
    for name in names:
        text = (ROOT / name).read_text().replace("\\\n", " ")
        for line in re.findall(r"^    cygnet ([^\n]+)$", text, re.MULTILINE):
            if line.startswith(STOPS):
                continue
            words = shlex.split(line, comments=True)
            if "--epochs" in words:
                words[words.index("--epochs") + 1] = "1"
            if "tuned.cyg" in words and not (tmp_path / "tuned.cyg").exists():
                (tmp_path / "tuned.cyg").write_bytes((tmp_path / "mnist.cyg").read_bytes())
            (tmp_path / "build" / "mnist").mkdir(parents=True, exist_ok=True)
            lanes = words.index("--lanes") if "network.cyg" in words and "--lanes" in words else 0
            if lanes:
                words[lanes + 1] = "4,16,10"  # of this network's own layers
            python("-m", "cygnet.command.main", *words)
            ran.add(words[0])
    assert ran == {"train", "convert", "explain", "report", "verilog", "image"}
    assert (tmp_path / "build" / "axi" / "component.xml").is_file()
    assert (tmp_path / "build" / "try" / "report.html").is_file()
