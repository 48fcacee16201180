# SPDX-License-Identifier: Apache-2.0
"""Everything that reads a file from outside, as one kind of function; what fuzzing calls.

A reader takes bytes and either returns or raises CygnetError. Whatever else comes out of it, a
hang, or memory far beyond the bytes that it was given, is a fault.
"""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from foreign_readers import FOREIGN
from malformed.make import put_together, small_network, take_apart
from torch import nn

from cygnet.cosim import resume
from cygnet.data import load as load_data
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.host.parameters import Parameters
from cygnet.image_files import MANIFEST, check_images, write_images
from cygnet.models.weights import load_weights, read_notes, save_weights
from cygnet.network import Convolution, Identity, InputSpec, Layer, Network, Neurons, SumPool
from cygnet.network_file import decode, encode
from cygnet.report.page import find_hardware
from cygnet.training import state

__all__ = ["ALLOWED", "READERS", "Reader", "read"]

ALLOWED = (16 << 20, 64)
"""Bytes that a reader may take, and how many more for each byte of the file."""


@dataclass(frozen=True)
class Reader:
    """One reader.

    :param seeds: good files to start from
    :param call: reads bytes; the folder is its own
    """

    seeds: Callable[[], list[bytes]]
    call: Callable[[bytes, Path], object]


def read(name: str, data: bytes) -> str:
    """What the reader says to the bytes, "" if it takes them."""
    said = ""
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        try:
            READERS[name].call(data, Path(folder))
        except CygnetError as error:
            said = str(error)
    assert "\n" not in said
    return said


def _maps() -> Network:
    """Convolution, pooling and a shortcut."""
    rng = np.random.default_rng(1)

    def neurons() -> Neurons:
        reset = np.array([90, 70])
        return Neurons("if", reset, reset, reset // 2, np.ones(2))

    first, second = (
        Convolution(rng.integers(-9, 10, (2, 3, 3, channels)), padding=(1, 1))
        for channels in (1, 2)
    )
    third = Convolution(rng.integers(-9, 10, (2, 1, 1, 2)))
    layers = (
        Layer("one", first, np.zeros(2, int), neurons(), -1),
        Layer("two", second, np.ones(2, int), neurons(), 0, shortcut=Identity(0, np.array([3, 4]))),
        Layer("out", third, np.ones(2, int), None, 1, SumPool((2, 2), (2, 2))),
    )
    return Network("maps", InputSpec("pixels", (2, 2, 1)), layers, 2)


def _networks() -> list[bytes]:
    return [encode(small_network()), encode(_maps())]


def _descriptions() -> list[bytes]:
    return [json.dumps(take_apart(data)[0], sort_keys=True).encode() for data in _networks()]


def _description(data: bytes, folder: Path) -> None:
    """A description with the tensors of a good file and a right digest: past the first gates."""
    try:
        header = json.loads(data)
        assert isinstance(header, dict)
        layers = header["layers"]
        first = layers[0]["name"]
    except (ValueError, AssertionError, KeyError, IndexError, TypeError, RecursionError):
        return
    seed = _networks()[first == "one"]
    try:
        whole = put_together(header, take_apart(seed)[1])
    except (ValueError, RecursionError, UnicodeError):
        return
    decode(whole)


def _model() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2))


def _weights() -> list[bytes]:
    model = _model()
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        path = Path(folder) / "w.safetensors"
        save_weights(path, model.state_dict(), {"epochs": 3})
        plain = path.read_bytes()
    stream = io.BytesIO()
    torch.save(model.state_dict(), stream)
    old = io.BytesIO()
    torch.save({"state_dict": model.state_dict()}, old, _use_new_zipfile_serialization=False)
    return [plain, stream.getvalue(), old.getvalue()]


def _load_weights(data: bytes, folder: Path) -> None:
    # What is neither a zip archive nor so named is taken for safetensors.
    torchish = data[:1] == b"\x80"
    path = folder / ("w.pt" if torchish else "w.safetensors")
    path.write_bytes(data)
    read_notes(path)
    load_weights(_model(), path)


