# SPDX-License-Identifier: Apache-2.0
"""From a spiking network in floats to the integer network."""

from __future__ import annotations

from cygnet.quantization.finetune import Finetuning, finetune
from cygnet.quantization.moments import Moments, input_moments
from cygnet.quantization.neurons import ThresholdForm
from cygnet.quantization.quantize import quantize

__all__ = [
    "Finetuning",
    "Moments",
    "ThresholdForm",
    "finetune",
    "input_moments",
    "quantize",
]
