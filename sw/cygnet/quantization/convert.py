# SPDX-License-Identifier: Apache-2.0
"""The public function of the whole software side, ``cygnet.convert``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from cygnet.conversion.normalization import Batches, Normalization
from cygnet.conversion.spiking import NeuronKind, to_spiking
from cygnet.errors import CygnetError
from cygnet.interface import Network
from cygnet.network import InputSpec
from cygnet.quantization.moments import input_moments
from cygnet.quantization.neurons import ThresholdForm
from cygnet.quantization.quantize import quantize

__all__ = ["Rounding", "convert"]

Rounding = Literal["nearest", "compensated"]


def convert(
    model: nn.Module,
    calibration: Batches | None = None,
    *,
    input: InputSpec | None = None,
    neuron: NeuronKind = "gn",
    tau: int = 4,
    steps: int = 8,
    bits: int | Mapping[str, int] = 8,
    threshold: ThresholdForm = "exact",
    rounding: Rounding = "nearest",
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
    :param input: what enters the network: shape, pixel scale, mean, std, layout. None: pixels of
        the shape of the calibration images, which are then uint8, scaled by 1/255 as torchvision's
        ``ToTensor`` does; four axes are [n, height, width, channels] in a numpy array and
        [n, channels, height, width] in a tensor
    :param neuron: ``"gn"`` (group neurons), ``"if"`` or ``"snm"`` (signed neurons with memory)
    :param tau: members of a group neuron, 1..16; L of the network's QCFS is the natural choice
    :param steps: T_max of the result
    :param bits: width of a weight, 2..8: one number, or one by the name of a layer
    :param threshold: ``"exact"``, or ``"pow2"`` for thresholds that are powers of two
    :param rounding: of weights: ``"nearest"``, or ``"compensated"`` for weights that make up for
        what rounding did to others, which few bits want; it needs calibration data
    :param normalization: ``"layer"``, ``"channel"`` or ``"neuron"``-wise thresholds from the
        calibration data; None: trained ones where there are any
    :param percentile: of the activations, instead of their maximum, where thresholds come from
        calibration data
    :param initial: v(0) as a fraction of what a spike takes off; None: 1/2 (SNM: 0)
    :param spiking_output: end in neurons, as the published SNM network does; needs calibration data
    :param membrane_width: bits of a membrane that saturates; None: wide enough for everything
    :param name: of the network; it names files and Verilog modules

    :returns: a :class:`cygnet.interface.Network`: the integer network, with methods
    :raises CygnetError: ``input`` is left out and the calibration images do not tell it, or there
        are none for ``rounding``
    :raises ConversionError: the network has no spiking form, or does not fit into the widths; the
        message names the layer and the remedy
    """
    if rounding not in ("nearest", "compensated"):
        raise ValueError(f"rounding must be 'nearest' or 'compensated', not {rounding!r}")
    if calibration is not None and not isinstance(calibration, (np.ndarray, Tensor)):
        calibration = list(calibration)  # it may be read twice
    spec = _input(calibration) if input is None else input
    spiking = to_spiking(
        model,
        calibration,
        input=spec,
        neuron=neuron,
        tau=tau,
        normalization=normalization,
        percentile=percentile,
        initial=initial,
        spiking_output=spiking_output,
    )
    moments = None
    if rounding == "compensated":
        if calibration is None:
            raise CygnetError("rounding: 'compensated' needs training images; give calibration")
        moments = input_moments(spiking, calibration, steps=min(steps, 4))
    return Network.of(
        quantize(
            spiking,
            steps=steps,
            name=name,
            bits=bits,
            threshold=threshold,
            membrane_width=membrane_width,
            moments=moments,
        )
    )


def _input(calibration: Batches | None) -> InputSpec:
    """Pixels of the shape of some images, scaled by 1/255."""
    several = isinstance(calibration, Sequence) and len(calibration) > 0
    first = calibration[0] if several else calibration  # type: ignore[index]
    if not isinstance(first, (np.ndarray, Tensor)):
        raise CygnetError(
            "input: what enters the network is not said; give input=InputSpec(...), or training "
            "images as one uint8 array"
        )
    shape = tuple(first.shape[1:])
    if first.dtype not in (np.uint8, torch.uint8) or len(shape) not in (1, 2, 3):
        raise CygnetError(
            f"input: images of {first.dtype} and shape {tuple(first.shape)} do not say what their "
            "pixels are; give input=InputSpec(...), or uint8 images"
        )
    layout: Literal["nhwc", "nchw"] = "nhwc"
    if len(shape) == 3 and isinstance(first, Tensor):
        shape, layout = (shape[1], shape[2], shape[0]), "nchw"
    height, width, channels = {1: (1, 1, *shape), 2: (*shape, 1), 3: shape}[len(shape)]
    return InputSpec("pixels", (height, width, channels), scale=1 / 255, layout=layout)
