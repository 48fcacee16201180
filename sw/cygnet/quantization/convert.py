# SPDX-License-Identifier: Apache-2.0
"""The public function of the whole software side, ``cygnet.convert``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from cygnet.conversion.normalization import Batches, Normalization
from cygnet.conversion.spiking import NeuronKind, to_spiking
from cygnet.network import InputSpec, Network
from cygnet.quantization.neurons import ThresholdForm
from cygnet.quantization.quantize import quantize

__all__ = ["convert"]


def convert(
    model: nn.Module,
    calibration: Batches | None = None,
    *,
    input: InputSpec,
    neuron: NeuronKind = "gn",
    tau: int = 4,
    steps: int = 8,
    bits: int | Mapping[str, int] = 8,
    threshold: ThresholdForm = "exact",
    normalization: Normalization | None = None,
    percentile: float = 100.0,
    initial: float | None = None,
    spiking_output: bool = False,
    membrane_width: int | None = None,
    name: str = "network",
) -> Network:
    """The integer spiking network of a trained torch network.

    :param model: the trained network; it is copied and left as it is
    :param calibration: training images, uint8 in the layout of ``input`` or floats as the network
        takes them, one array or several; may be None where every activation is QCFS
    :param input: what enters the network: shape, pixel scale, mean, std, layout
    :param neuron: ``"gn"`` (group neurons), ``"if"`` or ``"snm"`` (signed neurons with memory)
    :param tau: members of a group neuron, 1..16; L of the network's QCFS is the natural choice
    :param steps: T_max of the result
    :param bits: width of a weight, 2..8: one number, or one by the name of a layer
    :param threshold: ``"exact"``, or ``"pow2"`` for thresholds that are powers of two
    :param normalization: ``"layer"``, ``"channel"`` or ``"neuron"``-wise thresholds from the
        calibration data; None: trained ones where there are any
    :param percentile: of the activations, instead of their maximum, where thresholds come from
        calibration data
    :param initial: v(0) as a fraction of what a spike takes off; None: 1/2 (SNM: 0)
    :param spiking_output: end in neurons, as the published SNM network does; needs calibration data
    :param membrane_width: bits of a membrane that saturates; None: wide enough for everything
    :param name: of the network; it names files and Verilog modules

    :raises ConversionError: the network has no spiking form, or does not fit into the widths; the
        message names the layer and the remedy
    """
    spiking = to_spiking(
        model,
        calibration,
        input=input,
        neuron=neuron,
        tau=tau,
        normalization=normalization,
        percentile=percentile,
        initial=initial,
        spiking_output=spiking_output,
    )
    return quantize(
        spiking,
        steps=steps,
        name=name,
        bits=bits,
        threshold=threshold,
        membrane_width=membrane_width,
    )
