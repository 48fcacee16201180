# SPDX-License-Identifier: Apache-2.0
"""What the operators of ONNX are here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from cygnet.interop.assembly import Array, Value
from cygnet.interop.operations import Operations

if TYPE_CHECKING:
    import onnx

__all__ = ["HANDLERS", "OnnxNode"]

_LONGEST = 64
"""Elements of a list of sizes."""


class OnnxNode:
    """Inputs and attributes of a node.

    :param values: of the graph so far, by name
    :param shapes: of values, by name, where they are known
    :param constant: reads a tensor out of the file
    """

    def __init__(
        self,
        node: onnx.NodeProto,
        values: Mapping[str, Value],
        shapes: Mapping[str, tuple[int | None, ...]],
        constant: Callable[[onnx.TensorProto], Array],
    ) -> None:
        self._node = node
        self._values = values
        self._shapes = shapes
        self._constant = constant

    @property
    def inputs(self) -> list[Value]:
        """All of them."""
        return [self[number] for number in range(len(self._node.input))]

    def __getitem__(self, number: int) -> Value:
        names = self._node.input
        if number >= len(names) or not names[number]:
            return None
        return self._values[names[number]]

    def get(self, name: str, default: Any) -> Any:
        import onnx

        for attribute in self._node.attribute:
            if attribute.name == name:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    return self._constant(attribute.t)
                return onnx.helper.get_attribute_value(attribute)
        return default

    def shape(self, number: int) -> tuple[int | None, ...]:
        """Sizes of an input; () where nothing is known."""
        value = self[number]
        if isinstance(value, np.ndarray):
            return value.shape
        return self._shapes.get(self._node.input[number], ())

    @property
    def result(self) -> tuple[int | None, ...]:
        return self._shapes.get(self._node.output[0], ())

    def integers(self, number: int, name: str) -> list[int] | None:
        """A list of integers that newer files have as an input and older ones as an attribute."""
        value = self[number]
        if isinstance(value, np.ndarray):
            return [int(item) for item in value.reshape(-1)]
        found = self.get(name, None)
        return None if found is None else [int(item) for item in found]


def _padding(node: OnnxNode, kernel: Sequence[int]) -> list[int] | str | None:
    """Padding per axis; None where the two sides of an axis differ."""
    automatic = node.get("auto_pad", b"NOTSET").decode()
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        strides = node.get("strides", [1] * len(kernel))
        return "same" if all(s == 1 for s in strides) and all(k % 2 for k in kernel) else None
    pads = [0] if automatic == "VALID" else node.get("pads", [0])
    half = len(pads) // 2
    if len(pads) > 1 and list(pads[:half]) != list(pads[half:]):
        return None
    return list(pads[: max(half, 1)])


def _conv(operation: Operations, node: OnnxNode) -> Value:
    weight = node[1]
    kernel = weight.shape[2:] if isinstance(weight, np.ndarray) else ()
    padding = _padding(node, kernel)
    if padding is None:
        return operation.refuse("padding differs from side to side")
    return operation.convolution(
        node[0],
        weight,
        node[2],
        stride=node.get("strides", [1]),
        padding=padding,
        dilation=node.get("dilations", [1]),
        groups=int(node.get("group", 1)),
    )


def _gemm(operation: Operations, node: OnnxNode) -> Value:
    weight, bias = node[1], node[2]
    if node.get("transA", 0):
        return operation.refuse("its input is transposed")
    if isinstance(weight, np.ndarray) and weight.ndim == 2:
        weight = (weight if node.get("transB", 0) else weight.T) * node.get("alpha", 1.0)
    if isinstance(bias, np.ndarray):
        bias = bias * node.get("beta", 1.0)
    return operation.linear(node[0], weight, bias)


def _matmul(operation: Operations, node: OnnxNode) -> Value:
    weight = node[1]
    return operation.linear(node[0], weight.T if isinstance(weight, np.ndarray) else weight, None)


def _batch_norm(operation: Operations, node: OnnxNode) -> Value:
    if node.get("training_mode", 0):
        return operation.refuse("in training mode; export the network in eval mode")
    # Stated as float32: the shortest decimal that is this float32 is what was meant.
    eps = float(str(np.float32(node.get("epsilon", 1e-5))))
    return operation.batch_norm(
        node[0],
        weight=node[1],
        bias=node[2],
        mean=node[3],
        variance=node[4],
        eps=eps,
        rank=len(node.shape(0)) or 4,
    )


def _average_pool(operation: Operations, node: OnnxNode) -> Value:
    kernel = node.get("kernel_shape", [])
    padding = _padding(node, kernel)
    if (
        padding is None
        or isinstance(padding, str)
        or any(d != 1 for d in node.get("dilations", []))
    ):
        return operation.refuse("padding or dilation")
    return operation.average_pool(
        node[0],
        kernel,
        node.get("strides", [1] * len(kernel)),
        padding,
        ceil_mode=bool(node.get("ceil_mode", 0)),
        count_include_pad=bool(node.get("count_include_pad", 0)),
    )


def _mean(operation: Operations, node: OnnxNode) -> Value:
    axes = node.integers(1, "axes")
    rank = len(node.shape(0))
    return operation.mean(node[0], axes or (), bool(node.get("keepdims", 1)), rank)


def _reshape(operation: Operations, node: OnnxNode) -> Value:
    source, before, after = node[0], node.shape(0), node.result
    wanted = node[1]
    if isinstance(source, np.ndarray):
        return _reshape_constant(operation, source, wanted)
    if not after and isinstance(wanted, np.ndarray):
        after = tuple(int(size) if size > 0 else None for size in wanted.reshape(-1))
    return operation.reshape(source, before[1:], after[1:])


def _reshape_constant(operation: Operations, source: Array, wanted: Value) -> Value:
    if not isinstance(wanted, np.ndarray):
        return operation.refuse()
    sizes = [
        source.shape[place] if size == 0 and place < source.ndim else int(size)
        for place, size in enumerate(wanted.reshape(-1))
    ]
    try:
        return source.reshape(sizes)
    except ValueError:
        return operation.refuse("its sizes do not fit")


def _flatten(operation: Operations, node: OnnxNode) -> Value:
    if node.get("axis", 1) != 1:
        return operation.refuse("only axis 1 is supported")
    return operation.reshape(node[0], node.shape(0)[1:], node.result[1:] or (None,))


def _squeeze(operation: Operations, node: OnnxNode) -> Value:
    source = node[0]
    axes = node.integers(1, "axes")
    if isinstance(source, np.ndarray):
        ones = [axis for axis, size in enumerate(source.shape) if size == 1]
        chosen = ones if axes is None else [axis % max(source.ndim, 1) for axis in axes]
        if set(chosen) <= set(ones):
            return np.squeeze(source, tuple(chosen))
        return operation.refuse("its axes are not of size 1")
    return operation.reshape(source, node.shape(0)[1:], node.result[1:])


def _unsqueeze(operation: Operations, node: OnnxNode) -> Value:
    source, axes = node[0], node.integers(1, "axes")
    if isinstance(source, np.ndarray) and axes is not None and source.ndim + len(axes) <= 8:
        return np.expand_dims(source, tuple(axes))
    return None if source is None else operation.refuse()


def _shape(operation: Operations, node: OnnxNode) -> Value:
    sizes = node.shape(0)
    if not sizes or any(size is None for size in sizes[1:]):
        return operation.refuse("of a value whose size is not known")
    # 0 copies the batch axis in a reshape.
    return np.array([sizes[0] or 0, *sizes[1:]], dtype=np.float64)


def _gather(operation: Operations, node: OnnxNode) -> Value:
    source, index = node[0], node[1]
    if isinstance(source, np.ndarray) and isinstance(index, np.ndarray) and source.ndim == 1:
        places = index.astype(np.int64)
        if index.size <= source.size and (np.abs(places + 0.5) < source.size).all():
            return np.asarray(source[places])
    return None if source is None or index is None else operation.refuse()


def _concat(operation: Operations, node: OnnxNode) -> Value:
    parts = node.inputs
    whole = [part for part in parts if isinstance(part, np.ndarray) and part.ndim == 1]
    if len(whole) == len(parts) and sum(part.size for part in whole) <= _LONGEST:
        return np.concatenate(whole)
    return None if any(part is None for part in parts) else operation.refuse()


def _transpose(operation: Operations, node: OnnxNode) -> Value:
    source = node[0]
    if isinstance(source, np.ndarray):
        axes = node.get("perm", None)
        if axes is None or sorted(axes) == list(range(source.ndim)):
            return np.transpose(source, axes)
    return None if source is None else operation.refuse()


def _constant(operation: Operations, node: OnnxNode) -> Value:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        found = node.get(name, None)
        if found is not None:
            return np.asarray(found, dtype=np.float64)
    return operation.refuse()


def _clip(operation: Operations, node: OnnxNode) -> Value:
    limits: list[Value] = []
    for number, name in ((1, "min"), (2, "max")):
        old = node.get(name, None)
        limits.append(node[number] if old is None else np.array(float(old)))
    return operation.clip(node[0], limits[0], limits[1])


def _cast(operation: Operations, node: OnnxNode) -> Value:
    import onnx

    source, floats = (
        node[0],
        node.get("to", 0)
        in (
            onnx.TensorProto.FLOAT,
            onnx.TensorProto.DOUBLE,
            onnx.TensorProto.FLOAT16,
            onnx.TensorProto.BFLOAT16,
        ),
    )
    if isinstance(source, np.ndarray):
        return source if floats else np.asarray(np.trunc(source))
    return source if floats or source is None else operation.refuse("to integers")


def _same(operation: Operations, node: OnnxNode) -> Value:
    return node[0]


def _binary(form: str) -> Callable[[Operations, OnnxNode], Value]:
    return lambda operation, node: operation.arithmetic(form, node[0], node[1])


HANDLERS: dict[str, Callable[[Operations, OnnxNode], Value]] = {
    "Abs": lambda operation, node: operation.absolute(node[0]),
    "Add": _binary("add"),
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Constant": _constant,
    "Conv": _conv,
    "Div": _binary("div"),
    "Dropout": _same,
    "Flatten": _flatten,
    "Floor": lambda operation, node: operation.floor(node[0]),
    "Gather": _gather,
    "Gemm": _gemm,
    "GlobalAveragePool": lambda operation, node: operation.module(node[0], nn.AdaptiveAvgPool2d(1)),
    "Identity": _same,
    "MatMul": _matmul,
    "Mul": _binary("mul"),
    "ReduceMean": _mean,
    "Relu": lambda operation, node: operation.module(node[0], nn.ReLU()),
    "Reshape": _reshape,
    "Shape": _shape,
    "Squeeze": _squeeze,
    "Sub": _binary("sub"),
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}
