# SPDX-License-Identifier: Apache-2.0
"""A plain list of files, and a FuseSoC core."""

from __future__ import annotations

from cygnet.packaging.design import Design

__all__ = ["core_file", "file_list"]


def file_list(design: Design) -> str:
    """``<top>.f``: sources relative to the list, for ``verilator -F`` and its like."""
    return f"{design.source}\n"


def core_file(design: Design) -> str:
    """``<top>.core``: CAPI2, with a target ``lint`` that runs Verilator."""
    lines = [
        "CAPI=2:",
        f"name: cygnet:accelerator:{design.top}:{design.release}",
        f'description: "spiking accelerator of {design.network}, {design.digest[:16]}"',
        "",
        "filesets:",
        "  rtl:",
        "    files:",
        f"      - {design.source}",
        "    file_type: verilogSource",
    ]
    sets = "rtl"
    if design.images:
        lines += ["  images:", "    files:"]
        # The simulator or synthesiser reads them from its working directory.
        lines += [f"      - {name}: {{copyto: {name}}}" for name in design.images]
        lines += ["    file_type: user"]
        sets = "rtl, images"
    lines += [
        "",
        "targets:",
        "  default: &default",
        f"    filesets: [{sets}]",
        f"    toplevel: {design.top}",
        "  lint:",
        "    <<: *default",
        "    description: Verilator reads it",
        "    default_tool: verilator",
        "    tools:",
        "      verilator:",
        "        mode: lint-only",
        "        verilator_options: [-Wno-fatal]",
    ]
    return "\n".join(lines) + "\n"
