# SPDX-License-Identifier: Apache-2.0
"""The generated Verilog of whole accelerators against the golden model, in each simulator."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import random_networks
from cygnet.cosim import accelerator
from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.bench import CaseReport, run_job, simulators
from cygnet.cosim.case import BenchError, Case
from cygnet.cosim.coverage import handshake_bins
from cygnet.cosim.stalls import PROFILES, Stall
from cygnet.errors import MismatchError
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.images import memories
from cygnet.network import Dense, Network
from networks import dense_frames, dense_network

Small = tuple[Network, HardwareConfig]


def gn() -> Small:
    network = dense_network(21, (29, 14, 9, 5), steps=3)
    return network, HardwareConfig.uniform(network, steps=3, lanes=4, beat=4)


def unspiking() -> Small:
    network = dense_network(22, (16, 3), steps=2)
    return network, HardwareConfig(2, 8, (LayerHardware(2),))


def spikes() -> Small:
    network = dense_network(23, (11, 13, 6), kind="if", steps=4)
    return network, HardwareConfig(1, 2, (LayerHardware(13), LayerHardware(1)))


NETWORKS = [gn, unspiking, spikes]


def write_images(folder: Path, network: Network, hardware: HardwareConfig) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for memory in memories(network, hardware):
        digits = -(-memory.width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in memory.words)
        (folder / f"{memory.name}.mem").write_text(text)
    return folder


def prediction(made: Callable[[], Small], count: int, seed: int) -> Prediction:
    network, hardware = made()
    return accelerator.predict(network, hardware, dense_frames(network, count, seed=seed))


def run(found: Prediction, cases: list[Case], simulator: str, folder: Path) -> list[CaseReport]:
    return run_job(
        accelerator.job(found.network, found.hardware, cases),
        generate(found.network, found.hardware),
        top=top_name(found.network),
        folder=folder / "run",
        simulator=simulator,
        images=write_images(folder / "images", found.network, found.hardware),
    )


@pytest.mark.parametrize("made", NETWORKS)
@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_cocotb(made: Callable[[], Small], simulator: str, tmp_path: Path) -> None:
    if simulator not in simulators():
        pytest.skip("Icarus Verilog is not on the PATH")
    found = prediction(made, 7, seed=31)
    resets = np.random.default_rng(32).integers(1, 400, 8).tolist()
    cases = [
        accelerator.case("back to back", found),
        accelerator.case("one at a time", found, back_to_back=False),
        accelerator.case("resets", found, seed=33, resets=resets),
        accelerator.case(
            "resets and stalls",
            found,
            source=Stall("bursty", 6),
            sink=Stall("one-in", 2),
            seed=34,
            resets=resets,
        ),
    ]
    stalls = [(source, sink) for source in PROFILES for sink in PROFILES][1:]
    cases += [
        accelerator.case(f"{source} to {sink}", found, source=source, sink=sink, seed=seed)
        for seed, (source, sink) in enumerate(stalls, 35)
    ]
    reports = run(found, cases, simulator, tmp_path)
    bins = handshake_bins(reports, streams={"in": "pixels", "out": "logits"})
    print(bins.report())
    # Ready falls only with a transfer; that it rises in the very clock of a new valid is chance.
    assert set(bins.holes) <= {
        "pixels: empty then held",
        "pixels: empty then idle",
        "pixels: idle then transfer",
    }
    labels = [report.values["out"]["label"] for report in reports if "reset" not in report.name]
    assert {label for counts in labels for label in counts} >= set(found.labels.tolist())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: {"logits": p.logits + (p.logits == p.logits[2, 3])}, r"image 2, class 3, cycle"),
        (lambda p: {"labels": (p.labels + 1) % 5}, r"image 0, class 4, .*: label expected"),
        (
            lambda p: {"events": tuple(e + 1 for e in p.events)},
            r"image 0, .*: expected \d+ clocks after item 0, got",
        ),
    ],
)
def test_cocotb_catches(
    change: Callable[[Prediction], dict[str, np.ndarray]], message: str, tmp_path: Path
) -> None:
    found = prediction(gn, 3, seed=31)
    wrong = dataclasses.replace(found, **change(found))
    with pytest.raises(BenchError, match=message):
        run(wrong, [accelerator.case("wrong", wrong)], simulators()[-1], tmp_path)


@pytest.mark.parametrize("made", NETWORKS)
@pytest.mark.parametrize("back_to_back", [True, False])
def test_harness(made: Callable[[], Small], back_to_back: bool, tmp_path: Path) -> None:
    found = prediction(made, 300, seed=41)
    images = write_images(tmp_path, found.network, found.hardware)
    compiled = accelerator.simulator(found.network, found.hardware, images)
    accelerator.run_and_check(compiled, found, back_to_back=back_to_back)
    for seed, stall in enumerate(PROFILES[1:], 42):
        result = compiled.run(
            found.frames, back_to_back=back_to_back, source=stall, sink=stall, seed=seed
        )
        assert np.array_equal(result.logits, found.logits)
        assert np.array_equal(result.labels, found.labels)


@pytest.mark.parametrize("stall", PROFILES, ids=str)
def test_frames_of_a_wrong_length_are_dropped(stall: Stall, tmp_path: Path) -> None:
    found = prediction(gn, 100, seed=51)
    images = write_images(tmp_path, found.network, found.hardware)
    compiled = accelerator.simulator(found.network, found.hardware, images)
    result = compiled.run(
        found.frames, back_to_back=True, source=stall, sink=stall, seed=52, options=("junk=1",)
    )
    assert np.array_equal(result.logits, found.logits)
    assert np.array_equal(result.labels, found.labels)


def _shuffled(network: Network) -> Network:
    """Other weights with the same widths: the classes in another order, inputs of a layer too."""
    first, middle, last = network.layers
    weight = first.synapses.weight[:, ::-1]
    first = dataclasses.replace(first, synapses=Dense(weight, first.synapses.bits))
    weight = last.synapses.weight[::-1]
    last = dataclasses.replace(
        last, synapses=Dense(weight, last.synapses.bits), bias=last.bias[::-1]
    )
    return dataclasses.replace(network, layers=(first, middle, last))


def test_a_new_image_needs_no_new_verilog(tmp_path: Path) -> None:
    network, hardware = gn()
    other = _shuffled(network)
    assert other != network
    texts = [generate(each, hardware).replace(each.digest, "checksum") for each in (network, other)]
    assert texts[0] == texts[1]
    found = accelerator.predict(other, hardware, dense_frames(other, 20, seed=61))
    assert not np.array_equal(
        found.logits, accelerator.predict(network, hardware, found.frames).logits
    )
    compiled = accelerator.simulator(network, hardware, write_images(tmp_path, other, hardware))
    result = compiled.run(found.frames, back_to_back=True)
    accelerator.check(found, result, back_to_back=True)


# 205: time-steps in blocks; 301: counts.
@pytest.mark.parametrize("seed", [0, 1, 205, 301])
def test_harness_on_drawn_networks(seed: int, tmp_path: Path) -> None:
    network, hardware, x = random_networks.draw(seed)
    found = accelerator.predict(network, hardware, x)
    images = write_images(tmp_path, network, hardware)
    compiled = accelerator.simulator(network, hardware, images)
    for back_to_back in (True, False):
        accelerator.run_and_check(compiled, found, back_to_back=back_to_back)


def test_harness_catches(tmp_path: Path) -> None:
    found = prediction(gn, 20, seed=41)
    images = write_images(tmp_path, found.network, found.hardware)
    compiled = accelerator.simulator(found.network, found.hardware, images)
    result = compiled.run(found.frames, back_to_back=True)
    accelerator.check(found, result, back_to_back=True)

    def refuse(message: str, **change: np.ndarray | tuple[np.ndarray, ...]) -> None:
        with pytest.raises(MismatchError, match=message):
            accelerator.check(dataclasses.replace(found, **change), result, back_to_back=True)

    logits = found.logits.copy()
    logits[12, 3] += 1
    refuse(
        r"^image 12, class 3, cycle \d+: logit expected .* \(1 of 20 images differ\)$",
        logits=logits,
    )
    refuse(r"^image 0, cycle \d+: label expected", labels=found.labels + 1)
    events = [layer.copy() for layer in found.events]
    events[1][15:] += 1
    refuse(r"^image 15: expected its last logit \d+ clocks after the first", events=tuple(events))
