# SPDX-License-Identifier: Apache-2.0
"""The dressed core answers as predicted, and a fault in it is noticed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from cygnet.cosim.core_frames import TOP, CoreFrames, core_frames
from cygnet.cosim.findings import Findings
from cygnet.cosim.mutation import Check, Mutant, checks, killed_by, mutants, simulator
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.errors import MismatchError
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

    # What a check says is kept by what it sends and what it compares.
    keys = {check.key for check in every.values()}
    assert len(keys) == len(every)
    assert {check.key for check in all_checks(compiled, found).values()} == keys
    frames = found.frames.copy()
    frames[-1, -1] ^= 1
    sent = dataclasses.replace(found, frames=frames)
    for changed in (dataclasses.replace(found, logits=wrong), sent, other):
        assert keys.isdisjoint(check.key for check in all_checks(compiled, changed).values())
    changed = {name: check.key for name, check in all_checks(compiled, late).items()}
    same = {name for name, check in every.items() if check.key == changed[name]}
    assert same == {"stalls", "slow sink", "slow source"}


def test_what_checks_say_is_kept(tmp_path: Path) -> None:
    """A run that is interrupted goes on where it was, check by check."""
    ran: list[str] = []

    def check(name: str, result: bool | BaseException) -> Check:
        def passes(number: int) -> bool:
            ran.append(name)
            if isinstance(result, BaseException):
                raise result
            return result

        return Check(passes, f"key of {name}")

    findings = Findings(tmp_path)
    first, broken = check("first", True), check("second", KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        killed_by({"a": first, "b": broken}, 5, findings, "mutant")
    assert ran == ["first", "second"]
    noticed = check("second", MismatchError("another logit"))
    for _ in range(2):
        assert killed_by({"a": first, "b": noticed}, 5, findings, "mutant") == "b"
    assert ran == ["first", "second", "second"]
    # One more check runs alone; another mutant starts anew.
    assert killed_by({"a": first, "c": check("third", True)}, 5, findings, "mutant") == ""
    assert killed_by({"a": first}, 5, findings, "other") == ""
    assert ran == ["first", "second", "second", "third", "first"]


ADDER = """\
module top(input clk, input [3:0] a, input [3:0] b, output [3:0] x, output [3:0] y);
  assign x = a + b;
  assign y = a - b;
endmodule
"""


def test_a_mutant_is_known_by_its_netlist_and_fault(tmp_path: Path) -> None:
    parts = {"sum": ("*add*", 4), "difference": ("*sub*", 4)}
    whole = mutants(ADDER, top="top", images=tmp_path, parts=parts)
    keys = {one: whole.key(one.number) for one in whole.mutants}
    assert len(set(keys.values())) == len(keys) == 8
    alone = mutants(ADDER, top="top", images=tmp_path, parts={"difference": parts["difference"]})
    there = {key for one, key in keys.items() if one.part == "difference"}
    assert {alone.key(one.number) for one in alone.mutants} == there
    assert {one.number for one in alone.mutants}.isdisjoint(
        one.number for one in whole.mutants if one.part == "difference"
    )
    other = mutants(ADDER.replace("a - b", "b - a"), top="top", images=tmp_path, parts=parts)
    assert not {other.key(one.number) for one in other.mutants} & set(keys.values())


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
