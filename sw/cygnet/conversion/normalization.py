# SPDX-License-Identifier: Apache-2.0
"""Thresholds from the activations over calibration data.

Layer-wise (SNM paper, equation 5; Rueckauer et al. 2017), channel-wise (Kim et al. 2020) and
neuron-wise (SNM paper, equation 14), by the maximum or a percentile. Calibration data is training
data; thresholds that saw the test set say nothing about new images.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cygnet.conversion.folded import FoldedNetwork, Stage
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import InputSpec

__all__ = ["Batches", "Normalization", "Threshold", "batches", "observed_thresholds", "to_model"]

Normalization = Literal["layer", "channel", "neuron"]
Batches = Tensor | NDArray | Iterable[Tensor | NDArray]


@dataclass(frozen=True)
class Threshold:
    """Firing thresholds of a layer.

    :param value: float64, > 0, broadcasts to a sample in torch's order: ``[]``, ``[c, 1, 1]``,
        ``[c, h, w]`` or ``[n]``
    :param enabled: bool like ``value``: False where nothing fired; None where all did
    """

    value: Tensor
    enabled: Tensor | None = None


def to_model(data: Tensor | NDArray, spec: InputSpec, shape: tuple[int, ...]) -> Tensor:
    """User's data as the torch network was trained on it.

    :param data: pixels, uint8[n, height, width, channels] or [n, channels, height, width] (another
        shape of the same size is read in the layout of ``spec``); or floats that are normalised
        already, as the network takes them; or, where the input is counts, integers
        [n, T, height, width, channels]
    :param shape: of one sample, torch's order
    :returns: float64[n, *shape], of integer counts float64[n, T, *shape]
    :raises CygnetError: the data does not have the shape that ``spec`` says
    """
    values = _tensor(data)
    height, width, channels = spec.shape
    size = height * width * channels
    if spec.kind == "counts" and not values.dtype.is_floating_point:
        return _sequence(values, spec, shape)
    if not values.ndim or values.numel() != len(values) * size:
        raise CygnetError(
            f"the data has shape {tuple(values.shape)}, but the input is {height}x{width} with "
            f"{channels} channels; check the data, or the input shape"
        )
    if values.dtype.is_floating_point:
        return values.reshape(-1, *shape).double()
    values = values.double() * spec.scale
    mean = torch.tensor(spec.mean, dtype=torch.float64)
    std = torch.tensor(spec.std, dtype=torch.float64)
    layout = spec.layout
    given = tuple(values.shape[1:])
    if given == spec.shape != (channels, height, width):
        layout = "nhwc"
    elif given == (channels, height, width) != spec.shape:
        layout = "nchw"
    if layout == "nhwc":
        values = (values.reshape(-1, height, width, channels) - mean) / std
        if len(shape) == 3:
            values = values.permute(0, 3, 1, 2)
    else:
        values = values.reshape(-1, channels, height, width)
        values = (values - mean[:, None, None]) / std[:, None, None]
    if len(shape) == 1 and layout != spec.layout:
        values = values.permute(0, 2, 3, 1) if layout == "nchw" else values.permute(0, 3, 1, 2)
    return values.reshape(-1, *shape).contiguous()


def _sequence(values: Tensor, spec: InputSpec, shape: tuple[int, ...]) -> Tensor:
    if values.ndim != 5 or tuple(values.shape[2:]) != spec.shape:
        raise CygnetError(
            f"the data has shape {tuple(values.shape)}, but counts are [n, T, height, width, "
            f"channels] with {spec.shape} behind; check the data, or the input shape"
        )
    values = values.double() * spec.scale
    if len(shape) == 3 or spec.layout == "nchw":
        values = values.permute(0, 1, 4, 2, 3)
    return values.reshape(*values.shape[:2], *shape).contiguous()


def _tensor(data: Tensor | NDArray) -> Tensor:
    # torch warns of arrays that must not be written, though nothing here writes.
    return data if isinstance(data, Tensor) else torch.from_numpy(np.require(data, None, "W"))


def batches(
    data: Batches, spec: InputSpec, shape: tuple[int, ...], *, size: int = 128
) -> list[Tensor]:
    """Batches of at most ``size`` samples, still in the user's dtype.

    :param data: one array [n, ...], or several
    """
    parts: Sequence[Tensor | NDArray]
    parts = [data] if isinstance(data, (Tensor, np.ndarray)) else list(data)
    result = []
    for part in parts:
        result += list(_tensor(part).split(size))
    if not sum(map(len, result)):
        raise CygnetError("the calibration data is empty; give it some training images")
    return result


def observed_thresholds(
    network: FoldedNetwork,
    data: Batches,
    spec: InputSpec,
    *,
    normalization: Normalization = "layer",
    percentile: float = 100.0,
    output: bool = False,
) -> list[Threshold | None]:
    """Thresholds of every stage with an activation (None for the last stage).

    The percentile is that of all activations of the layer, the channel or the neuron, zeros
    included, with linear interpolation as numpy's; where it is 0 though something fired, the
    maximum is taken. What never fired is disabled.

    :param data: calibration data, see :func:`to_model`; results do not depend on how it is cut
        into batches
    :param percentile: 0 < percentile <= 100
    :param output: the last stage gets a threshold too, one for all of its positive logits

    :raises ConversionError: a layer in which nothing fires
    """
    if not 0 < percentile <= 100:
        raise ValueError(f"percentile must be a number in (0, 100], not {percentile!r}")
    if normalization not in ("layer", "channel", "neuron"):
        raise ValueError(
            f"normalization must be 'layer', 'channel' or 'neuron', not {normalization!r}"
        )
    parts = batches(data, spec, network.shape)
    samples = sum(map(len, parts))
    tops: dict[int, _Top] = {}

    def see(number: int, stage: Stage, value: Tensor) -> None:
        kind = normalization
        if stage.activation is None:
            if not output:
                return
            # Classes are compared by what their neurons send: they need one threshold.
            value, kind = value.clamp_min(0), "layer"
        if number not in tops:
            tops[number] = _Top(samples, value.shape[1:], kind, percentile)
        tops[number].add(value)

    parameter = next(network.parameters())
    for part in parts:
        network.observe(to_model(part, spec, network.shape).to(parameter), see)
    return [
        tops[number].threshold(stage.label) if number in tops else None
        for number, stage in enumerate(network)
    ]


class _Top:
    """The largest activations of each unit, as many as the percentile needs.

    A unit is the layer, a channel or a neuron.
    """

    def __init__(
        self, samples: int, shape: torch.Size, normalization: Normalization, percentile: float
    ) -> None:
        self.shape = shape
        self.normalization = normalization
        per_unit = {
            "layer": samples * shape.numel(),
            "channel": samples * shape[1:].numel(),
            "neuron": samples,
        }[normalization]
        rank = percentile / 100 * (per_unit - 1)
        self.kept = per_unit - math.floor(rank)
        self.weight = rank - math.floor(rank)
        self.top: Tensor | None = None

    def add(self, value: Tensor) -> None:
        units = {
            "layer": lambda: value.reshape(1, -1),
            "channel": lambda: value.transpose(0, 1).reshape(self.shape[0], -1),
            "neuron": lambda: value.flatten(1).T,
        }[self.normalization]()
        units = units.double()
        if self.kept == 1:
            units = units.amax(1, keepdim=True)
        if self.top is not None:
            units = torch.cat([self.top, units], 1)
        self.top = units.topk(min(self.kept, units.shape[1]), dim=1).values

    def threshold(self, label: str) -> Threshold:
        assert self.top is not None
        top = self.top.cpu()
        largest = top[:, 0]
        lower = top[:, self.kept - 1]
        upper = top[:, max(self.kept - 2, 0)]
        value = lower + self.weight * (upper - lower)
        value = torch.where(value > 0, value, largest)
        fired = value > 0
        if not bool(fired.any()):
            raise ConversionError(
                f"layer {label}: nothing in it fires for any calibration image; "
                "check its weights, or calibrate with more images"
            )
        value = torch.where(fired, value, value.max())
        shape = {
            "layer": torch.Size(),
            "channel": torch.Size([self.shape[0], *[1] * (len(self.shape) - 1)]),
            "neuron": self.shape,
        }[self.normalization]
        enabled = None if bool(fired.all()) else fired.reshape(shape)
        return Threshold(value.reshape(shape), enabled)
