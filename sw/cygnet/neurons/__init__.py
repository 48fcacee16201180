# SPDX-License-Identifier: Apache-2.0
"""Activations and spiking neurons as torch modules, in floats, as the papers define them."""

from __future__ import annotations

from cygnet.neurons.imported import Imported
from cygnet.neurons.qcfs import QCFS, qcfs
from cygnet.neurons.spiking import GN, IF, SNM, SpikingNeuron

__all__ = ["GN", "IF", "QCFS", "SNM", "Imported", "SpikingNeuron", "qcfs"]
