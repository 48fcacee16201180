# SPDX-License-Identifier: Apache-2.0
"""``cygnet verilog --bus axi``."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cygnet.register_export import c_header, python_module

if TYPE_CHECKING:
    from conftest import Call


def test_ports_registers_and_no_warning(call: Call, cyg: Path, tmp_path: Path) -> None:
    found = call(
        *("verilog", cyg, "-o", tmp_path, "--bus", "axi", "--buffered", "--lanes", 4),
        *("--package", "--lint", "--json"),
    ).json
    assert found["top"] == "cygnet_tiny_axi"
    text = (tmp_path / "cygnet_tiny_axi.v").read_text()
    ports = text[text.index("module cygnet_tiny_axi(") :].split(");")[0]
    for name in ("aclk", "aresetn", "s_axi_awaddr", "s_axis_tlast", "m_axis_tlast", "irq"):
        assert f"{name}" in ports.replace(",", " ").replace("(", " ").split()
    assert {path.name for path in tmp_path.iterdir()} == {
        *(f"cygnet_tiny_axi.{end}" for end in ("v", "f", "core", "tcl")),
        *("component.xml", "cygnet_registers.h", "cygnet_registers.py"),
    }
    assert "<spirit:name>IN_DATA</spirit:name>" in (tmp_path / "component.xml").read_text()
    assert (tmp_path / "cygnet_registers.h").read_text() == c_header()
    assert (tmp_path / "cygnet_registers.py").read_text() == python_module()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--bus", "pci"), "--bus: 'pci' must be stream or axi"),
        (("--buffered",), "--buffered: registers come with --bus axi; give both"),
        (("--loadable",), "--loadable: registers come with --bus axi; give both"),
    ],
)
def test_refused(
    options: tuple[str, ...], sentence: str, call: Call, cyg: Path, tmp_path: Path
) -> None:
    outcome = call("verilog", cyg, "-o", tmp_path, *options)
    assert (outcome.code, outcome.err) == (2, f"cygnet: {sentence}\n")
    assert not list(tmp_path.iterdir())


def test_loadable_reads_no_image(call: Call, cyg: Path, tmp_path: Path) -> None:
    options = ("--lanes", 4, "--loadable")
    assert call("verilog", cyg, "-o", tmp_path, "--bus", "axi", "--lint", *options).code == 0
    text = (tmp_path / "cygnet_tiny_axi.v").read_text()
    assert "$readmemh" not in text
    assert "s_axis_load_tdata" in text
    # Nothing fills the memories of parameters.
    assert not re.search(r"(weights|biases|parameters)_row = 0", text)
    found = call("image", cyg, "-o", tmp_path, *options, "--onto", cyg, "--json").json
    assert len((tmp_path / "load.bin").read_bytes()) == 4 * found["load"]["words"]
    outcome = call("image", cyg, "-o", tmp_path, "--onto", cyg)
    assert (outcome.code, outcome.err) == (
        2,
        "cygnet: --onto: only a loadable design takes another network; give --loadable\n",
    )
