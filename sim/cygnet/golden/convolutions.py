# SPDX-License-Identifier: Apache-2.0
"""Convolutions of whole numbers in floats: numpy, which defines them, and torch, which is faster.

Both only add products that the caller has shown to be exact in the dtype, in whatever order.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cygnet.network import INPUT, Convolution, Network

__all__ = ["SMALL_MAP", "Backend", "choose", "rows_shape", "single", "with_numpy", "with_torch"]

Array = NDArray[Any]
Backend = Literal["numpy", "torch"]

WORTH_TORCH = 20_000_000_000
"""Multiplications from which the second that it takes to import torch is won back."""


SMALL_MAP = 64
"""Positions of an output map under which one matrix product is the faster."""


def choose(network: Network, steps: int, images: int) -> Backend:
    """Torch where there is so much work that it pays and where it is found to be exact.

    :param steps: T
    """
    work = 0
    for number, layer in enumerate(network.layers):
        if isinstance(layer.synapses, Convolution):
            times = 1 if layer.source == INPUT and network.input.kind == "pixels" else steps
            height, width, _ = network.shape(number)
            work += height * width * layer.synapses.weight.size * times
    return "torch" if work * images >= WORTH_TORCH and _torch_is_exact() else "numpy"


def with_numpy(x: Array, weight: Array, convolution: Convolution, rows: Array, out: Array) -> None:
    """One matrix product for each group.

    :param x: [n, height, width, channels], padded
    :param weight: [o, kh, kw, i / groups], of the dtype of ``x``
    :param rows: room for what the outputs see, [groups, n, h, w, kh, kw, i / groups]
    :param out: [n, h, w, o], where the result goes
    """
    windows = sliding_window_view(x, convolution.kernel, axis=(1, 2))
    windows = windows[:, :: convolution.stride[0], :: convolution.stride[1]]
    images, height, width, channels, *kernel = windows.shape
    groups = convolution.groups
    windows = windows.reshape(images, height, width, groups, channels // groups, *kernel)
    np.copyto(rows, windows.transpose(3, 0, 1, 2, 5, 6, 4))
    matrix = rows.reshape(groups, images * height * width, weight[0].size)
    fans = weight.reshape(groups, weight.shape[0] // groups, weight[0].size).transpose(0, 2, 1)
    if groups == 1:
        np.matmul(matrix[0], fans[0], out=out.reshape(matrix.shape[1], weight.shape[0]))
        return
    product = np.matmul(matrix, fans).transpose(1, 0, 2)
    np.copyto(out.reshape(product.shape), product)


def rows_shape(
    convolution: Convolution, images: int, height: int, width: int, channels: int
) -> tuple[int, ...]:
    """Of the room that :func:`with_numpy` needs; the map is the output's."""
    groups = convolution.groups
    return (groups, images, height, width, *convolution.kernel, channels // groups)


def with_torch(x: Array, weight: Array, convolution: Convolution) -> Array:
    """[n, h, w, o] of x [n, height, width, channels] and the weight [o, kh, kw, i / groups]."""
    import torch
    from torch.nn import functional

    with torch.inference_mode():
        # Maps stay as they are: torch calls them channels last.
        result = functional.conv2d(
            torch.from_numpy(x).permute(0, 3, 1, 2),
            torch.from_numpy(weight).permute(0, 3, 1, 2),
            None,
            convolution.stride,
            0,
            1,
            convolution.groups,
        )
        array: Array = result.permute(0, 2, 3, 1).contiguous().numpy()
    return array


@contextmanager
def single(backend: Backend, threads: int) -> Iterator[None]:
    """Each of several threads of ours is one thread of torch's, too."""
    if backend == "numpy" or threads == 1:
        yield
        return
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _torch_is_exact() -> bool:
    """Whether torch multiplies float32 in full: users may have asked it for less.

    The operands below have 12 bits, one more than the longest of the shorter formats.
    """
    convolution = Convolution(np.full((8, 3, 3, 16), 3, np.int8))
    x = np.full((2, 12, 12, 16), 4095, np.float32)
    x[:, ::2] = 2049
    weight = convolution.weight.astype(np.float32)
    rows = np.empty(rows_shape(convolution, 2, 10, 10, 16), np.float32)
    expected = np.empty((2, 10, 10, 8), np.float32)
    with_numpy(x, weight, convolution, rows, expected)
    return bool((with_torch(x, weight, convolution) == expected).all())
