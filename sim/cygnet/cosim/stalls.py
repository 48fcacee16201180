# SPDX-License-Identifier: Apache-2.0
"""When a source or a sink holds its stream back: a few named, seeded profiles."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["FREE", "PROFILES", "Stall"]


@dataclass(frozen=True)
class Stall:
    """A profile of stalls, drawn anew for every clock.

    :param kind: ``none``; ``bursty``: runs of free and of stalled clocks, each of a random length
        of 1..``length``; ``one-in``: each clock stalls with a chance of one in ``length``;
        ``alternating``: every other clock
    :param length: clocks, at least 2; of no meaning to ``none`` and ``alternating``
    """

    kind: Literal["none", "bursty", "one-in", "alternating"] = "none"
    length: int = 8

    def __post_init__(self) -> None:
        if self.kind not in ("none", "bursty", "one-in", "alternating"):
            raise ValueError(
                f"stall must be 'none', 'bursty', 'one-in' or 'alternating', not {self.kind!r}"
            )
        if not isinstance(self.length, int) or isinstance(self.length, bool):
            raise TypeError(f"stall length must be an integer, not {self.length!r}")
        if self.length < 2:
            raise ValueError(f"stall length must be at least 2, not {self.length!r}")

    @classmethod
    def parse(cls, text: str) -> Stall:
        """From ``none``, ``bursty``, ``bursty-20``, ``one-in-3`` or ``alternating``."""
        found = re.fullmatch(r"(none|bursty|one-in|alternating)(?:-(\d{1,6}))?", text)
        if found is None:
            raise ValueError(f"stall must be like 'bursty-8' or 'one-in-3', not {text!r}")
        kind: Any = found[1]
        length: str | None = found[2]
        return cls(kind) if length is None else cls(kind, int(length))

    def __str__(self) -> str:
        if self.kind in ("none", "alternating"):
            return self.kind
        return f"{self.kind}-{self.length}"

    def clocks(self, seed: int) -> Iterator[bool]:
        """For ever: does the stream stall in the next clock?"""
        draw = random.Random(seed)
        if self.kind == "none":
            while True:
                yield False
        elif self.kind == "alternating":
            stalled = bool(seed & 1)
            while True:
                yield stalled
                stalled = not stalled
        elif self.kind == "one-in":
            while True:
                yield draw.randrange(self.length) == 0
        stalled = bool(draw.getrandbits(1))
        while True:
            for _ in range(draw.randint(1, self.length)):
                yield stalled
            stalled = not stalled


FREE = Stall()
"""Never."""

PROFILES = (FREE, Stall("bursty", 8), Stall("one-in", 3), Stall("alternating"))
"""The profiles that a suite runs through."""
