# SPDX-License-Identifier: Apache-2.0
"""Interrupts, full disks and folders that cannot be written: outputs are whole or not there."""

from __future__ import annotations

import contextlib
import errno
import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cygnet.files import write_bytes

if TYPE_CHECKING:
    from conftest import Call

MODEL = "mlp(inputs=64,hidden=(12,9))"
COMMANDS = {
    "convert": f"convert {MODEL} -w {{weights}} --data digits --steps 2 -o {{out}}/net.cyg",
    "image": "image {cyg} -o {out}/images",
    "verilog": "verilog {cyg} -o {out}/verilog",
    "report": "report {build} -o {out}/page.html",
}
SLOW = {
    "synth": "synth {counter} --target ecp5-25k-6 --seeds 1 --cache {out}/cache -o {out}/s.json",
    "sim": "sim {cyg} --data digits --limit 40 --lanes 4 -o {out}/sim",
    "train": f"train {MODEL} --data digits --epochs 6 -o {{out}}/w.safetensors",
}
COUNTER = """module counter(input clk, output reg [7:0] y = 0);
  always @(posedge clk) y <= y + 3;
endmodule
"""


@pytest.fixture
def given(weights: Path, cyg: Path, tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "counter.v").write_text(COUNTER)
    build = tmp_path / "build"
    build.mkdir()
    (build / "net.cyg").write_bytes(cyg.read_bytes())
    return {"weights": weights, "cyg": cyg, "counter": tmp_path / "counter.v", "build": build}


def arguments(command: str, given: dict[str, Path], out: Path) -> list[str]:
    return command.format(out=out, **given).split()


def tree(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones included; build caches and what is no output left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextlib.contextmanager
def failing(write: int, error: BaseException | None) -> Iterator[list[str]]:
    """The renames of finished files, of which number ``write`` fails before it happens."""
    seen: list[str] = []
    rename = os.replace

    def replace(source: str, target: str) -> None:
        if len(seen) == write and error is not None:
            raise error
        seen.append(str(target))
        rename(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("cygnet.files.os.replace", replace)
        yield seen


@pytest.mark.parametrize("name", COMMANDS)
def test_outputs_are_whole_or_not_there(
    name: str, call: Call, given: dict[str, Path], tmp_path: Path
) -> None:
    whole = tmp_path / "whole"
    with failing(-1, None) as writes:
        assert call(*arguments(COMMANDS[name], given, whole)).code == 0
    expected = tree(whole)
    assert expected
    # Verilog takes seconds to make.
    points = {len(writes) // 2} if name == "verilog" else {0, len(writes) - 1}
    for number in sorted(points):
        for error, code in (
            (KeyboardInterrupt(), 130),
            (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), 2),
        ):
            out = tmp_path / f"out{number}-{code}"
            with failing(number, error):
                outcome = call(*arguments(COMMANDS[name], given, out))
            assert outcome.code == code
            said = outcome.err.splitlines()
            assert said[-1].startswith("cygnet: ")
            assert ("No space left on device" in said[-1]) == (code == 2)
            found = tree(out)
            assert len(found) == number
            assert {file: expected.get(file) for file in found} == found
            # The same command again makes the rest.
            assert call(*arguments(COMMANDS[name], given, out)).code == 0
            assert tree(out).keys() == expected.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_a_folder_that_cannot_be_written(
    name: str, call: Call, given: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    outcome = call(*arguments(COMMANDS[name], given, tmp_path / "file" / "below"))
    assert outcome.code == 2
    said = outcome.err.splitlines()[-1]  # warnings may come before it
    assert said.startswith("cygnet: ")
    assert "cannot be written: Not a directory; " in said


def limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))


def start(command: list[str], **options: object) -> subprocess.Popen[str]:
    return subprocess.Popen(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-m", "cygnet.command.main", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
        **options,
    )


def test_the_system_refuses_more_bytes(given: dict[str, Path], tmp_path: Path) -> None:
    """A limit on the size of files is what a full disk is, without one."""
    out = tmp_path / "out"
    process = start(arguments(COMMANDS["image"], given, out), preexec_fn=limited)
    _, said = process.communicate()
    assert process.returncode == 2
    assert "cannot be written: File too large; make room or choose another folder\n" in said
    assert not [path for path in tree(out) if Path(path).name.startswith(".")]


@pytest.mark.slow
@pytest.mark.parametrize("name", [*COMMANDS, *SLOW])
def test_killed_at_any_moment(name: str, given: dict[str, Path], tmp_path: Path) -> None:
    """SIGINT and SIGKILL, twice each; then the same command comes to the undisturbed end."""
    command = (COMMANDS | SLOW)[name]
    began = time.monotonic()
    whole = start(arguments(command, given, tmp_path / "whole"), cwd=tmp_path)
    _, said = whole.communicate()
    assert whole.returncode == 0, said
    lasted = time.monotonic() - began
    expected = tree(tmp_path / "whole")
    rng = random.Random(name)
    out = tmp_path / "out"
    cache = {"CYGNET_CACHE": str(tmp_path / "cache")}
    for number in (signal.SIGINT, signal.SIGKILL) * 2:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(*next(iter(cache.items())))
            process = start(arguments(command, given, out), cwd=tmp_path)
        time.sleep(rng.uniform(0.2, 1) * lasted)
        os.killpg(process.pid, number)
        _, said = process.communicate()
        assert process.returncode in (0, 130, -number), said
        assert "Traceback" not in said or process.returncode == -number
        found = tree(out)
        left = [file for file in found if Path(file).name.startswith(".")]
        assert number == signal.SIGKILL or not left
        for file in found.keys() - set(left):
            if file in expected and not file.endswith((".json", ".checkpoint", ".html")):
                assert found[file] == expected[file]
    last = start(arguments(command, given, out), cwd=tmp_path)
    _, said = last.communicate()
    assert last.returncode == 0, said
    assert tree(out).keys() >= expected.keys()


def test_devices_stay_devices(call: Call, given: dict[str, Path], tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_bytes(pipe, b"whole")
        assert os.read(reader, 100) == b"whole"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    outcome = call(
        *f"convert {MODEL} -w {given['weights']} --data digits --steps 1 -o /dev/full".split()
    )
    assert outcome.code == 2
    assert "/dev/full: cannot be written: No space left on device; " in outcome.err
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert np.array_equal(os.stat("/dev/full").st_rdev, os.makedev(1, 7))
