# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of the cores, in the shapes that carry chains take without gates before them."""

from __future__ import annotations

from amaranth import Cat, Mux, Value

__all__ = ["add_or_subtract", "clamp", "multiple"]


def add_or_subtract(a: Value, b: Value, add: Value, subtract: Value, width: int) -> Value:
    """``a + b`` if ``add``, ``a - b`` if ``subtract``, ``a`` if neither; ``width`` bits, signed.

    ``add`` and ``subtract`` are never both high. The operands grow by one bit at the low end,
    whose carry is the one that a subtraction needs.
    """
    operand = _extend(b, width)
    choice = Mux(subtract, ~operand, Mux(add, operand, 0))
    total = Cat(subtract, _extend(a, width)) + Cat(subtract, choice)
    return total[1 : width + 1].as_signed()


def _extend(value: Value, width: int) -> Value:
    fill = value[-1] if value.shape().signed else 0
    return Cat(value, *[fill] * (width - len(value)))[:width]


def clamp(value: Value, width: int) -> Value:
    """A signed value, limited to what ``width`` bits hold."""
    if len(value) <= width:
        return value
    top = value[width - 1 :]
    fits = top.all() | ~top.any()
    sign = value[-1]
    return Mux(fits, value[:width], Cat((~sign).replicate(width - 1), sign)).as_signed()


def multiple(value: Value, factor: int) -> Value:
    """``factor`` in 1..16 times an unsigned value, out of at most two additions."""
    odd = factor
    shift = 0
    while odd % 2 == 0:
        odd //= 2
        shift += 1
    if odd == 1:
        product = value
    elif (odd & (odd + 1)) == 0 and odd > 3:
        product = ((value << odd.bit_length()) - value)[: len(value) + odd.bit_length()]
    elif (odd - 1).bit_count() == 1:
        product = value + (value << (odd - 1).bit_length() - 1)
    else:
        product = multiple(value, odd - 8) + (value << 3)  # 11 and 13
    return (product << shift)[: len(value) + factor.bit_length()]
