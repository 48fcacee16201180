# SPDX-License-Identifier: Apache-2.0
"""Neuron cores: group, integrate-and-fire and signed neurons as stream pipelines."""

from __future__ import annotations

from cygnet.gateware.load import Words
from cygnet.gateware.neuron.core import NeuronCore, spike_layout, step_layout
from cygnet.gateware.neuron.group import GroupCore
from cygnet.gateware.neuron.signed import SignedCore
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["GroupCore", "NeuronCore", "SignedCore", "neuron_core", "spike_layout", "step_layout"]


def neuron_core(
    config: NeuronCoreConfig, contents: Words = None, *, checked: bool = False
) -> NeuronCore:
    """The core that ``config`` describes; see :class:`NeuronCore` for arguments and errors."""
    if not isinstance(config, NeuronCoreConfig):
        raise TypeError(f"config must be a NeuronCoreConfig, not {config!r}")
    kind = SignedCore if config.kind == "snm" else GroupCore
    return kind(config, contents, checked=checked)
