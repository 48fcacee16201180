# SPDX-License-Identifier: Apache-2.0
"""The netlist after synthesis, as Verilog that simulates like the source.

Models of the cells of a device family are put in their place. The memory images are read by
synthesis and end up in the netlist.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Literal

from cygnet.cosim import ecp5_cells, tools
from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.run import map_design
from cygnet.synthesis.targets import target

__all__ = ["Family", "netlist", "prepared_netlist"]

Family = Literal["ecp5", "ice40"]

SYNTHESIS = {
    # Yosys has no model of the block memory of ECP5; its distributed one does as well.
    "ecp5": "synth_ecp5 -nobram -top",
    "ice40": "synth_ice40 -top",
}


def netlist(verilog: str, *, top: str, family: Family, images: Path) -> str:
    """The mapped design with the cells' models, as Verilog: what Yosys alone makes.

    :param verilog: of the whole design
    :param images: folder with the ``.mem`` files that it reads
    :raises CygnetError: Yosys is missing
    :raises RuntimeError: synthesis fails
    """
    if family not in SYNTHESIS:
        raise ValueError(f"family must be 'ecp5' or 'ice40', not {family!r}")
    with tools.source_folder(verilog, images) as folder:
        tools.run_yosys(
            folder,
            [
                "read_verilog source.v",
                f"{SYNTHESIS[family]} {top}",
                "check -assert",
                "write_verilog -noattr mapped.v",
            ],
        )
        return _with_models(folder, top, family)


def prepared_netlist(verilog: str, *, top: str, images: Path, cache: Path) -> str:
    """The same of what nextpnr gets for an ECP5: block memories and multipliers, and the steps of
    :mod:`cygnet.synthesis` between Yosys and nextpnr.

    :param verilog: of the whole design
    :param images: folder with the ``.mem`` files that it reads
    :param cache: folder of kept results
    :raises CygnetError: Yosys is missing, or it refuses the design
    :raises ValueError: a cell is used in a way that its model does not know
    """
    contents = {path.name: path.read_text() for path in sorted(images.glob("*.mem"))}
    text = map_design(verilog, top, target("ecp5-85k"), contents, True, cache)["netlist"]
    ecp5_cells.check(Netlist(text))
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        (folder / "netlist.json").write_text(text)
        (folder / "cells.v").write_text(ecp5_cells.models())
        # Yosys wrote its empty modules of cells down with the design.
        only = [f"select {top}", "write_verilog -noattr -selected mapped.v"]
        tools.run_yosys(folder, ["read_json netlist.json", *only])
        return _with_models(folder, top, "ecp5", "cells.v")


def _with_models(folder: Path, top: str, family: Family, *models: str) -> str:
    files = [f"+/{family}/cells_sim.v", *models]
    tools.run_yosys(
        folder,
        [
            "read_verilog mapped.v",
            *(f"read_verilog -overwrite {name}" for name in files),
            f"hierarchy -check -top {top}",
            "proc",
            "write_verilog -noattr netlist.v",
        ],
    )
    return (folder / "netlist.v").read_text()
