# SPDX-License-Identifier: Apache-2.0
"""Every product of small operands, by either arithmetic."""

from __future__ import annotations

from typing import Any

import pytest
from amaranth.hdl import Module, Shape, Signal, signed, unsigned
from amaranth.sim import Simulator

from cygnet.buffer_plan import product_latency
from cygnet.gateware.products import ShiftAddProduct, multiply
from cygnet.layer_plan import MULTIPLY
from cygnet.network import Bounds


def _range(shape: Shape) -> range:
    half = 1 << shape.width - 1
    return range(-half, half) if shape.signed else range(2 * half)


def _run(m: Module, check: Any) -> None:
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(check)
    simulator.run()


@pytest.mark.parametrize("shape", [unsigned(1), unsigned(3), unsigned(5), signed(2), signed(4)])
def test_shift_add(shape: Shape) -> None:
    m = Module()
    weight, value = Signal(signed(4)), Signal(shape)
    product = ShiftAddProduct(weight, value).build(m, "product")
    bounds = Bounds(min(_range(shape)), max(_range(shape)))

    async def check(ctx: Any) -> None:
        for w in _range(signed(4)):
            for v in _range(shape):
                ctx.set(weight, w)
                ctx.set(value, v)
                await ctx.tick().repeat(product_latency(bounds))
                assert ctx.get(product) == w * v

    _run(m, check)


@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("shape", [unsigned(1), unsigned(3), unsigned(8), signed(3)])
def test_multiply(shape: Shape, columns: int) -> None:
    m = Module()
    weight = Signal(signed(5))
    values = [Signal(shape, name=f"value_{n}") for n in range(columns)]
    products = multiply(m, weight, values, "product")
    extremes = sorted({min(_range(shape)), max(_range(shape)), 0, 1})

    async def check(ctx: Any) -> None:
        for w in _range(signed(5)):
            for first in extremes:
                for second in extremes:
                    given = [first, second, first][:columns]
                    ctx.set(weight, w)
                    for value, number in zip(values, given, strict=True):
                        ctx.set(value, number)
                    await ctx.tick().repeat(MULTIPLY)
                    assert [ctx.get(product) for product in products] == [w * v for v in given]

    _run(m, check)


def test_two_steps_share_a_multiplication_only_where_they_fit() -> None:
    def multiplications(shape: Shape) -> int:
        m = Module()
        values = [Signal(shape, name=f"value_{n}") for n in range(4)]
        weight = Signal(signed(8))
        multiply(m, weight, values, "product")
        from amaranth.back import rtlil

        ports = [weight, *values]
        return rtlil.convert(m, ports=ports).count("cell $mul ")

    assert multiplications(unsigned(4)) == 2
    assert multiplications(unsigned(5)) == 4
    assert multiplications(signed(3)) == 4
