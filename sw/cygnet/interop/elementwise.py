# SPDX-License-Identifier: Apache-2.0
"""Activations out of the elementwise steps that exporters write for them.

A file does not say QCFS; it says divide, add, floor, clip, multiply, in one of a few orders. A
:class:`Step` is one of these; :func:`recognise` finds the chains of them that are an activation, a
bias or a batch norm, and puts the module in their place.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx, nn

from cygnet.neurons.qcfs import QCFS, SMALLEST

__all__ = ["Step", "qcfs_of", "recognise"]

_CLOSE = 1e-5
"""Exporters compute constants in float32."""


class Step(nn.Module):
    """One elementwise operation with constants.

    :param kind: what the file calls it
    :param name: of the node in the file
    :param form: ``mul``, ``div``, ``add``, ``floor`` or ``clip``
    :param value: the constant, for the first three
    :param low: of a clip, maybe -inf
    :param high: of a clip, maybe inf
    """

    def __init__(
        self,
        kind: str,
        name: str,
        form: str,
        value: NDArray[np.float64] | float = 0.0,
        *,
        low: float = -math.inf,
        high: float = math.inf,
    ) -> None:
        super().__init__()
        self.kind = kind
        self.name = name
        self.form = form
        self.value = np.asarray(value, dtype=np.float64)
        self.low = low
        self.high = high

    @property
    def scalar(self) -> float | None:
        return float(self.value.reshape(-1)[0]) if self.value.size == 1 else None

    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError("steps are replaced before anything is computed")


def recognise(module: fx.GraphModule) -> list[Step]:
    """Replace all steps; gives those that are part of nothing that is known."""
    found: list[Step] = []
    done: set[fx.Node] = set()
    for node in list(module.graph.nodes):
        if node in done or _step(module, node) is None:
            continue
        chain = [node]
        while len(chain[-1].users) == 1:
            (user,) = chain[-1].users
            if _step(module, user) is None:
                break
            chain.append(user)
        done.update(chain)
        found += _replace(module, chain)
    module.graph.lint()
    module.recompile()
    return found


def _child(module: fx.GraphModule, node: object) -> nn.Module | None:
    if isinstance(node, fx.Node) and node.op == "call_module":
        return module.get_submodule(str(node.target))
    return None


def _step(module: fx.GraphModule, node: object) -> Step | None:
    child = _child(module, node)
    return child if isinstance(child, Step) else None


def _replace(module: fx.GraphModule, chain: list[fx.Node]) -> list[Step]:
    """Put modules in the place of a chain, from its front."""
    found = []
    while chain:
        steps = [step for node in chain if (step := _step(module, node)) is not None]
        taken, new = _front(module, chain[0], steps)
        if new is None:
            found.append(steps[0])
        else:
            _put(module, chain[:taken], new)
        chain = chain[taken:]
    return found


def _front(
    module: fx.GraphModule, first: fx.Node, steps: Sequence[Step]
) -> tuple[int, nn.Module | None]:
    """How many steps at the front are one module, and the module; None: nothing that is known."""
    for taken in range(len(steps), 2, -1):
        activation = qcfs_of(steps[:taken])
        if activation is not None:
            return taken, activation
    head = steps[0]
    if head.form == "clip" and head.low == 0:
        if math.isinf(head.high):
            return 1, nn.ReLU()
        return 1, nn.Hardtanh(0.0, head.high)
    if head.form in ("mul", "div", "add"):
        return 1, _affine(_child(module, first.args[0]), head)
    return 1, None


def qcfs_of(steps: Sequence[Step]) -> QCFS | None:
    """The QCFS that the steps compute, all of them, or None.

    ``(scale)* [clip 0..1] (scale)* add 1/2, floor, [clip 0..L] (scale)*`` with scalars, where the
    scales before and after undo each other. The authors' code clips first, :func:`cygnet.neurons.
    qcfs` last; an exporter may have merged two scales.
    """
    forms = [step.form for step in steps]
    if forms.count("floor") != 1 or forms.count("add") != 1 or forms.count("clip") != 1:
        return None
    floor, add, clip = (forms.index(form) for form in ("floor", "add", "clip"))
    scales = [place for place, form in enumerate(forms) if form in ("mul", "div")]
    if add != floor - 1 or steps[add].scalar != 0.5 or len(scales) + 3 != len(steps):
        return None
    if floor < clip != floor + 1 or steps[clip].low != 0:
        return None
    if any(not steps[place].scalar or (steps[place].scalar or 0) < 0 for place in scales):
        return None

    def product(places: Sequence[int], form: str) -> float:
        return math.prod(steps[p].scalar or 0.0 for p in places if forms[p] == form)

    before = [place for place in scales if place < floor]
    times, over = product(before, "mul"), product(before, "div")
    after = [place for place in scales if place > floor]
    back = product(after, "mul") / product(after, "div")
    levels = steps[clip].high
    if clip < floor:
        between = [place for place in before if place > clip]
        levels *= product(between, "mul") / product(between, "div")
    if not 1 <= round(levels) <= 256 or abs(levels - round(levels)) > _CLOSE * levels:
        return None
    if abs(times / over * back - 1) > _CLOSE:
        return None
    # In this order lambda comes out to the bit where it is divided by as it is.
    threshold = round(levels) * over / times
    if not (math.isfinite(threshold) and threshold >= SMALLEST):
        return None
    activation = QCFS(round(levels))
    activation.weight = nn.Parameter(torch.tensor(threshold, dtype=torch.float64))
    return activation


def _affine(before: nn.Module | None, step: Step) -> nn.Module | None:
    """A factor or a summand per channel, as batch norm without statistics."""
    channels = step.value.size
    if channels == 1 and isinstance(before, (nn.Linear, nn.Conv2d)):
        channels = before.weight.shape[0]
    elif channels == 1 or step.value.shape.count(1) < step.value.ndim - 1:
        return None
    rank = 4 if isinstance(before, nn.Conv2d) or step.value.ndim > 2 else 2
    if rank == 4 and step.value.size > 1 and step.value.shape[-3:] != (channels, 1, 1):
        return None
    layer = (nn.BatchNorm2d if rank == 4 else nn.BatchNorm1d)(channels, eps=0, dtype=torch.float64)
    value = torch.tensor(step.value.reshape(-1)).expand(channels).clone()
    if step.form == "add":
        layer.bias = nn.Parameter(value)
    else:
        layer.weight = nn.Parameter(value if step.form == "mul" else 1 / value)
    return layer


def _put(module: fx.GraphModule, nodes: Sequence[fx.Node], new: nn.Module) -> None:
    """Let one node call the new module, and the others go."""
    first, last = nodes[0], nodes[-1]
    parent, _, name = str(first.target).rpartition(".")
    setattr(module.get_submodule(parent), name, new)
    if last is not first:
        last.replace_all_uses_with(first)
        for node in reversed(nodes[1:]):
            module.graph.erase_node(node)
            module.delete_submodule(str(node.target))
