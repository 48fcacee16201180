# SPDX-License-Identifier: Apache-2.0
"""``cygnet build`` and ``cygnet run``: what they write and print, and every refusal."""

from __future__ import annotations

import json
import os
import pty
import tty
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from host.axi_model import Model

from cygnet.boards.top import BoardDesign
from cygnet.data import digits
from cygnet.golden.values import run as golden
from cygnet.hardware import HardwareConfig
from cygnet.host import serial_link
from cygnet.host.device import Answers, DeviceError, Identity
from cygnet.host.registers import MappedRegisters
from cygnet.images import memories
from cygnet.load_image import LoadLayout
from cygnet.network_file import load

if TYPE_CHECKING:
    from .conftest import Call


class Board:
    """A board that holds a network and answers as the golden model does, or almost."""

    def __init__(self, path: Path, wrong: int = 0) -> None:
        self._network = load(path)
        self._wrong = wrong
        values = int(np.prod(self._network.input.shape))
        self.identity = Identity(self._network.digest, values, self._network.classes, 2, 50_000_000)
        self.opened: dict[str, Any] = {}

    def __call__(self, port: str, **options: Any) -> Board:
        self.opened = {"port": port, **options}
        return self

    def __enter__(self) -> Board:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def classify(self, frames: np.ndarray, *, progress: Any) -> Answers:
        progress(len(frames), len(frames))
        x = frames.reshape(-1, *self._network.input.shape)
        found = golden(self._network, x, steps=2)
        logits = found.logits.copy()
        logits[: self._wrong, 0] += 1
        cycles = 100 + np.arange(len(frames))
        return Answers(logits, found.labels, cycles, np.full(len(frames), 0.01), retries=3)


def test_run(call: Call, cyg: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board = Board(cyg)
    monkeypatch.setattr(serial_link, "SerialDevice", board)
    common = ("run", "--port", "/dev/ttyX", "--data", "digits", "--limit", 11)
    found = call(*common, "--network", cyg, "--json").json
    assert board.opened == {"port": "/dev/ttyX", "baud": None, "timeout": 0.5}
    data = digits("test")
    labels = golden(load(cyg), data.x[:11], steps=2).labels
    assert found["accuracy"] == float((labels == data.y[:11]).mean())
    assert found["clocks"] == {"mean": 105.0, "longest": 110}
    assert (found["images"], found["sent_again"], found["differ"]) == (11, 3, 0)
    text = call(*common, "--baud", 115200).out
    assert board.opened["baud"] == 115200
    assert "2.1 us" in text
    assert "golden" not in text


def test_an_answer_that_differs_is_exit_code_1(
    call: Call, cyg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serial_link, "SerialDevice", Board(cyg, wrong=2))
    outcome = call("run", "--port", "x", "--data", "digits", "--limit", 5, "--network", cyg)
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith(
        "cygnet: x: 2 of 5 answers differ from the golden model; "
    )


def test_a_simulation_is_a_device_too(call: Call, cyg: Path) -> None:
    found = call(
        *("run", "--port", "simulation", "--data", "digits", "--limit", 6, "--network", cyg),
        *("--lanes", 4, "--json"),
    ).json
    assert (found["images"], found["differ"], found["steps"]) == (6, 0, 1)
    assert found["clocks"]["mean"] > 50


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("run --port none --data digits", "none: there is no such serial port; there is "),
        ("run --port simulation --data digits", "--port: a simulation needs the --network that "),
        ("run --port x --data digits --timeout 0", "--timeout: 0 must be above 0"),
        (
            "run --port x --data none.npz --network {cyg}",
            "none.npz: cannot be read: No such file or ",
        ),
        ("build {cyg} --board abacus", "--board: 'abacus' is not known; it must be one of ulx3s-"),
        ("build {cyg} --board icebreaker --seeds 0", "--seeds: 0 must be in 1..99"),
        ("build {cyg} --board icebreaker --baud 0", "--baud: 0 must be at least 1"),
        ("build {cyg} --board icebreaker --clock 0", "--clock: 0 must be above 0"),
        ("build {cyg} --board icebreaker --clock 5", "--clock: icebreaker cannot make 5 MHz; near"),
        ("build {cyg} --board icebreaker --baud 9000000", "--baud: 9000000 needs a clock of 36 "),
        ("build none.cyg --board icebreaker", "none.cyg: cannot be read: No such file or direct"),
    ],
)
def test_bad_input_is_one_sentence(
    call: Call, cyg: Path, tmp_path: Path, arguments: str, sentence: str
) -> None:
    outcome = call(*arguments.format(cyg=cyg).split())
    assert outcome.err.splitlines()[-1].startswith(f"cygnet: {sentence}")
    assert (outcome.code, outcome.out) == (2, "")


