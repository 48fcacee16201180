# SPDX-License-Identifier: Apache-2.0
"""Weights before training."""

from __future__ import annotations

from torch import nn

__all__ = ["initialise"]


def initialise(model: nn.Module) -> None:
    """Normal weights for a rectifier (He et al., ICCV 2015), fan out for convolutions; zero biases.

    Dense layers keep torch's own initialisation, but for the bias.
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
            nn.init.zeros_(module.bias)
