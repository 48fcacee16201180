# SPDX-License-Identifier: Apache-2.0
"""What travels on a stream: named fields in a word of bits, and the signals that carry them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth.hdl import Shape

__all__ = ["Field", "Payload", "StreamSpec"]


@dataclass(frozen=True)
class Field:
    """``width`` bits, at least 1, read as two's complement where ``signed``."""

    name: str
    width: int
    signed: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.width, int) or isinstance(self.width, bool):
            raise TypeError(f"field width must be an integer, not {self.width!r}")
        if self.width < 1:
            raise ValueError(f"field width must be at least 1, not {self.width!r}")

    def encode(self, value: int) -> int:
        """The bits of a value.

        :raises ValueError: it does not fit
        """
        low, high = (
            (-(1 << (self.width - 1)), (1 << (self.width - 1)) - 1)
            if self.signed
            else (0, (1 << self.width) - 1)
        )
        if not low <= value <= high:
            raise ValueError(f"{self.name} must be in {low}..{high}, not {value!r}")
        return value & ((1 << self.width) - 1)

    def decode(self, bits: int) -> int:
        """The value of ``width`` bits."""
        if self.signed and bits >> (self.width - 1):
            return bits - (1 << self.width)
        return bits


@dataclass(frozen=True)
class Payload:
    """Fields in one word, the first in the lowest bits."""

    fields: tuple[Field, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "fields", tuple(self.fields))
        if not self.fields:
            raise ValueError("payload must have at least one field, not none")
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError(f"payload fields must have different names, not {names!r}")

    @classmethod
    def of(cls, fields: Iterable[Any]) -> Payload:
        """From ``(name, width[, signed])`` rows, or an Amaranth ``StructLayout``.

        A nested layout is one unsigned field; a field of no bits is left out, as Verilog does.
        """
        made = []
        for row in fields:
            if isinstance(row, Field):
                made.append(row)
            elif isinstance(row[1], int):
                made.append(Field(*row))
            else:
                shape = Shape.cast(row[1].shape)
                if shape.width:
                    made.append(Field(row[0], shape.width, shape.signed))
        return cls(tuple(made))

    @property
    def width(self) -> int:
        return sum(field.width for field in self.fields)

    def pack(self, values: Mapping[str, int]) -> int:
        """The word of a full set of values.

        :raises ValueError: a field is missing, unknown or does not fit
        """
        names = [field.name for field in self.fields]
        if sorted(values) != sorted(names):
            raise ValueError(f"payload must have the fields {names}, not {sorted(values)}")
        word = offset = 0
        for field in self.fields:
            word |= field.encode(int(values[field.name])) << offset
            offset += field.width
        return word

    def unpack(self, word: int) -> dict[str, int]:
        """The values of a word."""
        values = {}
        for field in self.fields:
            values[field.name] = field.decode(word & ((1 << field.width) - 1))
            word >>= field.width
        return values


@dataclass(frozen=True)
class StreamSpec:
    """How a stream looks on the ports of a Verilog module.

    :param name: of the port: ``i``
    :param payload: its fields
    :param packed: as Amaranth emits a ``stream.Signature``: ``i__payload``, ``i__valid`` and
        ``i__ready``; otherwise one port per field: ``in_data``, ``in_last``, ``in_valid``,
        ``in_ready``
    """

    name: str
    payload: Payload
    packed: bool = True

    def signal(self, part: str) -> str:
        """Name of the port ``valid``, ``ready``, ``payload`` or of a field."""
        return f"{self.name}{'__' if self.packed else '_'}{part}"

    def to_json(self) -> str:
        return json.dumps(
            {
                "name": self.name,
                "packed": self.packed,
                "fields": [[f.name, f.width, f.signed] for f in self.payload.fields],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> StreamSpec:
        found = json.loads(text)
        return cls(found["name"], Payload.of(map(tuple, found["fields"])), found["packed"])
