# SPDX-License-Identifier: Apache-2.0
"""What a torch network makes of labelled images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.data.dataset import Dataset
from cygnet.data.pixels import normalise
from cygnet.network import InputSpec

__all__ = ["accuracy", "logits"]


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    before = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(before)


def logits(
    model: nn.Module,
    dataset: Dataset,
    spec: InputSpec,
    *,
    batch: int = 100,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """float32[n, classes] on the CPU, in evaluation mode.

    :param progress: called with (images done, images in all)
    """
    parts = []
    pixels = torch.from_numpy(dataset.x.copy() if not dataset.x.flags.writeable else dataset.x)
    dtype = next((value.dtype for value in model.parameters()), torch.float32)
    with _evaluating(model):
        for begin in range(0, len(dataset), batch):
            image = normalise(pixels[begin : begin + batch].to(device), spec).to(dtype)
            parts.append(model(image).float().cpu())
            if progress is not None:
                progress(min(begin + batch, len(dataset)), len(dataset))
    return torch.cat(parts)


def accuracy(
    model: nn.Module,
    dataset: Dataset,
    spec: InputSpec,
    *,
    batch: int = 100,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int], None] | None = None,
) -> float:
    """The share of images whose largest logit is that of their class."""
    result = logits(model, dataset, spec, batch=batch, device=device, progress=progress)
    return score(result, torch.from_numpy(dataset.y))[0]


def score(result: Tensor, classes: Tensor) -> tuple[float, float]:
    """(accuracy, mean cross entropy) of logits [n, classes] for classes [n]."""
    right = int((result.argmax(1) == classes).sum())
    return right / len(classes), float(functional.cross_entropy(result, classes))
