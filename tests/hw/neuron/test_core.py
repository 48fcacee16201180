# SPDX-License-Identifier: Apache-2.0
"""Neuron cores in the simulator against the one-line model."""

from __future__ import annotations

import random
from typing import Any

import pytest

from cygnet.neuron_core import NeuronCoreConfig

BASE: dict[str, Any] = {
    "membrane_width": 14,
    "current_width": 13,
    "threshold_width": 9,
    "depth": 12,
    "channels": 7,
}
GN = BASE | {"kind": "gn"}
SNM = BASE | {"kind": "snm", "memory_width": 3}

CONFIGS: dict[str, dict[str, Any]] = {
    "if": BASE | {"kind": "if"},
    **{f"gn-tau{tau}": GN | {"tau": tau} for tau in (*range(1, 10), 11, 13, 15, 16)},
    "gn-fire": GN | {"tau": 5, "fire_level": "memory"},
    "gn-initial": GN | {"tau": 4, "initial_level": "memory"},
    "gn-zero": GN | {"tau": 4, "initial_level": "zero"},
    "gn-constant": GN | {"tau": 4, "threshold": "constant", "reset": 77, "fire": 77, "initial": 38},
    "gn-constant-strict": GN
    | {"tau": 3, "threshold": "constant", "reset": 77, "fire": 78, "initial": -5},
    "gn-constant-pow2": GN
    | {"tau": 4, "threshold": "constant", "reset": 64, "fire": 64, "initial": 32},
    "gn-pow2": GN | {"tau": 4, "threshold": "pow2", "reset": 64, "fire": 64, "initial": 32},
    "gn-pow2-enables": GN
    | {"tau": 16, "threshold": "pow2", "reset": 4, "fire": 4, "initial": -3, "enables": True},
    "gn-pow2-tau7": GN | {"tau": 7, "threshold": "pow2", "reset": 1, "fire": 1, "initial": 0},
    "gn-pow2-tau1": GN | {"tau": 1, "threshold": "pow2", "reset": 256, "fire": 256, "initial": 9},
    "gn-pow2-saturate": GN
    | {"tau": 4, "threshold": "pow2", "reset": 256, "fire": 256, "initial": 9, "saturate": True},
    "gn-tau4-fire": GN | {"tau": 4, "fire_level": "memory", "initial_level": "memory"},
    "gn-tau16-fire": GN | {"tau": 16, "fire_level": "memory", "initial_level": "zero"},
    "if-fire": GN | {"tau": 1, "fire_level": "memory"},
    "gn-tau2-fire": GN | {"tau": 2, "fire_level": "memory"},
    "gn-saturate": GN | {"tau": 4, "saturate": True, "current_width": 16},
    "gn-narrow": GN | {"tau": 4, "threshold_width": 13, "saturate": True},
    "gn-narrow-tau16": GN | {"tau": 16, "threshold_width": 13, "saturate": True},
    "gn-narrow-fire": GN
    | {"tau": 5, "threshold_width": 13, "saturate": True, "fire_level": "memory"},
    "gn-enables": GN | {"tau": 2, "enables": True},
    "gn-one-row": GN | {"tau": 4, "channels": 1},
    "snm": SNM,
    "snm-fire": SNM | {"fire_level": "memory"},
    "snm-constant": SNM | {"threshold": "constant", "reset": 77, "fire": 78, "initial": 0},
    "snm-pow2": SNM | {"threshold": "pow2", "reset": 32, "fire": 32, "initial": 0},
    "snm-amplitude": SNM | {"amplitude_width": 8, "initial_level": "zero", "enables": True},
    "snm-saturate": SNM | {"saturate": True, "threshold_width": 13},
}


class Handshake:
    """A trace that predicts every valid and ready of a core from the transfers before, stalls
    included: all stages move on in each clock in which it is ready."""

    def __init__(self, config: NeuronCoreConfig) -> None:
        self._fast = config.variant == "fast"
        self._stages = [False] * config.latency
        self._held = False
        self.waits = 0

    def __call__(self, ctx: Any, core: Any) -> None:
        taken, ready = ctx.get(core.i.valid), ctx.get(core.i.ready)
        held = bool(ctx.get(core.o.valid) and not ctx.get(core.o.ready))
        assert ready == (not (self._held if self._fast else held))
        assert ctx.get(core.o.valid) == (self._stages[0] or not ready)
        if ready:
            self._stages = [*self._stages[1:], bool(taken)]
        self._held = held
        self.waits += not ready


