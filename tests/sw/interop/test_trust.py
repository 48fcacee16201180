# SPDX-License-Identifier: Apache-2.0
"""Files that are damaged or hostile, and networks with more than one node that is not supported."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cygnet.errors import ConversionError, CygnetError
from cygnet.interop.exported_program import read_exported
from cygnet.interop.onnx_model import read_onnx
from cygnet.interop.sources import read_source

from .models import exported, make, onnx_file, saved


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (os.mkdir, (str(self.path),))


class Unsupported(nn.Module):
    """Three kinds of layers that have no spiking form, four times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.pool = nn.MaxPool2d(2)
        self.act = nn.Sigmoid()
        self.last = nn.Linear(36, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.pool(self.act(self.conv(x)))
        return torch.tanh(self.last(torch.sigmoid(x).flatten(1)))


def test_every_unsupported_node_is_listed(tmp_path: Path) -> None:
    with pytest.raises(ConversionError) as raised:
        read_exported(exported(Unsupported().eval(), tmp_path / "x.pt2"))
    message = str(raised.value)
    assert "4 nodes have no spiking form here: " in message
    for node in ("aten.sigmoid.default 'act'", "aten.max_pool2d.default 'pool'",
                 "aten.sigmoid.default 'sigmoid_1'", "aten.tanh.default 'tanh'"):  # fmt: skip
        assert node in message
    with pytest.raises(ConversionError) as raised:
        read_onnx(onnx_file(Unsupported().eval(), tmp_path / "x.onnx", dynamo=False))
    message = str(raised.value)
    assert "4 nodes have no spiking form here: " in message
    assert message.count("Sigmoid '") == 2
    for node in ("Sigmoid '/act/Sigmoid'", "MaxPool '/pool/MaxPool'", "Tanh '"):
        assert node in message
    assert message.count("\n") == 0


def test_steps_that_are_no_activation_are_listed(tmp_path: Path) -> None:
    """What looks like QCFS but has another offset."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], "conv"),
        helper.make_node("Div", ["a", "two"], ["b"], "scale"),
        helper.make_node("Add", ["b", "third"], ["c"], "offset"),
        helper.make_node("Floor", ["c"], ["d"], "floor"),
        helper.make_node("Clip", ["d", "low", "two"], ["e"], "clip"),
        helper.make_node("Mul", ["e", "d"], ["y"], "product"),
    ]
    with pytest.raises(
        ConversionError, match=r"3 nodes .*: Mul 'product', Add 'offset', Floor 'floor'; "
    ):
        read_onnx(written(nodes, tmp_path / "x.onnx"))
    nodes[4] = helper.make_node("Clip", ["d", "a"], ["e"], "clip")
    nodes[5] = helper.make_node("Relu", ["d"], ["y"], "relu")
    path = written(nodes, tmp_path / "x.onnx")
    with pytest.raises(
        ConversionError, match=r"3 nodes .*: Clip 'clip' \(its limits are no constants\), Add 'off"
    ):
        read_onnx(path)


def written(nodes: list[Any], path: Path) -> Path:
    constants = {"w": np.ones((3, 2, 3, 3)), "two": np.array(2.0), "third": np.array(0.3)}
    constants |= {"low": np.array(0.0)}
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 6, 6])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".pkl", ".ckpt"])
def test_a_pickled_model_is_refused_with_the_way_out(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(saved(Hostile(tmp_path / "ran")))
    for call in (lambda: read_source(str(path), None), lambda: read_source("mlp", path)):
        if suffix == ".pkl" and call.__code__.co_consts[-1] == "mlp":
            continue
        with pytest.raises(CygnetError) as raised:
            call()
        message = str(raised.value)
        assert message.startswith(f"{path}: holds a pickled model, and reading it would run code")
        for way in ("safetensors", "--weights", "ONNX"):
            assert way in message
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("w.safetensors", "w.safetensors: holds weights and no network; give module:factory and"),
        ("n.cyg", "n.cyg: is an integer network already; nothing is to be done"),
        ("mlp", "mlp: is of the zoo and not trained; give --weights"),
        ("none.onnx", "none.onnx: cannot be read: No such file"),
        ("none.pt2", "none.pt2: cannot be read: No such file"),
    ],
)
def test_what_is_no_network(reference: str, message: str) -> None:
    with pytest.raises(CygnetError) as raised:
        read_source(reference, None)
    assert str(raised.value).startswith(message)


def test_a_file_holds_its_weights(tmp_path: Path) -> None:
    with pytest.raises(CygnetError, match=r"x\.onnx: holds its weights; leave out --weights"):
        read_source("x.onnx", tmp_path / "w.safetensors")


def change(path: Path, edit: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(path, load_external_data=False)
    edit(model)
    path.write_bytes(model.SerializeToString())
    return path


def claim_more(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = 1 << 40


def claim_negative(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].dims[0] = -3


def strings(model: onnx.ModelProto) -> None:
    model.graph.initializer[0].data_type = TensorProto.STRING


def nowhere(model: onnx.ModelProto) -> None:
    model.graph.node[0].input[0] = "nowhere"


def external(location: str, length: int) -> Callable[[onnx.ModelProto], None]:
    def edit(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
            tensor.external_data.add(key=key, value=value)

    return edit


SIZE = 4 * 3 * 2 * 3 * 3


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (claim_more, "tensor 'w' states 19791209299968 elements but holds 54; the file is damaged"),
        (claim_negative, "tensor 'w' has a negative size"),
        (strings, "tensor 'w' holds no plain numbers"),
        (nowhere, "node 'conv' reads 'nowhere', which nothing gives; the file is damaged"),
        (external("../secret", SIZE), "tensor 'w' points to a file outside its folder"),
        (external("/etc/passwd", SIZE), "tensor 'w' points to a file outside its folder"),
        (external("gone.data", SIZE), "its weights are to lie in gone.data, which cannot be read"),
        (external("short.data", SIZE), "tensor 'w' needs 216 bytes of short.data, which has them"),
        (external("short.data", 1 << 50), "tensor 'w' needs 216 bytes of short.data, which has "),
    ],
)
def test_onnx_sizes_are_checked(
    edit: Callable[[onnx.ModelProto], None], message: str, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], "conv")]
    (tmp_path / "short.data").write_bytes(bytes(10))
    path = change(written(nodes, tmp_path / "x.onnx"), edit)
    with pytest.raises(CygnetError) as raised:
        read_onnx(path)
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("data", [b"", b"hello", bytes(range(200))])
def test_what_is_no_onnx(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(data)
    with pytest.raises(CygnetError, match=r"x\.onnx: (is not an ONNX file|holds no network)"):
        read_onnx(tmp_path / "x.onnx")


def repack(path: Path, edit: dict[str, Callable[[bytes], bytes]], method: int = 0) -> Path:
    """The archive with changed members."""
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            for tail, change in edit.items():
                if name.endswith(tail):
                    data = change(data)  # noqa: PLW2901
            archive.writestr(name, data)
    return path


@pytest.fixture(scope="module")
def pt2(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = exported(make("mlp"), tmp_path_factory.mktemp("pt2") / "x.pt2")
    return path.read_bytes()


def weight(**changes: Any) -> Callable[[bytes], bytes]:
    """The first weight's description, changed."""

    def edit(data: bytes) -> bytes:
        table = json.loads(data)
        first = next(iter(table["config"].values()))
        for key, value in changes.items():
            if key in first:
                first[key] = value
            else:
                first["tensor_meta"][key] = value
        return json.dumps(table).encode()

    return edit


CONFIG = "model_weights_config.json"


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({CONFIG: weight(use_pickle=True)}, "weight '1.weight' is pickled, and reading it would "),
        (
            {CONFIG: weight(sizes=[{"as_int": 1 << 40}, {"as_int": 1}])},
            "weight '1.weight' states more elements than the 1152 that it holds",
        ),
        (
            {CONFIG: weight(storage_offset={"as_int": 5})},
            "weight '1.weight' states more elements than the 1152 that it holds",
        ),
        (
            {CONFIG: weight(strides=[{"as_int": -128}, {"as_int": 1}])},
            "weight '1.weight' states more elements than the 1152 that it holds",
        ),
        ({CONFIG: weight(dtype=9)}, "weight '1.weight' holds no plain numbers"),
        ({"weight_0": lambda data: data[:-4]}, "weight '1.weight' states more elements than the "),
        ({"model.json": lambda data: data[:-4]}, "models/model.json is not JSON; export it again"),
        ({"model.json": lambda data: b"[]"}, "its description lacks or misplaces "),
        ({"model.json": lambda data: b"[" * 100000}, "models/model.json is not JSON; export it"),
        (
            {"model.json": lambda data: data.replace(b'"nodes"', b'"knots"')},
            "its description lacks or misplaces 'nodes'; the file is damaged",
        ),
    ],
)
def test_exported_sizes_are_checked(
    edit: dict[str, Callable[[bytes], bytes]], message: str, pt2: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "x.pt2"
    path.write_bytes(pt2)
    with pytest.raises(CygnetError) as raised:
        read_exported(repack(path, edit))
    assert str(raised.value).startswith(f"{path}: {message}")


def test_exported_archives_that_are_none(pt2: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.pt2"
    path.write_bytes(pt2[:1000])
    with pytest.raises(CygnetError, match="is not an archive as torch writes it, or is cut short"):
        read_exported(path)
    path.write_bytes(pt2)
    with pytest.raises(CygnetError, match="has compressed members, which torch never writes"):
        read_exported(repack(path, {}, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", "{}")
    with pytest.raises(CygnetError, match=r"is of an older torch\.export, which pickles weights"):
        read_exported(path)


def test_sample_inputs_are_never_unpickled(pt2: bytes, tmp_path: Path) -> None:
    """torch's own reader would run what lies there."""
    path = tmp_path / "x.pt2"
    path.write_bytes(pt2)
    hostile = saved(Hostile(tmp_path / "ran"))
    read_exported(repack(path, {"sample_inputs/model.pt": lambda _: hostile}))
    assert not (tmp_path / "ran").exists()


def test_weights_with_compressed_members_are_refused(tmp_path: Path) -> None:
    """A few kilobytes could fill the memory."""
    path = tmp_path / "w.pt"
    path.write_bytes(saved({"weight": torch.zeros(100000)}))
    with pytest.raises(CygnetError, match="has compressed members, which torch never writes; save"):
        read_source("mlp", repack(path, {}, zipfile.ZIP_DEFLATED))


@pytest.mark.parametrize(("package", "file"), [("onnx", "x.onnx"), ("nir", "x.nir")])
def test_a_package_that_is_not_there(
    package: str, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(CygnetError, match=rf"^{file}: .*pip install {package}$"):
        read_source(file, None)
