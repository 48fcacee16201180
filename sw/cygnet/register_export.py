# SPDX-License-Identifier: Apache-2.0
"""The registers as a table for people, a header for C, and a module for Python."""

from __future__ import annotations

import textwrap

from cygnet.registers import FEATURES, IDENTIFIER, MAJOR, MINOR, REGISTERS, Field, Register

__all__ = ["c_header", "markdown", "python_module"]

_ACCESS = {
    "constant": "constant",
    "read": "read",
    "read-write": "read, write",
    "clear": "read, write 1 to clear",
    "pulse": "write 1",
    "pop": "read takes it",
    "push": "write",
}
_SPDX = "SPDX-License-Identifier: Apache-2.0"


def markdown() -> str:
    """docs/registers.md."""
    lines = [
        "# Registers",
        "",
        *textwrap.wrap(
            "The words behind the AXI4-Lite port of `cygnet verilog --bus axi`, 32 bits each. This "
            "page is written by `python -m cygnet.register_export` from `sw/cygnet/registers.py`, "
            "as are the C header and the Python module beside the Verilog. How to use them: "
            "[axi.md](axi.md).",
            100,
        ),
        "",
        *textwrap.wrap(
            "Other addresses, writing what can only be read, reading what can only be written, and "
            "writing parts of a word to what takes the whole are answered with SLVERR and do "
            "nothing; so are registers of a feature that the design lacks "
            f"({' or '.join(f'`{name}`' for name in FEATURES)}). Bits without a name read 0.",
            100,
        ),
        "",
        "| offset | register | feature | |",
        "|---:|---|---|---|",
    ]
    for found in REGISTERS:
        feature = found.feature or ""
        lines.append(f"| 0x{found.offset:02X} | `{found.name}` | {feature} | {found.description} |")
    for found in REGISTERS:
        lines += ["", f"## {found.name}, 0x{found.offset:02X}", "", found.description, ""]
        lines += ["| bits | field | access | reset | |", "|---:|---|---|---:|---|"]
        lines += [_row(found, field) for field in found.fields]
    return "\n".join(lines) + "\n"


def _row(found: Register, field: Field) -> str:
    high = field.low + field.width - 1
    bits = str(high) if field.width == 1 else f"{high}:{field.low}"
    reset = "" if _by_design(found, field) else f"0x{field.reset:X}" if field.reset else "0"
    access = _ACCESS[field.access]
    return f"| {bits} | `{field.name}` | {access} | {reset} | {field.description} |"


def _by_design(found: Register, field: Field) -> bool:
    return field.access == "constant" and found.name not in ("ID", "VERSION")


def c_header() -> str:
    """``cygnet_registers.h``: offsets, shifts and masks, for any compiler."""
    lines = [
        f"/* {_SPDX}",
        " * Registers of a Cygnet accelerator, version "
        f"{MAJOR}.{MINOR}; generated from cygnet/registers.py. */",
        "#ifndef CYGNET_REGISTERS_H",
        "#define CYGNET_REGISTERS_H",
        "",
        f"#define CYGNET_IDENTIFIER 0x{IDENTIFIER:08X}u",
        f"#define CYGNET_MAP_MAJOR {MAJOR}u",
        f"#define CYGNET_MAP_MINOR {MINOR}u",
    ]
    for found in REGISTERS:
        feature = f" ({found.feature} designs only)" if found.feature else ""
        lines += [
            "",
            f"/* {found.description}{feature} */",
            f"#define CYGNET_{found.name} 0x{found.offset:02X}u",
        ]
        for field in found.fields:
            name = f"CYGNET_{found.name}_{field.name.upper()}"
            lines += [
                f"#define {name}_SHIFT {field.low}",
                f"#define {name}_MASK 0x{field.mask:08X}u /* {field.description} */",
            ]
    lines += ["", "#endif"]
    return "\n".join(lines) + "\n"


def python_module() -> str:
    """``cygnet_registers.py``: the same for Python, without Cygnet."""
    lines = [
        f"# {_SPDX}",
        f'"""Registers of a Cygnet accelerator, version {MAJOR}.{MINOR}; '
        'generated from cygnet/registers.py."""',
        "",
        f"IDENTIFIER = 0x{IDENTIFIER:08X}",
        f"MAP_MAJOR, MAP_MINOR = {MAJOR}, {MINOR}",
    ]
    for found in REGISTERS:
        feature = f" ({found.feature} designs only)" if found.feature else ""
        lines += ["", f"# {found.description}{feature}", f"{found.name} = 0x{found.offset:02X}"]
        for field in found.fields:
            name = f"{found.name}_{field.name.upper()}"
            lines += [
                f"{name}_SHIFT = {field.low}",
                f"{name}_MASK = 0x{field.mask:08X}  # {field.description}",
            ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
