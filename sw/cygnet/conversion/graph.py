# SPDX-License-Identifier: Apache-2.0
"""Tracing a torch module into an fx graph, and the few things every pass needs."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from cygnet.conversion.simulators import Scale, is_simulator_layer, translate
from cygnet.errors import ConversionError
from cygnet.neurons import QCFS, Imported

__all__ = ["Graph", "trace"]

BATCH = 2
"""Samples of the example; more than one, so that a batch axis is told from an axis of one."""


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return (
            isinstance(m, (QCFS, Imported, Scale))
            or is_published_qcfs(m)
            or is_simulator_layer(m)
            or super().is_leaf_module(m, module_qualified_name)
        )


def is_published_qcfs(module: nn.Module) -> bool:
    """Whether this is the activation of the QCFS and GN authors' code (``thresh``, ``L``)."""
    # Not getattr: while fx traces, that gives proxies.
    known = {**module._parameters, **module._buffers}
    return isinstance(known.get("thresh"), Tensor) and isinstance(module.__dict__.get("L"), int)


class Graph:
    """A traced network, in eval mode and float64, with the shape of every value.

    :param module: what fx traced
    :param shape: of one sample of the input, torch's order
    """

    def __init__(self, module: fx.GraphModule, shape: tuple[int, ...]) -> None:
        self.module = module
        self.shape = shape
        self._known = ""
        self.verify()

    @property
    def nodes(self) -> list[fx.Node]:
        """A copy of the list, so that a pass may change the graph while it goes through it."""
        return list(self.module.graph.nodes)

    @property
    def output(self) -> fx.Node:
        return self.nodes[-1]

    def verify(self) -> None:
        """Drop what nothing uses, check the graph, and compute the shape of every value.

        :raises ConversionError: the network cannot take an input of the shape
        """
        self.module.graph.eliminate_dead_code()
        self.module.graph.lint()
        self.module.recompile()
        # Passes exchange modules only for ones of the same shapes; shapes follow from the nodes.
        structure = str(self.module.graph)
        if structure == self._known:
            return
        example = torch.zeros((BATCH, *self.shape), dtype=torch.float64)
        try:
            with torch.no_grad():
                ShapeProp(self.module).propagate(example)
        except Exception as error:  # whatever the user's network raises
            self._rest()
            cause = error.__cause__ or error
            reason = str(cause).strip().splitlines()[0] if str(cause).strip() else repr(cause)
            raise ConversionError(
                f"the network does not take an input of shape {self.shape}: {reason}; "
                "check the input shape and layout"
            ) from None
        self._rest()
        self._known = structure

    def _rest(self) -> None:
        """Let neurons forget the example."""
        for module in self.module.modules():
            if isinstance(module, Imported):
                module.reset()

    def sample_shape(self, node: fx.Node) -> tuple[int, ...] | None:
        """Shape of a value without its batch axis; None if it is no batch of numbers."""
        meta = node.meta.get("tensor_meta")
        shape = getattr(meta, "shape", None)
        if shape is None or not len(shape) or shape[0] != BATCH:
            return None
        return tuple(int(size) for size in shape[1:])

    def child(self, node: object) -> nn.Module | None:
        """The module that a node calls, or None."""
        if isinstance(node, fx.Node) and node.op == "call_module":
            return self.module.get_submodule(str(node.target))
        return None

    def source(self, node: fx.Node) -> fx.Node:
        """The value that a node of one input reads."""
        (source,) = node.all_input_nodes
        return source

    def remove(self, node: fx.Node) -> None:
        """Let the users of a node read its input instead."""
        node.replace_all_uses_with(node.args[0])  # type: ignore[arg-type]
        self.module.graph.erase_node(node)

    def insert(self, after: fx.Node, reads: fx.Node, module: nn.Module, name: str) -> fx.Node:
        """A node after ``after`` that applies ``module``, stored under a free name."""
        target = name
        number = 0
        while hasattr(self.module, target):
            number += 1
            target = f"{name}_{number}"
        self.module.add_module(target, module)
        with self.module.graph.inserting_after(after):
            return self.module.graph.call_module(target, (reads,))

    def set(self, node: fx.Node, module: nn.Module) -> None:
        """Replace the module that a node calls; refuses one that is called in two places."""
        users = [other for other in self.nodes if other.target == node.target]
        if len(users) > 1:
            raise ConversionError(
                f"layer {where(node)!r} is used {len(users)} times; "
                "give each place a layer of its own"
            )
        parent, _, name = str(node.target).rpartition(".")
        setattr(self.module.get_submodule(parent), name, module)


def where(node: fx.Node) -> str:
    """What a message calls a node: the user's name of the module, or fx's of the call."""
    if node.op == "call_module":
        return str(node.target)
    return node.name


def is_add(node: object) -> bool:
    return isinstance(node, fx.Node) and node.target is operator.add


def trace(model: nn.Module, shape: tuple[int, ...]) -> Graph:
    """The graph of a copy of the model.

    :raises ConversionError: fx cannot follow it, or it does not take one input of the shape
    """
    model = copy.deepcopy(model).cpu().eval().double()
    translate(model)
    tracer = _Tracer()
    if tracer.is_leaf_module(model, ""):
        model = nn.Sequential(model)  # or fx would look into a single layer
    try:
        graph = tracer.trace(model)
    except Exception as error:  # fx raises whatever the traced code raises
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        raise ConversionError(
            f"the network cannot be traced by torch.fx: {reason}; "
            "take control flow that depends on values out of its forward"
        ) from None
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    used = [node for node in inputs if node.users]
    if len(used) != 1:
        raise ConversionError(f"the network must have one input, not {len(used)}")
    for node in inputs:
        if node not in used:
            graph.erase_node(node)
    module = fx.GraphModule(tracer.root, graph)
    for parameter in module.parameters():
        parameter.requires_grad_(False)
    result = Graph(module, shape)
    if result.sample_shape(_returned(result)) is None:
        raise ConversionError("the network must return one tensor of logits for each image")
    return result


def _returned(graph: Graph) -> fx.Node:
    value: Any = graph.output.args[0]
    if not isinstance(value, fx.Node):
        raise ConversionError(
            f"the network must return one tensor of logits, not a {type(value).__name__}"
        )
    return value
