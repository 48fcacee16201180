# SPDX-License-Identifier: Apache-2.0
"""Linear maps: made from parameters, and two in a row composed into one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cygnet.conversion.refusals import pair

__all__ = ["compose", "convolution", "grouped", "linear", "ungrouped", "window"]


def linear(weight: Tensor, bias: Tensor) -> nn.Linear:
    """A linear layer with these parameters (not trained until asked for)."""
    layer = nn.Linear(1, 1, device="meta")
    layer.out_features, layer.in_features = weight.shape
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return layer


def convolution(
    weight: Tensor,
    bias: Tensor,
    *,
    stride: tuple[int, ...] = (1, 1),
    padding: str | tuple[int, ...] = (0, 0),
    groups: int = 1,
) -> nn.Conv2d:
    """A convolution with these parameters (not trained until asked for)."""
    assert not isinstance(padding, str)
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        (stride[0], stride[1]),
        (padding[0], padding[1]),
        groups=groups,
        device="meta",
    )
    layer.weight = nn.Parameter(weight.detach(), requires_grad=False)
    layer.bias = nn.Parameter(bias.detach(), requires_grad=False)
    return layer


def window(pool: nn.AvgPool2d) -> tuple[tuple[int, int], tuple[int, int]]:
    """(kernel, stride) of average pooling."""
    return pair(pool.kernel_size), pair(pool.stride)


def ungrouped(layer: nn.Conv2d) -> Tensor:
    """The kernel [outputs, inputs, height, width] with zeros between the groups."""
    weight = layer.weight.detach()
    if layer.groups == 1:
        return weight
    outputs, into, height, width = weight.shape
    dense = weight.new_zeros((outputs, into * layer.groups, height, width))
    share = outputs // layer.groups
    for group in range(layer.groups):
        rows = slice(group * share, (group + 1) * share)
        dense[rows, group * into : (group + 1) * into] = weight[rows]
    return dense


def grouped(weight: Tensor, groups: int) -> Tensor:
    """What :func:`ungrouped` made, without the zeros between the groups."""
    outputs, into = weight.shape[:2]
    rows, columns = outputs // groups, into // groups
    return torch.cat(
        [weight[g * rows : (g + 1) * rows, g * columns : (g + 1) * columns] for g in range(groups)]
    )


def compose(
    first: nn.Linear | nn.Conv2d, second: nn.Linear | nn.Conv2d | nn.AvgPool2d
) -> nn.Linear | nn.Conv2d | None:
    """The one layer that does what ``second`` after ``first`` does, or None."""
    assert first.bias is not None
    if isinstance(first, nn.Linear):
        if not isinstance(second, nn.Linear):
            return None
        assert second.bias is not None
        return linear(second.weight @ first.weight, second.weight @ first.bias + second.bias)
    if isinstance(second, nn.AvgPool2d):
        return _pooled(first, second)
    if not isinstance(second, nn.Conv2d):
        return None
    assert second.bias is not None
    after = ungrouped(second)
    if second.kernel_size == (1, 1) and not any(int(p) for p in second.padding):
        weight = torch.einsum("om,mihw->oihw", after[:, :, 0, 0], ungrouped(first))
        return convolution(
            weight,
            after[:, :, 0, 0] @ first.bias + second.bias,
            stride=(first.stride[0] * second.stride[0], first.stride[1] * second.stride[1]),
            padding=first.padding,
        )
    pointwise = (
        first.kernel_size == (1, 1)
        and tuple(first.stride) == (1, 1)
        and not any(int(p) for p in first.padding)
    )
    # A zero that `second` pads with would have to become the first one's bias.
    if pointwise and (not any(int(p) for p in second.padding) or not bool(first.bias.any())):
        weight = torch.einsum("omhw,mi->oihw", after, ungrouped(first)[:, :, 0, 0])
        bias = torch.einsum("omhw,m->o", after, first.bias) + second.bias
        return convolution(weight, bias, stride=second.stride, padding=second.padding)
    return None


def _pooled(first: nn.Conv2d, pool: nn.AvgPool2d) -> nn.Conv2d:
    (kh, kw), (sh, sw) = window(pool)
    outputs, into, height, width = first.weight.shape
    (fh, fw) = first.stride
    weight = first.weight.new_zeros((outputs, into, height + (kh - 1) * fh, width + (kw - 1) * fw))
    for y in range(kh):
        for x in range(kw):
            weight[:, :, y * fh : y * fh + height, x * fw : x * fw + width] += first.weight
    assert first.bias is not None
    return convolution(
        weight / (kh * kw),
        first.bias,
        stride=(fh * sh, fw * sw),
        padding=first.padding,
        groups=first.groups,
    )
