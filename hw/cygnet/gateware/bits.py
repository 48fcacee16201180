# SPDX-License-Identifier: Apache-2.0
"""Questions about a few bits, answered by shallow trees instead of carry chains."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Value

__all__ = ["at_least", "lowest", "pick"]


def lowest(mask: Value) -> Value:
    """The lowest bit that is set, alone."""
    return Cat(
        mask[at] & ~mask[:at].any() if at else mask[0] for at in range(len(mask))
    )  # no carry: masks are short


def at_least(flags: Sequence[Value]) -> tuple[Value, Value, Value]:
    """Whether one, two, three of the flags are set, or more."""
    level: list[tuple[Value, Value, Value]] = [(flag, Const(0), Const(0)) for flag in flags]
    while len(level) > 1:
        merged = []
        for at in range(0, len(level) - 1, 2):
            (a1, a2, a3), (b1, b2, b3) = level[at], level[at + 1]
            two = a2 | b2 | (a1 & b1)
            merged.append((a1 | b1, two, a3 | b3 | (a2 & b1) | (a1 & b2)))
        level = merged + level[len(merged) * 2 :]
    return level[0]


def pick(chosen: Value, values: Sequence[Value]) -> Value:
    """The value whose bit is set, zero without one.

    :param chosen: at most one bit is set
    """
    width = max(len(value) for value in values)
    result: Value = Const(0, width)
    for at, value in enumerate(values):
        result = result | (value & chosen[at].replicate(len(value)))
    return result[:width]
