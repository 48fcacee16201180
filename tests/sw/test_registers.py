# SPDX-License-Identifier: Apache-2.0
"""One description of the registers, and everything that is written from it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cygnet.register_export import c_header, markdown, python_module
from cygnet.registers import (
    REGISTERS,
    Field,
    Register,
    register,
    registers_of,
)

DOCS = Path(__file__).parents[2] / "docs"


def test_the_table_in_the_documentation_is_current() -> None:
    assert (DOCS / "registers.md").read_text() == markdown(), (
        "write it again: python -m cygnet.register_export > docs/registers.md"
    )


def test_offsets_are_distinct_and_in_order() -> None:
    offsets = [found.offset for found in REGISTERS]
    assert offsets == sorted(set(offsets))
    assert len({found.name for found in REGISTERS}) == len(REGISTERS)


def test_features_decide_which_registers_there_are() -> None:
    assert registers_of(loadable=True, buffered=True) == REGISTERS
    names = {found.name for found in registers_of(loadable=False, buffered=False)}
    assert {found.name for found in REGISTERS} - names == {
        *("LAYOUT", "LOAD_WORDS", "LOAD_COUNT", "LOAD_CHECKSUM", "LOAD_DATA"),
        *("IN_DATA", "IN_SPACE", "OUT_COUNT", "OUT_DATA", "OUT_LABEL"),
    }


def test_a_field_is_cut_out_of_a_word() -> None:
    field = register("FEATURES").field("logit")
    assert field.of(0x00170400) == 0x17
    assert field.mask == 0x00FF0000
    with pytest.raises(KeyError):
        register("NOTHING")
    with pytest.raises(KeyError):
        register("ID").field("nothing")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Field("x", 32, 1, "read", ""), r"^low must be an integer in 0..31, not 32$"),
        (lambda: Field("x", 8, 25, "read", ""), r"^width must be an integer in 1..24, not 25$"),
        (lambda: Field("x", 0, 2, "read", "", 4), r"^reset must be an integer in 0..3, not 4$"),
        (lambda: Register("X", 2, "", ()), r"^offset must be a multiple of 4, not 2$"),
        (
            lambda: Register(
                "X", 0, "", (Field("a", 0, 2, "read", ""), Field("b", 1, 1, "read", ""))
            ),
            r"^fields of X must not overlap, not 'b'$",
        ),
    ],
)
def test_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def constants() -> dict[str, int]:
    """What both exports must say, in the words of Python's."""
    values = {}
    for found in REGISTERS:
        values[found.name] = found.offset
        for field in found.fields:
            name = f"{found.name}_{field.name.upper()}"
            values[f"{name}_SHIFT"] = field.low
            values[f"{name}_MASK"] = ((1 << field.width) - 1) << field.low
    return values


def test_the_python_module_says_the_same() -> None:
    module: dict[str, Any] = {}
    exec(python_module(), module)
    assert {name: module[name] for name in constants()} == constants()
    assert (module["MAP_MAJOR"], module["MAP_MINOR"]) == (1, 0)


def test_the_header_says_the_same_to_a_compiler(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler is on the PATH")
    (tmp_path / "cygnet_registers.h").write_text(c_header())
    checks = "\n".join(
        f'_Static_assert(CYGNET_{name} == {value}u, "{name}");'
        for name, value in constants().items()
    )
    source = tmp_path / "check.c"
    source.write_text(f'#include "cygnet_registers.h"\n#include "cygnet_registers.h"\n{checks}\n')
    command = [compiler, "-std=c11", "-Wall", "-Werror", "-fsyntax-only", str(source)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
