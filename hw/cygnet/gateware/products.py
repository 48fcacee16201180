# SPDX-License-Identifier: Apache-2.0
"""Weight times value: in lookup tables of four or six inputs, or in multiplier blocks."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Shape, Signal, Value, signed

from cygnet.network import Bounds
from cygnet.product_plan import packs, product_terms

__all__ = ["digit_product", "multiply", "shift_add_product"]


def shift_add_product(m: Module, weight: Value, value: Value, bounds: Bounds, name: str) -> Signal:
    """A pipelined product as a tree of masked shifts, one register after each level.

    Adding up the value's few bits takes about 40 % fewer lookup tables than the multiplier that
    synthesis makes of ``*``.

    :param weight: signed
    :param value: signed or unsigned
    :param bounds: range of the value; its product is ready after ``product_latency(bounds)`` clocks
    """
    width = bounds.width
    shape = signed(len(weight) + width)
    terms: list[Value] = []
    for bit in range(width):
        term = Mux(value[bit], weight << bit, 0)
        if bit == width - 1 and bounds.signed:
            term = -term
        terms.append(term)
    if product_terms(bounds) < width:
        terms[-2:] = [Mux(value[-1], weight << width - 1, terms[-2])]
        shape = signed(shape.width - 1)
    return _tree(m, terms, shape, name)


def digit_product(m: Module, weight: Value, value: Value, name: str) -> Signal:
    """A pipelined product as a tree over the value's digits of two bits, each of which chooses
    0, 1, 2 or 3 times the weight: smaller than a tree over bits where tables have six inputs.

    :param value: unsigned; the product is ready after one clock and one for each level of a tree
        over its digits
    """
    triple = Signal(signed(len(weight) + 2), name=f"{name}_triple")
    single = Signal(signed(len(weight)), name=f"{name}_single")
    held = Signal(len(value), name=f"{name}_digits", reset_less=True)
    m.d.sync += [triple.eq(weight + (weight << 1)), single.eq(weight), held.eq(value)]
    terms: list[Value] = []
    for low in range(0, len(value), 2):
        digit = held[low : low + 2]
        multiple = Mux(digit[0], single, 0)
        if len(digit) == 2:
            multiple = Mux(digit[1], Mux(digit[0], triple, single << 1), multiple)
        terms.append(multiple << low)
    return _tree(m, terms, signed(len(weight) + len(value)), name)


def _tree(m: Module, terms: Sequence[Value], shape: Shape, name: str) -> Signal:
    """Their sum, pairwise, with a register after each level."""
    level = 0
    while True:
        pairs = []
        for index in range(0, len(terms), 2):
            total = terms[index] if index + 1 == len(terms) else terms[index] + terms[index + 1]
            register = Signal(
                signed(min(total.shape().width, shape.width)),
                name=f"{name}_{level}_{index}",
                reset_less=True,
            )
            m.d.sync += register.eq(total)
            pairs.append(register)
        level += 1
        terms = pairs
        if len(pairs) == 1:
            return pairs[0]


def multiply(
    m: Module, weight: Value, values: Sequence[Value], bounds: Bounds, name: str
) -> list[Signal]:
    """Products by ``*``, which synthesis puts into multiplier blocks, after one clock; after two
    where two values share a multiplication (:func:`cygnet.product_plan.packs`).

    :param values: all of one shape
    :param bounds: their range
    """
    width = len(values[0])
    low = len(weight) + width
    step = 2 if len(values) > 1 and packs(bounds, len(weight)) else 1
    products = []
    for first in range(0, len(values), step):
        together = values[first : first + step]
        operand = (
            together[0]
            if len(together) == 1
            else Cat(together[0], Const(0, low - width), together[1])
        )
        full = weight * operand
        raw = Signal(full.shape(), name=f"{name}_raw_{first}", reset_less=True)
        m.d.sync += raw.eq(full)
        if step == 1:
            products.append(raw)
            continue
        for number in range(len(together)):
            product = Signal(signed(low), name=f"{name}_{first + number}", reset_less=True)
            upper = number == 1
            m.d.sync += product.eq(raw[low:] + raw[low - 1] if upper else raw[:low])
            products.append(product)
    return products
