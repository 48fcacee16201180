# SPDX-License-Identifier: Apache-2.0
"""Integrate-and-fire neurons as other simulators have them."""

from __future__ import annotations

import torch
from torch import Tensor

from cygnet.neurons.spiking import SpikingNeuron

__all__ = ["Imported"]


class Imported(SpikingNeuron):
    """A neuron of a network that was spiking before it came here: soft reset, v(0) = 0.

    What a spike takes off the potential, theta, and what it carries on may differ: most simulators
    carry 1 whatever theta is.

    :param threshold: theta, as for all neurons
    :param value: what a spike carries, > 0; a number or a tensor ``[channels, 1, 1]``
    :param strict: fires where p > theta, not where p >= theta
    :param initial: v(0) in units of theta

    :raises ValueError: a threshold or a value that is not finite and > 0
    """

    value: Tensor

    def __init__(
        self,
        threshold: float | Tensor,
        *,
        value: float | Tensor = 1.0,
        strict: bool = False,
        initial: float = 0.0,
    ) -> None:
        super().__init__(torch.as_tensor(threshold).double(), initial=initial)
        carried = torch.as_tensor(value).double().clone()
        if not bool((torch.isfinite(carried) & (carried > 0)).all()):
            raise ValueError(f"value must be finite and > 0, not {value!r}")
        self.register_buffer("value", carried)
        self.strict = strict

    @property
    def carried(self) -> Tensor:
        return self.value

    def _fire(self, before: Tensor, step: Tensor) -> Tensor:
        return (before > step if self.strict else before >= step).to(before)

    def fitted(self, shape: tuple[int, ...]) -> Imported:
        """A fresh one for samples of a shape in torch's order, with thresholds that are one number,
        one for each channel, or one for each neuron.

        :raises ValueError: the thresholds have another shape
        """
        return Imported(
            _fit(self.threshold, shape),
            value=_fit(self.value, shape),
            strict=self.strict,
            initial=float(self.initial),
        )


def _fit(values: Tensor, shape: tuple[int, ...]) -> Tensor:
    if values.numel() == 1 or bool((values == values.reshape(-1)[0]).all()):
        return values.reshape(-1)[0]
    if values.numel() == torch.Size(shape).numel():
        whole = values.reshape(shape)
    else:
        try:
            whole = values.expand(shape).clone()
        except RuntimeError:
            raise ValueError(
                f"thresholds of shape {tuple(values.shape)} do not fit neurons of shape {shape}"
            ) from None
    if len(shape) == 3 and bool((whole == whole[:, :1, :1]).all()):
        return whole[:, :1, :1].clone()
    return whole
