# SPDX-License-Identifier: Apache-2.0
"""The driver of a memory map against a model of the registers, with faults; the real Verilog is in
tests/sim/axi."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.errors import CygnetError
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.host.device import DeviceError, expect
from cygnet.host.memory_map import MemoryMapDevice, PynqDma
from cygnet.host.parameters import Parameters
from cygnet.host.registers import MappedRegisters
from cygnet.image_files import write_images
from cygnet.images import memories
from cygnet.load_image import LoadLayout
from cygnet.network import Network
from cygnet.registers import register
from networks import dense_frames, dense_network

from .axi_model import Model

SIZES = (13, 6, 5)
NETWORK = dense_network(1, SIZES, steps=2)
HARDWARE = replace(HardwareConfig.uniform(NETWORK, steps=2, lanes=3, beat=4), loadable=True)
FRAMES = dense_frames(NETWORK, 6, seed=1)
FLAT = FRAMES.reshape(6, -1)


class Ticks:
    """A clock that goes on with each look at it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.01
        return self.now


def compute(network: Network) -> Callable[[np.ndarray], np.ndarray]:
    return lambda frame: run(network, frame.reshape(1, 1, 1, -1), steps=2).logits[0]


def model(network: Network = NETWORK, **options: Any) -> Model:
    return Model(compute(network), values=13, classes=5, digest=NETWORK.digest, **options)


def loadable(**options: Any) -> Model:
    layout = LoadLayout.of(NETWORK, HARDWARE, memories(NETWORK, HARDWARE))
    return model(loadable=True, layout=layout.checksum, words=layout.words, **options)


def opened(device: Model, **options: Any) -> MemoryMapDevice:
    return MemoryMapDevice(device, clock=Ticks(), place="here", **options)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("load")
    write_images(NETWORK, HARDWARE, made)
    return made


def check(device: MemoryMapDevice, network: Network = NETWORK) -> int:
    """All frames; how often one was sent again."""
    golden = run(network, FRAMES, steps=2)
    seen: list[tuple[int, int]] = []
    answers = device.classify(FLAT, progress=lambda done, total: seen.append((done, total)))
    np.testing.assert_array_equal(answers.logits, golden.logits)
    np.testing.assert_array_equal(answers.labels, golden.labels)
    assert answers.cycles.tolist() == [70] * 6
    assert seen == [(n, 6) for n in range(1, 7)]
    return answers.retries


def test_identity_and_answers() -> None:
    with opened(model()) as device:
        assert device.identity.network == NETWORK.digest[:16]
        assert (device.identity.values, device.identity.classes) == (13, 5)
        expect(device.identity, NETWORK, "here")
        assert check(device) == 0
        with pytest.raises(ValueError, match=r"^frames must be uint8\[n, 13\]"):
            device.classify(FLAT[:, :12])


def test_parameters_are_loaded_once(folder: Path) -> None:
    device = loadable()
    first = opened(device, parameters=folder)
    assert first.identity.network == NETWORK.digest
    assert check(first) == 0
    before = device.accesses
    opened(device, parameters=folder)
    assert device.accesses - before < 30  # far fewer than words
    # Whoever knows no parameters cannot say what is loaded, so no network is taken for it.
    nameless = opened(device)
    assert nameless.identity.network == ""
    with pytest.raises(DeviceError, match=r"^here: the board holds network , not random"):
        expect(nameless.identity, NETWORK, "here")


def spoil_first_load(device: Model, count: int, name: str) -> None:
    if name == "LOAD_DATA" and len(device.load) == 3 and not hasattr(device, "spoilt"):
        device.spoil = 1 << 7
        device.spoilt = True  # type: ignore[attr-defined]


def test_a_load_that_is_spoilt_is_repeated(folder: Path) -> None:
    assert check(opened(loadable(faults=spoil_first_load), parameters=folder)) == 0


