# SPDX-License-Identifier: Apache-2.0
"""Spiking neurons in floats: integrate-and-fire, group neuron, signed neuron with memory.

A neuron module takes the currents of one time-step, ``float[n, ...]``, and gives what its spikes
carry on, in the same shape; its state lives from one :meth:`SpikingNeuron.reset` to the next.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

__all__ = ["GN", "IF", "SNM", "SpikingNeuron"]


class SpikingNeuron(nn.Module, ABC):
    """What the three kinds share: threshold, initial potential, state, the soft reset.

    :param threshold: theta, finite and > 0; a number or a tensor that broadcasts to one sample,
        for instance ``[channels, 1, 1]``
    :param initial: v(0) in units of :attr:`step`, a number or a tensor like ``threshold``
    :param enabled: bool tensor like ``threshold``; a disabled neuron gives 0. None: all enabled

    :raises ValueError: a threshold that is not finite and > 0
    """

    threshold: Tensor
    initial: Tensor
    enabled: Tensor | None
    members = 1
    """Thresholds that one neuron has (tau of a group neuron)."""

    def __init__(
        self,
        threshold: float | Tensor,
        *,
        initial: float | Tensor,
        enabled: Tensor | None = None,
    ) -> None:
        super().__init__()
        values = _tensor(threshold)
        if not bool((torch.isfinite(values) & (values > 0)).all()):
            raise ValueError(f"threshold must be finite and > 0, not {threshold!r}")
        self.register_buffer("threshold", values)
        self.register_buffer("initial", _tensor(initial).to(values.dtype))
        self.register_buffer("enabled", enabled)
        self.reset()

    def reset(self) -> None:
        """Forget the potentials; the next step starts from v(0)."""
        self.potential: Tensor | None = None

    @property
    def step(self) -> Tensor:
        """What one spike carries, and what it takes off the potential."""
        return self.threshold / self.members

    @property
    def carried(self) -> Tensor:
        """What one spike carries to the layers that follow."""
        return self.step

    def fire(self, current: Tensor) -> Tensor:
        """Counts of one time-step, before the step's value is put on them.

        :param current: u(t), ``float[n, ...]``
        :returns: whole numbers in the shape and dtype of ``current``
        :raises ValueError: the shape is another than at the step before, with no reset between
        """
        step = self.step
        if self.potential is None:
            before = (self.initial * step).expand_as(current) + current
        elif self.potential.shape != current.shape:
            raise ValueError(
                f"current must have the shape {tuple(self.potential.shape)} of the step before "
                f"until reset() is called, not {tuple(current.shape)}"
            )
        else:
            before = self.potential + current
        counts = self._fire(before, step)
        if self.enabled is not None:
            counts = counts * self.enabled
        self.potential = before - counts * step
        return counts

    @abstractmethod
    def _fire(self, before: Tensor, step: Tensor) -> Tensor:
        """How many spikes the potential ``before`` gives, in thresholds ``step``."""

    def forward(self, current: Tensor) -> Tensor:
        return self.fire(current) * self.carried

    def extra_repr(self) -> str:
        theta = self.threshold
        value = f"{float(theta):.4g}" if theta.numel() == 1 else f"tensor{tuple(theta.shape)}"
        return f"threshold={value}"


class GN(SpikingNeuron):
    """A group of tau IF neurons that share one potential (GN paper, equations 8 to 11).

    Member i fires where p >= i * theta / tau; each spike takes theta / tau off the potential of
    the whole group and carries theta / tau. v(0) = theta / (2 tau), as in the authors' code.

    :param tau: members, 1..16
    """

    def __init__(
        self,
        threshold: float | Tensor,
        tau: int = 4,
        *,
        initial: float | Tensor = 0.5,
        enabled: Tensor | None = None,
    ) -> None:
        if not isinstance(tau, int) or isinstance(tau, bool):
            raise TypeError(f"tau must be an integer, not {tau!r}")
        if not 1 <= tau <= 16:
            raise ValueError(f"tau must be an integer in 1..16, not {tau!r}")
        super().__init__(threshold, initial=initial, enabled=enabled)
        self.members = tau

    def _fire(self, before: Tensor, step: Tensor) -> Tensor:
        counts = (before >= step).to(before)
        for member in range(2, self.members + 1):
            counts += before >= member * step
        return counts

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, tau={self.members}"


class IF(SpikingNeuron):
    """Integrate and fire, soft reset (GN paper, equations 1 to 3); v(0) = theta / 2 as in QCFS."""

    def __init__(
        self,
        threshold: float | Tensor,
        *,
        initial: float | Tensor = 0.5,
        enabled: Tensor | None = None,
    ) -> None:
        super().__init__(threshold, initial=initial, enabled=enabled)

    def _fire(self, before: Tensor, step: Tensor) -> Tensor:
        return (before >= step).to(before)


class SNM(SpikingNeuron):
    """Signed neuron with memory (SNM paper, equations 7 to 11); v(0) = 0.

    It sends a negative spike where p <= -theta and it has sent more positive spikes than negative
    ones. The memory counts spikes: the published one sums theta in floats, and the rounding error
    of that sum opens the gate where the rule keeps it shut.
    """

    def __init__(
        self,
        threshold: float | Tensor,
        *,
        initial: float | Tensor = 0.0,
        enabled: Tensor | None = None,
    ) -> None:
        super().__init__(threshold, initial=initial, enabled=enabled)

    def reset(self) -> None:
        super().reset()
        self.memory: Tensor | None = None

    def _fire(self, before: Tensor, step: Tensor) -> Tensor:
        counts = (before >= step).to(before)
        if self.memory is None:
            self.memory = counts if self.enabled is None else counts * self.enabled
            return counts
        counts -= ((before <= -step) & (self.memory > 0)).to(before)
        self.memory = self.memory + (counts if self.enabled is None else counts * self.enabled)
        return counts


def _tensor(value: float | Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().clone()
    return torch.tensor(float(value))
