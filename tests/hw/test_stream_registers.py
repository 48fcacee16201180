# SPDX-License-Identifier: Apache-2.0
"""Registers of a stream against what a queue of two says, clock by clock."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from cygnet.gateware.stream_registers import Skid, StreamRegister

CLOCKS = 600
RATES = [(1.0, 1.0), (1.0, 0.5), (0.5, 1.0), (0.6, 0.4), (1.0, 0.05)]


def _run(dut: Skid | StreamRegister, valid: float, ready: float) -> list[tuple[int | None, ...]]:
    """(taken, left, i.ready) of each clock; what was offered stays until it is taken."""
    rng = np.random.default_rng(int(100 * valid + 10 * ready))
    seen: list[tuple[int | None, ...]] = []

    async def bench(ctx: Any) -> None:
        number, offered = 0, False
        for _ in range(CLOCKS):
            offered = offered or bool(rng.random() < valid)
            takes = bool(rng.random() < ready)
            ctx.set(dut.i.valid, offered)
            ctx.set(dut.i.payload, number & 0xFF if offered else 0xEE)
            ctx.set(dut.o.ready, takes)
            free = ctx.get(dut.i.ready)
            left = ctx.get(dut.o.payload) if takes and ctx.get(dut.o.valid) else None
            taken = number & 0xFF if offered and free else None
            seen.append((taken, left, free))
            if taken is not None:
                number, offered = number + 1, False
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return seen


@pytest.mark.parametrize(("valid", "ready"), RATES)
def test_skid(valid: float, ready: float) -> None:
    """All in order, in the same clock where nothing is kept; one is kept while the sink waits."""
    kept: deque[int] = deque()
    for taken, left, free in _run(Skid(8), valid, ready):
        assert free == (not kept)
        if taken is not None:
            kept.append(taken)
        if left is not None:
            assert left == kept.popleft()


@pytest.mark.parametrize(("valid", "ready"), RATES)
def test_stream_register(valid: float, ready: float) -> None:
    """All in order, a clock later at the earliest; two are kept while the sink waits."""
    kept: deque[int] = deque()
    for taken, left, free in _run(StreamRegister(8), valid, ready):
        assert free == (len(kept) < 2)
        if left is not None:
            assert left == kept.popleft()
        if taken is not None:
            kept.append(taken)


def test_a_source_that_is_always_valid_meets_two_places() -> None:
    """As the golden timing has it: taken in the clock after the one two before it has left."""
    seen = _run(StreamRegister(8), 1.0, 0.3)
    taken = [clock for clock, (number, _, _) in enumerate(seen) if number is not None]
    left = [clock for clock, (_, number, _) in enumerate(seen) if number is not None]
    assert taken[:2] == [0, 1]
    assert taken[2:] == [clock + 1 for clock in left[: len(taken) - 2]]
