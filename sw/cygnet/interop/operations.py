# SPDX-License-Identifier: Apache-2.0
"""What ONNX and torch.export files have in common: the operations, whatever they are called there.

Each takes values by name, notes what has no spiking form, and says what it gives. An operation on
constants alone is computed at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from torch import fx, nn

from cygnet.interop.assembly import Array, Assembly, Value, batch_norm, convolution, linear
from cygnet.interop.elementwise import Step

__all__ = ["Operations"]

_LIMIT = 1 << 24
"""Elements of a constant that is computed from others."""
_ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "add": np.add,
    "sub": np.subtract,
    "mul": np.multiply,
    "div": np.divide,
}


class Operations:
    """Operations of one node.

    :param assembly: where modules and refusals go
    :param kind: what the file calls the operation
    :param name: of the node
    """

    def __init__(self, assembly: Assembly, kind: str, name: str) -> None:
        self._assembly = assembly
        self._kind = kind
        self._name = name

    def refuse(self, reason: str = "") -> Value:
        """Note that there is no spiking form; gives None, the value of a refused node."""
        self._assembly.refuse(self._kind, self._name, reason)
        return None

    def module(self, source: Value, module: nn.Module) -> Value:
        """A module applied to a value."""
        if source is None:
            return None
        if not isinstance(source, fx.Node):
            return self.refuse("of a constant")
        return self._assembly.call(module, source, self._name)

    def convolution(
        self,
        source: Value,
        weight: Value,
        bias: Value,
        *,
        stride: Sequence[int],
        padding: Sequence[int] | str,
        dilation: Sequence[int],
        groups: int,
    ) -> Value:
        if not isinstance(weight, np.ndarray) or isinstance(bias, fx.Node):
            return self.refuse("its weight is no constant")
        if weight.ndim != 4:
            return self.refuse(f"its kernel has {weight.ndim - 2} dimensions, not 2")
        if groups < 1 or weight.shape[0] % groups:
            return self.refuse(f"{groups} groups do not divide {weight.shape[0]} outputs")
        layer = convolution(
            weight,
            bias,
            stride=_pair(stride),
            padding=padding if isinstance(padding, str) else _pair(padding),
            dilation=_pair(dilation),
            groups=groups,
        )
        return self.module(source, layer)

    def linear(self, source: Value, weight: Value, bias: Value) -> Value:
        """:param weight: [outputs, inputs]"""
        if not isinstance(weight, np.ndarray) or isinstance(bias, fx.Node):
            return self.refuse("its weight is no constant")
        if weight.ndim != 2 or (bias is not None and bias.size not in (1, weight.shape[0])):
            return self.refuse("its weight is no matrix with a bias for each output")
        if bias is not None:
            bias = np.broadcast_to(bias.reshape(-1), weight.shape[:1])
        return self.module(source, linear(weight, bias))

    def batch_norm(
        self,
        source: Value,
        *,
        weight: Value,
        bias: Value,
        mean: Value,
        variance: Value,
        eps: float,
        rank: int,
    ) -> Value:
        if not isinstance(mean, np.ndarray) or not isinstance(variance, np.ndarray):
            return self.refuse("its statistics are no constants")
        if isinstance(weight, fx.Node) or isinstance(bias, fx.Node):
            return self.refuse("its weight is no constant")
        sizes = {value.size for value in (weight, bias, mean, variance) if value is not None}
        if len(sizes) > 1:
            return self.refuse("its parameters differ in size")
        return self.module(source, batch_norm(weight, bias, mean, variance, eps, rank))

    def arithmetic(self, form: str, first: Value, second: Value) -> Value:
        """``add``, ``sub``, ``mul`` or ``div``."""
        if first is None or second is None:
            return None
        if isinstance(first, np.ndarray) and isinstance(second, np.ndarray):
            if math.prod(np.broadcast_shapes(first.shape, second.shape)) > _LIMIT:
                return self.refuse("its constant is too large")
            with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
                return np.asarray(_ARITHMETIC[form](first, second))
        if isinstance(first, fx.Node) and isinstance(second, fx.Node):
            return self._assembly.add(first, second) if form == "add" else self.refuse()
        if isinstance(first, np.ndarray):
            if form in ("sub", "div"):
                return self.refuse("a constant comes first")
            first, second = second, first
        assert isinstance(second, np.ndarray)
        if form == "sub":
            form, second = "add", -second
        return self.module(first, Step(self._kind, self._name, form, second))

    def floor(self, source: Value) -> Value:
        if isinstance(source, np.ndarray):
            return np.asarray(np.floor(source))
        return self.module(source, Step(self._kind, self._name, "floor"))

    def absolute(self, source: Value) -> Value:
        if isinstance(source, np.ndarray):
            return np.asarray(np.abs(source))
        return None if source is None else self.refuse()

    def clip(self, source: Value, low: Value, high: Value) -> Value:
        """:param low, high: a constant of one element, or None"""
        bounds = []
        for limit, default in ((low, -math.inf), (high, math.inf)):
            if isinstance(limit, fx.Node) or (limit is not None and limit.size != 1):
                return self.refuse("its limits are no constants")
            bounds.append(default if limit is None else float(limit.reshape(-1)[0]))
        least, most = bounds
        if isinstance(source, np.ndarray):
            return np.asarray(np.minimum(np.maximum(source, least), most))
        return self.module(source, Step(self._kind, self._name, "clip", low=least, high=most))

    def average_pool(
        self,
        source: Value,
        kernel: Sequence[int],
        stride: Sequence[int],
        padding: Sequence[int],
        *,
        ceil_mode: bool,
        count_include_pad: bool,
        divisor: int | None = None,
    ) -> Value:
        if len(kernel) not in (1, 2):
            return self.refuse(f"it pools over {len(kernel)} dimensions, not 2")
        pool = nn.AvgPool2d(
            _pair(kernel),
            _pair(stride or kernel),
            _pair(padding or (0,)),
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
            divisor_override=divisor,
        )
        return self.module(source, pool)

    def mean(self, source: Value, axes: Sequence[int], keep: bool, rank: int) -> Value:
        if rank != 4 or sorted(axis % 4 for axis in axes) != [2, 3]:
            return self.refuse("only a mean over height and width is supported")
        pooled = self.module(source, nn.AdaptiveAvgPool2d(1))
        return pooled if keep else self.module(pooled, nn.Flatten())

    def reshape(
        self, source: Value, before: Sequence[int | None], after: Sequence[int | None]
    ) -> Value:
        """Flattening, or nothing.

        :param before, after: sizes without the batch axis; None for one that is not known
        """
        if isinstance(source, np.ndarray) or source is None:
            return None if source is None else self.refuse("of a constant")
        if tuple(before) == tuple(after):
            return source
        known = [size for size in (*before, *after) if size is not None]
        if len(after) != 1 or (
            len(known) == len(before) + 1 and math.prod(known[:-1]) != known[-1]
        ):
            shown = f"from {tuple(before)} to {tuple(after)}"
            return self.refuse(f"only flattening to a vector is supported, not {shown}")
        return self.module(source, nn.Flatten())


def _pair(values: Sequence[int]) -> tuple[int, int]:
    return (
        (int(values[0]), int(values[0])) if len(values) == 1 else (int(values[0]), int(values[1]))
    )
