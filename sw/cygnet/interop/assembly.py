# SPDX-License-Identifier: Apache-2.0
"""A torch module put together from the nodes of a file.

A reader names the values of its file one by one: constants are float64 arrays, all else are values
of an fx graph whose nodes call torch's own modules. What comes out is a module like any user's, and
goes the same way.
"""

from __future__ import annotations

import keyword
import operator
import re
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from cygnet.errors import ConversionError
from cygnet.interop.elementwise import recognise

__all__ = ["Array", "Assembly", "Value", "refusal"]

Array = NDArray[np.float64]
Value = fx.Node | Array | None
"""A value that is computed, a constant, or one of a node that was refused."""

SHOWN = 40
"""Nodes that one message lists; the rest it counts."""


class Assembly:
    """The graph so far.

    :param file: what messages call the source
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.values: dict[str, Value] = {}
        self.refused: list[str] = []
        self._root = nn.Module()
        self._graph = fx.Graph()
        self._input: fx.Node | None = None

    def input(self, name: str) -> None:
        """The one input of the network.

        :raises ConversionError: there is another one
        """
        if self._input is not None:
            raise ConversionError(
                f"{self.file}: the network must have one input, not {self._input.name!r} and "
                f"{name!r}; export it with one"
            )
        self._input = self._graph.placeholder("input")
        self.values[name] = self._input

    def refuse(self, kind: str, name: str, reason: str = "") -> None:
        """Note a node that has no spiking form, and go on to find the others."""
        shown = kind if kind.isprintable() else repr(kind)
        self.refused.append(f"{shown} {name!r}{f' ({reason})' if reason else ''}")

    def call(self, module: nn.Module, source: fx.Node, name: str) -> fx.Node:
        """A value: the module applied to another value.

        :param name: of the node in the file; messages name layers by it
        """
        target = re.sub(r"\W+", "_", name).strip("_") or "node"
        free, number = target, 1
        while hasattr(self._root, free) or keyword.iskeyword(free):
            number += 1
            free = f"{target}_{number}"
        self._root.add_module(free, module)
        return self._graph.call_module(free, (source,))

    def add(self, first: fx.Node, second: fx.Node) -> fx.Node:
        """A value: the sum of two others."""
        return self._graph.call_function(operator.add, (first, second))

    def finish(self, output: str) -> fx.GraphModule:
        """The module, float64 and in eval mode.

        :param output: the value that it returns
        :raises ConversionError: nodes have no spiking form: lists every one of them
        """
        value = self.values.get(output)
        if isinstance(value, fx.Node):
            self._graph.output(value)
        module = fx.GraphModule(self._root, self._graph)
        for step in recognise(module):
            self.refuse(step.kind, step.name)
        if self.refused:
            raise refusal(self.file, self.refused)
        if not isinstance(value, fx.Node) or self._input is None:
            raise ConversionError(
                f"{self.file}: its output does not depend on its input; export it again"
            )
        return module.double().eval()


def refusal(file: str, nodes: Sequence[str]) -> ConversionError:
    """The error that lists the nodes of a file that have no spiking form."""
    listed = ", ".join(nodes[:SHOWN]) + f" and {len(nodes) - SHOWN} more" * (len(nodes) > SHOWN)
    count = "one node has" if len(nodes) == 1 else f"{len(nodes)} nodes have"
    return ConversionError(
        f"{file}: {count} no spiking form here: {listed}; build the network from linear maps, "
        "convolutions, batch norm, ReLU or QCFS, average pooling, flatten and adds"
    )


def tensor(values: NDArray) -> Tensor:
    """float64, torch's own memory."""
    return torch.tensor(np.asarray(values, dtype=np.float64))


def linear(weight: Array, bias: Array | None) -> nn.Linear:
    """A linear layer with these parameters; weight is [outputs, inputs]."""
    layer = nn.Linear(1, 1, bias=bias is not None, device="meta")
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(tensor(weight))
    if bias is not None:
        layer.bias = nn.Parameter(tensor(bias.reshape(-1)))
    return layer


def convolution(
    weight: Array,
    bias: Array | None,
    *,
    stride: tuple[int, int],
    padding: tuple[int, int] | str,
    dilation: tuple[int, int],
    groups: int,
) -> nn.Conv2d:
    """A convolution with these parameters; weight is torch's [outputs, inputs / groups, h, w]."""
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        stride,
        padding,
        dilation,
        groups,
        bias=bias is not None,
        device="meta",
    )
    layer.weight = nn.Parameter(tensor(weight))
    if bias is not None:
        layer.bias = nn.Parameter(tensor(bias.reshape(-1)))
    return layer


def batch_norm(
    weight: Array | None, bias: Array | None, mean: Array, variance: Array, eps: float, rank: int
) -> nn.BatchNorm1d | nn.BatchNorm2d:
    """Batch norm with these statistics.

    :param rank: axes of its input, 4 for maps
    """
    kind = nn.BatchNorm2d if rank == 4 else nn.BatchNorm1d
    layer = kind(mean.size, eps=eps, dtype=torch.float64)
    layer.running_mean = tensor(mean)
    layer.running_var = tensor(variance)
    layer.weight = nn.Parameter(tensor(np.ones(mean.size) if weight is None else weight))
    layer.bias = nn.Parameter(tensor(np.zeros(mean.size) if bias is None else bias))
    return layer
