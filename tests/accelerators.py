# SPDX-License-Identifier: Apache-2.0
"""Accelerators in Amaranth's simulator, driven beat by beat and compared with the golden model."""

from __future__ import annotations

from typing import Any

import numpy as np
from amaranth.sim import Simulator

from cygnet import input_stream
from cygnet.gateware.accelerator import Accelerator
from cygnet.golden.timing import count_events, predict
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from cygnet.input_stream import to_stream
from cygnet.network import Network

__all__ = ["beat_words", "compare", "simulate"]


def beat_words(
    network: Network, hardware: HardwareConfig, frames: np.ndarray
) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """uint8[frames, beats, values of a beat]."""
    sent = to_stream(network, hardware, frames)
    beats = input_stream.beats(network, hardware)
    padded = np.zeros((len(frames), beats * hardware.beat), dtype=np.uint8)
    padded[:, : sent.shape[1]] = sent
    return padded.reshape(len(frames), beats, hardware.beat)


def simulate(
    network: Network,
    hardware: HardwareConfig,
    frames: np.ndarray,
    *,
    stalls: int | None = None,
    idle: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """(logits, labels, accepted, finished); ``stalls`` seeds random pauses on both ends."""
    contents = {memory.name: memory.words for memory in memories(network, hardware)}
    dut = Accelerator(network, hardware, contents)
    count = len(frames)
    beats = input_stream.beats(network, hardware)
    words = beat_words(network, hardware, frames)
    cycle = 0
    accepted, finished, labels, logits = [], [], [], []

    async def clock(ctx: Any) -> None:
        nonlocal cycle
        while True:
            await ctx.tick()
            cycle += 1
            assert cycle < 50_000, "the accelerator hangs"

    async def source(ctx: Any) -> None:
        rng = np.random.default_rng(stalls)
        for number in range(count):
            while idle and len(finished) < number:
                await ctx.tick()
            for beat in range(beats):
                while stalls is not None and rng.random() < 0.3:
                    await ctx.tick()
                ctx.set(dut.in_data, int.from_bytes(words[number, beat].tobytes(), "little"))
                ctx.set(dut.in_last, beat == beats - 1)
                ctx.set(dut.in_valid, 1)
                while not ctx.get(dut.in_ready):
                    await ctx.tick()
                if beat == 0:
                    accepted.append(cycle)
                await ctx.tick()
                ctx.set(dut.in_valid, 0)

    async def sink(ctx: Any) -> None:
        rng = np.random.default_rng(stalls)
        while len(finished) < count:
            ready = stalls is None or rng.random() < 0.4
            ctx.set(dut.out_ready, ready)
            if ready and ctx.get(dut.out_valid):
                logits.append(ctx.get(dut.out_logit))
                if ctx.get(dut.out_last):
                    finished.append(cycle)
                    labels.append(ctx.get(dut.out_label))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(clock, background=True)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    assert len(finished) == count
    return (
        np.array(logits).reshape(count, -1),
        np.array(labels),
        np.array(accepted),
        np.array(finished),
    )


def compare(network: Network, hardware: HardwareConfig, frames: np.ndarray) -> None:
    """Back to back and one by one: values, labels, the cycles of every frame."""
    golden = run(network, frames, steps=hardware.steps, record=True)
    events = count_events(network, hardware, frames, golden.counts)
    logits, labels, accepted, finished = simulate(network, hardware, frames)
    np.testing.assert_array_equal(logits, golden.logits)
    np.testing.assert_array_equal(labels, golden.labels)
    timing = predict(network, hardware, events)
    np.testing.assert_array_equal(accepted - accepted[0], timing.accepted)
    np.testing.assert_array_equal(finished - accepted[0], timing.finished)

    *_, accepted, finished = simulate(network, hardware, frames, idle=True)
    alone = predict(network, hardware, events, back_to_back=False)
    np.testing.assert_array_equal(finished - accepted, alone.latency)