def test_a_board_with_another_network_is_told(
    call: Call, cyg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(cyg)
    board.identity = Identity("ab" * 32, 64, 10, 2)
    monkeypatch.setattr(serial_link, "SerialDevice", board)
    outcome = call("run", "--port", "p", "--data", "digits", "--network", cyg)
    assert outcome.code == 2
    assert "cygnet: p: the board holds network abababababab, not tiny (" in outcome.err


def test_data_of_another_size_than_the_board_takes(
    call: Call, cyg: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(cyg)
    board.identity = Identity("ab" * 32, 65, 10)
    monkeypatch.setattr(serial_link, "SerialDevice", board)
    outcome = call("run", "--port", "p", "--data", "digits")
    assert outcome.code == 2
    assert (
        "images of 64 values and 10 classes are not for this board, which takes 65" in outcome.err
    )


def test_a_busy_port_and_one_that_says_nothing() -> None:
    ours, theirs = pty.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    try:
        with pytest.raises(
            DeviceError,
            match=rf"^{name}: no Cygnet board answers at 3000000 or 1000000 or 115200 baud "
            r"\(nothing came back\); check the port, --baud and that the bitstream is loaded$",
        ):
            serial_link.SerialDevice(name, timeout=0.01)
        first = serial_link._open(name, 115200, 0.1)
        with pytest.raises(DeviceError, match=rf"^{name}: the port is busy; close the program "):
            serial_link.SerialDevice(name)
        first.close()
    finally:
        os.close(ours)
        os.close(theirs)


def test_build_writes_everything(
    call: Call, cyg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tools are made up here; tests/hw/boards runs them."""
    asked: dict[str, Any] = {}
    manifest = {
        "format": "cygnet-bitstream",
        "version": 1,
        "cygnet": "0",
        "network": {"name": "tiny", "sha256": "ab"},
        "hardware": {},
        "seed": 1,
        "tools": ["Yosys"],
        "sha256": "cd",
        "board": "icebreaker",
        "clock_mhz": 20.25,
        "fmax_mhz": 21.3,
        "baud": 3_000_000,
        "cells": {"ICESTORM_LC": {"used": 4000, "available": 5280}},
        "seconds": 61.0,
        "file": "tiny-icebreaker.bin",
    }
    design = BoardDesign("module x;", {"a.mem": "00\n"}, "set_io a 1", {})

    def made(network: Any, hardware: Any, board: Any, **options: Any) -> Any:
        asked.update(options, board=board.name, hardware=hardware)
        options["say"]("packing")
        return SimpleNamespace(bitstream=b"bits", design=design, manifest=manifest)

    monkeypatch.setattr("cygnet.boards.build.build", made)
    options = ("--lanes", "8,8,2", "--beat", 2, "--seeds", 2, "--baud", 1000000)
    common = ("build", cyg, "--board", "icebreaker", "-o", tmp_path, *options)
    outcome = call(*common)
    assert outcome.code == 0
    assert "packing" in outcome.err
    assert "20.25 MHz (reaches 21.3)" in outcome.out
    assert asked["board"] == "icebreaker"
    assert (asked["baud"], asked["seeds"], asked["clock_mhz"]) == (1000000, range(1, 3), None)
    assert [layer.lanes for layer in asked["hardware"].layers] == [8, 8, 2]
    stem = tmp_path / "tiny-icebreaker"
    assert stem.with_suffix(".bin").read_bytes() == b"bits"
    assert stem.with_suffix(".v").read_text() == "module x;"
    assert stem.with_suffix(".pcf").read_text() == "set_io a 1"
    assert (tmp_path / "a.mem").read_text() == "00\n"
    assert json.loads(stem.with_suffix(".json").read_text()) == manifest
    assert call(*common, "--json").json == {"folder": str(tmp_path), **manifest}


def test_registers_of_this_machine(
    call: Call, cyg: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model of the registers in place of /dev/uio9, without and with parameters to load."""
    network = load(cyg)
    hardware = replace(HardwareConfig.uniform(network, steps=2), loadable=True)
    layout = LoadLayout.of(network, hardware, memories(network, hardware))

    def place(text: str, **options: Any) -> Model:
        assert text == "/dev/uio9"
        return Model(
            lambda frame: golden(network, frame.reshape(1, 8, 8, 1), steps=2).logits[0],
            values=64,
            classes=10,
            digest=network.digest,
            **options,
        )

    command = ("run", "--port", "axi:/dev/uio9", "--data", "digits", "--limit", 5)
    command = (*command, "--network", cyg, "--json")
    monkeypatch.setattr(MappedRegisters, "parse", place)
    found = call(*command).json
    assert (found["differ"], found["images"], found["clocks"]["mean"]) == (0, 5, 70)
    design = {"loadable": True, "layout": layout.checksum, "words": layout.words}
    monkeypatch.setattr(MappedRegisters, "parse", partial(place, **design))
    assert call(*command).err.startswith("cygnet: /dev/uio9: no parameters are loaded; give")
    assert call("image", cyg, "-o", tmp_path, "--steps", 2, "--loadable").code == 0
    assert call(*command, "--parameters", tmp_path).json["differ"] == 0
    outcome = call("run", "--port", "p", "--data", "digits", "--parameters", tmp_path)
    assert (outcome.code, outcome.err) == (
        2,
        "cygnet: --parameters: only a --port that begins with axi: takes them\n",
    )
