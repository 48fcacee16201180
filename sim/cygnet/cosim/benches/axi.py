# SPDX-License-Identifier: Apache-2.0
"""The cocotb tests that every accelerator with AXI ports is put through."""

from __future__ import annotations

import json

import cocotb
from cocotb.triggers import ClockCycles, RisingEdge

from cygnet.cosim.benches.axi_bench import (
    FOLDER,
    JOB,
    OKAY,
    SLVERR,
    Bench,
    bits,
    expect,
    frame,
    frames,
    pauses,
    scenario,
)
from cygnet.cosim.case import BenchError
from cygnet.registers import register


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
