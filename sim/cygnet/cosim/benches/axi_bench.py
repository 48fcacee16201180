# SPDX-License-Identifier: Apache-2.0
"""What the cocotb tests of accelerators with AXI ports share; cocotbext-axi drives the ports.

They are run by :func:`cygnet.cosim.axi.run_axi`, which leaves the job in a file. What is expected
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
from cocotb.clock import Clock
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