def spoil_all_loads(device: Model, count: int, name: str) -> None:
    if name == "LOAD_DATA" and len(device.load) == 3:
        device.spoil = 1


@pytest.mark.parametrize("feature", [False, True])
def test_resets_at_any_time_cost_time_only(feature: bool, folder: Path) -> None:
    given = {"parameters": folder} if feature else {}
    retries = 0
    for period in range(61, 97, 5):

        def reset(device: Model, count: int, name: str, period: int = period) -> None:
            if count % (period + (80 if feature else 0)) == 0:
                device.reset()

        device = loadable(faults=reset) if feature else model(faults=reset)
        retries += check(opened(device, attempts=30, **given))
    assert retries > 3


def error(name: str) -> Callable[[Model, int, str], None]:
    def fault(device: Model, count: int, register_name: str) -> None:
        if register_name == "OUT_DATA":
            device.set("ERRORS", name)

    return fault


def mute(device: Model, count: int, name: str) -> None:
    device.mute = count > 12


def flipped(device: Model, count: int, name: str) -> None:
    if name == "OUT_LABEL":
        device.held["OUT_LABEL"] ^= 1


def another_frame(device: Model, count: int, name: str) -> None:
    if name == "FRAMES_OUT":
        device.held["FRAMES_OUT"] = 2


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (error("frame_length"), "frame length"),
        (error("buffer"), "buffer"),
        (mute, "nothing came in 1 s"),
        (flipped, "logits and class do not agree"),
        (another_frame, "it counts 1 frames and 2 answers for one"),
    ],
)
def test_what_never_comes_intact_is_given_up(fault: Any, why: str) -> None:
    device = opened(model(faults=fault))
    message = f"here: no intact answer to image 1 of 6 in 3 attempts ({why}); reset the design"
    with pytest.raises(DeviceError, match=f"^{re.escape(message)}"):
        device.classify(FLAT)


def gone(device: Model, count: int, name: str) -> None:
    if count > 15:
        raise OSError("bus error")


def held(**values: int) -> Model:
    device = model()
    device.held |= values
    return device


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: held(ID=0xFFFFFFFF), {}, "no Cygnet accelerator answers there (0xFFFFFFFF"),
        (lambda: held(VERSION=2 << 16), {}, "its registers are of version 2 and this host knows 1"),
        (lambda: model(buffered=False), {}, "frames come by streams only; give a DMA, or"),
        (loadable, {}, "no parameters are loaded; give the folder of cygnet image --loadable"),
        (model, {"parameters": True}, "its parameters are fixed; give none, or generate it"),
        (
            lambda: loadable(faults=spoil_all_loads),
            {"parameters": True},
            "{folder}/load.bin does not arrive intact in 3 attempts; the design's timing",
        ),
    ],
)
def test_refused(make: Any, options: dict[str, Any], message: str, folder: Path) -> None:
    given = dict.fromkeys(options, folder)
    wanted = re.escape("here: " + message.replace("{folder}", str(folder)))
    with pytest.raises(DeviceError, match=f"^{wanted}"):
        opened(make(), **given)


def test_parameters_of_another_design_and_a_device_that_is_gone(folder: Path) -> None:
    device = loadable()
    device.held["LAYOUT"] ^= 1
    with pytest.raises(DeviceError, match=r"load.bin: is for layout [0-9a-f]{8} and here has"):
        opened(device, parameters=folder)
    with pytest.raises(DeviceError, match=r"^here: the device is gone \(bus error\); load it$"):
        opened(model(faults=gone)).classify(FLAT)


