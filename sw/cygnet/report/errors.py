# SPDX-License-Identifier: Apache-2.0
"""Where error enters: every layer of the trained, the float spiking and the integer network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cygnet.conversion import SpikingNetwork, Stage
from cygnet.golden.values import run
from cygnet.network import Network

__all__ = ["LayerTrace", "trace_layers"]


@dataclass(frozen=True)
class LayerTrace:
    """One layer over some images; errors are root mean squares over its neurons, in float units.

    :param name: of the layer
    :param neurons: of it
    :param torch: root mean square of the torch network's activations
    :param float_error: of the float spiking network's mean output against the torch network's
    :param integer_error: of the integer network's mean output against the torch network's
    :param quantization_error: of the integer network's against the float spiking network's
    :param differ: share of its neurons whose total count is another in integers than in floats;
        0 for the last layer, which has no counts
    :param rate: spikes of either sign for each neuron and step, in integers
    """

    name: str
    neurons: int
    torch: float
    float_error: float
    integer_error: float
    quantization_error: float
    differ: float
    rate: float


def trace_layers(
    spiking: SpikingNetwork, integers: Network, images: NDArray[np.uint8], steps: int
) -> list[LayerTrace]:
    """Every layer of the three networks.

    :param spiking: the float spiking network; its folded network stands for the torch network
    :param integers: what :func:`cygnet.quantization.quantize` made of it
    :param images: uint8[n, height, width, channels]
    :param steps: T
    """
    x = spiking.input(images)
    trained: list[NDArray] = []
    spiking.folded.observe(x, lambda number, stage, value: trained.append(_raster(value)))
    floats: list[NDArray] = [np.zeros(value.shape) for value in trained]

    def see(step: int, number: int, stage: Stage, value: Tensor) -> None:
        floats[number] = floats[number] + _raster(value) / steps

    with torch.no_grad():
        spiking(x, steps, see=see)
    count = len(images)
    result = run(integers, images.reshape(-1, *integers.input.shape), steps=steps, record=True)
    rows = []
    for number, layer in enumerate(integers.layers):
        counts = result.counts[number]
        differ = rate = 0.0
        if layer.neurons is None or counts is None:
            value = result.logits * integers.logit_scale / steps
        else:
            shape = integers.shape(number)
            amplitude = layer.neurons.per_neuron("amplitude", shape)
            totals = (counts.sum(axis=0, dtype=np.int64) // amplitude).reshape(count, -1)
            unit = np.broadcast_to(layer.neurons.per_neuron("step", shape), shape).reshape(-1)
            value = totals * unit / steps
            differ = float((np.rint(floats[number] * steps / unit) != totals).mean())
            rate = float(np.abs(counts // amplitude).mean())
        rows.append(
            LayerTrace(
                name=layer.name,
                neurons=value.size // count,
                torch=_rms(trained[number]),
                float_error=_rms(floats[number] - trained[number]),
                integer_error=_rms(value - trained[number]),
                quantization_error=_rms(value - floats[number]),
                differ=differ,
                rate=rate,
            )
        )
    return rows


def _raster(value: Tensor) -> NDArray:
    """float64[n, values]: a layer's values in the order of the integer network."""
    samples = value.detach().double().cpu()
    if samples.ndim == 4:
        samples = samples.permute(0, 2, 3, 1)
    return np.asarray(samples.reshape(len(samples), -1).numpy())


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.square(values).mean()))
