# SPDX-License-Identifier: Apache-2.0
"""Verilog with AXI ports against the golden model, driven by cocotbext-axi."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ResetInserter

from cygnet.cosim import accelerator
from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.axi import BUFFERED, LOADING, SCENARIOS, run_axi
from cygnet.cosim.case import BenchError
from cygnet.gateware.axi import top
from cygnet.gateware.axi.gates import InputGate, OutputGate
from cygnet.hardware import HardwareConfig
from networks import dense_frames, dense_network
from random_networks import draw


def prediction(
    seed: int = 1, *, lanes: int = 3, beat: int = 4, loadable: bool = False
) -> Prediction:
    network = dense_network(seed, (13, 6, 5), steps=2)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=lanes, beat=beat)
    hardware = replace(hardware, loadable=loadable)
    return accelerator.predict(network, hardware, dense_frames(network, 6, seed=1))


@pytest.mark.parametrize("beat", [4, 3])
def test_scenarios(beat: int, tmp_path: Path) -> None:
    run_axi([prediction(beat=beat)], tmp_path, seed=3)


def test_parameters_at_run_time_and_frames_through_registers(tmp_path: Path) -> None:
    """Rows of 48 bits in words of 32; every scenario on one design that has everything."""
    run_axi(
        [prediction(seed, lanes=6, loadable=True) for seed in (1, 2)],
        tmp_path,
        scenarios=(*SCENARIOS, *LOADING, *BUFFERED),
        buffered=True,
        seed=4,
    )


def test_a_wrong_answer_is_noticed(tmp_path: Path) -> None:
    found = prediction()
    wrong = replace(found, logits=found.logits + np.eye(6, 5, dtype=np.int64))
    with pytest.raises(BenchError, match=r"cycles .*: frame 0: expected"):
        run_axi([wrong], tmp_path, scenarios=("cycles",), seed=3)


class Careless(OutputGate):
    """Forgets in a reset that an answer has begun."""

    def elaborate(self, platform: object) -> Any:
        m = super().elaborate(platform)
        return ResetInserter(self.held)(m)


class Greedy(InputGate):
    """Takes what is left of a frame for a new one."""

    def elaborate(self, platform: object) -> Any:
        m = super().elaborate(platform)
        return ResetInserter(self.held)(m)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "fault", "message"),
    [
        ("OutputGate", Careless, r"soft_resets .*: m_axis_tvalid: .* was offered and not taken"),
        ("InputGate", Greedy, r"soft_resets .*: ERRORS frame_length: expected 0, got 1"),
    ],
)
def test_a_fault_in_a_gate_is_noticed(
    name: str, fault: type, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top, name, fault)
    with pytest.raises(BenchError, match=message):
        run_axi([prediction()], tmp_path, scenarios=("soft_resets",), seed=3, resets=20)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_networks(seed: int, tmp_path: Path) -> None:
    network, hardware, frames = draw(seed)
    hardware = replace(hardware, loadable=bool(seed % 2))
    found = accelerator.predict(network, hardware, frames)
    scenarios = (*SCENARIOS, *(LOADING if hardware.loadable else ()))
    run_axi([found, found], tmp_path, scenarios=scenarios, seed=seed, resets=3, limit=4_000_000)
