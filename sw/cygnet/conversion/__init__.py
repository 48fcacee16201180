# SPDX-License-Identifier: Apache-2.0
"""From a trained torch network to a spiking network in floats."""

from __future__ import annotations

from cygnet.conversion.extraction import fold
from cygnet.conversion.folded import FoldedNetwork, Shortcut, Stage
from cygnet.conversion.normalization import Normalization, Threshold, observed_thresholds, to_model
from cygnet.conversion.passes import PASSES
from cygnet.conversion.spiking import NeuronKind, SpikingNetwork, to_spiking

__all__ = [
    "PASSES",
    "FoldedNetwork",
    "NeuronKind",
    "Normalization",
    "Shortcut",
    "SpikingNetwork",
    "Stage",
    "Threshold",
    "fold",
    "observed_thresholds",
    "to_model",
    "to_spiking",
]
