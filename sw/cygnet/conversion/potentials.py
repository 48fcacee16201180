# SPDX-License-Identifier: Apache-2.0
"""Initial potentials from calibration data, for networks that lose accuracy with more steps."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from cygnet.conversion.normalization import Batches, batches, to_model
from cygnet.conversion.sequences import Sequences
from cygnet.conversion.spiking import SpikingNetwork
from cygnet.neurons import SpikingNeuron

__all__ = ["calibrate_potentials"]


def calibrate_potentials(
    network: SpikingNetwork,
    calibration: Batches,
    *,
    steps: int,
    unit: Literal["channel", "neuron"] = "channel",
    limit: float = 1.0,
) -> None:
    """Shift v(0), layer by layer, by what the layer's mean output lacks against the network that
    was trained (SNNC-AP, Li et al., ICML 2021, potential calibration).

    The mean over T steps of a spiking neuron with v(0) raised by d is larger by d / T as long as it
    stays in its range; hence d = T * (mean activation - mean spiking output), the means over
    images, and over places for ``"channel"``. The shifts become part of the network, of its file
    and of the hardware, and cost nothing there.

    :param calibration: training images
    :param steps: T for which v(0) is chosen
    :param limit: the largest shift, in what one spike takes off the potential
    """
    parameter = next(network.folded.parameters())
    parts = [
        to_model(part, network.spec, network.folded.shape).to(parameter)
        for part in batches(calibration, network.spec, network.folded.shape)
    ]
    with torch.no_grad():
        spiking = [Sequences(network.folded, part, steps) for part in parts]
        trained = [Sequences(network.folded, part, 1) for part in parts]
        for number, neuron in network.spiking():
            activation = network.folded.stage(number).activation
            if activation is None:
                continue  # neurons that send logits: nothing tells what they should send
            currents = [sequences.currents(number) for sequences in spiking]
            lack = torch.zeros((), dtype=parameter.dtype)
            for sequences, current in zip(trained, currents, strict=True):
                wanted = activation(sequences.currents(number)[0])
                sequences.put(number, [wanted])
                lack = lack + (wanted - _outputs(neuron, current)[1]).sum(0)
            mean = lack / sum(map(len, parts))
            if unit == "channel" and mean.ndim > 1:
                mean = mean.mean((1, 2), keepdim=True)
            shift = (mean * steps / neuron.step).clamp(-limit, limit)
            neuron.initial = neuron.initial + shift
            for sequences, current in zip(spiking, currents, strict=True):
                sequences.put(number, _outputs(neuron, current)[0])


def _outputs(neuron: SpikingNeuron, currents: list[Tensor]) -> tuple[list[Tensor], Tensor]:
    """Outputs step by step from a fresh start, and their mean."""
    neuron.reset()
    outputs = [neuron(current) for current in currents]
    neuron.reset()
    return outputs, torch.stack(outputs).mean(0)
