# SPDX-License-Identifier: Apache-2.0
"""Which inputs of a layer come together, and how large they are: what errors of rounding meet."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.conversion.folded import Stage
from cygnet.conversion.normalization import Batches, batches
from cygnet.conversion.refusals import pair
from cygnet.conversion.spiking import SpikingNetwork
from cygnet.network import INPUT
from cygnet.quantization.units import Floats

__all__ = ["Moments", "input_moments"]

Moments = Mapping[str, Floats]
"""By the name of a layer, float64[groups, n + 1, n + 1]: the sums of products of every two inputs
of one output, in the order of the layer's weights in torch, then those of a 1x1 shortcut, then 1
(the bias)."""

AT_ONCE = 50


def input_moments(
    network: SpikingNetwork, x: Batches, *, steps: int = 4, places: int = 64, seed: int = 0
) -> dict[str, Floats]:
    """The second moments of every layer's inputs, from which :func:`~cygnet.quantization.quantize`
    knows how to round one weight by what rounding did to the others.

    After t steps a membrane holds the weights times the sum of the inputs so far; so what counts is
    the mean input over the steps 1 to t, for every t.

    :param x: training images, as :func:`~cygnet.conversion.to_spiking` takes them
    :param steps: T to run, >= 1
    :param places: of a map, drawn anew for each batch; all where there are no more
    :param seed: of that choice
    """
    network = copy.deepcopy(network).float()
    chooser = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    with torch.no_grad():
        for part in batches(x, network.spec, network.folded.shape, size=AT_ONCE):
            for name, columns in _inputs(network, network.input(part), steps, places, chooser):
                moment = (columns @ columns.transpose(1, 2)).double()
                found[name] = found[name] + moment if name in found else moment
    return {name: moment.cpu().numpy() for name, moment in found.items()}


def _inputs(
    network: SpikingNetwork, image: Tensor, steps: int, places: int, chooser: torch.Generator
) -> list[tuple[str, Tensor]]:
    """(layer, its inputs) for each step and layer."""
    found: list[tuple[str, Tensor]] = []
    sums: dict[int, Tensor] = {}
    sequence = image.ndim == len(network.folded.shape) + 2

    def see(step: int, number: int, stage: Stage, value: Tensor) -> None:
        sums[number] = sums[number] + value if step else value

        def mean(source: int) -> Tensor:
            if source != INPUT:
                return sums[source] / (step + 1)
            return image[:, : step + 1].mean(1) if sequence else image

        found.append((stage.name, _columns(stage, mean, places, chooser)))

    network(image, steps, see=see)
    return found


def _columns(
    stage: Stage, value: Callable[[int], Tensor], places: int, chooser: torch.Generator
) -> Tensor:
    """float[groups, n + 1, samples]: what meets the weights of an output, and 1, at some places.

    :param value: of a source, by its number
    """
    x = value(stage.source)
    if stage.pool is not None:
        x = stage.pool(x)
    layer = stage.synapses
    groups = 1
    if isinstance(layer, nn.Linear):
        x = x.flatten(1)[:, :, None]
    else:
        assert not isinstance(layer.padding, str)
        x = functional.unfold(x, layer.kernel_size, layer.dilation, layer.padding, layer.stride)
        groups = layer.groups
    x = x.unflatten(1, (groups, -1))
    if stage.shortcut is not None and stage.shortcut.projection is not None:
        other = value(stage.shortcut.source)
        if other.ndim == 4:
            vertical, horizontal = pair(getattr(stage.shortcut.projection, "stride", 1))
            other = other[:, :, ::vertical, ::horizontal]
        other = other.flatten(2) if other.ndim == 4 else other[:, :, None]
        x = torch.cat([x, other[:, None].expand(-1, groups, -1, -1)], 2)
    if x.shape[3] > places:
        x = x[..., torch.randperm(x.shape[3], generator=chooser)[:places]]
    return torch.cat([x, torch.ones_like(x[:, :, :1])], 2).permute(1, 2, 0, 3).flatten(2)
