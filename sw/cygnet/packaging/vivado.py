# SPDX-License-Identifier: Apache-2.0
"""A script that has Vivado package the accelerator as an IP of its own."""

from __future__ import annotations

from cygnet.packaging.design import Design
from cygnet.packaging.ipxact import interfaces

__all__ = ["script"]


def script(design: Design) -> str:
    """``<top>.tcl``, for ``vivado -mode batch -source``; paths are relative to the script.

    It makes an IP beside itself, in the folder ``ip_<top>``, with interfaces that Vivado infers
    from the names of the ports and the clock that they belong to.
    """
    names = [name for name, _ in interfaces(design)]
    lines = [
        "# SPDX-License-Identifier: Apache-2.0",
        f"# Packages {design.top} as an IP: vivado -mode batch -source {design.top}.tcl",
        "set here [file dirname [file normalize [info script]]]",
        f"set root [file join $here ip_{design.top}]",
        f"create_project -in_memory {design.top}",
        f"add_files -norecurse [file join $here {design.source}]",
    ]
    for name in design.images:
        lines += [
            f"add_files -norecurse [file join $here {name}]",
            f"set_property file_type {{Memory File}} [get_files [file join $here {name}]]",
        ]
    lines += [
        f"set_property top {design.top} [current_fileset]",
        "update_compile_order -fileset sources_1",
        "ipx::package_project -root_dir $root -vendor cygnet -library accelerator \\",
        "  -taxonomy /UserIP -import_files -force",
        "set core [ipx::current_core]",
        f"set_property name {design.top} $core",
        f"set_property version {_two(design.release)} $core",
        f"set_property display_name {{Cygnet {design.network}}} $core",
        f"set_property description {{Spiking accelerator, network {design.digest[:16]}}} $core",
    ]
    for name in names:
        lines.append(f"ipx::associate_bus_interfaces -busif {name} -clock aclk $core")
    lines += [
        "ipx::associate_bus_interfaces -clock aclk -reset aresetn $core",
        "ipx::create_xgui_files $core",
        "ipx::update_checksums $core",
        "ipx::save_core $core",
    ]
    return "\n".join(lines) + "\n"


def _two(release: str) -> str:
    """Vivado takes two numbers."""
    return ".".join((release + ".0").split(".")[:2])
