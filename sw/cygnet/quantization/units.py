# SPDX-License-Identifier: Apache-2.0
"""What one unit of an event stands for in floats, and weights that have it inside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cygnet.conversion.folded import Stage
from cygnet.conversion.refusals import pair
from cygnet.errors import ConversionError
from cygnet.network import InputSpec

__all__ = [
    "Floats",
    "Unit",
    "input_unit",
    "mean_sum",
    "place_dependent",
    "pooled_shape",
    "to_numpy",
    "unit_weight",
]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Unit:
    """The float value of one unit of what a stage (or the input) sends on.

    :param value: float64 that broadcasts to a sample in torch's order
    """

    value: Floats

    @property
    def local(self) -> bool:
        """Whether it differs from position to position."""
        return self.value.ndim == 3 and self.value.shape[1:] != (1, 1)


def to_numpy(tensor: Tensor) -> Floats:
    return np.asarray(tensor.detach().cpu().double().numpy(), dtype=np.float64)


def unit_weight(stage: Stage, unit: Unit, weight: Floats) -> Floats:
    """Float weights of one unit of the source, with what pooling divides by inside.

    :param weight: of the stage, for a whole average and the floats that the source stands for
    """
    if stage.pool is not None:
        weight = weight / math.prod(pair(stage.pool.kernel_size))
    if isinstance(stage.synapses, nn.Linear):
        if unit.local and stage.pool is not None:
            raise place_dependent(stage, "pooling")
        shape = pooled_shape(stage)
        # A vector's units may come as [channels, 1, 1].
        value = unit.value.reshape(-1) if len(shape) == 1 else np.broadcast_to(unit.value, shape)
        unit_value = np.broadcast_to(value.reshape(-1), (weight.shape[1],))
        return weight * unit_value
    if unit.local:
        raise place_dependent(stage, "convolution")
    values = np.broadcast_to(unit.value.reshape(-1), (_inputs(stage.synapses),))
    share = weight.shape[0] // stage.synapses.groups
    into = values.reshape(stage.synapses.groups, -1).repeat(share, axis=0)
    return weight * into[:, :, None, None]


def _inputs(layer: nn.Conv2d) -> int:
    return int(layer.weight.shape[1]) * layer.groups


def pooled_shape(stage: Stage) -> tuple[int, ...]:
    """Shape of what the synapses see, torch's order."""
    if stage.pool is None:
        return stage.incoming
    channels, *sizes = stage.incoming
    kernel, stride = pair(stage.pool.kernel_size), pair(stage.pool.stride)
    return (
        channels,
        *((n - k) // s + 1 for n, k, s in zip(sizes, kernel, stride, strict=True)),
    )


def place_dependent(stage: Stage, what: str) -> ConversionError:
    return ConversionError(
        f"layer {stage.label}: its {what} reads neurons whose thresholds differ from place to "
        "place, which only SNM has amplitudes for; use neuron 'snm', or channel-wise normalization"
    )


def mean_sum(spec: InputSpec, stage: Stage, weight: Floats) -> Floats:
    """What pixels that are all the mean bring to each channel, whole windows everywhere.

    :param weight: of one unit of the input, as they will be used: rounded
    """
    mean = np.array(spec.mean) / spec.scale
    if stage.pool is not None:
        mean = mean * math.prod(pair(stage.pool.kernel_size))
    if isinstance(stage.synapses, nn.Conv2d):
        share = weight.shape[0] // stage.synapses.groups
        into = mean.reshape(stage.synapses.groups, -1).repeat(share, axis=0)
        return np.asarray((weight.sum(axis=(2, 3)) * into).sum(axis=1))
    if len(stage.incoming) == 3:
        return np.asarray(weight @ np.repeat(mean, math.prod(pooled_shape(stage)[1:])))
    return np.asarray(weight @ _vector(mean, spec))


def input_unit(spec: InputSpec, shape: tuple[int, ...]) -> Unit:
    unit = spec.scale / np.array(spec.std, dtype=np.float64)
    if len(shape) == 3:
        return Unit(unit[:, None, None])
    return Unit(_vector(unit, spec))


def _vector(channels: Floats, spec: InputSpec) -> Floats:
    """Values of the channels at every place of an input that the network takes as a vector."""
    height, width, _ = spec.shape
    if spec.layout == "nhwc":
        return np.tile(channels, height * width)
    return np.repeat(channels, height * width)
