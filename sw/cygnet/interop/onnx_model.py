# SPDX-License-Identifier: Apache-2.0
"""ONNX files as torch modules."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import fx

from cygnet.errors import ConversionError, CygnetError
from cygnet.files import read_bytes
from cygnet.interop.assembly import Array, Assembly, Value
from cygnet.interop.onnx_operators import HANDLERS, OnnxNode
from cygnet.interop.operations import Operations

if TYPE_CHECKING:
    import onnx

__all__ = ["read_onnx"]

_LARGEST = 2**31 - 1
"""Bytes of a protobuf."""
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
            f"{path}: reading ONNX needs the package onnx; pip install onnx"
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
            try:
                values = onnx.numpy_helper.to_array(tensor)
            except ValueError:  # in the field of another type
                raise CygnetError(
                    f"{self._file}: tensor {tensor.name!r} holds no values of the type that it "
                    "states; the file is damaged"
                ) from None
        with np.errstate(invalid="ignore"):  # a NaN that signals
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
        names = (node.name, node.op_type, node.domain, *node.input, *node.output)
        # Protobuf hands out what is no UTF-8 as bytes.
        if not all(isinstance(name, str) for name in names):
            raise CygnetError(f"{self._file}: has a name that is no text; the file is damaged")
        operation = Operations(self._assembly, node.op_type, node.name or "".join(node.output[:1]))
        handler = HANDLERS.get(node.op_type) if node.domain in _DOMAINS else None
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
            view = OnnxNode(node, self._assembly.values, self._shapes, self._constant)
            try:
                value = handler(operation, view)
            except (TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
                # An attribute of another kind than the standard's, say.
                raise CygnetError(
                    f"{self._file}: node {node.name!r}, a {node.op_type}, is not as ONNX has it "
                    f"({error}); the file is damaged"
                ) from None
        for name in node.output:
            self._assembly.values[name] = None
        if node.output:
            self._assembly.values[node.output[0]] = value
