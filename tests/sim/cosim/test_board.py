# SPDX-License-Identifier: Apache-2.0
"""A board without a board: a bitstream's top in Verilator, the real serial driver before it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from itertools import groupby

import numpy as np
import pytest

from cygnet.boards.pll import plls
from cygnet.boards.table import board
from cygnet.boards.top import BoardDesign, board_design
from cygnet.cosim.accelerator import Prediction, predict
from cygnet.cosim.board import CLEAN, Line, SimulatedBoard, simulate_board
from cygnet.data import digits
from cygnet.hardware import HardwareConfig
from cygnet.host.device import DeviceError, expect
from cygnet.host.serial_link import SerialDevice
from cygnet.network import Network
from networks import dense_frames, dense_network

CLOCK, BAUD = 24_000_000, 6_000_000
PATIENT = 2.0
"""Seconds: a loaded machine must not look like a board that hangs."""


@cache
def design(name: str = "icebreaker") -> tuple[Network, HardwareConfig, BoardDesign]:
    network = dense_network(1)
    return network, *made(name, network)


def made(name: str, network: Network) -> tuple[HardwareConfig, BoardDesign]:
    hardware = HardwareConfig.uniform(network, steps=1, lanes=4, beat=2)
    found = board(name)
    own = int(found.create().default_clk_frequency)
    (pll,) = (pll for pll in plls(found.family, own) if pll.output_hz == CLOCK)
    return hardware, board_design(network, hardware, found, pll, baud=BAUD, silence=0.002)


@contextmanager
def running(
    made: BoardDesign, line: Line = CLEAN, *, timeout: float = PATIENT, attempts: int = 20
) -> Iterator[tuple[SimulatedBoard, SerialDevice]]:
    with simulate_board(made, clock_hz=CLOCK, baud=BAUD, line=line) as simulated:
        with SerialDevice(simulated.port, baud=BAUD, timeout=timeout, attempts=attempts) as device:
            yield simulated, device


def prediction(count: int) -> Prediction:
    network, hardware, _ = design()
    return predict(network, hardware, dense_frames(network, count, seed=3))


@pytest.mark.parametrize(
    "name", ["icebreaker", "ulx3s-85f", pytest.param("ice40-hx8k-evn", marks=pytest.mark.slow)]
)
def test_answers_are_those_of_the_golden_model(name: str) -> None:
    network, _, made = design(name)
    golden = prediction(20)
    cycles = golden.timing(0, 20, back_to_back=False)
    with running(made) as (simulated, device):
        expect(device.identity, network, simulated.port)
        assert (device.identity.steps, device.identity.clock_hz) == (1, CLOCK)
        answers = device.classify(golden.frames)
        shown = simulated.lamps()
    assert (answers.logits == golden.logits).all()
    assert (answers.labels == golden.labels).all()
    assert (answers.cycles == cycles.latency).all()
    # The lamps show each class, and change only with it.
    assert shown == [label for label, _ in groupby([0, *golden.labels.tolist()])]


@pytest.mark.parametrize("seed", [1, 2])
def test_no_wrong_answer_over_a_bad_line(seed: int) -> None:
    """A bit in 1,500 is wrong both ways: about every third exchange is spoilt."""
    golden = prediction(30)
    with running(design()[2], Line(700, 700, seed), timeout=0.3, attempts=60) as (_, device):
        answers = device.classify(golden.frames)
    assert answers.retries > 0
    assert (answers.logits == golden.logits).all()
    assert (answers.labels == golden.labels).all()


def test_a_line_that_is_too_bad_is_told() -> None:
    with (
        simulate_board(design()[2], clock_hz=CLOCK, baud=BAUD, line=Line(30_000, 30_000)) as bad,
        pytest.raises(DeviceError, match=r"^/dev/\S+: no Cygnet board answers at 6000000 baud "),
    ):
        SerialDevice(bad.port, baud=BAUD, timeout=0.2, attempts=3)


def test_a_board_that_loses_power_is_asked_again() -> None:
    golden = prediction(20)
    with running(design()[2], Line(restart=200), timeout=0.5) as (_, device):
        answers = device.classify(golden.frames)
    assert answers.retries > 0
    assert (answers.logits == golden.logits).all()


def test_a_board_that_hangs_is_told() -> None:
    golden = prediction(20)
    with (
        running(design()[2], Line(mute=300), timeout=0.2, attempts=3) as (_, device),
        pytest.raises(
            DeviceError,
            match=r"^/dev/\S+: the board stopped answering at image \d+ of 20; reset it, ",
        ),
    ):
        device.classify(golden.frames)


def test_another_network_on_the_board_is_told() -> None:
    with running(design()[2]) as (simulated, device):
        other = dense_network(2)
        with pytest.raises(DeviceError, match=r": the board holds network .*, not random \("):
            expect(device.identity, other, simulated.port)


def test_a_port_that_is_busy_is_told() -> None:
    with running(design()[2]) as (simulated, _):
        with pytest.raises(DeviceError, match=r": the port is busy; close the program that has "):
            SerialDevice(simulated.port, baud=BAUD)


@pytest.mark.slow
@pytest.mark.parametrize("flips", [0, 100])
def test_a_hundred_digits(flips: int) -> None:
    """The network of the demo's kind, on scikit-learn's digits, over a clean and a bad line."""
    network = dense_network(5, (64, 64, 64, 10))
    hardware, design = made("icebreaker", network)
    test = digits("test")
    golden = predict(network, hardware, test.x[:100])
    with running(design, Line(flips, flips), timeout=1.0) as (_, device):
        answers = device.classify(np.ascontiguousarray(golden.frames))
    assert (answers.retries > 0) == (flips > 0)
    assert (answers.logits == golden.logits).all()
    assert (answers.labels == golden.labels).all()
