# SPDX-License-Identifier: Apache-2.0
"""The spiking network in floats that an integer network was rounded from.

A ``.cyg`` file does not say with which options it was converted, and it need not: thresholds, group
sizes, initial potentials and silent neurons are in it, in floats or as shares of K. They are taken
from there; the weights are the trained network's. Rounding both again must give the file's weights,
or the two do not belong together.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cygnet.conversion import SpikingNetwork, Stage, to_spiking
from cygnet.conversion.extraction import fold
from cygnet.conversion.normalization import Threshold
from cygnet.conversion.spiking import make_neuron
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import Layer, Network, Neurons
from cygnet.neurons import Imported
from cygnet.quantization import quantize
from cygnet.quantization.neurons import ThresholdForm

__all__ = ["spiking_origin"]

_FORMS: tuple[ThresholdForm, ...] = ("exact", "pow2")
REMEDY = "give the model and the weights that it was made from"


def spiking_origin(network: Network, model: nn.Module, reference: str) -> SpikingNetwork:
    """The spiking network in floats, with the options that the integer network was made with.

    :param model: the trained network, or one that spikes
    :param reference: what errors call the model
    :raises CygnetError: the integer network was not made from it, was trained further since
        (``cygnet convert --finetune``) or has weights that are not rounded to the nearest integer
        (``--rounding compensated``); the message names the layer
    """
    # Layers go by their order: names are of the converter, and older ones named otherwise.
    folded = fold(model, network.input)
    if len(folded) != len(network.layers):
        names = ", ".join(stage.name for stage in folded)
        ours = ", ".join(layer.name for layer in network.layers)
        raise CygnetError(f"{reference}: has layers {names}, and the network {ours}; {REMEDY}")
    for number, (stage, layer) in enumerate(zip(folded, network.layers, strict=True)):
        same = (stage.activation is None) == (layer.neurons is None)
        if not same or stage.shape != network.shape(number):
            raise CygnetError(
                f"{reference}: layer {stage.label} has another shape or activation than the "
                f"network's {layer.name!r}; {REMEDY}"
            )
    if any(isinstance(stage.activation, Imported) for stage in folded):
        spiking = to_spiking(folded, None, input=network.input)
    else:
        neurons = [
            None if layer.neurons is None else _neuron(stage, layer.neurons)
            for stage, layer in zip(folded, network.layers, strict=True)
        ]
        spiking = SpikingNetwork(folded, neurons, network.input)
    _check(network, spiking, reference)
    return spiking


def _neuron(stage: Stage, neurons: Neurons) -> Any:
    """Neurons in floats with the thresholds and initial potentials of integer ones."""
    members = neurons.tau if neurons.kind == "gn" else 1
    step = _torch(neurons.step, stage) * members
    enabled = None if neurons.enabled is None else _torch(neurons.enabled, stage)
    found = make_neuron(neurons.kind, neurons.tau, Threshold(step, enabled))
    # K >> 1 is how one half is rounded.
    half = (neurons.initial == neurons.reset >> 1).all()
    share = np.full(neurons.reset.shape, 0.5) if half else neurons.initial / neurons.reset
    found.register_buffer("initial", _torch(share, stage).to(step.dtype))
    return found


def _torch(values: NDArray[Any], stage: Stage) -> Tensor:
    """[channels] or [height, width, channels] in torch's order, for a sample of the stage."""
    if values.ndim == 3:
        return torch.from_numpy(values.transpose(2, 0, 1).reshape(stage.outgoing).copy())
    return torch.from_numpy(values.reshape(-1, *[1] * (len(stage.outgoing) - 1)).copy())


def _check(network: Network, spiking: SpikingNetwork, reference: str) -> None:
    """Round again and compare, to one unit: batch norm is folded in floats."""
    both = zip(spiking.folded, network.layers, strict=True)
    bits = {stage.name: layer.synapses.bits for stage, layer in both}
    found = [_first_difference(network, spiking, form, bits) for form in _FORMS]
    if None in found:
        return
    # The form that the network was rounded to agrees up to the layer that is another one's.
    first = network.layers[max(number for number in found if number is not None)].name
    raise CygnetError(
        f"{reference}: rounded, it does not give layer {first!r} of the network; {REMEDY} (there "
        "are none after --finetune and --rounding compensated)"
    )


def _first_difference(
    network: Network, spiking: SpikingNetwork, form: ThresholdForm, bits: dict[str, int]
) -> int | None:
    """Number of the first layer that is not as it is rounded; None where all are."""
    # Layers of other widths than the network's cannot be rounded.
    try:
        again = quantize(spiking, steps=network.steps, bits=bits, threshold=form)
    except ConversionError:
        return 0
    pairs = enumerate(zip(network.layers, again.layers, strict=True))
    return next((number for number, pair in pairs if _differences(*pair)), None)


def _differences(layer: Layer, other: Layer) -> int:
    """Weights, shortcuts and thresholds that are more than one unit apart."""
    pairs: list[tuple[NDArray[Any], NDArray[Any]]] = []
    pairs.append((layer.synapses.weight, other.synapses.weight))
    if layer.shortcut is not None and other.shortcut is not None:
        pairs.append((layer.shortcut.weight, other.shortcut.weight))
    if layer.neurons is not None and other.neurons is not None:
        pairs.append((layer.neurons.reset, other.neurons.reset))
    return sum(
        a.size if a.shape != b.shape else int((np.abs(a.astype(np.int64) - b) > 1).sum())
        for a, b in pairs
    )
