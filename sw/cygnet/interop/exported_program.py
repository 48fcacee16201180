# SPDX-License-Identifier: Apache-2.0
"""Files of torch.export (``.pt2``) as torch modules.

torch's own reader unpickles and evaluates expressions from the file. This one reads it as data: a
zip archive of stored members, of which a JSON file describes the graph, another one the weights,
and each weight is raw little-endian bytes. Nothing else of the archive is looked at.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
from torch import fx, nn

from cygnet.archives import StoredArchive
from cygnet.errors import ConversionError, CygnetError
from cygnet.files import read_bytes
from cygnet.interop.assembly import Array, Assembly, Value
from cygnet.interop.operations import Operations

__all__ = ["read_exported"]

_DTYPES = {
    1: "<u1", 2: "<i1", 3: "<i2", 4: "<i4", 5: "<i8", 6: "<f2", 7: "<f4", 8: "<f8", 12: "?",
}  # fmt: skip
"""By number in torch's schema of exported programs."""
_OLD = "serialized_exported_program.json"
_AGAIN = "export it again with torch.export.save of torch 2.9 or newer, or to ONNX"


def read_exported(path: str | os.PathLike[str]) -> tuple[fx.GraphModule, tuple[int, ...] | None]:
    """The network in a ``.pt2`` file, and the shape of one sample.

    :raises CygnetError: the file is damaged, or of another format
    :raises ConversionError: nodes have no spiking form; lists every one of them
    """
    file = str(path)
    archive = StoredArchive(file, read_bytes(path), _AGAIN)
    if _OLD in archive or "" in archive:
        raise CygnetError(f"{file}: is of an older torch.export, which pickles weights; {_AGAIN}")
    try:
        return _Reader(file, archive).read()
    except (KeyError, IndexError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise CygnetError(
            f"{file}: its description lacks or misplaces {error}; the file is damaged, or of "
            f"another version: {_AGAIN}"
        ) from None


class _Reader:
    def __init__(self, file: str, archive: StoredArchive) -> None:
        self._file = file
        self._archive = archive
        self._assembly = Assembly(file)
        self._sizes: dict[str, tuple[int | None, ...]] = {}

    def read(self) -> tuple[fx.GraphModule, tuple[int, ...] | None]:
        module = self._json("models/model.json")["graph_module"]
        graph = module["graph"]
        for name, meta in graph["tensor_values"].items():
            self._sizes[name] = tuple(size.get("as_int") for size in meta["sizes"])
        weights = self._json("data/weights/model_weights_config.json")["config"]
        constants = {}
        if self._archive.size("data/constants/model_constants_config.json"):
            constants = self._json("data/constants/model_constants_config.json")["config"]
        shape = None
        for spec in module["signature"]["input_specs"]:
            ((kind, content),) = spec.items()
            if kind in ("parameter", "buffer", "tensor_constant"):
                name = content[f"{kind}_name"]
                table, folder = (
                    (weights, "weights") if name in weights else (constants, "constants")
                )
                value = self._weight(name, table[name], f"data/{folder}")
                self._assembly.values[content["arg"]["name"]] = value
            elif kind == "user_input":
                name = content["arg"]["as_tensor"]["name"]
                self._assembly.input(name)
                found = self._sizes[name][1:]
                known = tuple(size for size in found if size is not None)
                shape = known if known and len(known) == len(found) else None
            else:
                raise CygnetError(f"{self._file}: has an input of kind {kind!r}; {_AGAIN}")
        for node in graph["nodes"]:
            self._node(node)
        outputs = [
            spec["user_output"]["arg"]["as_tensor"]["name"]
            for spec in module["signature"]["output_specs"]
            if "user_output" in spec and "as_tensor" in spec["user_output"]["arg"]
        ]
        if len(outputs) != 1:
            raise ConversionError(
                f"{self._file}: the network must return one tensor of logits, not {len(outputs)}"
            )
        return self._assembly.finish(outputs[0]), shape

    def _json(self, name: str) -> Any:
        try:
            return json.loads(self._archive.read(name))
        except (ValueError, RecursionError):
            raise CygnetError(f"{self._file}: {name} is not JSON; {_AGAIN}") from None

    def _weight(self, name: str, stated: dict[str, Any], folder: str) -> Array:
        """A tensor of raw bytes, once they are known to be as many as its shape needs."""
        meta = stated["tensor_meta"]
        if stated["use_pickle"] or meta is None:
            raise CygnetError(
                f"{self._file}: weight {name!r} is pickled, and reading it would run code that the "
                "file brings; export the network from the CPU with plain tensors, or to ONNX"
            )
        if meta["dtype"] not in _DTYPES:
            raise ConversionError(
                f"{self._file}: weight {name!r} holds no plain numbers; export the network in "
                "float32"
            )
        dtype = np.dtype(_DTYPES[meta["dtype"]])
        sizes = [int(size["as_int"]) for size in meta["sizes"]]
        strides = [int(stride["as_int"]) for stride in meta["strides"]]
        offset = int(meta["storage_offset"]["as_int"])
        path = f"{folder}/{stated['path_name']}"
        there = self._archive.size(path) // dtype.itemsize
        last = offset + sum((size - 1) * s for size, s in zip(sizes, strides, strict=True))
        count = math.prod(sizes)
        if (
            min([offset, *sizes, *strides], default=0) < 0
            or (count and last >= there)
            or count > there
        ):
            raise CygnetError(
                f"{self._file}: weight {name!r} states more elements than the {there} that it "
                "holds; the file is damaged"
            )
        data = np.frombuffer(self._archive.read(path), dtype=dtype)
        steps = [stride * dtype.itemsize for stride in strides]
        values = np.lib.stride_tricks.as_strided(data[offset:], sizes, steps, writeable=False)
        return np.array(values, dtype=np.float64)

    def _node(self, node: dict[str, Any]) -> None:
        target = str(node["target"]).removeprefix("torch.ops.")
        outputs = [output for output in node["outputs"] if "as_tensor" in output]
        several = [output for output in node["outputs"] if "as_tensors" in output]
        names = [output["as_tensor"]["name"] for output in outputs]
        names += [item["name"] for output in several for item in output["as_tensors"]]
        handler = _HANDLERS.get(target)
        operation = Operations(self._assembly, target, _label(node, names))
        value: Value = None
        if handler is not None:
            value = handler(operation, _Node(self, node, names))
        elif names:  # nodes without a result are checks
            operation.refuse()
        for name in names:
            self._assembly.values[name] = None
        if names:
            self._assembly.values[names[0]] = value


def _label(node: dict[str, Any], names: list[str]) -> str:
    """The user's name of the module that a node is of, or its own."""
    stack = str(node.get("metadata", {}).get("nn_module_stack", ""))
    inner = stack.rpartition(";")[2].split(",")
    return inner[1] if len(inner) == 3 and inner[1] else (node.get("name") or "".join(names[:1]))


class _Node:
    """Arguments of a node by name."""

    def __init__(self, reader: _Reader, node: dict[str, Any], names: list[str]) -> None:
        self._reader = reader
        self._arguments = {item["name"]: item["arg"] for item in node["inputs"]}
        self._names = names

    def __getitem__(self, name: str) -> Value:
        """A value or a constant; None where it is absent."""
        argument = self._arguments.get(name)
        if argument is None or "as_none" in argument:
            return None
        ((kind, content),) = argument.items()
        if kind == "as_tensor":
            return self._reader._assembly.values[content["name"]]
        if kind in ("as_int", "as_float", "as_bool"):
            return np.array(float(content))
        raise CygnetError(
            f"{self._reader._file}: argument {name!r} of {self._names[0]!r} is of kind {kind!r}; "
            "export the network with fixed sizes"
        )

    def integers(self, name: str, default: list[int]) -> list[int]:
        argument = self._arguments.get(name, {})
        if "as_ints" in argument:
            return [int(value) for value in argument["as_ints"]]
        if "as_int" in argument:
            return [int(argument["as_int"])]
        return default

    def plain(self, name: str, default: Any) -> Any:
        """An argument that is one number, word or truth value."""
        argument = self._arguments.get(name)
        if argument is None or "as_none" in argument:
            return default
        ((_, content),) = argument.items()
        return content

    def shape(self, name: str) -> tuple[int | None, ...]:
        content = self._arguments.get(name, {}).get("as_tensor")
        return () if content is None else self._reader._sizes.get(content["name"], ())

    @property
    def result(self) -> tuple[int | None, ...]:
        return self._reader._sizes.get(self._names[0], ())


def _conv(operation: Operations, node: _Node) -> Value:
    padding: list[int] | str = node.integers("padding", [0])
    if isinstance(node.plain("padding", 0), str):
        padding = node.plain("padding", "valid")
    if node.plain("transposed", False):
        return operation.refuse("transposed")
    return operation.convolution(
        node["input"],
        node["weight"],
        node["bias"],
        stride=node.integers("stride", [1]),
        padding=padding,
        dilation=node.integers("dilation", [1]),
        groups=int(node.plain("groups", 1)),
    )


def _linear(operation: Operations, node: _Node) -> Value:
    return operation.linear(node["input"], node["weight"], node["bias"])


def _addmm(operation: Operations, node: _Node) -> Value:
    weight = node["mat2"]
    if node.plain("alpha", 1) != 1 or node.plain("beta", 1) != 1:
        return operation.refuse("alpha and beta must be 1")
    weight = weight.T if isinstance(weight, np.ndarray) else weight
    return operation.linear(node["mat1"], weight, node["self"])


def _transposed(operation: Operations, node: _Node) -> Value:
    value = node["self"]
    if isinstance(value, np.ndarray) and value.ndim == 2:
        return value.T
    return operation.refuse()


def _batch_norm(operation: Operations, node: _Node) -> Value:
    if node.plain("training", False):
        return operation.refuse("in training mode; export the network in eval mode")
    return operation.batch_norm(
        node["input"],
        weight=node["weight"],
        bias=node["bias"],
        mean=node["running_mean"],
        variance=node["running_var"],
        eps=float(node.plain("eps", 1e-5)),
        rank=len(node.shape("input")),
    )


def _binary(form: str) -> Callable[[Operations, _Node], Value]:
    def handle(operation: Operations, node: _Node) -> Value:
        if node.plain("alpha", 1) != 1 or node.plain("rounding_mode", None) is not None:
            return operation.refuse("alpha or a rounding mode")
        return operation.arithmetic(form, node["self"], node["other"])

    return handle


def _clip(operation: Operations, node: _Node) -> Value:
    return operation.clip(node["self"], node["min"], node["max"])


def _hardtanh(operation: Operations, node: _Node) -> Value:
    low, high = node.plain("min_val", -1.0), node.plain("max_val", 1.0)
    return operation.clip(node["self"], np.array(float(low)), np.array(float(high)))


def _relu6(operation: Operations, node: _Node) -> Value:
    return operation.clip(node["self"], np.array(0.0), np.array(6.0))


def _relu(operation: Operations, node: _Node) -> Value:
    return operation.module(node["self"], nn.ReLU())


def _average_pool(operation: Operations, node: _Node) -> Value:
    divisor = node.plain("divisor_override", None)
    return operation.average_pool(
        node["self"],
        node.integers("kernel_size", []),
        node.integers("stride", []),
        node.integers("padding", [0]),
        ceil_mode=bool(node.plain("ceil_mode", False)),
        count_include_pad=bool(node.plain("count_include_pad", True)),
        divisor=None if divisor is None else int(divisor),
    )


def _adaptive(operation: Operations, node: _Node) -> Value:
    sizes = node.integers("output_size", [])
    if len(sizes) != 2:
        return operation.refuse("it pools over another number of dimensions than 2")
    return operation.module(node["self"], nn.AdaptiveAvgPool2d((sizes[0], sizes[1])))


def _mean(operation: Operations, node: _Node) -> Value:
    rank = len(node.shape("self"))
    return operation.mean(
        node["self"], node.integers("dim", []), bool(node.plain("keepdim", False)), rank
    )


def _reshape(operation: Operations, node: _Node) -> Value:
    return operation.reshape(node["self"], node.shape("self")[1:], node.result[1:])


def _same(operation: Operations, node: _Node) -> Value:
    value = node["self"]
    return node["input"] if value is None else value


def _dropout(operation: Operations, node: _Node) -> Value:
    if node.plain("train", False):
        return operation.refuse("in training mode; export the network in eval mode")
    return node["input"]


_HANDLERS: dict[str, Callable[[Operations, _Node], Value]] = {
    "aten._adaptive_avg_pool2d.default": _adaptive,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten._unsafe_view.default": _reshape,
    "aten.abs.default": lambda operation, node: operation.absolute(node["self"]),
    "aten.adaptive_avg_pool2d.default": _adaptive,
    "aten.add.Tensor": _binary("add"),
    "aten.add_.Tensor": _binary("add"),
    "aten.addmm.default": _addmm,
    "aten.alias.default": _same,
    "aten.avg_pool2d.default": _average_pool,
    "aten.batch_norm.default": _batch_norm,
    "aten.clamp.default": _clip,
    "aten.clamp_.default": _clip,
    "aten.clamp_max.default": _clip,
    "aten.clamp_min.default": _clip,
    "aten.clamp_min_.default": _clip,
    "aten.clone.default": _same,
    "aten.contiguous.default": _same,
    "aten.conv2d.default": _conv,
    "aten.conv2d.padding": _conv,
    "aten.convolution.default": _conv,
    "aten.detach.default": _same,
    "aten.detach_.default": _same,
    "aten.div.Tensor": _binary("div"),
    "aten.div_.Tensor": _binary("div"),
    "aten.dropout.default": _dropout,
    "aten.feature_dropout.default": _dropout,
    "aten.flatten.using_ints": _reshape,
    "aten.floor.default": lambda operation, node: operation.floor(node["self"]),
    "aten.floor_.default": lambda operation, node: operation.floor(node["self"]),
    "aten.hardtanh.default": _hardtanh,
    "aten.hardtanh_.default": _hardtanh,
    "aten.linear.default": _linear,
    "aten.mean.dim": _mean,
    "aten.mul.Tensor": _binary("mul"),
    "aten.mul_.Tensor": _binary("mul"),
    "aten.permute.default": _transposed,
    "aten.relu.default": _relu,
    "aten.relu6.default": _relu6,
    "aten.relu_.default": _relu,
    "aten.reshape.default": _reshape,
    "aten.squeeze.dim": _reshape,
    "aten.squeeze.dims": _reshape,
    "aten.sub.Tensor": _binary("sub"),
    "aten.sub_.Tensor": _binary("sub"),
    "aten.t.default": _transposed,
    "aten.view.default": _reshape,
}
