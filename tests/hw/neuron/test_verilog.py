# SPDX-License-Identifier: Apache-2.0
"""Neuron cores as generated Verilog, with cocotb: values, order, clocks, stalls, reset."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import verilog

from cygnet.cosim.bench import run_job, simulators
from cygnet.cosim.case import Case, Expected, Job
from cygnet.cosim.payload import Payload, StreamSpec
from cygnet.cosim.stalls import PROFILES
from cygnet.gateware.neuron import neuron_core
from cygnet.neuron_core import NeuronCoreConfig

BASE: dict[str, Any] = {
    "membrane_width": 14,
    "current_width": 13,
    "threshold_width": 9,
    "depth": 16,
    "channels": 7,
}
GRID: dict[str, dict[str, Any]] = {
    "if": {"kind": "if"},
    "gn-tau3-fire": {"kind": "gn", "tau": 3, "fire_level": "memory", "initial_level": "memory"},
    "gn-tau4": {"kind": "gn", "tau": 4},
    "gn-tau4-saturate": {"kind": "gn", "tau": 4, "saturate": True, "current_width": 16},
    "gn-tau16": {"kind": "gn", "tau": 16},
    "gn-pow2": {"kind": "gn", "tau": 4, "threshold": "pow2", "reset": 64, "fire": 64},
    "snm": {"kind": "snm", "memory_width": 3},
    "snm-amplitude": {"kind": "snm", "memory_width": 3, "amplitude_width": 8, "enables": True},
}
QUICK = ("gn-tau4", "snm-amplitude")
SEQUENCES = 25
"""Rounds of up to ``depth`` neurons in each case: hundreds of neurons for each set."""


def item(step: Any) -> dict[str, int]:
    return {
        "index": step.index,
        "channel": step.channel,
        "current": step.current,
        "first": int(step.first),
        "last": int(step.last),
    }


def run(
    config: NeuronCoreConfig,
    rows: Sequence[int],
    cases: Sequence[Case],
    folder: Path,
    simulator: str,
) -> None:
    core = neuron_core(config, rows)
    job = Job(
        source=StreamSpec("i", Payload.of(core.i.payload.shape())),
        sink=StreamSpec("o", Payload.of(core.o.payload.shape())),
        cases=tuple(cases),
    )
    text = verilog.convert(core, name="core", emit_src=False, strip_internal_attrs=True)
    run_job(job, text, top="core", folder=folder, simulator=simulator)


def spikes(predicted: Sequence[tuple[int, int, bool, bool]], latency: int | None) -> list[Expected]:
    return [
        Expected(
            {"index": index, "count": count, "first": int(first), "last": int(last)},
            cycle=latency,
            after=number,
        )
        for number, (index, count, first, last) in enumerate(predicted)
    ]


@pytest.mark.parametrize("variant", ["fast", "small"])
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in GRID],
)
def test_random_sequences(bench: Any, tmp_path: Path, name: str, variant: Any) -> None:
    options = BASE | GRID[name] | {"variant": variant}
    config = NeuronCoreConfig(**options)
    rng = random.Random(f"cosim {name} {variant}")
    rows = bench.random_rows(config, rng)
    cases = []
    for number, (source, sink) in enumerate(
        [(PROFILES[0], PROFILES[0]), (PROFILES[0], PROFILES[1]), (PROFILES[2], PROFILES[3])]
        + [(profile, profile) for profile in PROFILES[1:3]]
    ):
        steps = bench.random_steps(config, rows, rng, rounds=SEQUENCES)
        free = source is PROFILES[0] and sink is PROFILES[0]
        cases.append(
            Case(
                name=f"{number}: {source} to {sink}",
                items=[item(step) for step in steps],
                expected=spikes(bench.model(config, rows, steps), config.latency if free else None),
                source=source,
                sink=sink,
                seed=number + 1,
                resets=[] if number % 2 else [37, 150],
            )
        )
    for simulator in simulators():
        run(config, bench.pack(config, rows), cases, tmp_path / simulator, simulator)


# theta = 1 as 1000 steps of the integer membrane; tau = 4, T = 4 (docs/numerics.md).
INPUTS = [-300, 0, 100, 124, 125, 260, 375, 500, 740, 875, 990, 1000, 1200, 2000]
FIXED = {
    "gn": [
        "0 0 0 0 1 1 2 2 3 4 4 4 4 4",
        "0 0 1 1 0 1 1 2 3 3 4 4 4 4",
        "0 0 0 0 1 1 2 2 3 4 4 4 4 4",
        "0 0 1 1 0 1 1 2 3 3 4 4 4 4",
    ],
    "if": [
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 0 1 1 0 0 1 1 1 1 1",
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 1 0 1 0 1 1 1 1 1 1",
    ],
    "snm": [
        "0 0 0 0 0 0 0 0 0 0 0 1 1 1",
        "0 0 0 0 0 0 0 1 1 1 1 1 1 1",
        "0 0 0 0 0 0 1 0 1 1 1 1 1 1",
        "0 0 0 0 0 1 0 1 0 1 1 1 1 1",
    ],
}
VARYING = {
    "gn": {(1, 1, -1, -1): (4, 4, 0, 0), (-1, -1, 1, 1): (0,) * 4, (6, 6, -9, -9): (2, 3, 0, 0)},
    "if": {(1, 1, -1, -1): (1, 1, 0, 0), (-1, -1, 1, 1): (0,) * 4, (6, 6, -9, -9): (1, 0, 0, 0)},
    "snm": {
        (1, 1, -1, -1): (1, 1, -1, -1),
        (-1, -1, 1, 1): (0, 0, 0, 0),
        (6, 6, -9, -9): (0, 1, 0, -1),
    },
}


@pytest.mark.parametrize("variant", ["fast", "small"])
@pytest.mark.parametrize("kind", FIXED)
def test_fixed_cases(tmp_path: Path, kind: Any, variant: Any) -> None:
    reset = 250 if kind == "gn" else 1000
    config = NeuronCoreConfig(
        kind=kind,
        tau=4 if kind == "gn" else 1,
        membrane_width=14,
        current_width=13,
        threshold_width=10,
        depth=16,
        channels=1,
        initial_level="zero" if kind == "snm" else "half",
        memory_width=3 if kind == "snm" else 0,
        variant=variant,
    )
    counts = [[int(count) for count in line.split()] for line in FIXED[kind]]
    values: list[dict[str, int]] = []
    expected: list[tuple[int, int, bool, bool]] = []

    def add(neurons: Sequence[tuple[Sequence[int], Sequence[int]]]) -> None:
        for t in range(4):
            for index, (currents, result) in enumerate(neurons):
                first, last = t == 0, t == 3
                values.append(
                    {"index": index, "channel": 0, "current": currents[t]}
                    | {"first": int(first), "last": int(last)}
                )
                expected.append((index, result[t], first, last))

    add(
        [
            ([current] * 4, [line[number] for line in counts])
            for number, current in enumerate(INPUTS)
        ]
    )
    varying = [
        ([current * (1000 if abs(current) == 1 else 100) for current in currents], result)
        for currents, result in VARYING[kind].items()
    ]
    # Three neurons are fewer than the interleave: fill up with silent ones.
    silent = ([0] * 4, [0] * 4)
    add([*varying, *[silent] * (config.interleave - 3)])
    case = Case("fixed", values, spikes(expected, config.latency))
    for simulator in simulators():
        run(config, [reset], [case], tmp_path / simulator, simulator)
