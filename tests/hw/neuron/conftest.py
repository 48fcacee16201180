# SPDX-License-Identifier: Apache-2.0
"""A neuron core in simulation, and the one-line model of what it must do."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from amaranth.sim import Simulator

from cygnet.gateware.neuron import neuron_core
from cygnet.neuron_core import NeuronCoreConfig


@dataclass(frozen=True)
class Step:
    """What goes into a core in one transfer."""

    index: int
    channel: int
    current: int
    first: bool
    last: bool


@dataclass(frozen=True)
class Parameters:
    """One row's worth, as the model needs it."""

    reset: int
    fire: int
    initial: int
    enabled: bool = True
    amplitude: int = 1


@dataclass(frozen=True)
class Run:
    """Spikes (index, count, first, last) with the clock of their transfer, and of the steps'."""

    spikes: list[tuple[int, int, bool, bool]]
    accepted: list[int]
    delivered: list[int]


def model(
    config: NeuronCoreConfig, rows: Sequence[Parameters], steps: Sequence[Step]
) -> list[tuple[int, int, bool, bool]]:
    """The formulas of docs/numerics.md, one step after the other."""
    half = 1 << (config.membrane_width - 1)
    state: dict[int, tuple[int, int]] = {}
    spikes = []
    for step in steps:
        row = rows[step.channel]
        v, m = (row.initial, 0) if step.first else state[step.index]
        p = v + step.current
        if config.saturate:
            p = max(-half, min(half - 1, p))
        assert -half <= p < half, "the test drives the core out of its bounds"
        if config.kind == "snm":
            c = 1 if p >= row.fire else -1 if p <= -row.fire and m > 0 else 0
        else:
            c = sum(p >= row.fire + (k - 1) * row.reset for k in range(1, config.tau + 1))
        state[step.index] = p - c * row.reset, m + c
        spikes.append((step.index, c * row.enabled * row.amplitude, step.first, step.last))
    return spikes


def pack(config: NeuronCoreConfig, rows: Sequence[Parameters]) -> list[int]:
    """Rows of the parameter memory, packed field by field as ``row_fields`` says."""
    words = []
    for row in rows:
        word = at = 0
        for field in config.row_fields:
            word |= (int(getattr(row, field.name)) & (1 << field.width) - 1) << at
            at += field.width
        words.append(word)
    return words if config.row_width else []


def simulate(
    config: NeuronCoreConfig,
    rows: Sequence[Parameters],
    steps: Sequence[Step],
    *,
    source: Callable[[], bool] = lambda: True,
    sink: Callable[[], bool] = lambda: True,
    checked: bool = True,
    trace: Any = None,
) -> Run:
    """Runs the core; ``source`` and ``sink`` say for each clock whether they are willing."""
    core = neuron_core(config, pack(config, rows), checked=checked)
    accepted: list[int] = []
    delivered: list[int] = []
    spikes: list[tuple[int, int, bool, bool]] = []

    async def testbench(ctx: Any) -> None:
        clock = sent = 0
        offered = False
        while len(spikes) < len(steps):
            assert clock < 40 * len(steps) + 200, "the core has stopped"
            if not offered and sent < len(steps) and source():
                step = steps[sent]
                ctx.set(
                    core.i.payload,
                    {
                        "index": step.index,
                        "channel": step.channel,
                        "current": step.current,
                        "first": step.first,
                        "last": step.last,
                    },
                )
                offered = True
            ctx.set(core.i.valid, offered)
            ctx.set(core.o.ready, sink())
            if ctx.get(core.o.valid) and ctx.get(core.o.ready):
                spike = ctx.get(core.o.payload)
                spikes.append((spike.index, spike.count, bool(spike.first), bool(spike.last)))
                delivered.append(clock)
            if offered and ctx.get(core.i.ready):
                accepted.append(clock)
                sent += 1
                offered = False
            if trace is not None:
                trace(ctx, core)
            await ctx.tick()
            clock += 1

    simulator = Simulator(core)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    return Run(spikes, accepted, delivered)


def random_rows(config: NeuronCoreConfig, rng: random.Random) -> list[Parameters]:
    """Parameters that the core's fields can hold."""
    high = 2**config.threshold_width - 1
    half = 1 << (config.membrane_width - 1)
    rows = []
    for _ in range(config.channels):
        reset = rng.choice([1, high, rng.randint(1, high), rng.randint(1, high)])
        fire = reset if config.fire_level == "reset" else rng.randint(1, high)
        if config.threshold != "memory":
            reset, fire = config.reset, config.fire
        initial = {
            "half": reset >> 1,
            "zero": 0,
            "memory": rng.randint(-half // 2, half // 2),
        }[config.initial_level]
        if config.threshold != "memory":
            initial = config.initial
        rows.append(
            Parameters(
                reset,
                fire,
                initial,
                enabled=not config.enables or rng.random() < 0.7,
                amplitude=rng.randint(1, 2**config.amplitude_width - 1)
                if config.amplitude_width
                else 1,
            )
        )
    return rows


def random_steps(
    config: NeuronCoreConfig,
    rows: Sequence[Parameters],
    rng: random.Random,
    *,
    rounds: int = 6,
    time: int = 4,
) -> list[Step]:
    """Neurons in every slot, interleaved as closely as the core allows, within its bounds.

    Currents sit on and beside the thresholds as often as anywhere.
    """
    half = 1 << (config.membrane_width - 1)
    reach = 1 << (config.current_width - 1)
    steps: list[Step] = []
    for _ in range(rounds):
        slots = rng.sample(range(config.depth), rng.randint(config.interleave, config.depth))
        channels = [rng.randrange(config.channels) for _ in slots]
        potentials = [rows[channel].initial for channel in channels]
        memories = [0] * len(slots)
        for t in range(time):
            for n, (slot, channel) in enumerate(zip(slots, channels, strict=True)):
                row = rows[channel]
                target = rng.choice(
                    [
                        row.fire + rng.randint(-1, config.tau + 1) * row.reset + rng.randint(-1, 1),
                        -row.fire + rng.randint(-1, 1),
                        rng.randint(-half, half - 1),
                    ]
                )
                low, high = -reach, reach - 1
                if not config.saturate:
                    low = max(low, -half - potentials[n])
                    high = min(high, half - 1 - potentials[n])
                current = max(low, min(high, target - potentials[n]))
                p = max(-half, min(half - 1, potentials[n] + current))
                if config.kind == "snm":
                    up, down = p >= row.fire, p <= -row.fire and memories[n] > 0
                    count = up - down
                else:
                    count = sum(p >= row.fire + k * row.reset for k in range(config.tau))
                potentials[n] = p - count * row.reset
                memories[n] += count
                steps.append(Step(slot, channel, current, t == 0, t == time - 1))
    return steps


@pytest.fixture(scope="session")
def bench() -> Any:
    """The functions of this file, for the tests beside it."""

    class Bench:
        Step, Parameters, Run = Step, Parameters, Run
        model = staticmethod(model)
        pack = staticmethod(pack)
        simulate = staticmethod(simulate)
        random_rows = staticmethod(random_rows)
        random_steps = staticmethod(random_steps)

    return Bench
