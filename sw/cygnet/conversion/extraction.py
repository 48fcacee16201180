# SPDX-License-Identifier: Apache-2.0
"""From a graph that went through the passes to stages."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx, nn

from cygnet.conversion.compose import convolution, linear, ungrouped
from cygnet.conversion.folded import FoldedNetwork, Shortcut, Stage
from cygnet.conversion.graph import Graph, is_add, trace, where
from cygnet.conversion.passes import run_passes, with_weight
from cygnet.conversion.refusals import ACTIVATIONS
from cygnet.errors import ConversionError
from cygnet.network import INPUT, InputSpec
from cygnet.neurons import Imported

__all__ = ["fold", "input_shapes"]


@dataclass(frozen=True)
class _Way:
    """One way from an activation (or the input) into a sum."""

    node: fx.Node
    source: fx.Node
    layer: nn.Linear | nn.Conv2d | None
    pool: nn.AvgPool2d | None
    flattened: bool

    @property
    def is_projection(self) -> bool:
        """Whether this way can be the shortcut of a stage."""
        if self.layer is None:
            return self.pool is None and not self.flattened
        if isinstance(self.layer, nn.Linear):
            return self.pool is None and not self.flattened
        return (
            self.pool is None
            and self.layer.kernel_size == (1, 1)
            and not any(int(p) for p in self.layer.padding)
        )


def fold(model: nn.Module, spec: InputSpec | tuple[int, ...]) -> FoldedNetwork:
    """The network as stages, in eval mode and float64.

    :param model: the user's network; it is copied and left as it is
    :param spec: what enters it, or the shape of one sample in torch's order

    :raises ConversionError: it has no spiking form; names the layer and the remedy
    """
    if isinstance(model, nn.DataParallel):
        model = model.module
    shapes = input_shapes(spec) if isinstance(spec, InputSpec) else (tuple(spec),)
    first: ConversionError | None = None
    for shape in shapes:
        try:
            graph = trace(model, shape)
        except ConversionError as error:
            first = first or error
            continue
        run_passes(graph)
        return _extract(graph)
    assert first is not None
    raise first


def input_shapes(spec: InputSpec) -> tuple[tuple[int, ...], ...]:
    """Shapes in which a torch network may take a sample: as a map, then as a vector."""
    height, width, channels = spec.shape
    vector = (height * width * channels,)
    if (height, width) == (1, 1):
        return vector, (channels, 1, 1)
    return (channels, height, width), vector


def _extract(graph: Graph) -> FoldedNetwork:
    numbers: dict[fx.Node, int] = {}
    stages: list[Stage] = []
    for node in graph.nodes:
        if node.op == "placeholder":
            numbers[node] = INPUT
            continue
        activation = graph.child(node)
        if node.op == "output":
            total = graph.source(node)
            while isinstance(graph.child(total), nn.Flatten):
                total = graph.source(total)
            if isinstance(graph.child(total), Imported):
                break  # it ends in spiking neurons, which are a stage already
            _check_output(graph, total)
            activation = None
        elif isinstance(activation, ACTIVATIONS):
            total = graph.source(node)
        else:
            continue
        stages.append(_stage(graph, total, activation, numbers, len(stages) + 1))
        numbers[node] = len(stages) - 1
    return FoldedNetwork(stages, graph.shape)


def _check_output(graph: Graph, total: fx.Node) -> None:
    module = graph.child(total)
    if isinstance(module, ACTIVATIONS):
        raise ConversionError(
            f"layer {where(total)!r}: is an activation after the last layer; "
            "let the network return the last layer's sums, its logits"
        )
    if not isinstance(module, (nn.Linear, nn.Conv2d)):
        raise ConversionError(
            f"layer {where(total)!r}: the last layer must be a Linear or a Conv2d; "
            "put one at the end"
        )


def _stage(
    graph: Graph,
    total: fx.Node,
    activation: nn.Module | None,
    numbers: dict[fx.Node, int],
    position: int,
) -> Stage:
    shortcut = None
    if is_add(total):
        main, other = _choose(total, [_way(graph, value) for value in total.args])
        layer, extra = main.layer, other.layer
        assert layer is not None
        assert layer.bias is not None
        if extra is not None:
            assert extra.bias is not None
            # One bias for the sum.
            layer = with_weight(layer, layer.weight, layer.bias + extra.bias)
            extra = _projection(extra)
        shortcut = Shortcut(numbers[other.source], extra)
    else:
        main = _way(graph, total)
        layer = main.layer
        if layer is None:
            raise ConversionError(
                f"layer {where(total)!r}: there are no weights between it and the activation after "
                "it; put a linear layer or a convolution between them"
            )
    incoming, outgoing = graph.sample_shape(main.source), graph.sample_shape(total)
    assert incoming is not None
    assert outgoing is not None
    return Stage(
        # By position and kind: the same network has the same names whatever it was read from.
        f"{'fc' if isinstance(layer, nn.Linear) else 'conv'}{position}",
        numbers[main.source],
        layer,
        activation=activation,
        incoming=incoming,
        outgoing=outgoing,
        pool=main.pool,
        shortcut=shortcut,
        origin=where(main.node),
    )


def _way(graph: Graph, value: object) -> _Way:
    assert isinstance(value, fx.Node)
    layer = graph.child(value)
    node, pool, flattened = value, None, False
    if isinstance(layer, (nn.Linear, nn.Conv2d)):
        node = graph.source(value)
    else:
        layer = None
    while True:
        module = graph.child(node)
        if isinstance(module, nn.AvgPool2d):
            pool = module
        elif isinstance(module, nn.Flatten):
            flattened = True
        else:
            break
        node = graph.source(node)
    return _Way(value, node, layer, pool, flattened)


def _choose(add: fx.Node, ways: list[_Way]) -> tuple[_Way, _Way]:
    """Which way is the stage's own linear map and which its shortcut."""
    first, second = ways
    pairs = [
        (main, other)
        for main, other in ((first, second), (second, first))
        if main.layer is not None and other.is_projection and other.source.op != "placeholder"
    ]
    if not pairs:
        if first.layer is None and second.layer is None:
            raise ConversionError(
                f"layer {where(add)!r}: adds two activations with no weights; "
                "put a convolution on one of the two ways"
            )
        raise ConversionError(
            f"layer {where(add)!r}: one of the two ways must be an identity or a 1x1 convolution "
            "without padding or pooling, and must come from an activation, not from the input; "
            "change the shortcut"
        )
    # The identity is a shortcut; of two convolutions the smaller one is.
    return min(pairs, key=lambda pair: (pair[1].layer is not None, pair[0].is_projection))


def _projection(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """A copy without bias and groups."""
    zero = torch.zeros(layer.weight.shape[0], dtype=layer.weight.dtype)
    if isinstance(layer, nn.Linear):
        return linear(layer.weight, zero)
    return convolution(ungrouped(layer), zero, stride=layer.stride)
