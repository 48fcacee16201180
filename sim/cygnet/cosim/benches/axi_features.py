# SPDX-License-Identifier: Apache-2.0
"""The cocotb tests of designs that load parameters, or take frames through registers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
from cocotb.simtime import get_sim_time
from cocotb.task import bridge, resume
from cocotbext.axi import AxiStreamFrame

from cygnet.cosim.benches.axi_bench import (
    CLOCK_NS,
    JOB,
    OKAY,
    Bench,
    bits,
    expect,
    frame,
    frames,
    scenario,
)
from cygnet.cosim.case import BenchError
from cygnet.host.memory_map import MemoryMapDevice
from cygnet.registers import register


@scenario
async def buffered(bench: Bench) -> None:
    """Frames and answers through registers; too much and too little is told of."""
    await bench.start()
    await bench.control(buffered=1, reset=1)
    await bench.control(buffered=1)
    bench.pause(0.2)
    errors = register("ERRORS")
    expect(await bench.read("OUT_DATA"), 0, "OUT_DATA of an empty buffer")
    expect(await bench.read("ERRORS"), bits(errors, buffer=1), "ERRORS")
    await bench.write("ERRORS", 0xFFFFFFFF)
    # The streams are shut meanwhile.
    await bench.send(0)
    for number in frames():
        values = frame(number)
        room = await bench.read("IN_SPACE")
        for at in range(0, len(values), 4):
            part = values[at : at + 4]
            while not room:
                room = await bench.read("IN_SPACE")
            # What fills up the last word is nobody's value.
            part += bench.draw.randbytes(4 - len(part))
            await bench.write("IN_DATA", int.from_bytes(part, "little"))
            room -= 1
        if number % 2:
            await bench.popped([number - 1, number])
    if len(frames()) % 2:
        await bench.popped([frames()[-1]])
    expect(await bench.read("OUT_COUNT"), 0, "OUT_COUNT")
    expect(await bench.read("ERRORS"), 0, "ERRORS")
    expect(await bench.read("FRAMES_OUT"), len(frames()), "FRAMES_OUT")
    # Half a frame, then more than there is room for, then a reset: nothing of it is left.
    space = await bench.read("IN_SPACE")
    await bench.control(enable=1, buffered=1)
    for _ in range(4 * space + 64 * len(frames())):
        if await bench.read("ERRORS", "buffer"):
            break
        await bench.write("IN_DATA", 0x01020304)
    expect(await bench.read("ERRORS"), bits(errors, buffer=1), "ERRORS after a flood")
    await bench.control(reset=1)
    await bench.write("ERRORS", 0xFFFFFFFF)
    await bench.check(0)
    await bench.none()
    expect(await bench.read("OUT_COUNT"), 0, "OUT_COUNT after a reset")


@scenario
async def loads(bench: Bench) -> None:
    """Nothing runs before parameters with the right checksum are there; others may follow."""
    await bench.reset()
    bench.pause(0.2)
    good = JOB["loads"][0]
    expect(await bench.read("STATUS"), 0, "STATUS before a load")
    await bench.send(1)
    await bench.none()
    expect(await bench.read("FRAMES_IN"), 0, "FRAMES_IN before a load")
    errors, status = register("ERRORS"), register("STATUS")

    async def refused(words: list[int], *, stream: bool, error: str) -> None:
        await bench.load(words, stream=stream)
        expect(await bench.read("ERRORS"), bits(errors, **{error: 1}), f"ERRORS, {error}")
        expect(await bench.read("STATUS"), 0, f"STATUS, {error}")
        await bench.write("ERRORS", 0xFFFFFFFF)
        if not stream:
            await bench.control(load=1)

    for stream in (False, True):
        place = bench.draw.randrange(1, len(good))
        wrong = list(good)
        wrong[place] ^= 1 << bench.draw.randrange(32)
        await refused(wrong, stream=stream, error="load_checksum")
        await refused([good[0] ^ 4, *good[1:]], stream=stream, error="load_layout")
        swapped = list(good)
        other = next(n for n in range(1, len(good) - 1) if good[n] != good[n + 1])
        swapped[other], swapped[other + 1] = swapped[other + 1], swapped[other]
        await refused(swapped, stream=stream, error="load_checksum")
    await refused(good[:-1], stream=True, error="load_length")
    await refused([*good, 7], stream=True, error="load_length")
    # Half a load, then anew.
    await bench.load(good[: len(good) // 2], stream=False)
    expect(await bench.read("STATUS"), bits(status, loading=1), "STATUS in a load")
    expect(await bench.read("LOAD_COUNT"), len(good) // 2, "LOAD_COUNT")
    await bench.none()
    await bench.control(load=1)
    await bench.write("INTERRUPT_STATUS", 0xFFFFFFFF)
    await bench.load(good, stream=False)
    expect(await bench.read("STATUS", "loaded"), 1, "STATUS loaded")
    expect(await bench.read("LOAD_CHECKSUM"), good[-1], "LOAD_CHECKSUM")
    expect(await bench.read("INTERRUPT_STATUS", "load"), 1, "INTERRUPT_STATUS load")
    await bench.check(1)
    for parameters in (1, 0, 1):
        for number in frames():
            await bench.send(number)
        for number in frames():
            await bench.check(number, 1 - parameters)
        await bench.none()
        await bench.control(load=1)
        await bench.until("STATUS", "running", 0)
        await bench.load(JOB["loads"][parameters], stream=bool(parameters))
        await bench.until("STATUS", "loaded")
    # One word too many is told of and harms nothing.
    await bench.write("LOAD_DATA", 1)
    expect(await bench.read("ERRORS"), bits(errors, load_length=1), "ERRORS")
    await bench.control(reset=1)
    for number in frames():
        await bench.send(number)
    for number in frames():
        await bench.check(number, 1)
    await bench.none()


class SimulatedRegisters:
    """What the driver on the host reads and writes; it runs in a thread of its own.

    :param spoil: called before each access
    """

    def __init__(self, bench: Bench, spoil: Callable[[], Awaitable[None]] | None = None) -> None:
        self._bench = bench
        self._spoil = spoil
        self.read = resume(self._read)
        self.write = resume(self._write)

    async def _read(self, offset: int) -> int:
        if self._spoil is not None:
            await self._spoil()
        answer = await self._bench.registers.read(offset, 4)
        expect(int(answer.resp), OKAY, f"response to the host's read of 0x{offset:X}")
        return int.from_bytes(answer.data, "little")

    async def _write(self, offset: int, value: int) -> None:
        if self._spoil is not None:
            await self._spoil()
        answer = await self._bench.registers.write(offset, value.to_bytes(4, "little"))
        expect(int(answer.resp), OKAY, f"response to the host's write of 0x{offset:X}")


class SimulatedDma:
    """A DMA engine for the driver: cocotbext-axi's streams."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.exchange = resume(self._exchange)
        self.restart = resume(self._restart)

    async def _exchange(self, frame: Any, logits: int, dtype: Any, timeout: float) -> Any:
        beat = JOB["beat"]
        data = frame.tobytes()
        keep = [1] * len(data) + [0] * (-len(data) % beat)
        await self._bench.source.send(AxiStreamFrame(data + bytes(-len(data) % beat), tkeep=keep))
        received = await self._bench.sink.recv(compact=False)
        return np.frombuffer(bytes(received.tdata), np.dtype(dtype))

    async def _restart(self) -> None:
        pass