@pytest.fixture(params=["fast", "small"])
def variant(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.mark.parametrize("name", CONFIGS)
def test_equals_model(bench: Any, name: str, variant: Any) -> None:
    config = NeuronCoreConfig(**CONFIGS[name], variant=variant)
    rng = random.Random(f"{name} {variant}")
    rows = bench.random_rows(config, rng)
    steps = bench.random_steps(config, rows, rng)
    config.check_steps((step.index, step.current, step.first) for step in steps)
    run = bench.simulate(config, rows, steps)
    assert run.spikes == bench.model(config, rows, steps)
    assert any(count for _, count, _, _ in run.spikes)


@pytest.mark.parametrize("state_memory", ["lut", "block"])
@pytest.mark.parametrize("kind", ["gn", "snm"])
def test_loses_nothing_in_stalls(bench: Any, kind: str, variant: Any, state_memory: Any) -> None:
    options = (GN | {"tau": 4} if kind == "gn" else SNM) | {"state_memory": state_memory}
    config = NeuronCoreConfig(**options, variant=variant)
    rng = random.Random(5)
    rows = bench.random_rows(config, rng)
    for willing in (0.2, 0.5, 0.9):
        steps = bench.random_steps(config, rows, rng)
        handshake = Handshake(config)
        run = bench.simulate(
            config,
            rows,
            steps,
            source=lambda: rng.random() < 0.7,
            sink=lambda willing=willing: rng.random() < willing,
            trace=handshake,
        )
        assert run.spikes == bench.model(config, rows, steps)
        assert handshake.waits > 0


@pytest.mark.parametrize("state_memory", ["lut", "block"])
@pytest.mark.parametrize("saturate", [False, True])
@pytest.mark.parametrize("kind", ["gn", "snm"])
def test_one_step_a_clock_after_the_stated_latency(
    bench: Any, kind: str, variant: Any, saturate: bool, state_memory: Any
) -> None:
    options = (GN | {"tau": 4} if kind == "gn" else SNM) | {"state_memory": state_memory}
    config = NeuronCoreConfig(**options, variant=variant, saturate=saturate)
    rng = random.Random(6)
    rows = bench.random_rows(config, rng)
    steps = bench.random_steps(config, rows, rng)
    run = bench.simulate(config, rows, steps)
    assert run.accepted == list(range(len(steps)))
    assert run.delivered == [clock + config.latency for clock in run.accepted]


@pytest.mark.parametrize("state_memory", ["lut", "block"])
@pytest.mark.parametrize("saturate", [False, True])
def test_interleave_is_the_least_distance(
    bench: Any, variant: Any, saturate: bool, state_memory: Any
) -> None:
    config = NeuronCoreConfig(
        **GN, tau=4, variant=variant, saturate=saturate, state_memory=state_memory
    )
    rows = [bench.Parameters(100, 100, 50)] * config.channels

    def steps(distance: int) -> list[Any]:
        slots = [3, *range(4, 3 + distance)]
        return [
            bench.Step(slot, 0, 30 + 7 * n, t == 0, t == 3)
            for t in range(4)
            for n, slot in enumerate(slots)
        ]

    close = steps(config.interleave)
    config.check_steps((step.index, step.current, step.first) for step in close)
    assert bench.simulate(config, rows, close).spikes == bench.model(config, rows, close)

    closer = steps(config.interleave - 1)
    with pytest.raises(ValueError, match=r"^steps of index 3 must be at least \d+ clocks apart"):
        config.check_steps((step.index, step.current, step.first) for step in closer)
    with pytest.raises(AssertionError, match="steps of one neuron must keep the interleave"):
        bench.simulate(config, rows, closer)
    unchecked = bench.simulate(config, rows, closer, checked=False)
    assert unchecked.spikes != bench.model(config, rows, closer)


def test_single_steps_need_no_distance(bench: Any, variant: Any) -> None:
    config = NeuronCoreConfig(**GN, tau=4, variant=variant)
    rng = random.Random(8)
    rows = bench.random_rows(config, rng)
    steps = [
        bench.Step(0, rng.randrange(config.channels), rng.randint(-4000, 4000), True, True)
        for _ in range(60)
    ]
    config.check_steps((step.index, step.current, step.first) for step in steps)
    assert bench.simulate(config, rows, steps).spikes == bench.model(config, rows, steps)
