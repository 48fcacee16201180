# SPDX-License-Identifier: Apache-2.0
"""ONNX files as torch modules."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import fx, nn

from cygnet.errors import ConversionError, CygnetError
from cygnet.files import read_bytes
from cygnet.interop.assembly import Array, Assembly, Value
from cygnet.interop.operations import Operations

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx"]

_LARGEST = 2**31 - 1
"""Bytes of a protobuf."""
_LONGEST = 64
"""Elements of a list of sizes."""
_DOMAINS = ("", "ai.onnx")


def read_onnx(path: str | os.PathLike[str]) -> tuple[fx.GraphModule, tuple[int, ...] | None]:
    """The network in an ONNX file, and the shape of one sample where the file states it.

    Weights may lie in a file beside it. Nothing of the file is executed; every tensor's size is
    checked against the bytes that are there before it is read.

    :raises CygnetError: the package ``onnx`` is not there, or the file is damaged
    :raises ConversionError: nodes have no spiking form; lists every one of them
    """
    try:
        import onnx
        from google.protobuf.message import DecodeError
    except ModuleNotFoundError:
        raise CygnetError(
            f"{path}: reading ONNX needs the package onnx; pip install 'cygnet-snn[interop]'"
        ) from None
    file = str(path)
    if Path(path).is_file() and Path(path).stat().st_size > _LARGEST:
        raise CygnetError(f"{file}: is larger than the 2 GiB of a protobuf; it is no ONNX file")
    data = read_bytes(path)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError:
        raise CygnetError(
            f"{file}: is not an ONNX file, or is cut short; export it again"
        ) from None
    if not model.graph.node or not model.graph.output:
        raise CygnetError(f"{file}: holds no network; export it again")
    return _Reader(file, model).read()


class _Reader:
    def __init__(self, file: str, model: onnx.ModelProto) -> None:
        self._file = file
        self._model = model
        self._assembly = Assembly(file)
        self._shapes: dict[str, tuple[int | None, ...]] = {}

    def read(self) -> tuple[fx.GraphModule, tuple[int, ...] | None]:
        graph = self._model.graph
        values = self._assembly.values
        for tensor in graph.initializer:
            values[tensor.name] = self._constant(tensor)
        self._infer_shapes()
        shape = None
        for value in graph.input:
            if value.name not in values:
                self._assembly.input(value.name)
                found = self._shapes.get(value.name, ())[1:]
                known = tuple(size for size in found if size is not None)
                shape = known if known and len(known) == len(found) else None
        for node in graph.node:
            self._node(node)
        return self._assembly.finish(graph.output[0].name), shape

    def _infer_shapes(self) -> None:
        import onnx

        # Without weights: shapes do not depend on them, and a copy of them all is not needed.
        bare = onnx.ModelProto()
        bare.CopyFrom(self._model)
        for tensor in bare.graph.initializer:
            if math.prod(tensor.dims) > 64:
                tensor.ClearField("raw_data")
                tensor.ClearField("float_data")
                bare.graph.input.append(
                    onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
                )
        kept = [t for t in bare.graph.initializer if math.prod(t.dims) <= 64]
        del bare.graph.initializer[:]
        bare.graph.initializer.extend(kept)
        try:
            bare = onnx.shape_inference.infer_shapes(bare)
        except Exception:  # whatever it raises: shapes that are not known are treated so
            bare = self._model
        for value in (*bare.graph.input, *bare.graph.value_info, *bare.graph.output):
            kind = value.type.tensor_type
            if kind.HasField("shape"):
                self._shapes[value.name] = tuple(
                    dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim
                )

    def _constant(self, tensor: onnx.TensorProto) -> Array:
        """The values of a tensor, once its size is that of its shape."""
        import onnx

        try:
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type))
        except KeyError:
            dtype = np.dtype(object)
        if dtype.kind not in "fiub":
            raise ConversionError(
                f"{self._file}: tensor {tensor.name!r} holds no plain numbers; export the network "
                "in float32"
            )
        if any(size < 0 for size in tensor.dims):
            raise CygnetError(f"{self._file}: tensor {tensor.name!r} has a negative size")
        count = math.prod(tensor.dims)
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            raw = self._external(tensor, count * dtype.itemsize)
            values = np.frombuffer(raw, dtype=dtype)
        else:
            stated = len(tensor.raw_data) // dtype.itemsize
            if not stated:
                stated = max(
                    len(tensor.float_data),
                    len(tensor.double_data),
                    len(tensor.int32_data),
                    len(tensor.int64_data),
                    len(tensor.uint64_data),
                )
            if stated != count or len(tensor.raw_data) % dtype.itemsize:
                raise CygnetError(
                    f"{self._file}: tensor {tensor.name!r} states {count} elements but holds "
                    f"{stated}; the file is damaged"
                )
            values = onnx.numpy_helper.to_array(tensor)
        return np.asarray(values.reshape(tuple(tensor.dims)), dtype=np.float64)

    def _external(self, tensor: onnx.TensorProto, size: int) -> bytes:
        """Bytes out of the file beside, which lies in the same folder or below it."""
        entries = {entry.key: entry.value for entry in tensor.external_data}
        folder = Path(self._file).resolve().parent
        beside = (folder / entries.get("location", "")).resolve()
        if folder not in beside.parents:
            raise CygnetError(
                f"{self._file}: tensor {tensor.name!r} points to a file outside its folder; "
                "export it again"
            )
        try:
            offset, length = int(entries.get("offset", "0")), int(entries.get("length", size))
            there = beside.stat().st_size
        except (ValueError, OSError):
            raise CygnetError(
                f"{self._file}: its weights are to lie in {beside.name}, which cannot be read; put "
                "the two files into one folder"
            ) from None
        if length != size or offset < 0 or offset + size > there:
            raise CygnetError(
                f"{self._file}: tensor {tensor.name!r} needs {size} bytes of {beside.name}, which "
                "has them not there; the two files are not of one network"
            )
        with beside.open("rb") as stream:
            stream.seek(offset)
            raw: bytes = stream.read(size)
        return raw

    def _node(self, node: onnx.NodeProto) -> None:
        operation = Operations(self._assembly, node.op_type, node.name or "".join(node.output[:1]))
        handler = _HANDLERS.get(node.op_type) if node.domain in _DOMAINS else None
        if handler is None:
            operation.refuse()
            value: Value = None
        else:
            unknown = [name for name in node.input if name and name not in self._assembly.values]
            if unknown:
                raise CygnetError(
                    f"{self._file}: node {node.name!r} reads {unknown[0]!r}, which nothing gives; "
                    "the file is damaged"
                )
            value = handler(operation, _Node(self, node))
        for name in node.output:
            self._assembly.values[name] = None
        if node.output:
            self._assembly.values[node.output[0]] = value


class _Node:
    """Inputs and attributes of a node."""

    def __init__(self, reader: _Reader, node: onnx.NodeProto) -> None:
        self._reader = reader
        self._node = node

    def __getitem__(self, number: int) -> Value:
        names = self._node.input
        if number >= len(names) or not names[number]:
            return None
        return self._reader._assembly.values[names[number]]

    def has(self, number: int) -> bool:
        return number < len(self._node.input) and bool(self._node.input[number])

    def get(self, name: str, default: Any) -> Any:
        import onnx

        for attribute in self._node.attribute:
            if attribute.name == name:
                if attribute.type == onnx.AttributeProto.TENSOR:
                    return self._reader._constant(attribute.t)
                return onnx.helper.get_attribute_value(attribute)
        return default

    def shape(self, number: int) -> tuple[int | None, ...]:
        """Sizes of an input; () where nothing is known."""
        value = self[number]
        if isinstance(value, np.ndarray):
            return value.shape
        return self._reader._shapes.get(self._node.input[number], ())

    @property
    def result(self) -> tuple[int | None, ...]:
        return self._reader._shapes.get(self._node.output[0], ())

    def integers(self, number: int, name: str) -> list[int] | None:
        """A list of integers that newer files have as an input and older ones as an attribute."""
        value = self[number]
        if isinstance(value, np.ndarray):
            return [int(item) for item in value.reshape(-1)]
        found = self.get(name, None)
        return None if found is None else [int(item) for item in found]


def _padding(node: _Node, kernel: Sequence[int]) -> list[int] | str | None:
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


def _conv(operation: Operations, node: _Node) -> Value:
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


def _gemm(operation: Operations, node: _Node) -> Value:
    weight, bias = node[1], node[2]
    if node.get("transA", 0):
        return operation.refuse("its input is transposed")
    if isinstance(weight, np.ndarray) and weight.ndim == 2:
        weight = (weight if node.get("transB", 0) else weight.T) * node.get("alpha", 1.0)
    if isinstance(bias, np.ndarray):
        bias = bias * node.get("beta", 1.0)
    return operation.linear(node[0], weight, bias)


def _matmul(operation: Operations, node: _Node) -> Value:
    weight = node[1]
    return operation.linear(node[0], weight.T if isinstance(weight, np.ndarray) else weight, None)


def _batch_norm(operation: Operations, node: _Node) -> Value:
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


def _average_pool(operation: Operations, node: _Node) -> Value:
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


def _mean(operation: Operations, node: _Node) -> Value:
    axes = node.integers(1, "axes")
    rank = len(node.shape(0))
    return operation.mean(node[0], axes or (), bool(node.get("keepdims", 1)), rank)


def _reshape(operation: Operations, node: _Node) -> Value:
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


def _flatten(operation: Operations, node: _Node) -> Value:
    if node.get("axis", 1) != 1:
        return operation.refuse("only axis 1 is supported")
    return operation.reshape(node[0], node.shape(0)[1:], node.result[1:] or (None,))


def _squeeze(operation: Operations, node: _Node) -> Value:
    source = node[0]
    axes = node.integers(1, "axes")
    if isinstance(source, np.ndarray):
        ones = [axis for axis, size in enumerate(source.shape) if size == 1]
        chosen = ones if axes is None else [axis % max(source.ndim, 1) for axis in axes]
        if set(chosen) <= set(ones):
            return np.squeeze(source, tuple(chosen))
        return operation.refuse("its axes are not of size 1")
    return operation.reshape(source, node.shape(0)[1:], node.result[1:])


def _unsqueeze(operation: Operations, node: _Node) -> Value:
    source, axes = node[0], node.integers(1, "axes")
    if isinstance(source, np.ndarray) and axes is not None and source.ndim + len(axes) <= 8:
        return np.expand_dims(source, tuple(axes))
    return None if source is None else operation.refuse()


def _shape(operation: Operations, node: _Node) -> Value:
    sizes = node.shape(0)
    if not sizes or any(size is None for size in sizes[1:]):
        return operation.refuse("of a value whose size is not known")
    # 0 copies the batch axis in a reshape.
    return np.array([sizes[0] or 0, *sizes[1:]], dtype=np.float64)


def _gather(operation: Operations, node: _Node) -> Value:
    source, index = node[0], node[1]
    if isinstance(source, np.ndarray) and isinstance(index, np.ndarray) and source.ndim == 1:
        places = index.astype(np.int64)
        if index.size <= source.size and (np.abs(places + 0.5) < source.size).all():
            return np.asarray(source[places])
    return None if source is None or index is None else operation.refuse()


def _concat(operation: Operations, node: _Node) -> Value:
    parts = [node[number] for number in range(len(node._node.input))]
    whole = [part for part in parts if isinstance(part, np.ndarray) and part.ndim == 1]
    if len(whole) == len(parts) and sum(part.size for part in whole) <= _LONGEST:
        return np.concatenate(whole)
    return None if any(part is None for part in parts) else operation.refuse()


def _transpose(operation: Operations, node: _Node) -> Value:
    source = node[0]
    if isinstance(source, np.ndarray):
        axes = node.get("perm", None)
        if axes is None or sorted(axes) == list(range(source.ndim)):
            return np.transpose(source, axes)
    return None if source is None else operation.refuse()


def _constant(operation: Operations, node: _Node) -> Value:
    for name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
        found = node.get(name, None)
        if found is not None:
            return np.asarray(found, dtype=np.float64)
    return operation.refuse()


def _clip(operation: Operations, node: _Node) -> Value:
    limits: list[Value] = []
    for number, name in ((1, "min"), (2, "max")):
        old = node.get(name, None)
        limits.append(node[number] if old is None else np.array(float(old)))
    return operation.clip(node[0], limits[0], limits[1])


def _cast(operation: Operations, node: _Node) -> Value:
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


def _same(operation: Operations, node: _Node) -> Value:
    return node[0]


def _binary(form: str) -> Callable[[Operations, _Node], Value]:
    return lambda operation, node: operation.arithmetic(form, node[0], node[1])


_HANDLERS: dict[str, Callable[[Operations, _Node], Value]] = {
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
