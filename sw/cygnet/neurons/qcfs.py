# SPDX-License-Identifier: Apache-2.0
"""The quantisation-clip-floor-shift activation (Bu et al., ICLR 2022; GN paper, equation 7)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["QCFS", "qcfs"]

SMALLEST = 1e-6
"""The threshold of a :class:`QCFS` never falls below this."""


class _Qcfs(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, threshold: Tensor, levels: int) -> Tensor:
        level = torch.floor(x * levels / threshold + 0.5).clamp_(0, levels)
        ctx.save_for_backward(x, threshold, level)
        ctx.levels = levels
        # Not threshold * (level / levels): this way a group neuron's count * (theta / tau) is the
        # same number to the last bit, for levels that are no power of two as well.
        return level * (threshold / levels)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        (gradient,) = gradients
        x, threshold, level = ctx.saved_tensors
        inside = (x >= 0) & (x <= threshold)
        to_x = gradient * inside if ctx.needs_input_grad[0] else None
        to_threshold = None
        if ctx.needs_input_grad[1]:
            slope = torch.where(inside, level / ctx.levels - x / threshold, (x > threshold).to(x))
            to_threshold = (gradient * slope).sum_to_size(threshold.shape)
        return to_x, to_threshold, None


def qcfs(x: Tensor, threshold: Tensor, levels: int) -> Tensor:
    """``lambda * clip(floor(x * L / lambda + 1/2) / L, 0, 1)`` with the published gradient.

    The gradient to ``x`` is 1 in ``0 <= x <= lambda`` and 0 outside. The gradient to ``lambda`` is
    ``level / L - x / lambda`` inside, 1 above and 0 below.

    :param x: float[...]
    :param threshold: lambda, > 0, of a shape that broadcasts to ``x``
    :param levels: L, >= 1
    """
    result: Tensor = _Qcfs.apply(x, threshold, levels)  # type: ignore[no-untyped-call]
    return result


class QCFS(nn.Module):
    """:func:`qcfs` with one trainable threshold for the layer.

    The parameter ``weight`` holds lambda up to its sign: :attr:`threshold` is its magnitude, so
    that lambda stays positive whatever the optimiser does, and gradient and weight decay are the
    published ones.

    :param levels: L, 1..256
    :param threshold: lambda at the start, finite and > 0

    :raises TypeError: an argument is none of these
    :raises ValueError: likewise
    """

    def __init__(self, levels: int = 4, threshold: float = 8.0) -> None:
        super().__init__()
        if not isinstance(levels, int) or isinstance(levels, bool):
            raise TypeError(f"levels must be an integer, not {levels!r}")
        if not 1 <= levels <= 256:
            raise ValueError(f"levels must be an integer in 1..256, not {levels!r}")
        if not isinstance(threshold, (int, float)) or isinstance(threshold, bool):
            raise TypeError(f"threshold must be a number, not {threshold!r}")
        if not (math.isfinite(threshold) and threshold >= SMALLEST):
            raise ValueError(f"threshold must be a finite number >= {SMALLEST}, not {threshold!r}")
        self.levels = levels
        self.weight = nn.Parameter(torch.tensor(float(threshold)))

    @property
    def threshold(self) -> Tensor:
        """lambda, > 0, differentiable in ``weight``."""
        return self.weight.abs().clamp_min(SMALLEST)

    def forward(self, x: Tensor) -> Tensor:
        return qcfs(x, self.threshold, self.levels)

    def extra_repr(self) -> str:
        return f"levels={self.levels}, threshold={self.threshold.item():.4g}"
