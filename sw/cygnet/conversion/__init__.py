# SPDX-License-Identifier: Apache-2.0
"""From a trained torch network to a spiking network in floats."""

from __future__ import annotations

from cygnet.conversion.baselines import METHODS, Method, method
from cygnet.conversion.evaluation import accuracy_by_step, logits_by_step
from cygnet.conversion.extraction import fold
from cygnet.conversion.folded import FoldedNetwork, Shortcut, Stage
from cygnet.conversion.normalization import Normalization, Threshold, observed_thresholds, to_model
from cygnet.conversion.passes import PASSES
from cygnet.conversion.potentials import calibrate_potentials
from cygnet.conversion.spiking import NeuronKind, SpikingNetwork, to_spiking

__all__ = [
    "METHODS",
    "PASSES",
    "FoldedNetwork",
    "Method",
    "NeuronKind",
    "Normalization",
    "Shortcut",
    "SpikingNetwork",
    "Stage",
    "Threshold",
    "accuracy_by_step",
    "calibrate_potentials",
    "fold",
    "logits_by_step",
    "method",
    "observed_thresholds",
    "to_model",
    "to_spiking",
]
