# SPDX-License-Identifier: Apache-2.0
"""A serial link in Amaranth's simulator between a line of bits and a stand-in accelerator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.sim import Simulator

from cygnet.gateware.link.serial_link import LinkConfig, SerialLink
from cygnet.host.device import Identity
from cygnet.host.protocol import Frame, Parser

CLOCKS = 4
"""In a bit."""
IDENTITY = Identity("0123456789abcdef" * 4, values=5, classes=3, steps=2, clock_hz=4_000_000)
CONFIG = LinkConfig(
    IDENTITY, baud=1_000_000, beat=2, logit_width=20, label_width=2, slots=4, silence=100e-6
)
LATENCY = 17
"""Clocks of the stand-in from the first beat to the last logit."""

QUIET = 200
"""Clocks without a bit after which the board has said all."""


def logits(image: Sequence[int]) -> list[int]:
    """What the stand-in answers: signed, beyond 16 bits, different for every image."""
    return [sum(image) - 300, -1000 * image[0] - image[-1], 1200 * image[1]]


def label(image: Sequence[int]) -> int:
    found = logits(image)
    return found.index(max(found))


def bits_of(data: bytes, gaps: Sequence[int] = ()) -> list[int]:
    """The line, bit by bit; ``gaps[i]`` quiet bits come before byte i."""
    line = []
    for number, byte in enumerate(data):
        line += [1] * (gaps[number] if number < len(gaps) else 0)
        line += [0, *(byte >> at & 1 for at in range(8)), 1]
    return line


def exchange(
    line: Sequence[int], *, config: LinkConfig = CONFIG, error_at: int = -1
) -> list[Frame]:
    """The frames that a board answers to a line of bits.

    :param error_at: the stand-in drops this image, counted from 0, as one of a wrong length
    """
    dut = SerialLink(config)
    sent: list[int] = []
    asked = False
    values, classes = config.identity.values, config.identity.classes

    async def host(ctx: Any) -> None:
        nonlocal asked
        for bit in line:
            ctx.set(dut.rx, bit)
            await ctx.tick().repeat(CLOCKS)
        ctx.set(dut.rx, 1)
        await ctx.tick().repeat(QUIET)
        asked = True

    async def board(ctx: Any) -> None:
        left, byte, since = 0, 0, 0
        while not asked or left or since < QUIET:
            *_, level = await ctx.tick().sample(dut.tx)
            since += 1
            if left == 0 and not level:
                left, since = 10, 0
            if left and since == CLOCKS * (10 - left) + CLOCKS // 2:
                left -= 1
                byte = byte >> 1 | level << 9
                if left == 0:
                    assert byte >> 9
                    sent.append(byte >> 1 & 0xFF)

    async def accelerator(ctx: Any) -> None:
        number = 0
        while True:
            image: list[int] = []
            last, begun = 0, 0
            ctx.set(dut.image.ready, 1)
            while not last:
                *_, payload, valid = await ctx.tick().sample(dut.image.payload, dut.image.valid)
                begun += bool(image)
                if valid:
                    data, last = payload.data, payload.last
                    image += [data >> 8 * at & 0xFF for at in range(config.beat)]
            ctx.set(dut.image.ready, 0)
            assert image[values:] == [0] * (-values % config.beat)
            image = image[:values]
            number += 1
            if number - 1 == error_at:
                ctx.set(dut.error, 1)
                await ctx.tick()
                ctx.set(dut.error, 0)
                continue
            await ctx.tick().repeat(LATENCY - begun - classes)
            for place, logit in enumerate(logits(image)):
                ctx.set(
                    dut.logits.payload,
                    {"logit": logit, "label": label(image), "last": place == classes - 1},
                )
                ctx.set(dut.logits.valid, 1)
                await ctx.tick().until(dut.logits.ready)
            ctx.set(dut.logits.valid, 0)

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(host, background=True)
    sim.add_testbench(accelerator, background=True)
    sim.add_testbench(board)
    sim.run()
    return list(Parser(64).feed(bytes(sent)))
