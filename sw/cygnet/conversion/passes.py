# SPDX-License-Identifier: Apache-2.0
"""The passes between a traced network and its stages, in their order.

Each pass leaves a graph that computes what it computed before, up to rounding in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import fx, nn

from cygnet.conversion import canonical, compose
from cygnet.conversion.graph import Graph, is_add, where
from cygnet.conversion.refusals import ACTIVATIONS, check
from cygnet.conversion.simulators import Scale
from cygnet.errors import ConversionError
from cygnet.neurons import Imported

__all__ = ["PASSES", "run_passes"]


def fold_batch_norm(graph: Graph) -> None:
    """Batch norm (running statistics, eps) goes into the linear map before it, else after it."""
    for node in graph.nodes:
        module = graph.child(node)
        if not isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            continue
        assert module.running_mean is not None
        assert module.running_var is not None
        gain = torch.rsqrt(module.running_var + module.eps)
        if module.weight is not None:
            gain = gain * module.weight
        shift = -module.running_mean * gain
        if module.bias is not None:
            shift = shift + module.bias
        if not _fold_back(graph, node, gain, shift) and not _fold_on(graph, node, gain, shift):
            raise ConversionError(
                f"layer {where(node)!r} (batch norm): stands neither after nor before a linear map "
                "that it could be folded into; put it between a convolution and its activation"
            )
        graph.remove(node)
    graph.verify()


def _fold_back(graph: Graph, node: fx.Node, gain: torch.Tensor, shift: torch.Tensor) -> bool:
    source = graph.source(node)
    while isinstance(graph.child(source), nn.AvgPool2d) and len(source.users) == 1:
        source = graph.source(source)
    linear = graph.child(source)
    if not isinstance(linear, (nn.Linear, nn.Conv2d)) or len(source.users) > 1:
        return False
    if linear.weight.shape[0] != len(gain):
        return False
    weight = linear.weight * gain.reshape(-1, *[1] * (linear.weight.ndim - 1))
    assert linear.bias is not None
    graph.set(source, with_weight(linear, weight, linear.bias * gain + shift))
    return True


def _fold_on(graph: Graph, node: fx.Node, gain: torch.Tensor, shift: torch.Tensor) -> bool:
    place = node
    repeat = 1
    while True:
        if len(place.users) != 1:
            return False
        (place,) = place.users
        module = graph.child(place)
        if isinstance(module, nn.Flatten):
            shape = graph.sample_shape(graph.source(place)) or ()
            repeat = int(torch.Size(shape[1:]).numel())
        elif not isinstance(module, nn.AvgPool2d):
            break
    assert not isinstance(module, nn.Flatten)
    if isinstance(module, nn.Linear):
        gain, shift = (value.repeat_interleave(repeat) for value in (gain, shift))
        weight, extra = module.weight * gain, module.weight @ shift
    elif isinstance(module, nn.Conv2d) and (
        # A padded zero would have to become the shift.
        not any(int(p) for p in module.padding) or not bool(shift.any())
    ):
        dense = compose.ungrouped(module)
        weight = dense * gain[None, :, None, None]
        extra = (dense * shift[None, :, None, None]).sum((1, 2, 3))
        if module.groups > 1:
            weight = compose.grouped(weight, module.groups)
    else:
        return False
    assert module.bias is not None
    graph.set(place, with_weight(module, weight, module.bias + extra))
    return True


def with_weight(
    like: nn.Linear | nn.Conv2d, weight: torch.Tensor, bias: torch.Tensor
) -> nn.Linear | nn.Conv2d:
    """A layer like another with new parameters of the same shape."""
    if isinstance(like, nn.Linear):
        return compose.linear(weight, bias)
    return compose.convolution(
        weight, bias, stride=like.stride, padding=like.padding, groups=like.groups
    )


def merge_scales(graph: Graph) -> None:
    """Factors next to a spiking neuron become its threshold and what its spikes carry; others
    become batch norm."""
    for node in graph.nodes:
        neuron = graph.child(node)
        if not isinstance(neuron, Imported):
            continue
        shape = graph.sample_shape(node) or ()
        before = graph.source(node)
        scale = graph.child(before)
        if isinstance(scale, Scale) and len(before.users) == 1:
            factor = scale.fitted(shape)
            if bool((factor > 0).all()):
                neuron = _rescaled(node, neuron.threshold / factor, neuron.value, neuron)
                graph.set(node, neuron)
                graph.remove(before)
        after = list(node.users)
        scale = graph.child(after[0]) if len(after) == 1 else None
        if isinstance(scale, Scale):
            factor = scale.fitted(shape)
            if bool((factor > 0).all()):
                graph.set(node, _rescaled(node, neuron.threshold, neuron.value * factor, neuron))
                graph.remove(after[0])
    for node in graph.nodes:
        scale = graph.child(node)
        if isinstance(scale, Scale):
            graph.set(node, _as_batch_norm(node, scale, graph.sample_shape(node) or ()))
    graph.verify()


def _rescaled(
    node: fx.Node, threshold: torch.Tensor, value: torch.Tensor, like: Imported
) -> Imported:
    try:
        return Imported(threshold, value=value, strict=like.strict, initial=float(like.initial))
    except ValueError as error:
        raise ConversionError(f"layer {where(node)!r}: {error}; train it again") from None


def _as_batch_norm(
    node: fx.Node, scale: Scale, shape: tuple[int, ...]
) -> nn.BatchNorm1d | nn.BatchNorm2d:
    factor = scale.fitted(shape)
    if len(shape) == 3 and factor.ndim == 3 and factor.shape[1:] != (1, 1):
        raise ConversionError(
            f"layer {where(node)!r}: its factors differ from place to place, which a convolution "
            "cannot absorb; use one for each channel"
        )
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    norm = kind(shape[0], eps=0, dtype=torch.float64)
    norm.weight = nn.Parameter(factor.reshape(-1).expand(shape[0]).clone(), requires_grad=False)
    return norm.eval().requires_grad_(False)


def flatten_late(graph: Graph) -> None:
    """An activation after a flatten moves before it, where maps are still maps."""
    changed = True
    while changed:
        changed = False
        for node in graph.nodes:
            if not isinstance(graph.child(node), ACTIVATIONS):
                continue
            flatten = graph.source(node)
            if isinstance(graph.child(flatten), nn.Flatten) and len(flatten.users) == 1:
                node.args = (graph.source(flatten),)
                node.replace_all_uses_with(flatten)
                flatten.args = (node,)
                node.append(flatten)
                changed = True
    graph.verify()


def merge_activations(graph: Graph) -> None:
    """A ReLU of what is never negative goes; so does one right before another activation."""
    for node in graph.nodes:
        module = graph.child(node)
        if not isinstance(module, ACTIVATIONS):
            continue
        source = graph.source(node)
        direct = graph.child(source)
        if (
            type(direct) is nn.ReLU
            and len(source.users) == 1
            # A neuron's potential goes down where no activation's output does.
            and not isinstance(module, Imported)
        ):
            node.args = (graph.source(source),)
            graph.module.graph.erase_node(source)
        elif type(module) is nn.ReLU:
            while isinstance(graph.child(source), (nn.AvgPool2d, nn.Flatten)):
                source = graph.source(source)
            if isinstance(graph.child(source), ACTIVATIONS):
                graph.remove(node)
    graph.verify()


def merge_pools(graph: Graph) -> None:
    """Average pooling of average pooling becomes one, where the first one's windows do not
    overlap."""
    for node in graph.nodes:
        second = graph.child(node)
        first = graph.child(graph.source(node)) if isinstance(second, nn.AvgPool2d) else None
        if not isinstance(second, nn.AvgPool2d) or not isinstance(first, nn.AvgPool2d):
            continue
        (k1, s1), (k2, s2) = compose.window(first), compose.window(second)
        if k1 != s1 and k2 != (1, 1):
            raise ConversionError(
                f"layer {where(node)!r} (average pooling): follows pooling whose windows overlap; "
                "use a stride equal to the kernel, or one pooling layer"
            )
        source = graph.source(node)
        pool = nn.AvgPool2d((k1[0] * k2[0], k1[1] * k2[1]), (s1[0] * s2[0], s1[1] * s2[1]))
        new = graph.insert(node, graph.source(source), pool, "pool")
        node.replace_all_uses_with(new)
        graph.module.graph.erase_node(node)
    graph.verify()


def compose_linear(graph: Graph) -> None:
    """Two linear maps with no activation between them become one."""
    for node in graph.nodes:
        module = graph.child(node)
        if not isinstance(module, (nn.Linear, nn.Conv2d, nn.AvgPool2d)):
            continue
        source = graph.source(node)
        first = graph.child(source)
        if not isinstance(first, (nn.Linear, nn.Conv2d)):
            flattened = isinstance(first, nn.Flatten) and isinstance(
                graph.child(graph.source(source)), (nn.Linear, nn.Conv2d)
            )
            if flattened:
                raise ConversionError(
                    f"layer {where(node)!r}: there is no activation between it and "
                    f"{where(graph.source(source))!r}; put a ReLU or QCFS between them"
                )
            continue
        composed = compose.compose(first, module)
        if composed is None:
            raise ConversionError(
                f"layer {where(node)!r}: there is no activation between it and {where(source)!r}, "
                "and the two do not compose into one; put a ReLU or QCFS between them"
            )
        new = graph.insert(node, graph.source(source), composed, f"{source.name}_{node.name}")
        node.replace_all_uses_with(new)
        graph.module.graph.erase_node(node)
    graph.verify()


def check_adds(graph: Graph) -> None:
    """Refuse adds that are not the sum of two ways right before an activation."""
    adds = [node for node in graph.nodes if is_add(node)]
    for node in adds:
        if any(is_add(source) for source in node.all_input_nodes):
            raise ConversionError(
                f"layer {where(node)!r}: adds to an add; put an activation after each add"
            )
    for node in adds:
        users = list(node.users)
        if len(users) != 1 or not isinstance(graph.child(users[0]), ACTIVATIONS):
            raise ConversionError(
                f"layer {where(node)!r}: is an add without an activation after it; "
                "put a ReLU or QCFS right after the add"
            )


PASSES: tuple[tuple[str, Callable[[Graph], None]], ...] = (
    ("functions_to_modules", canonical.functions_to_modules),
    ("modules_to_canon", canonical.modules_to_canon),
    ("drop_identities", canonical.drop_identities),
    ("merge_scales", merge_scales),
    ("check", check),
    ("flatten_late", flatten_late),
    ("fold_batch_norm", fold_batch_norm),
    ("merge_activations", merge_activations),
    ("merge_pools", merge_pools),
    ("compose_linear", compose_linear),
    ("check_adds", check_adds),
)
"""(name, pass) in the order in which they run."""


def run_passes(graph: Graph) -> None:
    """All of :data:`PASSES`, in order.

    :raises ConversionError: the network has no spiking form; names the layer and the remedy
    """
    for _, transform in PASSES:
        transform(graph)
