# SPDX-License-Identifier: Apache-2.0
"""One set of stimuli through everything that can run an accelerator: all must agree.

Golden model, Amaranth's own simulator, Verilator (compiled harness and cocotb) and, where it is on
the PATH, Icarus: every logit, label and the cycle of every last logit.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from accelerators import simulate
from cygnet.cosim import accelerator
from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.bench import run_job, simulators
from cygnet.cosim.case import BenchError
from cygnet.cosim.simulator import VerilatorSimulator, recipe
from cygnet.cosim.stalls import Stall
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from networks import dense_frames, dense_network, maps_network

Answer = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Logits, labels and the cycles of the last logits, from the first beat on, back to back."""

NETWORKS: dict[str, Callable[[], Prediction]] = {}


def prediction(make: Callable[[], Prediction]) -> Callable[[], Prediction]:
    NETWORKS[make.__name__] = make
    return make


@prediction
def dense() -> Prediction:
    network = dense_network(41, (15, 9, 4), steps=3)
    hardware = HardwareConfig.uniform(network, steps=3, lanes=3, beat=4)
    return accelerator.predict(network, hardware, dense_frames(network, 6, seed=42))


@prediction
def maps() -> Prediction:
    network = maps_network(43)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=2, beat=2)
    return accelerator.predict(network, hardware, dense_frames(network, 4, seed=44))


def in_amaranth(found: Prediction) -> Answer:
    frames = found.frames.reshape(-1, *found.network.input.shape)
    logits, labels, accepted, finished = simulate(found.network, found.hardware, frames)
    return logits, labels, finished - accepted[0]


def in_verilator(found: Prediction, images: Path) -> Answer:
    compiled = VerilatorSimulator(
        generate(found.network, found.hardware),
        top=top_name(found.network),
        images=images,
        classes=found.network.classes,
        workers=1,
        recipe=recipe(hot="-O1"),
    )
    result = compiled.run(found.frames, back_to_back=True)
    return result.logits, result.labels, result.finished - result.accepted[0]


def in_cocotb(found: Prediction, images: Path, simulator: str, folder: Path) -> None:
    """Its scoreboard compares values and cycles with the prediction, and raises."""
    cases = [
        accelerator.case("back to back", found),
        accelerator.case("one at a time", found, back_to_back=False),
        accelerator.case("stalls", found, source=Stall("bursty", 6), sink=Stall("one-in", 2)),
        accelerator.case("resets", found, seed=9, resets=[37, 211, 5]),
    ]
    run_job(
        accelerator.job(found.network, found.hardware, cases),
        generate(found.network, found.hardware),
        top=top_name(found.network),
        folder=folder,
        simulator=simulator,
        images=images,
    )


@pytest.mark.parametrize("name", ["maps", pytest.param("dense", marks=pytest.mark.slow)])
def test_all_agree(name: str, tmp_path: Path) -> None:
    found = NETWORKS[name]()
    assert len(set(map(tuple, found.logits.tolist()))) > 2
    write_images(found.network, found.hardware, tmp_path / "images")
    timing = found.timing(0, len(found.frames), back_to_back=True)
    golden = found.logits, found.labels, timing.finished
    for answer in (in_amaranth(found), in_verilator(found, tmp_path / "images")):
        for expected, got in zip(golden, answer, strict=True):
            np.testing.assert_array_equal(got, expected)
    for simulator in simulators():
        in_cocotb(found, tmp_path / "images", simulator, tmp_path / simulator)


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_a_difference_is_noticed(simulator: str, tmp_path: Path) -> None:
    if simulator not in simulators():
        pytest.skip("Icarus Verilog is not on the PATH")
    found = dense()
    write_images(found.network, found.hardware, tmp_path / "images")
    wrong = found.logits.copy()
    wrong[3, 1] += 1
    changed = dataclasses.replace(found, logits=wrong)
    with pytest.raises(BenchError, match="logit"):
        in_cocotb(changed, tmp_path / "images", simulator, tmp_path / "run")
