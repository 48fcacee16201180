# SPDX-License-Identifier: Apache-2.0
"""Small tables as logic."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Const, Module, Mux, Shape, Signal, Value

__all__ = ["choose", "lookup"]


def lookup(
    m: Module, index: Value, values: Sequence[int], name: str, shape: Shape | None = None
) -> Value:
    """``values[index]``; a constant where all are equal.

    :param shape: of the result; as narrow as the values need without
    """
    low, high = min(values), max(values)
    if shape is None:
        shape = Shape.cast(range(min(low, 0), high + 1))
        shape = Shape(max(1, shape.width), shape.signed)
    if low == high:
        return Const(low, shape)
    result = Signal(shape, name=name)
    with m.Switch(index):
        for number, value in enumerate(values[:-1]):
            with m.Case(number):
                m.d.comb += result.eq(value)
        with m.Default():
            m.d.comb += result.eq(values[-1])
    return result


def choose(index: Value, values: Sequence[Value]) -> Value:
    """``values[index]`` as a tree of multiplexers, one bit of the index to a level."""
    level = list(values)
    for bit in range((len(level) - 1).bit_length()):
        level = [
            Mux(index[bit], level[at + 1], level[at]) if at + 1 < len(level) else level[at]
            for at in range(0, len(level), 2)
        ]
    return level[0]
