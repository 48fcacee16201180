# SPDX-License-Identifier: Apache-2.0
"""The dressed core answers as predicted, and a fault in it is noticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from cygnet.cosim.core_frames import TOP, CoreFrames, core_frames
from cygnet.cosim.mutation import Check, Mutant, checks, killed_by, mutants, simulator
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.network import Neurons
from cygnet.neuron_core import NeuronCoreConfig

CHANNELS = 12


def all_checks(compiled: VerilatorSimulator, found: CoreFrames) -> dict[str, Check]:
    return checks(
        compiled, found.frames, found.logits, found.clocks, options=found.options, junk=False
    )


def made(kind: Literal["gn", "if", "snm"], variant: Literal["fast", "small"]) -> CoreFrames:
    rng = np.random.default_rng(61)
    reset = rng.integers(1, 2**9, CHANNELS)
    snm = kind == "snm"
    initial = np.zeros_like(reset) if snm else reset >> 1
    tau = 3 if kind == "gn" else 1
    neurons = Neurons(kind, reset, reset, initial, np.ones(CHANNELS), tau=tau)
    config = NeuronCoreConfig(
        kind=kind,
        tau=tau,
        membrane_width=15,
        current_width=13,
        threshold_width=9,
        depth=CHANNELS,
        channels=CHANNELS,
        memory_width=2 if snm else 0,
        initial_level="zero" if snm else "half",
        variant=variant,
    )
    return core_frames(config, neurons, steps=3, count=60, seed=62)


@pytest.mark.parametrize(
    ("kind", "variant"),
    [
        ("gn", "fast"),
        pytest.param("gn", "small", marks=pytest.mark.slow),
        pytest.param("if", "fast", marks=pytest.mark.slow),
        pytest.param("if", "small", marks=pytest.mark.slow),
        ("snm", "fast"),
        pytest.param("snm", "small", marks=pytest.mark.slow),
    ],
)
def test_a_core_passes_every_check(
    kind: Literal["gn", "if", "snm"], variant: Literal["fast", "small"], tmp_path: Path
) -> None:
    found = made(kind, variant)
    compiled = simulator(found.verilog, top=TOP, classes=found.logits.shape[1], folder=tmp_path)
    every = all_checks(compiled, found)
    assert list(every) == [
        "back to back",
        "single frames",
        "stalls",
        "slow sink",
        "slow source",
        "after a reset in clock 97",
        "after a reset in clock 1009",
    ]
    assert killed_by(every, 0) == ""

    wrong = found.logits.copy()
    wrong[-1, -1] ^= 2
    assert killed_by(all_checks(compiled, dataclasses.replace(found, logits=wrong)), 0)
    late = dataclasses.replace(found, latency=found.latency + 1)
    assert killed_by(all_checks(compiled, late), 0) == "back to back"
    # The clock of every handshake is predicted: another latency, another kind of ready.
    latency, register = (int(option.partition("=")[2]) for option in found.options)
    other = dataclasses.replace(found, options=(f"core={latency + 1}", f"core_register={register}"))
    assert killed_by(all_checks(compiled, other), 0) == "back to back"
    other = dataclasses.replace(found, options=(f"core={latency}", f"core_register={1 - register}"))
    assert killed_by(all_checks(compiled, other), 0) == "stalls"


@pytest.mark.slow
def test_mutants_are_killed(tmp_path: Path) -> None:
    found = made("gn", "fast")
    mutated = mutants(
        found.verilog, top=TOP, images=tmp_path, parts={"core": ("*dut*", 20)}, seed=63
    )
    listed = mutated.mutants
    assert len(listed) == 20
    assert len({mutant.number for mutant in listed}) == 20
    assert {mutant.mode for mutant in listed} <= {"inv", "const0", "const1", "cnot0", "cnot1"}
    assert all(isinstance(mutant, Mutant) and "dut" in mutant.cell for mutant in listed)
    compiled = simulator(mutated.verilog, top=TOP, classes=found.logits.shape[1], folder=tmp_path)
    every = all_checks(compiled, found)
    assert killed_by(every, 0) == ""
    assert sum(killed_by(every, mutant.number) != "" for mutant in listed) >= 19
