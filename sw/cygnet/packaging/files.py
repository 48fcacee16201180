# SPDX-License-Identifier: Apache-2.0
"""All that lies beside the Verilog so that other tools take it up."""

from __future__ import annotations

from pathlib import Path

from cygnet.files import write_text
from cygnet.packaging.design import Design
from cygnet.packaging.fusesoc import core_file, file_list
from cygnet.packaging.ipxact import component, interfaces
from cygnet.packaging.vivado import script
from cygnet.registers import registers_of

__all__ = ["write_package"]


def write_package(
    design: Design, folder: Path, *, loadable: bool = False, buffered: bool = False
) -> list[Path]:
    """Write ``<top>.f`` and ``<top>.core``, and for AXI ports ``component.xml`` and ``<top>.tcl``.

    :param loadable, buffered: features of the design's registers
    :returns: what was written
    :raises CygnetError: a file cannot be written
    """
    texts = {f"{design.top}.f": file_list(design), f"{design.top}.core": core_file(design)}
    if interfaces(design):
        registers = registers_of(loadable=loadable, buffered=buffered)
        texts["component.xml"] = component(design, registers)
        texts[f"{design.top}.tcl"] = script(design)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]
