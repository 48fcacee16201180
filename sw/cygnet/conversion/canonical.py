# SPDX-License-Identifier: Apache-2.0
"""Passes that write the same thing in one way: functions as modules, one module a layer kind."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from cygnet.conversion.graph import Graph, is_published_qcfs, where
from cygnet.errors import ConversionError
from cygnet.neurons import QCFS

__all__ = ["drop_identities", "functions_to_modules", "modules_to_canon"]

_RELU: set[Any] = {torch.relu, torch.relu_, functional.relu, functional.relu_, "relu", "relu_"}
_ADD: set[Any] = {operator.add, operator.iadd, torch.add, "add", "add_"}
_CLAMP: set[Any] = {torch.clamp, torch.clip, "clamp", "clamp_", "clip", "clip_"}
_CLAMP_MIN: set[Any] = {torch.clamp_min, "clamp_min", "clamp_min_"}
_RESHAPE: set[Any] = {
    torch.flatten, torch.reshape, torch.squeeze, torch.unsqueeze, "flatten", "view", "reshape",
    "squeeze", "unsqueeze",
}  # fmt: skip
_IDENTITY: set[Any] = {
    functional.dropout, functional.dropout2d, functional.alpha_dropout,
    functional.feature_alpha_dropout, torch.clone, torch.detach, "clone", "contiguous", "detach",
    "float", "double", "to", "type", "requires_grad_",
}  # fmt: skip
_DROPPED = (
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)  # fmt: skip


def functions_to_modules(graph: Graph) -> None:
    """Functional and method calls become the modules that do the same."""
    for node in graph.nodes:
        if node.op not in ("call_function", "call_method"):
            continue
        if node.target in _ADD:
            _canonical_add(graph, node)
        elif node.target in _IDENTITY:
            graph.remove(node)
        elif node.target in _RESHAPE:
            _reshape(graph, node)
        elif node.target in (torch.mean, "mean"):
            _mean(graph, node)
        else:
            module = _module(graph, node)
            if module is not None:
                _replace(graph, node, module)
    graph.verify()


def modules_to_canon(graph: Graph) -> None:
    """Adaptive pooling becomes average pooling, the authors' activation becomes QCFS, dilated
    kernels get zeros, every linear map gets a bias, ReLU6 becomes a Hardtanh from 0."""
    for node in graph.nodes:
        module = graph.child(node)
        if isinstance(module, nn.AdaptiveAvgPool2d):
            graph.set(node, _adaptive(graph, node, module))
        elif module is not None and is_published_qcfs(module):
            graph.set(node, _published(node, module))
        elif isinstance(module, nn.Conv2d) and not isinstance(module, nn.LazyConv2d):
            _canonical_convolution(graph, node, module)
        if isinstance(module, (nn.Linear, nn.Conv2d)) and module.bias is None:
            module.bias = nn.Parameter(
                torch.zeros(module.weight.shape[0], dtype=torch.float64), requires_grad=False
            )
    graph.verify()


def drop_identities(graph: Graph) -> None:
    """Dropout and identity modules go; so do flattens of vectors and pooling of 1x1 windows."""
    for node in graph.nodes:
        module = graph.child(node)
        if (
            isinstance(module, _DROPPED)
            or (
                isinstance(module, nn.Flatten)
                and graph.sample_shape(node) == graph.sample_shape(graph.source(node))
            )
            or (
                isinstance(module, nn.AvgPool2d)
                and module.padding in (0, (0, 0))
                and graph.sample_shape(node) == graph.sample_shape(graph.source(node))
                and module.kernel_size in (1, (1, 1))
            )
        ):
            graph.remove(node)
    graph.verify()


def _arguments(node: fx.Node, *names: str) -> dict[str, Any]:
    """Arguments after the first by name."""
    return dict(zip(names, node.args[1:], strict=False)) | node.kwargs


def _replace(graph: Graph, node: fx.Node, module: nn.Module) -> None:
    source = node.args[0] if node.args else node.kwargs["input"]
    assert isinstance(source, fx.Node)
    new = graph.insert(node, source, module, node.name)
    new.meta = dict(node.meta)
    node.replace_all_uses_with(new)
    graph.module.graph.erase_node(node)


def _canonical_add(graph: Graph, node: fx.Node) -> None:
    values = [*node.args, *(value for key, value in node.kwargs.items() if key != "alpha")]
    if len(values) != 2 or not all(
        isinstance(value, fx.Node) and graph.sample_shape(value) is not None for value in values
    ):
        if all(graph.sample_shape(value) is None for value in node.all_input_nodes):
            return  # arithmetic on sizes
        raise ConversionError(
            f"layer {where(node)!r}: a constant is added; put it into the bias of a layer"
        )
    if node.kwargs.get("alpha", 1) != 1:
        raise ConversionError(
            f"layer {where(node)!r}: alpha must be 1, not {node.kwargs['alpha']}; "
            "put the factor into the weights"
        )
    if len({graph.sample_shape(value) for value in values if isinstance(value, fx.Node)}) > 1:
        raise ConversionError(
            f"layer {where(node)!r}: values of different shapes are added; "
            "use a 1x1 convolution where shapes differ"
        )
    node.op = "call_function"
    node.target = operator.add
    node.args = tuple(values)
    node.kwargs = {}


def _reshape(graph: Graph, node: fx.Node) -> None:
    source = node.args[0] if node.args else node.kwargs.get("input")
    if not isinstance(source, fx.Node):
        return
    before, after = graph.sample_shape(source), graph.sample_shape(node)
    if before is None:
        return
    if after == before:
        node.replace_all_uses_with(source)
        graph.module.graph.erase_node(node)
    elif after is not None and len(after) == 1:
        while source.target in _RESHAPE:  # squeeze after squeeze: one flatten
            source = graph.source(source)
        node.args = (source, *node.args[1:])
        _replace(graph, node, nn.Flatten())
    elif after is not None and all(
        user.target in _RESHAPE or user.target in (torch.mean, "mean") for user in node.users
    ):
        return  # the next one makes a vector of it, and reads its source then
    else:
        raise ConversionError(
            f"layer {where(node)!r}: changes the shape of a sample from {before} to {after}; "
            "only flattening to a vector is supported"
        )


def _mean(graph: Graph, node: fx.Node) -> None:
    options = _arguments(node, "dim", "keepdim")
    source = node.args[0]
    assert isinstance(source, fx.Node)
    shape = graph.sample_shape(source)
    dims = options.get("dim", options.get("axis"))
    dims = (dims,) if isinstance(dims, int) else tuple(dims or ())
    if shape is None or len(shape) != 3 or sorted(d % 4 for d in dims) != [2, 3]:
        raise ConversionError(
            f"layer {where(node)!r}: a mean over the dimensions {dims} is not supported; "
            "only that over height and width is"
        )
    pooled = graph.insert(node, source, nn.AvgPool2d(shape[1:]), node.name)
    new = pooled
    if not options.get("keepdim", False):
        new = graph.insert(pooled, pooled, nn.Flatten(), f"{node.name}_flatten")
    node.replace_all_uses_with(new)
    graph.module.graph.erase_node(node)
    graph.verify()


def _module(graph: Graph, node: fx.Node) -> nn.Module | None:
    target = node.target
    if target in _RELU:
        return nn.ReLU()
    if target is functional.relu6:
        return nn.ReLU6()
    if target is functional.hardtanh:
        options = _arguments(node, "min_val", "max_val")
        return nn.Hardtanh(options.get("min_val", -1.0), options.get("max_val", 1.0))
    if target in _CLAMP or target in _CLAMP_MIN:
        options = _arguments(node, "min", "max")
        if options.get("min") != 0:
            return None
        return nn.ReLU() if options.get("max") is None else nn.Hardtanh(0.0, options["max"])
    makers: dict[Any, tuple[Callable[..., nn.Module], tuple[str, ...]]] = {
        functional.avg_pool2d: (
            nn.AvgPool2d,
            ("kernel_size", "stride", "padding", "ceil_mode", "count_include_pad",
             "divisor_override"),
        ),
        functional.adaptive_avg_pool2d: (nn.AdaptiveAvgPool2d, ("output_size",)),
    }  # fmt: skip
    if target in makers:
        make, names = makers[target]
        return make(**{k: v for k, v in _arguments(node, *names).items() if k != "input"})
    return None


def _adaptive(graph: Graph, node: fx.Node, module: nn.AdaptiveAvgPool2d) -> nn.AvgPool2d:
    shape = graph.sample_shape(graph.source(node))
    after = graph.sample_shape(node)
    assert shape is not None
    assert after is not None
    kernel = []
    for size, out in zip(shape[1:], after[1:], strict=True):
        if size % out:
            raise ConversionError(
                f"layer {where(node)!r} (adaptive average pooling): a map of {size} does not "
                f"divide into {out} equal windows; choose sizes that divide"
            )
        kernel.append(size // out)
    return nn.AvgPool2d((kernel[0], kernel[1]))


def _published(node: fx.Node, module: nn.Module) -> QCFS:
    threshold = module.thresh
    assert isinstance(threshold, Tensor)
    value = threshold.detach().double()
    if value.numel() != 1 or not bool(value.isfinite().all()) or value.item() <= 0:
        raise ConversionError(
            f"layer {where(node)!r}: its threshold lambda is {value.tolist()}, which must be > 0; "
            "train it again, with cygnet.neurons.QCFS it stays positive"
        )
    result = QCFS(module.L, value.item()).double()  # type: ignore[arg-type]
    return result.requires_grad_(False)


def _canonical_convolution(graph: Graph, node: fx.Node, module: nn.Conv2d) -> None:
    if isinstance(module.padding, str):
        total = [d * (k - 1) for d, k in zip(module.dilation, module.kernel_size, strict=True)]
        if module.padding == "same" and any(t % 2 for t in total):
            raise ConversionError(
                f"layer {where(node)!r} (Conv2d): padding 'same' is uneven for a kernel of "
                f"{tuple(module.kernel_size)}; use an odd kernel"
            )
        same = module.padding == "same"
        module.padding = tuple(t // 2 if same else 0 for t in total)
    if any(d > 1 for d in module.dilation):
        (kh, kw), (dh, dw) = module.kernel_size, module.dilation
        out, into = module.weight.shape[:2]
        spread = module.weight.new_zeros((out, into, (kh - 1) * dh + 1, (kw - 1) * dw + 1))
        spread[:, :, ::dh, ::dw] = module.weight
        module.weight = nn.Parameter(spread, requires_grad=False)
        module.kernel_size = (spread.shape[2], spread.shape[3])
        module.dilation = (1, 1)
    for padding, kernel in zip(module.padding, module.kernel_size, strict=True):
        if int(padding) >= kernel:
            raise ConversionError(
                f"layer {where(node)!r} (Conv2d): padding {padding} must be less than the kernel "
                f"{kernel}; shrink it"
            )
