# SPDX-License-Identifier: Apache-2.0
"""Every product of small operands, by each arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.sim import Simulator

from cygnet.gateware.products import digit_product, multiply, shift_add_product
from cygnet.network import Bounds
from cygnet.product_plan import digits, product_latency


def _range(shape: Shape) -> range:
    half = 1 << shape.width - 1
    return range(-half, half) if shape.signed else range(2 * half)


def _run(m: Module, check: Any) -> None:
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(check)
    simulator.run()


BOUNDS = [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (0, 16), (0, 31), (-1, 1), (-2, 1), (-4, 8)]


def _shape(bounds: Bounds) -> Shape:
    return signed(bounds.width) if bounds.signed else unsigned(bounds.width)


@pytest.mark.parametrize(("low", "high"), BOUNDS)
def test_shift_add(low: int, high: int) -> None:
    m = Module()
    bounds = Bounds(low, high)
    weight, value = Signal(signed(4)), Signal(_shape(bounds))
    product = shift_add_product(m, weight, value, bounds, "product")

    async def check(ctx: Any) -> None:
        for w in _range(signed(4)):
            for v in range(low, high + 1):
                ctx.set(weight, w)
                ctx.set(value, v)
                await ctx.tick().repeat(product_latency(bounds))
                assert ctx.get(product) == w * v

    _run(m, check)


@pytest.mark.parametrize("width", [6, 7, 8])
def test_digits(width: int) -> None:
    m = Module()
    bounds = Bounds(0, (1 << width) - 1)
    weight, value = Signal(signed(5)), Signal(width)
    product = digit_product(m, weight, value, "product")
    assert digits(bounds, "lut6")
    assert not digits(bounds, "lut")

    async def check(ctx: Any) -> None:
        for w in (-16, -15, -1, 0, 1, 9, 15):
            for v in range(1 << width):
                ctx.set(weight, w)
                ctx.set(value, v)
                await ctx.tick().repeat(product_latency(bounds, "lut6"))
                assert ctx.get(product) == w * v

    _run(m, check)


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("shape", [unsigned(1), unsigned(3), unsigned(8), signed(3)])
def test_multiply(shape: Shape, columns: int) -> None:
    m = Module()
    weight = Signal(signed(5))
    values = [Signal(shape, name=f"value_{n}") for n in range(columns)]
    bounds = Bounds(min(_range(shape)), max(_range(shape)))
    products = multiply(m, weight, values, bounds, "product")
    latency = product_latency(bounds, "dsp", 5, columns)
    extremes = sorted({min(_range(shape)), max(_range(shape)), 0, 1})

    async def check(ctx: Any) -> None:
        for w in _range(signed(5)):
            for first in extremes:
                for second in extremes:
                    given = [first, second, first][:columns]
                    ctx.set(weight, w)
                    for value, number in zip(values, given, strict=True):
                        ctx.set(value, number)
                    await ctx.tick().repeat(latency)
                    assert [ctx.get(product) for product in products] == [w * v for v in given]

    _run(m, check)


def test_two_steps_share_a_multiplication_only_where_they_fit() -> None:
    def multiplications(shape: Shape) -> int:
        m = Module()
        values = [Signal(shape, name=f"value_{n}") for n in range(4)]
        weight = Signal(signed(8))
        bounds = Bounds(min(_range(shape)), max(_range(shape)))
        multiply(m, weight, values, bounds, "product")
        from amaranth.back import rtlil

        ports = [weight, *values]
        return rtlil.convert(m, ports=ports).count("cell $mul ")

    assert multiplications(unsigned(4)) == 2
    assert multiplications(unsigned(5)) == 4
    assert multiplications(signed(3)) == 4
