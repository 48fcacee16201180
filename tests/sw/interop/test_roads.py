# SPDX-License-Identifier: Apache-2.0
"""The same network by every road is the same file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from torch import nn

import cygnet
from cygnet.interop.exported_program import read_exported
from cygnet.interop.onnx_model import read_onnx
from cygnet.network import Network
from cygnet.network_file import encode

from .models import NAMES, SPEC, exported, make, onnx_file


def integers(model: nn.Module, spec: Any = SPEC) -> Network:
    images = np.random.default_rng(3).integers(0, 256, (40, *spec.shape), dtype=np.uint8)
    return cygnet.convert(model, images, input=spec, tau=3, steps=4)


@pytest.fixture(scope="module")
def expected() -> dict[str, Network]:
    return {name: integers(make(name)) for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_torch_export(name: str, expected: dict[str, Network], tmp_path: Path) -> None:
    model, shape = read_exported(exported(make(name), tmp_path / "x.pt2"))
    assert shape == (2, 8, 8)
    assert encode(integers(model)) == encode(expected[name])


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
@pytest.mark.parametrize("name", [name for name in NAMES if name != "trained"])
def test_onnx(name: str, dynamo: bool, expected: dict[str, Network], tmp_path: Path) -> None:
    path = onnx_file(make(name), tmp_path / "x.onnx", dynamo=dynamo)
    model, shape = read_onnx(path)
    assert shape == (2, 8, 8)
    assert encode(integers(model)) == encode(expected[name])
    # Against an evaluator that knows nothing of torch.
    x = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(0))
    evaluator = ReferenceEvaluator(str(path))
    (wanted,) = evaluator.run(None, {evaluator.input_names[0]: x.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(model(x.double()).numpy(), wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dynamo", [True, False], ids=["dynamo", "torchscript"])
def test_onnx_with_batch_norm_that_the_exporter_folded(
    dynamo: bool, expected: dict[str, Network], tmp_path: Path
) -> None:
    """In float32: at most one unit of a weight differs, and K by as little."""
    found = integers(read_onnx(onnx_file(make("trained"), tmp_path / "x.onnx", dynamo=dynamo))[0])
    listed = []
    for got, wanted in zip(found.layers, expected["trained"].layers, strict=True):
        assert (got.name, got.source, got.pool) == (wanted.name, wanted.source, wanted.pool)
        apart = np.abs(got.synapses.weight.astype(int) - wanted.synapses.weight)
        assert apart.max() <= 1
        listed += [(got.name, *place) for place in np.argwhere(apart).tolist()]
        assert np.abs(got.bias - wanted.bias).max() <= 1
        if got.neurons is not None and wanted.neurons is not None:
            np.testing.assert_allclose(got.neurons.reset, wanted.neurons.reset, rtol=1e-5, atol=1)
            assert np.array_equal(got.neurons.step, wanted.neurons.step)
    weights = sum(layer.synapses.weight.size for layer in found.layers)
    assert len(listed) <= weights / 500


def graph(nodes: list[Any], weights: dict[str, NDArray], path: Path, **options: Any) -> Path:
    """An ONNX file from x[n, 2, 8, 8] to y, of these nodes."""
    made = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", "k"])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    opset = options.get("opset", 17)
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)])
    onnx.checker.check_model(model)
    path.write_bytes(model.SerializeToString())
    return path


def test_onnx_with_batch_norm_and_sums_written_by_hand(
    expected: dict[str, Network], tmp_path: Path
) -> None:
    """Batch norm as a node, QCFS in four orders, a mean and a matrix product: byte for byte."""
    model = make("trained")
    weights = {name: value.numpy() for name, value in model.state_dict().items()}
    weights = {name: value for name, value in weights.items() if value.dtype == np.float32}
    nodes: list[Any] = []

    def node(kind: str, inputs: list[str], output: str, **options: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], f"node_{output}", **options))
        return output

    def constant(value: float) -> str:
        name = f"constant_{value!r}"
        weights[name] = np.array(value, dtype=np.float32)
        return name

    def convolution(source: str, name: str, norm: str, stride: int, size: int) -> str:
        made = node(
            "Conv", [source, f"{name}.weight"], f"{name}_out", strides=[stride] * 2,
            pads=[size // 2] * 4,
        )  # fmt: skip
        parts = ("weight", "bias", "running_mean", "running_var")
        inputs = [made, *(f"{norm}.{part}" for part in parts)]
        return node("BatchNormalization", inputs, f"{norm}_out", epsilon=1e-5)

    def activation(source: str, name: str, order: int) -> str:
        theta = float(weights[f"{name}.weight"])
        steps = {
            0: [("Mul", 3.0), ("Div", theta), ("Add", 0.5), ("Floor", 0.0), ("Clip", 3.0),
                ("Mul", theta / 3)],
            1: [("Div", theta), ("Clip", 1.0), ("Mul", 3.0), ("Add", 0.5), ("Floor", 0.0),
                ("Div", 3.0), ("Mul", theta)],
            2: [("Div", theta), ("Mul", 3.0), ("Add", 0.5), ("Floor", 0.0), ("Clip", 3.0),
                ("Mul", theta), ("Div", 3.0)],
        }[order]  # fmt: skip
        value = source
        for number, (kind, operand) in enumerate(steps):
            output = f"{name}_{number}"
            if kind == "Floor":
                value = node(kind, [value], output)
            elif kind == "Clip":
                value = node(kind, [value, constant(0.0), constant(operand)], output)
            else:
                value = node(kind, [value, constant(operand)], output)
        return value

    x = activation(convolution("x", "stem", "bn", 1, 3), "act", 0)
    a, b = "stages.0.0", "stages.1.0"
    h = activation(convolution(x, f"{a}.conv1", f"{a}.bn1", 1, 3), f"{a}.act1", 1)
    h = convolution(h, f"{a}.conv2", f"{a}.bn2", 1, 3)
    x = activation(node("Add", [h, x], "sum1"), f"{a}.act2", 2)
    h = activation(convolution(x, f"{b}.conv1", f"{b}.bn1", 2, 3), f"{b}.act1", 0)
    h = convolution(h, f"{b}.conv2", f"{b}.bn2", 1, 3)
    s = convolution(x, f"{b}.shortcut.0", f"{b}.shortcut.1", 2, 1)
    x = activation(node("Add", [h, s], "sum2"), f"{b}.act2", 1)
    x = node("ReduceMean", [x], "mean", axes=[2, 3], keepdims=0)
    weights["matrix"] = np.ascontiguousarray(weights.pop("classifier.weight").T)
    node("Add", [node("MatMul", [x, "matrix"], "product"), "classifier.bias"], "y")
    path = graph(nodes, weights, tmp_path / "x.onnx")
    found, shape = read_onnx(path)
    assert shape == (2, 8, 8)
    assert encode(integers(found)) == encode(expected["trained"])


def test_opsets_differ_in_how_they_say_it(tmp_path: Path) -> None:
    """Clip and the axes of a mean are attributes in old files and inputs in new ones."""
    rng = np.random.default_rng(1)
    weights = {
        "w": rng.normal(size=(3, 2, 3, 3)).astype(np.float32),
        "f": rng.normal(size=(4, 3)).astype(np.float32),
        "z": np.zeros(4, np.float32),
    }
    old = [
        helper.make_node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER"),
        helper.make_node("Clip", ["a"], ["b"], min=0.0, max=6.0),
        helper.make_node("ReduceMean", ["b"], ["c"], axes=[2, 3], keepdims=0),
        helper.make_node("Gemm", ["c", "f", "z"], ["y"], transB=1),
    ]
    new = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        helper.make_node("ReduceMean", ["b", "axes"], ["c"], keepdims=1),
        helper.make_node("Reshape", ["c", "sizes"], ["d"]),
        helper.make_node("Gemm", ["d", "f"], ["y"], transB=1),
    ]
    more = {
        "low": np.float32(0), "high": np.float32(6), "axes": np.array([2, 3]),
        "sizes": np.array([-1, 3]),
    }  # fmt: skip
    first, _ = read_onnx(graph(old, weights, tmp_path / "old.onnx", opset=10))
    second, _ = read_onnx(
        graph(new, weights | {k: np.asarray(v) for k, v in more.items()}, tmp_path / "new.onnx",
              opset=18)
    )  # fmt: skip
    assert encode(integers(first)) == encode(integers(second))


def test_a_reshape_that_is_no_flatten_is_refused(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Reshape", ["x", "sizes"], ["a"], "shuffle"),
        helper.make_node("Gemm", ["a", "f"], ["y"]),
    ]
    weights = {"sizes": np.array([-1, 64]), "f": np.zeros((64, 3), np.float32)}
    with pytest.raises(cygnet.errors.ConversionError, match=r"Reshape 'shuffle' \(only flatten"):
        read_onnx(graph(nodes, weights, tmp_path / "x.onnx"))
