# SPDX-License-Identifier: Apache-2.0
"""What has no spiking form, and what to do instead."""

from __future__ import annotations

from torch import fx, nn

from cygnet.conversion.graph import Graph, is_add, where
from cygnet.errors import ConversionError
from cygnet.neurons import QCFS, Imported

__all__ = ["ACTIVATIONS", "check"]

ACTIVATIONS = (nn.ReLU, nn.Hardtanh, QCFS, Imported)
SUPPORTED = (
    *ACTIVATIONS,
    nn.Linear,
    nn.Conv2d,
    nn.BatchNorm1d,
    nn.BatchNorm2d,
    nn.AvgPool2d,
    nn.Flatten,
)

_RETRAIN = "train the network with ReLU or QCFS instead"
_REMEDIES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("maxpool", "max_pool"),
        "max pooling has no exact spiking form",
        "replace it by average pooling and train again",
    ),
    (
        ("softmax", "logsoftmax", "log_softmax"),
        "softmax has no spiking form",
        "let the network return its logits; the class with the largest one is the same",
    ),
    (
        (
            "sigmoid",
            "tanh",
            "gelu",
            "silu",
            "elu",
            "mish",
            "softplus",
            "leaky",
            "prelu",
            "hardswish",
            "swish",
            "glu",
            "celu",
            "selu",
        ),
        "this activation has no spiking form",
        _RETRAIN,
    ),
    (
        (
            "layernorm",
            "layer_norm",
            "groupnorm",
            "group_norm",
            "instancenorm",
            "instance_norm",
            "rmsnorm",
            "rms_norm",
            "localresponse",
        ),
        "a norm over the activations of one image cannot be folded into weights",
        "use batch norm instead and train again",
    ),
    (
        ("cat", "concat", "stack"),
        "concatenation is not supported",
        "add the branches instead, with a 1x1 convolution where their channels differ",
    ),
    (
        ("lstm", "gru", "rnn", "attention", "transformer", "embedding"),
        "this layer has no spiking form here",
        "use linear layers and convolutions",
    ),
    (
        ("convtranspose", "conv_transpose", "upsample", "interpolate", "pixelshuffle"),
        "upsampling is not supported",
        "keep the map's size, or shrink it",
    ),
    (
        ("conv1d", "conv3d", "avgpool1d", "avgpool3d", "batchnorm3d"),
        "only vectors and two-dimensional maps are supported",
        "use Linear or Conv2d",
    ),
    (
        ("mul", "sub", "div", "matmul", "pow", "neg"),
        "arithmetic other than an add is not supported",
        "write it as a linear layer, a convolution or batch norm",
    ),
)


def check(graph: Graph) -> None:
    """Refuse the first node that no later pass could handle.

    :raises ConversionError: names the layer and the remedy
    """
    for node in graph.nodes:
        if node.op in ("placeholder", "output") or is_add(node):
            continue
        module = graph.child(node)
        if module is None:
            raise _refusal(node, str(getattr(node.target, "__name__", node.target)))
        if not isinstance(module, SUPPORTED):
            raise _refusal(node, type(module).__name__)
        _check_module(graph, node, module)


def _refusal(node: fx.Node, kind: str) -> ConversionError:
    folded = kind.lower()
    for words, reason, remedy in _REMEDIES:
        if any(word in folded for word in words):
            return ConversionError(f"layer {where(node)!r} ({kind}): {reason}; {remedy}")
    return ConversionError(
        f"layer {where(node)!r} ({kind}): has no known spiking form; build the network from "
        "Linear, Conv2d, batch norm, ReLU or QCFS, average pooling, flatten and adds"
    )


def _check_module(graph: Graph, node: fx.Node, module: nn.Module) -> None:
    name = where(node)
    if isinstance(module, nn.Hardtanh) and module.min_val != 0:
        raise ConversionError(
            f"layer {name!r} (Hardtanh): its lower limit must be 0, not {module.min_val}; "
            f"{_RETRAIN}"
        )
    if isinstance(module, QCFS) and not bool(module.weight.isfinite().all()):
        raise ConversionError(f"layer {name!r} (QCFS): its threshold is not finite; train it again")
    if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.running_mean is None:
        raise ConversionError(
            f"layer {name!r} (batch norm): has no running statistics to fold; "
            "train it with track_running_stats=True"
        )
    if isinstance(module, nn.Linear) and len(graph.sample_shape(graph.source(node)) or ()) != 1:
        raise ConversionError(
            f"layer {name!r} (Linear): reads a map of shape "
            f"{graph.sample_shape(graph.source(node))}; flatten it first"
        )
    if isinstance(module, nn.Conv2d):
        if module.padding_mode != "zeros":
            raise ConversionError(
                f"layer {name!r} (Conv2d): padding mode must be 'zeros', not "
                f"{module.padding_mode!r}; train it with zeros"
            )
        shape = graph.sample_shape(graph.source(node)) or ()
        if len(shape) != 3:
            raise ConversionError(
                f"layer {name!r} (Conv2d): reads a value of shape {shape}; "
                "it must be a map (channels, height, width)"
            )
    if isinstance(module, nn.AvgPool2d):
        _check_pool(graph, node, module)


def _check_pool(graph: Graph, node: fx.Node, module: nn.AvgPool2d) -> None:
    name = where(node)
    if any(pair(module.padding)):
        raise ConversionError(
            f"layer {name!r} (average pooling): padding {module.padding} makes windows of "
            "different weight, which have no single factor; use padding 0"
        )
    kernel, stride = pair(module.kernel_size), pair(module.stride)
    if module.divisor_override not in (None, kernel[0] * kernel[1]):
        raise ConversionError(
            f"layer {name!r} (average pooling): divisor_override must be None, not "
            f"{module.divisor_override}; scale the weights after it instead"
        )
    shape = graph.sample_shape(graph.source(node)) or ()
    for size, k, s in zip(shape[1:], kernel, stride, strict=True):
        if (size - k) % s:
            raise ConversionError(
                f"layer {name!r} (average pooling): windows of {k} with stride {s} leave a partial "
                f"window on a map of {size}; choose sizes that divide"
            )


def pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    """(vertical, horizontal) of torch's size arguments."""
    if isinstance(value, int):
        return value, value
    if len(value) == 1:
        return int(value[0]), int(value[0])
    vertical, horizontal = value
    return int(vertical), int(horizontal)
