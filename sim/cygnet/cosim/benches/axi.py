# SPDX-License-Identifier: Apache-2.0
"""The cocotb test module for accelerators with AXI ports; cocotbext-axi drives them.

It is run by :func:`cygnet.cosim.axi.run_axi`, which leaves the job in a file. What is expected
comes from there; nothing here computes it.
"""

from __future__ import annotations

import functools
import json
import os
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.simtime import get_sim_time
from cocotb.task import bridge, resume
from cocotb.triggers import ClockCycles, RisingEdge, SimTimeoutError, with_timeout
from cocotbext.axi import (
    AxiLiteBus,
    AxiLiteMaster,
    AxiStreamBus,
    AxiStreamFrame,
    AxiStreamSink,
    AxiStreamSource,
)

from cygnet.cosim.case import BenchError
from cygnet.host.memory_map import MemoryMapDevice
from cygnet.registers import Register, register

FOLDER = Path(os.environ["CYGNET_BENCH"])
JOB: dict[str, Any] = json.loads((FOLDER / "job.json").read_text())
CLOCK_NS = 10
OKAY, SLVERR = 0, 2


def pauses(seed: int, share: float) -> Iterator[bool]:
    """For ever: a pause in this clock?"""
    draw = random.Random(seed)
    while True:
        yield from [draw.random() < share] * draw.randint(1, 4)


def expect(found: object, wanted: object, what: str) -> None:
    if found != wanted:
        raise BenchError(f"{what}: expected {wanted!r}, got {found!r}")