def _optimizer(model: nn.Module) -> torch.optim.SGD:
    return torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)


def _checkpoints() -> list[bytes]:
    model = _model()
    now: Any = state.State(
        epoch=1,
        step=2,
        totals=torch.zeros(3),
        history=[],
        best=dict(model.state_dict()),
        best_epoch=0,
    )
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        path = Path(folder) / "c.safetensors"
        state.store(path, now, model, _optimizer(model), {"seed": 1})
        return [path.read_bytes()]


def _restore(data: bytes, folder: Path) -> None:
    path = folder / "c.safetensors"
    path.write_bytes(data)
    model = _model()
    state.restore(path, model, _optimizer(model), {"seed": 1})


def _archives() -> list[bytes]:
    rng = np.random.default_rng(2)
    x = rng.integers(0, 256, (3, 2, 2), dtype=np.uint8)
    y = np.arange(3)
    found = []
    for save in (np.savez, np.savez_compressed):
        stream = io.BytesIO()
        save(stream, x=x, y=y)
        found.append(stream.getvalue())
    stream = io.BytesIO()
    np.savez(stream, x_train=x, y_train=y, x_test=x[:1], y_test=y[:1].astype(np.uint8))
    return [*found, stream.getvalue()]


def _load_data(data: bytes, folder: Path) -> None:
    path = folder / "d.npz"
    path.write_bytes(data)
    load_data(path)


def _results() -> list[bytes]:
    result = resume.SimulationResult(
        logits=np.zeros((2, 3), np.int64),
        labels=np.zeros(2, np.int64),
        accepted=np.arange(2),
        finished=np.arange(2) + 5,
        starts=np.arange(2),
    )
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        path = Path(folder) / "part.npz"
        resume._write(path, result)
        return [path.read_bytes()]


def _load_results(data: bytes, folder: Path) -> None:
    path = folder / "part.npz"
    path.write_bytes(data)
    resume._read(path, 2)


_HARDWARE = HardwareConfig.uniform(small_network(), steps=4, lanes=1, beat=1)


@cache
def _images() -> dict[str, bytes]:
    """What `cygnet image` writes for the small network, and for one whose images are loaded."""
    found = {}
    for name, config in (("", _HARDWARE), ("load-", replace(_HARDWARE, loadable=True))):
        with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
            write_images(small_network(), config, folder)
            found |= {f"{name}{path.name}": path.read_bytes() for path in Path(folder).iterdir()}
    return found


def _manifests() -> list[bytes]:
    return [_images()[MANIFEST], _images()[f"load-{MANIFEST}"]]


def _read_manifest(data: bytes, folder: Path) -> None:
    """By all that read one: the simulators, the report and the host. What one of them refuses, the
    others see all the same."""
    for name, content in _images().items():
        (folder / name.replace("load-", "")).write_bytes(content)
    (folder / MANIFEST).write_bytes(data)
    network = small_network()
    refused = []
    for call in (
        lambda: check_images(network, _HARDWARE, folder),
        lambda: find_hardware(folder, network),
        lambda: b"load" in data and Parameters.read(folder),
    ):
        try:
            call()
        except CygnetError as error:
            refused.append(error)
    # A manifest that is loadable goes with other hardware.
    if refused and data not in _manifests():
        raise refused[0]


READERS: dict[str, Reader] = {
    "network": Reader(_networks, lambda data, folder: decode(data)),
    "description": Reader(_descriptions, _description),
    "weights": Reader(_weights, _load_weights),
    "checkpoint": Reader(_checkpoints, _restore),
    "data": Reader(_archives, _load_data),
    "results": Reader(_results, _load_results),
    "manifest": Reader(_manifests, _read_manifest),
    **{name: Reader(*pair) for name, pair in FOREIGN.items()},
}
