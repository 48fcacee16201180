# SPDX-License-Identifier: Apache-2.0
"""Ranges of integers, and the bits that hold them."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Bounds", "signed_width", "unsigned_width"]


def signed_width(low: int, high: int) -> int:
    """Bits of the two's complement number that holds every integer of ``low..high``."""
    return (
        max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
    )


def unsigned_width(high: int) -> int:
    """Bits of the unsigned number that holds ``0..high``; at least 1."""
    return max(1, int(high).bit_length())


@dataclass(frozen=True)
class Bounds:
    """An inclusive range of integers, ``low <= high``."""

    low: int
    high: int

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"Bounds {name} must be an integer, not {value!r}")
        if self.low > self.high:
            raise ValueError(f"Bounds low must be at most high {self.high}, not {self.low!r}")

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits of the narrowest number that holds the range (signed only where it must be)."""
        if self.signed:
            return signed_width(self.low, self.high)
        return unsigned_width(self.high)

    def scaled(self, factor: int) -> Bounds:
        """The range of a value of this range times a factor >= 0."""
        return Bounds(self.low * factor, self.high * factor)
