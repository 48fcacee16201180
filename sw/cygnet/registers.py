# SPDX-License-Identifier: Apache-2.0
"""The AXI4-Lite registers, described once.

Gateware, driver, documentation, C header, Python module and IP-XACT all come from
:data:`REGISTERS`. All registers are words of 32 bits at multiples of four bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cygnet import checks

__all__ = [
    "ADDRESS_BITS",
    "FEATURES",
    "IDENTIFIER",
    "MAJOR",
    "MINOR",
    "REGISTERS",
    "Access",
    "Feature",
    "Field",
    "Register",
    "register",
    "registers_of",
]

Access = Literal["constant", "read", "read-write", "clear", "pulse", "pop", "push"]
"""What software may do with a field.

``constant`` and ``read``: read; the first never changes. ``read-write``: a value that stays.
``clear``: set by the hardware, cleared by writing 1. ``pulse``: writing 1 does something
once, and it reads 0. ``pop``: reading takes a word from a buffer. ``push``: writing (all four bytes
at once) hands a word over; it cannot be read.
"""

Feature = Literal["loadable", "buffered"]
"""``loadable``: parameters come at run time. ``buffered``: images and logits may pass through
registers."""

FEATURES: tuple[Feature, ...] = ("loadable", "buffered")

IDENTIFIER = 0x4359474E
"""``CYGN``."""
MAJOR, MINOR = 1, 0
"""Version of this map: the first changes where old drivers would fail, the second where something
is added."""
ADDRESS_BITS = 12
"""Of the bus: a window of 4 KiB."""

_READABLE = ("constant", "read", "read-write", "clear", "pop")
_WRITABLE = ("read-write", "clear", "pulse", "push")


@dataclass(frozen=True)
class Field:
    """Bits ``low .. low + width - 1`` of a register.

    :param reset: after reset; what a constant is, unless the design says
    """

    name: str
    low: int
    width: int
    access: Access
    description: str
    reset: int = 0

    def __post_init__(self) -> None:
        checks.integer(self.low, "low", 0, 31)
        checks.integer(self.width, "width", 1, 32 - self.low)
        checks.integer(self.reset, "reset", 0, (1 << self.width) - 1)

    @property
    def mask(self) -> int:
        """Its bits, in place."""
        return ((1 << self.width) - 1) << self.low

    @property
    def readable(self) -> bool:
        return self.access in _READABLE

    @property
    def writable(self) -> bool:
        return self.access in _WRITABLE

    def of(self, word: int) -> int:
        """The field's value in a register's word."""
        return (word & self.mask) >> self.low


@dataclass(frozen=True)
class Register:
    """One word.

    :param offset: in bytes
    :param feature: only designs with it have the register; None for all
    """

    name: str
    offset: int
    description: str
    fields: tuple[Field, ...]
    feature: Feature | None = None

    def __post_init__(self) -> None:
        checks.integer(self.offset, "offset", 0, (1 << ADDRESS_BITS) - 4)
        if self.offset % 4:
            raise ValueError(f"offset must be a multiple of 4, not {self.offset!r}")
        taken = 0
        for field in self.fields:
            if taken & field.mask:
                raise ValueError(f"fields of {self.name} must not overlap, not {field.name!r}")
            taken |= field.mask

    @property
    def readable(self) -> bool:
        return any(field.readable for field in self.fields)

    @property
    def writable(self) -> bool:
        return any(field.writable for field in self.fields)

    @property
    def whole(self) -> bool:
        """Written as a whole: all four bytes at once."""
        return any(field.access == "push" for field in self.fields)

    def field(self, name: str) -> Field:
        """The field of a name (KeyError where there is none)."""
        for field in self.fields:
            if field.name == name:
                return field
        raise KeyError(name)


def _value(name: str, access: Access, description: str, width: int = 32) -> tuple[Field, ...]:
    return (Field(name, 0, width, access, description),)


ERRORS = (
    ("frame_length", "a frame was too short or too long; it was dropped"),
    (
        "frame_cut",
        "a reset or a load met a frame half-way: what is left of it on the input is swallowed, "
        "an answer that has begun is filled up with zeros",
    ),
    ("load_checksum", "the words loaded do not have the checksum that came with them"),
    ("load_layout", "the words offered are for another design (LAYOUT)"),
    ("load_length", "a load ended early, or went on after its last word"),
    ("buffer", "a word was pushed into a full buffer or popped from an empty one"),
)
"""Bits of ERRORS, from bit 0."""

EVENTS = (
    ("answer", "the last logit of a frame has left"),
    ("error", "a bit of ERRORS was set"),
    ("load", "a load has ended, well or not (STATUS, ERRORS)"),
)
"""Bits of INTERRUPT_STATUS and INTERRUPT_ENABLE, from bit 0."""


def _bits(access: Access, bits: tuple[tuple[str, str], ...], prefix: str = "") -> tuple[Field, ...]:
    return tuple(
        Field(name, place, 1, access, prefix + text) for place, (name, text) in enumerate(bits)
    )


REGISTERS = (
    Register(
        "ID",
        0x00,
        "What answers at this address.",
        (Field("id", 0, 32, "constant", 'the letters "CYGN"', IDENTIFIER),),
    ),
    Register(
        "VERSION",
        0x04,
        "Version of this table.",
        (
            Field("minor", 0, 16, "constant", "more where something was added", MINOR),
            Field("major", 16, 16, "constant", "another where old drivers would fail", MAJOR),
        ),
    ),
    Register(
        "NETWORK_HIGH",
        0x08,
        "SHA-256 of the network that the design was generated for.",
        _value("digits", "constant", "its hexadecimal digits 1 to 8"),
    ),
    Register(
        "NETWORK_LOW",
        0x0C,
        "The same.",
        _value("digits", "constant", "its hexadecimal digits 9 to 16"),
    ),
    Register(
        "FEATURES",
        0x10,
        "What the design was generated with.",
        (
            Field("loadable", 0, 1, "constant", "parameters are loaded at run time"),
            Field("buffered", 1, 1, "constant", "images and logits may pass through registers"),
            Field("beat", 8, 8, "constant", "values of 8 bits in a beat of s_axis"),
            Field("logit", 16, 8, "constant", "bits of a logit, signed, before extension"),
        ),
    ),
    Register("VALUES", 0x14, "Size of a frame.", _value("values", "constant", "values of 8 bits")),
    Register("CLASSES", 0x18, "Size of an answer.", _value("classes", "constant", "logits")),
    Register(
        "STEPS", 0x1C, "Time-steps that a frame runs.", _value("steps", "constant", "the T chosen")
    ),
    Register(
        "CONTROL",
        0x20,
        "What the accelerator does.",
        (
            Field(
                "enable",
                0,
                1,
                "read-write",
                "takes frames; 0 stops at the end of the frame that comes in, and what is inside "
                "is finished",
                1,
            ),
            Field(
                "reset",
                1,
                1,
                "pulse",
                "drops every frame inside and empties the buffers; registers and loaded "
                "parameters stay",
            ),
            Field("clear", 2, 1, "pulse", "sets the counters to 0"),
            Field(
                "load",
                3,
                1,
                "pulse",
                "stops the accelerator as by reset and waits for parameters (loadable designs)",
            ),
            Field(
                "buffered",
                4,
                1,
                "read-write",
                "frames and answers pass through registers, not the streams; comes into force "
                "with the next reset (buffered designs)",
            ),
        ),
    ),
    Register(
        "STATUS",
        0x24,
        "What it is doing.",
        (
            Field("running", 0, 1, "read", "not in reset, and has its parameters"),
            Field("busy", 1, 1, "read", "frames are inside"),
            Field("loaded", 2, 1, "read", "parameters with the right checksum are in place"),
            Field("loading", 3, 1, "read", "a load has begun and not ended"),
        ),
    ),
    Register(
        "ERRORS",
        0x28,
        "What went wrong since it was last cleared.",
        _bits("clear", ERRORS),
    ),
    Register(
        "INTERRUPT_ENABLE",
        0x2C,
        "Which events raise the interrupt.",
        _bits("read-write", EVENTS, "raised when "),
    ),
    Register(
        "INTERRUPT_STATUS",
        0x30,
        "Events since they were last cleared; the interrupt is high while one that is enabled is.",
        _bits("clear", EVENTS),
    ),
    Register(
        "FRAMES_IN", 0x34, "Counter.", _value("frames", "read", "frames whose last beat was taken")
    ),
    Register(
        "FRAMES_OUT", 0x38, "Counter.", _value("frames", "read", "frames whose last logit has left")
    ),
    Register(
        "FRAMES_DROPPED",
        0x3C,
        "Counter.",
        _value("frames", "read", "frames of a wrong length"),
    ),
    Register(
        "CYCLES_LOW",
        0x40,
        "Counter of clocks with a frame inside, from the transfer of its first beat to that of its "
        "last logit, both counted. Reading it fetches CYCLES_HIGH too.",
        _value("cycles", "pop", "bits 0 to 31"),
    ),
    Register(
        "CYCLES_HIGH",
        0x44,
        "The same, at the time when CYCLES_LOW was last read.",
        _value("cycles", "read", "bits 32 to 63"),
    ),
    Register(
        "STALLS_IN",
        0x48,
        "Counter.",
        _value("clocks", "read", "clocks in which a beat waits at s_axis"),
    ),
    Register(
        "STALLS_OUT",
        0x4C,
        "Counter.",
        _value("clocks", "read", "clocks in which a logit waits at m_axis"),
    ),
    Register(
        "LAYOUT",
        0x60,
        "What parameters fit the design.",
        _value("layout", "constant", "checksum of sizes and widths of its memories"),
        "loadable",
    ),
    Register(
        "LOAD_WORDS",
        0x64,
        "Length of a load.",
        _value("words", "constant", "words of 32 bits, with layout and checksum"),
        "loadable",
    ),
    Register(
        "LOAD_COUNT",
        0x68,
        "Progress of the load.",
        _value("words", "read", "words taken since it began"),
        "loadable",
    ),
    Register(
        "LOAD_CHECKSUM",
        0x6C,
        "CRC-32 of what was loaded; 0 until a load has ended.",
        _value("crc", "read", "as zlib.crc32 of the words, without the last"),
        "loadable",
    ),
    Register("LOAD_DATA", 0x70, "Parameters.", _value("word", "push", "the next word"), "loadable"),
    Register(
        "IN_DATA",
        0x80,
        "Frames, four values in a word, the first in the low bits; each frame begins a new word.",
        _value("values", "push", "the next four values"),
        "buffered",
    ),
    Register(
        "IN_SPACE",
        0x84,
        "Room for frames.",
        _value("words", "read", "words that IN_DATA takes now"),
        "buffered",
    ),
    Register(
        "OUT_COUNT",
        0x88,
        "Logits that wait.",
        _value("logits", "read", "words that OUT_DATA gives now"),
        "buffered",
    ),
    Register(
        "OUT_DATA",
        0x8C,
        "Logits in class order, frame by frame.",
        _value("logit", "pop", "the next logit, sign-extended"),
        "buffered",
    ),
    Register(
        "OUT_LABEL",
        0x90,
        "The winning class.",
        _value("label", "read", "of the frame whose last logit was popped last"),
        "buffered",
    ),
)
"""In the order of their offsets."""


def register(name: str) -> Register:
    """The register of a name (KeyError where there is none)."""
    for found in REGISTERS:
        if found.name == name:
            return found
    raise KeyError(name)


def registers_of(*, loadable: bool, buffered: bool) -> tuple[Register, ...]:
    """The registers that a design with these features has."""
    has = {"loadable": loadable, "buffered": buffered, None: True}
    return tuple(found for found in REGISTERS if has[found.feature])
