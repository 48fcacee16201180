# SPDX-License-Identifier: Apache-2.0
"""Whether everything that Cygnet calls is there, and how to mend what is not."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cygnet.errors import CygnetError

__all__ = ["Check", "examine"]

DISTRIBUTION = "cygnet-snn"


@dataclass(frozen=True)
class Check:
    """One thing that was looked for.

    :param name: of a tool or a package
    :param needed: what needs it
    :param required: nothing much works without it
    :param found: version and origin; empty where it is missing
    :param remedy: how to mend it; empty where there is nothing to mend
    """

    name: str
    needed: str
    required: bool
    found: str
    remedy: str = ""

    @property
    def ok(self) -> bool:
        return bool(self.found) and not self.remedy


PACKAGES = {
    "numpy": "everything",
    "safetensors": ".cyg files",
    "torch": "training and conversion",
    "threadpoolctl": "the golden model",
    "typer": "the command line",
    "rich": "the command line",
    "scikit-learn": "the digits of the demo",
    "matplotlib": "plots",
    "amaranth": "Verilog",
    "cocotb": "test benches",
    "jinja2": "report pages",
}
"""What the Python side imports, and what for."""


def examine() -> list[Check]:
    """Look for everything, required things first. Takes a few seconds: tools are asked."""
    checks = [*_python(), *_packages(), *_programs(), *_synthesis(), *_others()]
    return sorted(checks, key=lambda check: not check.required)


def _python() -> Iterator[Check]:
    version = platform.python_version()
    old = "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"
    yield Check("Python", "everything", True, version, old)
    try:
        with tempfile.TemporaryDirectory() as folder:
            yield Check("temporary files", "simulation, synthesis", True, str(Path(folder).parent))
    except OSError as error:
        yield Check(
            "temporary files", "simulation, synthesis", True, "",
            f"{error.strerror}; set TMPDIR to a folder that can be written",
        )  # fmt: skip


def _packages() -> Iterator[Check]:
    ranges = _ranges()
    for name, needed in PACKAGES.items():
        wanted = ranges.get(name, "")
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Check(name, needed, True, "", f"pip install '{name}{wanted}'")
            continue
        wrong = "" if _inside(version, wanted) else f"pip install '{name}{wanted}'"
        yield Check(name, needed, True, version, wrong)


def _ranges() -> dict[str, str]:
    """What the package says of the versions that it goes with, such as ``>=1.26,<3``."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return {}
    found = {}
    for line in lines:
        name = re.match(r"[A-Za-z0-9._-]+", line)
        if name is not None and "extra ==" not in line:
            versions = re.findall(r"[<>=!~]=?\s*[0-9][0-9.a-z]*", line.partition(";")[0])
            found[name[0].lower()] = ",".join(sorted(versions, reverse=True))
    return found


def _inside(version: str, ranges: str) -> bool:
    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text.partition("+")[0])[:3])

    have = numbers(version)
    for wanted in filter(None, ranges.split(",")):
        bound = numbers(wanted)
        if wanted.startswith(">=") and have < bound:
            return False
        if wanted.startswith("<") and not wanted.startswith("<=") and have >= bound:
            return False
    return True


def _asked(name: str, needed: str, required: bool, find: Callable[[], object]) -> Check:
    """A tool that a finder of :mod:`cygnet.cosim.tools` gives, or its sentence about it."""
    try:
        return Check(name, needed, required, str(find()))
    except CygnetError as error:
        return Check(name, needed, required, "", str(error))


def _programs() -> Iterator[Check]:
    from cygnet.cosim import tools

    yield _path("perl", "Verilator", True, "install perl")
    yield _path("make", "compiled simulations", True, "install make")
    yield _asked("C++ compiler", "compiled simulations", True, _compiler)
    yield _asked("Verilator", "cygnet sim, cygnet demo", True, tools.verilator)
    yield _asked("Yosys", "Verilog, synthesis", True, tools.yosys)
    icarus = tools.icarus()
    yield Check(
        "Icarus Verilog", "a second simulator in the tests", False,
        "" if icarus is None else str(icarus),
        "install iverilog 11 or newer (Debian: apt install iverilog)" if icarus is None else "",
    )  # fmt: skip
    yield _path("ccache", "faster compilation of simulations", False, "install ccache")
    yield _path("gtkwave", "showing waveforms", False, "install gtkwave, or Surfer")


def _compiler() -> str:
    """The compiler, after it has compiled a program of today's C++."""
    from cygnet.cosim import tools

    tool = tools.compiler()
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        source = Path(folder) / "probe.cpp"
        source.write_text("#include <memory>\nint main() { return *std::make_unique<int>(0); }\n")
        try:
            done = tool.run(["-std=c++17", "-o", "probe", source.name], cwd=Path(folder))
        except (OSError, subprocess.SubprocessError) as error:
            raise CygnetError(f"{tool.command[0]}: cannot be run: {error}; install g++") from None
    if done.returncode:
        first = (done.stdout.strip().splitlines() or ["no message"])[0]
        raise CygnetError(
            f"{tool.command[0]} cannot compile C++17: {first}; install g++ 9 or newer"
        )
    return str(tool)


def _synthesis() -> Iterator[Check]:
    for family, called in (("ecp5", "ECP5"), ("ice40", "iCE40")):
        name, package = f"nextpnr-{family}", f"yowasp-nextpnr-{family}"
        found = shutil.which(name)
        remedy = ""
        if found is None:
            try:
                found = f"{importlib.metadata.version(package)} (wheel)"
            except importlib.metadata.PackageNotFoundError:
                found, remedy = "", f"pip install {package}"
        yield Check(name, f"cygnet synth and build for {called}", False, found, remedy)


def _others() -> Iterator[Check]:
    try:
        found = f"z3 {importlib.metadata.version('z3-solver')}"
        remedy = ""
    except importlib.metadata.PackageNotFoundError:
        found, remedy = "", "pip install z3-solver"
    yield Check("z3", "make prove", False, found, remedy)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    yield Check(
        "Chromium", "the test of report pages", False, browser or "",
        "" if browser else "install chromium (Debian: apt install chromium)",
    )  # fmt: skip


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def _path(name: str, needed: str, required: bool, remedy: str) -> Check:
    found = shutil.which(name, path=os.environ.get("PATH"))
    return Check(name, needed, required, found or "", "" if found else remedy)
