# SPDX-License-Identifier: Apache-2.0
"""The netlist after synthesis, as Verilog that simulates like the source.

Yosys maps the design to the cells of a device family, then puts its own models of those cells in
their place. The memory images are read by synthesis and end up in the netlist.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from cygnet.cosim import tools

__all__ = ["Family", "netlist"]

Family = Literal["ecp5", "ice40"]

SYNTHESIS = {
    # Yosys has no model of the block memory of ECP5; its distributed one does as well.
    "ecp5": "synth_ecp5 -nobram -top",
    "ice40": "synth_ice40 -top",
}


def netlist(verilog: str, *, top: str, family: Family, images: Path) -> str:
    """The mapped design with the cells' models, as Verilog.

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
        tools.run_yosys(
            folder,
            [
                "read_verilog mapped.v",
                f"read_verilog -overwrite +/{family}/cells_sim.v",
                f"hierarchy -check -top {top}",
                "proc",
                "write_verilog -noattr netlist.v",
            ],
        )
        return (folder / "netlist.v").read_text()
