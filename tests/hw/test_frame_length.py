# SPDX-License-Identifier: Apache-2.0
"""Frames that are too short or too long: an error, no logits, and the next frame is right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from amaranth.sim import Simulator

from accelerators import beat_words
from cygnet import input_stream
from cygnet.cosim import accelerator
from cygnet.gateware.accelerator import Accelerator
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from cygnet.network import Network
from networks import dense_frames, dense_network
from random_networks import draw


def _dense() -> tuple[Network, HardwareConfig, np.ndarray]:
    network = dense_network(3, (20, 9, 4))
    frames = dense_frames(network, 4, seed=5)
    return network, HardwareConfig.uniform(network, steps=2, lanes=4, beat=4), frames


def _drawn(drawn: int | None) -> tuple[Network, HardwareConfig, np.ndarray]:
    return _dense() if drawn is None else draw(drawn)


@pytest.mark.parametrize("drawn", [None, 1, 7, 9, 303])
@pytest.mark.parametrize("wrong", [-1000, -1, 1, 3])
def test_wrong_length(drawn: int | None, wrong: int) -> None:
    """``wrong`` beats too many, or too few (at least one)."""
    network, hardware, frames = _drawn(drawn)
    _wrong_between_right(network, hardware, frames, wrong)


@pytest.mark.parametrize("drawn", [None, 7])
def test_a_frame_that_outlasts_the_pipeline(drawn: int | None) -> None:
    """Its last beats come when the first layer has long been ready for the next frame."""
    network, hardware, frames = _drawn(drawn)
    predicted = accelerator.predict(network, hardware, frames)
    busy = int(predicted.timing(0, 2, back_to_back=True).finished[-1])
    _wrong_between_right(network, hardware, frames, busy)


def _wrong_between_right(
    network: Network, hardware: HardwareConfig, frames: np.ndarray, wrong: int
) -> None:
    """Right, wrong, right, wrong, right."""
    beats = input_stream.beats(network, hardware)
    words = beat_words(network, hardware, frames)
    length = max(1, beats + wrong)
    assert length != beats
    order = [(0, beats), (1, length), (1, beats), (0, length), (0, beats)]
    contents = {memory.name: memory.words for memory in memories(network, hardware)}
    dut = Accelerator(network, hardware, contents)
    logits: list[int] = []
    errors = 0

    async def source(ctx: Any) -> None:
        for frame, sent in order:
            for beat in range(sent):
                data = int.from_bytes(words[frame, beat % beats].tobytes(), "little")
                ctx.set(dut.in_data, data)
                ctx.set(dut.in_last, beat == sent - 1)
                ctx.set(dut.in_valid, 1)
                while not ctx.get(dut.in_ready):
                    await ctx.tick()
                await ctx.tick()
        ctx.set(dut.in_valid, 0)

    async def sink(ctx: Any) -> None:
        nonlocal errors
        ctx.set(dut.out_ready, 1)
        for _ in range(20_000):
            errors += ctx.get(dut.in_error)
            if ctx.get(dut.out_valid):
                logits.append(ctx.get(dut.out_logit))
            if len(logits) == 3 * network.classes and errors == 2:
                break
            await ctx.tick()
        # Nothing may follow.
        for _ in range(300):
            await ctx.tick()
            assert not ctx.get(dut.out_valid)
            assert not ctx.get(dut.in_error)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    assert errors == 2
    golden = run(network, frames, steps=hardware.steps)
    right = [frame for frame, sent in order if sent == beats]
    np.testing.assert_array_equal(np.reshape(logits, (3, -1)), golden.logits[right])


@pytest.mark.parametrize("drawn", [None, 7, 9, 303])
def test_every_verdict_has_room(drawn: int | None) -> None:
    """The sink waits until no beat has been taken for long; every other frame is bad."""
    network, hardware, frames = _drawn(drawn)
    beats = input_stream.beats(network, hardware)
    words = beat_words(network, hardware, frames)
    contents = {memory.name: memory.words for memory in memories(network, hardware)}
    dut = Accelerator(network, hardware, contents)
    timing = accelerator.predict(network, hardware, frames).timing(0, 1, back_to_back=False)
    long = 4 * int(timing.latency[0])
    sent = 0
    logits: list[int] = []

    async def source(ctx: Any) -> None:
        nonlocal sent
        waited = 0
        while waited < long:
            short = sent % 2 == 1
            for beat in range(1 if short else beats):
                data = words[sent % len(frames), beat]
                ctx.set(dut.in_data, int.from_bytes(data.tobytes(), "little"))
                ctx.set(dut.in_last, short or beat == beats - 1)
                ctx.set(dut.in_valid, 1)
                while not ctx.get(dut.in_ready):
                    waited += 1
                    ctx.set(dut.out_ready, waited >= long)
                    await ctx.tick()
                await ctx.tick()
            sent += 1
        ctx.set(dut.in_valid, 0)

    async def sink(ctx: Any) -> None:
        idle = 0
        while idle < 2 * long:
            shown = ctx.get(dut.out_valid) and ctx.get(dut.out_ready)
            idle = 0 if shown or not ctx.get(dut.out_ready) else idle + 1
            if shown:
                logits.append(ctx.get(dut.out_logit))
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(source)
    simulator.add_testbench(sink)
    simulator.run()
    right = [number % len(frames) for number in range(0, sent, 2)]
    golden = run(network, frames, steps=hardware.steps).logits[right]
    np.testing.assert_array_equal(np.reshape(logits, (len(right), -1)), golden)
