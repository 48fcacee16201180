# SPDX-License-Identifier: Apache-2.0
"""The serial CRC against zlib's."""

from __future__ import annotations

import random
import zlib
from typing import Any

from amaranth.sim import Simulator

from cygnet.gateware.link.crc import Crc32


def test_crc() -> None:
    dut = Crc32()
    rng = random.Random(2)
    messages = [b"", b"123456789", *(rng.randbytes(n) for n in (1, 4, 40))]

    async def put(ctx: Any, byte: int) -> None:
        ctx.set(dut.data, byte)
        ctx.set(dut.valid, 1)
        await ctx.tick()
        ctx.set(dut.valid, 0)
        await ctx.tick().until(~dut.busy)

    async def bench(ctx: Any) -> None:
        for message in messages:
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            for byte in message:
                await put(ctx, byte)
            expected = zlib.crc32(message)
            assert ctx.get(dut.crc) == expected
            assert not ctx.get(dut.match)
            for at, byte in enumerate(expected.to_bytes(4, "little")):
                await put(ctx, byte)
                assert ctx.get(dut.match) == (at == 3)
            await put(ctx, 0)
            assert not ctx.get(dut.match)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(bench)
    sim.run()
