# SPDX-License-Identifier: Apache-2.0
"""Memory images in the formats of other tools."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from cygnet.errors import CygnetError
from cygnet.images import Memory

__all__ = ["FORMATS", "Format", "formats", "hexadecimal"]


@dataclass(frozen=True)
class Format:
    """One way of writing the words of a memory.

    :param suffix: of the file
    :param summary: for people
    :param write: the whole file
    """

    suffix: str
    summary: str
    write: Callable[[Memory], bytes]


def hexadecimal(memory: Memory) -> bytes:
    """``.mem``: one line a word, address 0 first, as many hexadecimal digits as its width needs."""
    digits = _digits(memory)
    return "".join(f"{word:0{digits}x}\n" for word in memory.words).encode()


def _digits(memory: Memory) -> int:
    return -(-memory.width // 4)


def _coefficients(memory: Memory) -> bytes:
    digits = _digits(memory)
    words = ",\n".join(f"{word:0{digits}x}" for word in memory.words)
    return (
        f"; {memory.name}: {memory.depth} words of {memory.width} bits\n"
        "memory_initialization_radix=16;\n"
        f"memory_initialization_vector=\n{words};\n"
    ).encode()


def _initialisation(memory: Memory) -> bytes:
    digits, places = _digits(memory), max(1, (memory.depth - 1).bit_length() + 3) // 4
    lines = "".join(
        f"{address:0{places}x} : {word:0{digits}x};\n" for address, word in enumerate(memory.words)
    )
    return (
        f"-- {memory.name}\nWIDTH={memory.width};\nDEPTH={memory.depth};\n\n"
        f"ADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN\n{lines}END;\n"
    ).encode()


def _raw(memory: Memory) -> bytes:
    size = -(-memory.width // 8)
    return b"".join(word.to_bytes(size, "little") for word in memory.words)


def _array(memory: Memory) -> bytes:
    cells = -(-memory.width // 32)
    mask = (1 << 32) - 1
    rows = "".join(
        "    " + " ".join(f"0x{word >> 32 * cell & mask:08x}u," for cell in range(cells)) + "\n"
        for word in memory.words
    )
    guard = f"CYGNET_{memory.name.upper()}_H"
    return (
        f"/* {memory.name}: {memory.depth} words of {memory.width} bits, each as {cells} of 32, "
        "low bits first */\n"
        f"#ifndef {guard}\n#define {guard}\n\n#include <stdint.h>\n\n"
        f"static const uint32_t {memory.name}[{memory.depth * cells}] = {{\n{rows}}};\n\n"
        f"#endif\n"
    ).encode()


FORMATS = {
    "mem": Format("mem", "$readmemh: Verilog", hexadecimal),
    "coe": Format("coe", "AMD (Xilinx) coefficient file", _coefficients),
    "mif": Format("mif", "Intel (Altera) memory initialization file", _initialisation),
    "bin": Format("bin", "raw, each word in whole bytes, low byte first", _raw),
    "c": Format("h", "C array of uint32_t, low bits first", _array),
}
"""By name."""


def formats(text: str) -> tuple[str, ...]:
    """The formats of an option such as ``mem,coe``.

    :raises CygnetError: there is no such format
    """
    names = tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in FORMATS:
            raise CygnetError(f"--format: {name!r} must be one of {', '.join(FORMATS)}")
    return names
