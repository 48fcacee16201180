# SPDX-License-Identifier: Apache-2.0
"""Readers of networks that others wrote, and good files of theirs, for fuzzing."""

from __future__ import annotations

import io
import itertools
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nir
import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import nn

from cygnet.interop.exported_program import read_exported
from cygnet.interop.nir_read import read_nir
from cygnet.interop.onnx_model import read_onnx

__all__ = ["FOREIGN"]

_GRAPH = "models/model.json"


@cache
def _onnx() -> list[bytes]:
    """A convolution, pooling and a dense end; and one whose weights are typed numbers."""
    rng = np.random.default_rng(3)

    def tensor(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)

    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n", 1, 4, 4])
    y = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n", 3])
    maps = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], "conv", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"], "relu"),
            helper.make_node(
                "AveragePool", ["b"], ["c"], "pool", kernel_shape=[2, 2], strides=[2, 2]
            ),
            helper.make_node("Flatten", ["c"], ["d"], "flatten"),
            helper.make_node("Gemm", ["d", "v", "u"], ["y"], "out", transB=1),
        ],
        "maps",
        [x],
        [y],
        [tensor("w", 2, 1, 3, 3), tensor("v", 3, 8), tensor("u", 3)],
    )
    x = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1, 3])
    values = helper.make_tensor("w", onnx.TensorProto.FLOAT, [3, 2], [1, 2, 3, 4, 5, 6.5])
    dense = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"], "product")], "dense", [x], [y], [values]
    )
    opset = [helper.make_opsetid("", 18)]
    return [
        helper.make_model(graph, opset_imports=opset).SerializeToString() for graph in (maps, dense)
    ]


def _read_onnx(data: bytes, folder: Path) -> None:
    path = folder / "n.onnx"
    path.write_bytes(data)
    read_onnx(path)


@cache
def _exported() -> list[bytes]:
    torch.manual_seed(3)
    found = []
    for model, x in (
        (nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 2)), torch.zeros(1, 3)),
        (
            nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten()),
            torch.zeros(1, 1, 4, 4),
        ),
    ):
        stream = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.export.save(torch.export.export(model.eval(), (x,)), stream)
        found.append(stream.getvalue())
    return found


def _read_exported(data: bytes, folder: Path) -> None:
    path = folder / "n.pt2"
    path.write_bytes(data)
    read_exported(path)


def _members(data: bytes) -> tuple[str, dict[str, bytes]]:
    """The folder in the archive, and what its files hold."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        names = archive.namelist()
        top = names[0].partition("/")[0]
        return top, {name.removeprefix(f"{top}/"): archive.read(name) for name in names}


@cache
def _graphs() -> list[bytes]:
    """The descriptions in :func:`_exported`, in one line."""
    return [b" ".join(_members(data)[1][_GRAPH].split()) for data in _exported()]


def _read_graph(data: bytes, folder: Path) -> None:
    """A description with the weights of a good file: past the archive's checksums."""
    top, members = _members(_exported()[b"conv2d" in data])
    path = folder / "n.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {_GRAPH: data}).items():
            archive.writestr(f"{top}/{name}", content)
    read_exported(path)


@cache
def _nir() -> list[bytes]:
    rng = np.random.default_rng(3)

    def neurons(*shape: int) -> nir.IF:
        return nir.IF(np.ones(shape), np.full(shape, 2.0), np.zeros(shape))

    nodes = {
        "input": nir.Input({"input": np.array([1, 4, 4])}),
        "conv": nir.Conv2d((4, 4), rng.normal(size=(2, 1, 3, 3)), 1, 1, 1, 1, np.zeros(2)),
        "if": neurons(2, 4, 4),
        "pool": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "flat": nir.Flatten({"input": np.array([2, 2, 2])}, 0, -1),
        "out": nir.Affine(rng.normal(size=(3, 8)), np.zeros(3)),
        "last": neurons(3),
        "output": nir.Output({"output": np.array([3])}),
    }
    names = list(nodes)
    edges = list(itertools.pairwise(names))
    least = {
        "input": nir.Input({"input": np.array([3])}),
        "if": nodes["last"],
        "output": nodes["output"],
    }
    found = []
    with tempfile.TemporaryDirectory(prefix="cygnet-") as folder:
        path = Path(folder) / "n.nir"
        for graph in (
            nir.NIRGraph(nodes, edges, type_check=False),
            nir.NIRGraph(least, [("input", "if"), ("if", "output")], type_check=False),
        ):
            nir.write(path, graph)
            found.append(path.read_bytes())
    return found


def _read_nir(data: bytes, folder: Path) -> None:
    path = folder / "n.nir"
    path.write_bytes(data)
    read_nir(path, reset="subtract")


FOREIGN: dict[str, tuple[Callable[[], list[bytes]], Callable[[bytes, Path], object]]] = {
    "onnx": (_onnx, _read_onnx),
    "pt2": (_exported, _read_exported),
    "pt2-graph": (_graphs, _read_graph),
    "nir": (_nir, _read_nir),
}
"""By name: good files, and what reads one."""