def test_files_of_parameters_are_checked(folder: Path, tmp_path: Path) -> None:
    manifest = (folder / "manifest.json").read_text()
    data = (folder / "load.bin").read_bytes()
    cases = [
        (manifest, data[:-1], r"load.bin: is damaged, its checksum is wrong"),
        (manifest, data[:9] + bytes([data[9] ^ 1]) + data[10:], r"load.bin: is damaged"),
        ("{}", data, r"manifest.json: does not tell of a load"),
        ("[", data, r"manifest.json: does not tell of a load"),
        (
            re.sub(r'"layout": "\w+"', '"layout": "00000000"', manifest),
            data,
            r"load.bin: is not the load that manifest.json tells of",
        ),
    ]
    for text, content, message in cases:
        (tmp_path / "manifest.json").write_text(text)
        (tmp_path / "load.bin").write_bytes(content)
        with pytest.raises(CygnetError, match=message):
            Parameters.read(tmp_path)
    (tmp_path / "load.bin").unlink()
    (tmp_path / "manifest.json").write_text(manifest)
    with pytest.raises(CygnetError, match=r"load.bin: cannot be read"):
        Parameters.read(tmp_path)


class Channel:
    """PYNQ's, as far as it is used."""

    def __init__(self, log: list[str], name: str, device: Any) -> None:
        self.log, self.name, self.device = log, name, device
        self.waits = 2

    @property
    def idle(self) -> bool:
        self.waits -= 1
        return self.waits < 0 and not self.device.mute

    def transfer(self, buffer: np.ndarray) -> None:
        self.log.append(f"{self.name} transfer")
        self.waits = 2
        self.device.moved(self.name, buffer)

    def wait(self) -> None:
        self.log.append(f"{self.name} wait")

    def start(self) -> None:
        self.log.append(f"{self.name} start")

    def stop(self) -> None:
        self.log.append(f"{self.name} stop")


class Engine:
    """A DMA engine at a model."""

    def __init__(self, device: Model) -> None:
        self.model, self.log = device, list[str]()
        self.mute = False
        self.sendchannel = Channel(self.log, "send", self)
        self.recvchannel = Channel(self.log, "receive", self)

    def moved(self, name: str, buffer: np.ndarray) -> None:
        if name == "receive":
            self.answer = buffer
            return
        assert not register("CONTROL").field("buffered").of(self.model.held["CONTROL"])
        words = np.zeros(16, np.uint8)
        words[:13] = buffer
        for word in struct.unpack("<4I", words.tobytes()):
            self.model.write(register("IN_DATA").offset, word)
        for place in range(5):
            self.answer[place] = self.model.logits.popleft()


def test_by_dma() -> None:
    device = model()
    engine = Engine(device)
    driver = opened(device, dma=PynqDma(engine, np.zeros, clock=Ticks()))
    assert check(driver) == 0
    assert engine.log[:4] == ["send stop", "send start", "receive stop", "receive start"]
    assert engine.log[4:8] == ["receive transfer", "send transfer", "send wait", "receive wait"]
    engine.mute = True
    with pytest.raises(DeviceError, match=r"\(nothing came in 1 s\)"):
        driver.classify(FLAT)


def test_registers_in_a_mapped_file(tmp_path: Path) -> None:
    path = tmp_path / "uio0"
    path.write_bytes(bytes(8192))
    with MappedRegisters.parse(f"{path}@0x1000") as registers:
        registers.write(0x20, 0xDEADBEEF)
        assert registers.read(0x20) == 0xDEADBEEF
    registers.close()
    assert struct.unpack_from("<I", path.read_bytes(), 0x1020) == (0xDEADBEEF,)
    for text, message in (
        (f"{path}@0x10", "0x10 must be a multiple of 4096, the size of a page"),
        (f"{path}@0x2000", "cannot be mapped at 0x2000"),
        (str(tmp_path / "uio1"), r"cannot be mapped at 0x0 \(No such file or directory\)"),
        ("a@b", "must be like /dev/uio0 or /dev/mem@0x43C00000"),
    ):
        with pytest.raises(DeviceError, match=f": {message}"):
            MappedRegisters.parse(text)
    with pytest.raises(DeviceError, match=r"uio0: no Cygnet accelerator answers there \(0x0000"):
        MemoryMapDevice.open(str(path))