@scenario
async def host(bench: Bench) -> None:
    """The driver of the host itself: loads, frames through registers and by DMA, and a device
    that is reset under its hands."""
    await bench.reset()
    bench.pause(0.1)
    every_frame = np.array([list(frame(number)) for number in frames()], dtype=np.uint8)

    def drive(registers: Any, dma: Any, parameters: int) -> tuple[Any, Any]:
        device = MemoryMapDevice(
            registers,
            dma=dma,
            parameters=Path(JOB["folders"][parameters]) if JOB["loadable"] else None,
            timeout=JOB["cycles"] * 10 * CLOCK_NS * 1e-9,
            attempts=20,
            clock=lambda: get_sim_time("sec"),
        )
        return device.classify(every_frame), device.identity

    async def driven(registers: Any, dma: Any, parameters: int) -> Any:
        answers, identity = await bridge(drive)(registers, dma, parameters)
        wanted = JOB["answers"][parameters]
        expect(answers.logits.tolist(), wanted["logits"], "logits that the host has read")
        expect(answers.labels.tolist(), wanted["labels"], "labels that the host has read")
        network = JOB["networks"][parameters]
        expect(network.startswith(identity.network), True, "beginning of the network's checksum")
        return answers

    answers = await driven(SimulatedRegisters(bench), None, 0)
    expect(answers.retries, 0, "images sent again")
    # Other parameters, where they are loaded; and free streams, so clocks are those predicted.
    for channel in (bench.source, bench.sink):
        channel.clear_pause_generator()
        channel.pause = False
    last = len(JOB["answers"]) - 1
    answers = await driven(SimulatedRegisters(bench), SimulatedDma(bench), last)
    expect(answers.retries, 0, "images sent again")
    expect(answers.cycles.tolist(), JOB["alone"][last], "clocks of each image")

    accesses = 0
    load = len(JOB["loads"][0]) if JOB["loadable"] else 0

    async def spoil() -> None:
        nonlocal accesses
        accesses += 1
        # There is time between two resets for a load and a frame.
        if accesses % (load + 90) == 0:
            await bench.reset()

    answers = await driven(SimulatedRegisters(bench, spoil), None, 0)
    if not answers.retries:
        raise BenchError("no reset met the host's work")
