# SPDX-License-Identifier: Apache-2.0
"""Verilog with AXI ports against the golden model, driven by cocotbext-axi."""

from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.cosim import accelerator
from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.axi import BUFFERED, run_axi
from cygnet.hardware import HardwareConfig
from networks import dense_frames, dense_network


def prediction(seed: int = 1, *, beat: int = 4, frames: int = 6) -> Prediction:
    network = dense_network(seed, (13, 6, 5), steps=2)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=3, beat=beat)
    return accelerator.predict(network, hardware, dense_frames(network, frames, seed=seed))


@pytest.mark.parametrize("beat", [4, 3])
def test_scenarios(beat: int, tmp_path: Path) -> None:
    run_axi([prediction(beat=beat)], tmp_path, seed=3)


def test_through_registers(tmp_path: Path) -> None:
    run_axi([prediction()], tmp_path, scenarios=("constants", *BUFFERED), buffered=True, seed=4)