class Bench:
    """An accelerator with a master at each of its ports.

    :param parameters: what is loaded where the design needs it: 0 or 1
    """

    def __init__(self, dut: Any, seed: int) -> None:
        self.dut = dut
        self.draw = random.Random(seed)
        self.fault: str | None = None
        Clock(dut.aclk, CLOCK_NS, unit="ns").start()
        reset = (dut.aclk, dut.aresetn, False)
        dut.aresetn.value = 0
        self.registers = AxiLiteMaster(AxiLiteBus.from_prefix(dut, "s_axi"), *reset)
        self.source = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis"), *reset)
        self.sink = AxiStreamSink(
            AxiStreamBus.from_prefix(dut, "m_axis"), *reset, byte_lanes=len(dut.m_axis_tdata) // 8
        )
        if JOB["loadable"]:
            self.loader = AxiStreamSource(AxiStreamBus.from_prefix(dut, "s_axis_load"), *reset)
        for valid, ready, payload in (
            ("m_axis_tvalid", "m_axis_tready", ("m_axis_tdata", "m_axis_tlast", "m_axis_tuser")),
            ("s_axi_bvalid", "s_axi_bready", ("s_axi_bresp",)),
            ("s_axi_rvalid", "s_axi_rready", ("s_axi_rdata", "s_axi_rresp")),
        ):
            cocotb.start_soon(self._watch(valid, ready, payload))

    async def _watch(self, valid: str, ready: str, payload: Sequence[str]) -> None:
        """A valid stays, with what comes with it, until it is taken."""
        held = None
        while True:
            await RisingEdge(self.dut.aclk)
            # What was there just before the edge: flip-flops have not moved yet.
            if not self.dut.aresetn.value:
                held = None
                continue
            offered = bool(self.dut[valid].value)
            shown = [int(self.dut[name].value) for name in payload] if offered else None
            if held is not None and shown != held:
                self.fault = f"{valid}: {held} was offered and not taken, and then {shown}"
                raise BenchError(self.fault)
            held = shown if offered and not self.dut[ready].value else None

    async def reset(self) -> None:
        self.dut.aresetn.value = 0
        await ClockCycles(self.dut.aclk, self.draw.randint(2, 5))
        self.dut.aresetn.value = 1
        await ClockCycles(self.dut.aclk, 1)

    def pause(self, share: float) -> None:
        """Random pauses of every master from now on."""
        channels = [
            self.registers.write_if.aw_channel,
            self.registers.write_if.w_channel,
            self.registers.write_if.b_channel,
            self.registers.read_if.ar_channel,
            self.registers.read_if.r_channel,
            self.source,
            self.sink,
            *([self.loader] if JOB["loadable"] else []),
        ]
        for channel in channels:
            channel.set_pause_generator(pauses(self.draw.getrandbits(32), share))

    async def read(self, name: str, field: str | None = None) -> int:
        found = register(name)
        answer = await self.registers.read(found.offset, 4)
        expect(int(answer.resp), OKAY, f"response to a read of {name}")
        word = int.from_bytes(answer.data, "little")
        return word if field is None else found.field(field).of(word)

    async def write(self, name: str, word: int) -> None:
        answer = await self.registers.write(register(name).offset, word.to_bytes(4, "little"))
        expect(int(answer.resp), OKAY, f"response to a write of {name}")

    async def control(self, **fields: int) -> None:
        """Write CONTROL; enabled, unless it is said otherwise."""
        await self.write("CONTROL", bits(register("CONTROL"), **({"enable": 1} | fields)))

    async def until(self, name: str, field: str, value: int = 1) -> None:
        while await self.read(name, field) != value:
            pass

    async def load(self, words: Sequence[int], *, stream: bool) -> None:
        if stream:
            data = b"".join(word.to_bytes(4, "little") for word in words)
            await self.loader.send(AxiStreamFrame(data))
            await self.loader.wait()
        else:
            for word in words:
                await self.write("LOAD_DATA", word)

    async def start(self, parameters: int = 0) -> None:
        """Reset, and load where the design needs it."""
        await self.reset()
        if JOB["loadable"]:
            await self.load(JOB["loads"][parameters], stream=bool(self.draw.getrandbits(1)))
            await self.until("STATUS", "loaded")

    async def send(self, number: int, length: int | None = None) -> None:
        """A frame, cut off or drawn out to some values; what TKEEP does not keep is noise."""
        values = frame(number)
        if length is not None:
            values = (values * (length // len(values) + 1))[:length]
        beat = JOB["beat"]
        fill = -len(values) % beat
        keep = [1] * len(values) + [0] * fill
        await self.source.send(AxiStreamFrame(values + self.draw.randbytes(fill), tkeep=keep))

    async def answer(self) -> tuple[list[int], int, bool]:
        """(logits, label, cut) of what comes next."""
        received = await self.sink.recv(compact=False)
        size = len(self.dut.m_axis_tdata) // 8
        data = bytes(received.tdata)
        logits = [
            int.from_bytes(data[at : at + size], "little", signed=True)
            for at in range(0, len(data), size)
        ]
        top = len(self.dut.m_axis_tuser) - 1
        user = received.tuser[-1]
        return logits, user & ((1 << top) - 1), bool(user >> top)

    async def check(self, number: int, parameters: int = 0) -> None:
        """The next answer is that of a frame."""
        found = await self.answer()
        wanted = JOB["answers"][parameters]
        expect(
            found, (wanted["logits"][number], wanted["labels"][number], False), f"frame {number}"
        )

    async def popped(self, numbers: Sequence[int]) -> None:
        """The answers of frames, through registers."""
        for number in numbers:
            wanted = JOB["answers"][0]
            classes = len(wanted["logits"][number])
            while await self.read("OUT_COUNT") < classes:
                pass
            words = [await self.read("OUT_DATA") for _ in range(classes)]
            logits = [word - (word >> 31 << 32) for word in words]
            expect(logits, wanted["logits"][number], f"frame {number}")
            expect(await self.read("OUT_LABEL"), wanted["labels"][number], f"frame {number}, label")

    async def none(self) -> None:
        """No answer is left, and none comes."""
        await ClockCycles(self.dut.aclk, 50)
        expect(self.sink.count(), 0, "answers that nobody asked for")


def frame(number: int) -> bytes:
    return bytes.fromhex(JOB["frames"][number])


def frames() -> range:
    return range(len(JOB["frames"]))


def bits(found: Register, **fields: int) -> int:
    """The word of a register with these fields."""
    return sum(value << found.field(name).low for name, value in fields.items())


def scenario(test: Callable[[Bench], Awaitable[None]]) -> Any:
    """A cocotb test, if the job names it."""

    @functools.wraps(test)
    async def run(dut: Any) -> None:
        failure: str | None = "broke off"
        bench = Bench(dut, JOB["seed"])
        try:
            await with_timeout(cocotb.start_soon(test(bench)), JOB["limit"] * CLOCK_NS, "ns")
            failure = None
        except BenchError as error:
            failure = str(error)
            raise
        except SimTimeoutError:
            failure = f"not done after {JOB['limit']} clocks"
            raise
        finally:
            # A fault that a monitor finds ends the test from outside.
            failure = bench.fault or failure
            (FOLDER / f"report-{test.__name__}.json").write_text(json.dumps({"failure": failure}))

    return cocotb.test()(run) if test.__name__ in JOB["scenarios"] else run


@scenario
async def constants(bench: Bench) -> None:
    """What the design says of itself; refusals; bytes of a register."""
    await bench.reset()
    bench.pause(0.3)
    for key, value in JOB["constants"].items():
        name, field = key.split(".")
        expect(await bench.read(name, field), value, key)
    known = set(JOB["offsets"])
    for offset in [*range(0, 0x100, 4), 0x100, 0x7F0, 0xFFC]:
        if offset not in known:
            answer = await bench.registers.read(offset, 4)
            expect(int(answer.resp), SLVERR, f"response to a read of 0x{offset:X}")
            written = await bench.registers.write(offset, bytes(4))
            expect(int(written.resp), SLVERR, f"response to a write of 0x{offset:X}")
    for name in ("ID", "STATUS", "FRAMES_IN"):
        written = await bench.registers.write(register(name).offset, b"\xff" * 4)
        expect(int(written.resp), SLVERR, f"response to a write of {name}")
    await bench.write("INTERRUPT_ENABLE", 0b111)
    written = await bench.registers.write(register("INTERRUPT_ENABLE").offset + 1, b"\x00")
    expect(int(written.resp), OKAY, "response to a write of one byte")
    expect(await bench.read("INTERRUPT_ENABLE"), 0b111, "INTERRUPT_ENABLE")
    written = await bench.registers.write(register("INTERRUPT_ENABLE").offset, b"\x02")
    expect(await bench.read("INTERRUPT_ENABLE"), 0b010, "INTERRUPT_ENABLE")
    if JOB["loadable"]:
        written = await bench.registers.write(register("LOAD_DATA").offset, b"\x01\x02")
        expect(int(written.resp), SLVERR, "response to half a word of LOAD_DATA")
        expect(await bench.read("LOAD_COUNT"), 0, "LOAD_COUNT")


@scenario
async def cycles(bench: Bench) -> None:
    """Free streams: every answer, in as many clocks as the golden model says."""
    await bench.start()
    for number in frames():
        await bench.send(number)
    for number in frames():
        await bench.check(number)
    await bench.none()
    low = await bench.read("CYCLES_LOW")
    expect(low + (await bench.read("CYCLES_HIGH") << 32), JOB["cycles"], "CYCLES")
    for name in ("FRAMES_IN", "FRAMES_OUT"):
        expect(await bench.read(name), len(frames()), name)
    expect(await bench.read("STALLS_OUT"), 0, "STALLS_OUT")
    expect(await bench.read("FRAMES_DROPPED"), 0, "FRAMES_DROPPED")
    expect(await bench.read("ERRORS"), 0, "ERRORS")
    expect(await bench.read("STATUS", "busy"), 0, "STATUS busy")
    await bench.control(clear=1)
    for name in ("FRAMES_IN", "FRAMES_OUT", "CYCLES_LOW", "STALLS_IN"):
        expect(await bench.read(name), 0, f"{name} after clear")


@scenario
async def traffic(bench: Bench) -> None:
    """Random pauses everywhere, and registers are read and written all the time."""
    await bench.start()
    bench.pause(0.4)
    running = True

    async def poke() -> None:
        while running:
            expect(await bench.read("ID"), JOB["constants"]["ID.id"], "ID")
            await bench.write("INTERRUPT_ENABLE", bench.draw.getrandbits(3))
            await bench.control()

    poking = cocotb.start_soon(poke())
    order = [bench.draw.choice(frames()) for _ in range(2 * len(frames()))]
    for number in order:
        await bench.send(number)
    for number in order:
        await bench.check(number)
    running = False
    await poking
    await bench.none()
    expect(await bench.read("FRAMES_OUT"), len(order), "FRAMES_OUT")
    expect(await bench.read("ERRORS"), 0, "ERRORS")


@scenario
async def lengths(bench: Bench) -> None:
    """Frames of a wrong length among others: dropped, counted, told of; the others are right."""
    await bench.start()
    bench.pause(0.2)
    await bench.write("INTERRUPT_ENABLE", bits(register("INTERRUPT_ENABLE"), error=1))
    good, bad = [], 0
    values, beat = len(frame(0)), JOB["beat"]
    beats = -(-values // beat)
    for number in frames():
        if bench.draw.random() < 0.6:
            other = bench.draw.choice([n for n in range(1, 2 * beats + 2) if n != beats])
            await bench.send(number, other * beat)
            bad += 1
        await bench.send(number)
        good.append(number)
    for number in good:
        await bench.check(number)
    await bench.none()
    if not bad:
        raise BenchError("this seed makes no frame of a wrong length")
    expect(await bench.read("FRAMES_DROPPED"), bad, "FRAMES_DROPPED")
    expect(await bench.read("FRAMES_IN"), len(good) + bad, "FRAMES_IN")
    expect(await bench.read("ERRORS"), bits(register("ERRORS"), frame_length=1), "ERRORS")
    expect(int(bench.dut.irq.value), 1, "irq")
    await bench.write("ERRORS", 0xFFFFFFFF)
    await bench.write("INTERRUPT_STATUS", bits(register("INTERRUPT_STATUS"), error=1))
    expect(await bench.read("ERRORS"), 0, "ERRORS once they are cleared")
    await ClockCycles(bench.dut.aclk, 2)
    expect(int(bench.dut.irq.value), 0, "irq once it is cleared")
    expect(await bench.read("INTERRUPT_STATUS", "answer"), 1, "INTERRUPT_STATUS answer")
    expect(await bench.read("INTERRUPT_STATUS", "error"), 0, "INTERRUPT_STATUS error")


@scenario
async def soft_resets(bench: Bench) -> None:
    """Resets by register at any time: what answers come are right or marked, all packets end, and
    what is sent afterwards is answered."""
    await bench.start()
    bench.pause(0.2)
    # So that most resets meet frames half-way.
    bench.source.set_pause_generator(pauses(JOB["seed"], 0.6))
    bench.sink.set_pause_generator(pauses(JOB["seed"] + 1, 0.8))
    classes = len(JOB["answers"][0]["logits"][0])
    cut = 0
    for _ in range(JOB["resets"]):
        count = bench.draw.randint(1, 4)
        sent = [bench.draw.choice(frames()) for _ in range(count)]
        for number in sent:
            await bench.send(number)
        if bench.draw.random() < 0.5:
            await ClockCycles(bench.dut.aclk, bench.draw.randint(0, JOB["cycles"] // 2))
        else:
            await RisingEdge(bench.dut.m_axis_tvalid)
        await bench.control(reset=1)
        await bench.source.wait()
        await bench.until("STATUS", "busy", 0)
        await ClockCycles(bench.dut.aclk, 50)
        answers = [await bench.answer() for _ in range(bench.sink.count())]
        possible = [
            (JOB["answers"][0]["logits"][number], JOB["answers"][0]["labels"][number], False)
            for number in sent
        ]
        for logits, label, marked in answers:
            expect(len(logits), classes, "length of an answer")
            if marked:
                cut += 1
            else:
                while possible and possible[0] != (logits, label, False):
                    possible.pop(0)
                if not possible:
                    raise BenchError(f"an answer that is none of those sent: {logits}")
        expect(await bench.read("ERRORS", "frame_length"), 0, "ERRORS frame_length")
        await bench.write("ERRORS", 0xFFFFFFFF)
        number = bench.draw.choice(frames())
        await bench.send(number)
        await bench.check(number)
        await bench.none()
    (FOLDER / "cut.json").write_text(json.dumps(cut))


@scenario
async def hard_resets(bench: Bench) -> None:
    """Resets of everything at any time."""
    for _ in range(JOB["resets"]):
        await bench.start()
        bench.pause(0.2)
        for number in frames():
            await bench.send(number)
        await ClockCycles(bench.dut.aclk, bench.draw.randint(0, JOB["cycles"]))
        bench.dut.aresetn.value = 0
        await ClockCycles(bench.dut.aclk, 2)
        bench.source.clear()
        bench.sink.clear()
    await bench.start()
    for number in frames():
        await bench.send(number)
    for number in frames():
        await bench.check(number)
    await bench.none()


@scenario
async def enable(bench: Bench) -> None:
    """Disabled, no frame begins; those inside are finished."""
    await bench.start()
    await bench.control(enable=0)
    for number in frames():
        await bench.send(number)
    await bench.none()
    expect(await bench.read("FRAMES_IN"), 0, "FRAMES_IN while it is disabled")
    for number in frames():
        await bench.control()
        while await bench.read("FRAMES_IN") == number:
            pass
        await bench.control(enable=0)
        await bench.until("STATUS", "busy", 0)
        entered = await bench.read("FRAMES_IN")
        expect(await bench.read("FRAMES_OUT"), entered, "FRAMES_OUT")
        if entered == len(frames()):
            break
    for number in frames():
        await bench.check(number)
    await bench.none()


@scenario
async def interrupts(bench: Bench) -> None:
    """An answer raises the interrupt, if it is enabled."""
    await bench.start()
    await bench.write("INTERRUPT_STATUS", 0xFFFFFFFF)
    await bench.send(0)
    await bench.check(0)
    expect(int(bench.dut.irq.value), 0, "irq that is not enabled")
    await bench.write("INTERRUPT_ENABLE", bits(register("INTERRUPT_ENABLE"), answer=1))
    await ClockCycles(bench.dut.aclk, 2)
    expect(int(bench.dut.irq.value), 1, "irq")
    await bench.write("INTERRUPT_STATUS", bits(register("INTERRUPT_STATUS"), answer=1))
    await ClockCycles(bench.dut.aclk, 2)
    expect(int(bench.dut.irq.value), 0, "irq once it is cleared")


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
