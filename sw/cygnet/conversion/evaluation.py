# SPDX-License-Identifier: Apache-2.0
"""What a spiking network makes of images, step by step."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cygnet.conversion.spiking import SpikingNetwork

__all__ = ["accuracy_by_step", "logits_by_step"]

Run = Callable[[SpikingNetwork, Tensor, int], Tensor]

AT_ONCE = 500
"""Images that are run together at most."""
TENSOR = 2 << 20
"""Bytes that the largest tensor of a batch may have on a CPU. Memory for larger ones comes from the
operating system and goes back to it in every layer, which takes longer than to compute them."""


def logits_by_step(
    network: SpikingNetwork,
    x: NDArray[np.uint8] | Tensor,
    steps: int,
    *,
    batch: int | None = None,
    run: Run | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Logits after each of the steps 1..T.

    :param x: images, as :func:`cygnet.conversion.to_model` takes them
    :param batch: images at once; the result does not depend on it. None: on a CPU as many as keep
        tensors small, see :data:`TENSOR`, elsewhere :data:`AT_ONCE`
    :param run: how a batch is run, for methods that run it in their own way; None: T steps
    :param progress: called with (images done, images in all)
    :returns: float[T, n, classes] on the CPU
    """
    parts = []
    device = next(network.folded.parameters()).device
    with torch.no_grad():
        if batch is None:
            batch = _at_once(network, network.input(x[:1]).to(device))
        for begin in range(0, len(x), batch):
            image = network.input(x[begin : begin + batch]).to(device)
            result = network(image, steps) if run is None else run(network, image, steps)
            parts.append(result.cpu())
            if progress is not None:
                progress(min(begin + batch, len(x)), len(x))
    return torch.cat(parts, 1)


def _at_once(network: SpikingNetwork, image: Tensor) -> int:
    """Images to run together where the caller does not say."""
    if image.device.type != "cpu":
        return AT_ONCE
    sizes = [image.nbytes]
    network(image, 1, see=lambda step, number, stage, value: sizes.append(value.nbytes))
    return min(AT_ONCE, max(1, TENSOR // max(sizes)))


def accuracy_by_step(logits: Tensor, classes: NDArray[np.int64] | Tensor) -> list[float]:
    """The share of right images after each step.

    :param logits: float[T, n, classes]
    :param classes: int[n]
    """
    truth = torch.as_tensor(np.asarray(classes))
    return [float(right) for right in (logits.argmax(2) == truth).double().mean(1)]
