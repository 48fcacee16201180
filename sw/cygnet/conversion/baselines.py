# SPDX-License-Identifier: Apache-2.0
"""The methods that the papers' tables compare with, over one interface.

Each takes the same folded network; they differ in thresholds, in v(0) and in how a batch is run.
All use direct coding, soft reset and an accumulating last layer.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor

from cygnet.conversion.folded import FoldedNetwork, Stage
from cygnet.conversion.normalization import (
    Batches,
    Normalization,
    Threshold,
    batches,
    observed_thresholds,
    to_model,
)
from cygnet.conversion.sequences import Sequences
from cygnet.conversion.spiking import NeuronKind, SpikingNetwork, make_neuron, to_spiking
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import InputSpec
from cygnet.neurons import SpikingNeuron

__all__ = [
    "COS",
    "METHODS",
    "OPI",
    "QCFS",
    "RMP",
    "SRP",
    "GroupNeuron",
    "Method",
    "SignedNeuron",
    "method",
]


class Method(Protocol):
    """One way of converting and running.

    :param name: as the tables call it
    :param extra_steps: time-steps that it runs before the T that are counted
    """

    name: ClassVar[str]

    @property
    def extra_steps(self) -> int: ...

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        """The spiking network; thresholds may come from the calibration (training) data."""
        ...

    def run(self, network: SpikingNetwork, x: Tensor, steps: int) -> Tensor:
        """Logits float[T, n, classes] of a batch float[n, ...], as
        :meth:`SpikingNetwork.forward` gives them."""
        ...


@dataclass(frozen=True)
class _Plain:
    """T steps and nothing else."""

    @property
    def extra_steps(self) -> int:
        return 0

    def run(self, network: SpikingNetwork, x: Tensor, steps: int) -> Tensor:
        result: Tensor = network(x, steps)
        return result


@dataclass(frozen=True)
class GroupNeuron(_Plain):
    """Group neurons (Lyu et al., arXiv:2402.19061, Algorithm 1): theta = lambda and
    v(0) = theta / (2 tau)."""

    tau: int = 4
    name: ClassVar[str] = "GN"

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        return to_spiking(folded, calibration, input=spec, neuron="gn", tau=self.tau)


@dataclass(frozen=True)
class SignedNeuron(_Plain):
    """Signed neurons with memory (Wang et al., IJCAI 2022, equations 7 to 11 and 14).

    :param initial: v(0) in units of theta: 0 as published; 1/2 (as OPI has it) fires earlier
    """

    normalization: Normalization = "neuron"
    neuron: NeuronKind = "snm"
    initial: float = 0.0
    name: ClassVar[str] = "SNM"

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        return to_spiking(
            folded,
            calibration,
            input=spec,
            neuron=self.neuron,
            normalization=self.normalization,
            initial=self.initial,
        )


@dataclass(frozen=True)
class RMP(_Plain):
    """Residual membrane potential neurons (Han, Srinivasan, Roy, CVPR 2020).

    Threshold balancing: theta is the largest pre-activation of the layer over the calibration
    data; v(0) = 0.
    """

    name: ClassVar[str] = "RMP"

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        largest = [0.0] * len(folded)

        def act(number: int, stage: Stage, current: Tensor) -> Tensor:
            largest[number] = max(largest[number], current.max().item())
            return current if stage.activation is None else stage.activation(current)

        parameter = next(folded.parameters())
        with torch.no_grad():
            for part in batches(calibration, spec, folded.shape):
                folded.run(to_model(part, spec, folded.shape).to(parameter), act)
        neurons: list[SpikingNeuron | None] = []
        for number, stage in enumerate(folded):
            if stage.activation is None:
                neurons.append(None)
                continue
            if largest[number] <= 0:
                raise ConversionError(
                    f"layer {stage.label}: nothing in it fires for any calibration image; "
                    "check its weights, or calibrate with more images"
                )
            theta = Threshold(torch.tensor(largest[number], dtype=torch.float64))
            neurons.append(make_neuron("if", 1, theta, initial=0.0))
        return SpikingNetwork(folded, neurons, spec)


@dataclass(frozen=True)
class QCFS(_Plain):
    """Bu et al., ICLR 2022: theta = the trained lambda, v(0) = theta/2 (their Theorem 2)."""

    name: ClassVar[str] = "QCFS"

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        return to_spiking(folded, calibration, input=spec, neuron="if", initial=0.5)


@dataclass(frozen=True)
class OPI(_Plain):
    """Optimised potential initialisation (Bu et al., AAAI 2022).

    v(0) = theta/2 minimises the expected squared error for a threshold that is the clip of the
    network. Theta is a percentile of the layer's activations; the trained clip of the paper is
    what :class:`QCFS` takes.
    """

    percentile: float = 100.0
    name: ClassVar[str] = "OPI"

    def prepare(
        self, folded: FoldedNetwork, calibration: Batches, spec: InputSpec
    ) -> SpikingNetwork:
        observed = observed_thresholds(
            folded, calibration, spec, normalization="layer", percentile=self.percentile
        )
        return SpikingNetwork(
            folded,
            [None if t is None else make_neuron("if", 1, t, initial=0.5) for t in observed],
            spec,
        )


@dataclass(frozen=True)
class SRP(QCFS):
    """Residual potential (Hao et al., AAAI 2023): neurons left with none after ``tau`` steps are
    silenced in the T steps that count.

    :param tau: steps of the first run
    :param residual: the largest potential, in float units, that silences; the paper's is 0, that
        of its code 1e-3
    """

    tau: int = 4
    residual: float = 1e-3
    name: ClassVar[str] = "SRP"

    @property
    def extra_steps(self) -> int:
        return self.tau

    def run(self, network: SpikingNetwork, x: Tensor, steps: int) -> Tensor:
        masks: dict[int, Tensor] = {}

        def keep(step: int, number: int, _: Stage, value: Tensor) -> None:
            neuron = network.neurons[number]
            if step == self.tau - 1 and isinstance(neuron, SpikingNeuron):
                assert neuron.potential is not None
                masks[number] = neuron.potential > self.residual

        network(x, self.tau, see=keep)
        before = {number: neuron.enabled for number, neuron in network.spiking()}
        try:
            for number, neuron in network.spiking():
                enabled = before[number]
                neuron.enabled = masks[number] if enabled is None else masks[number] & enabled
            result: Tensor = network(x, steps)
        finally:
            for number, neuron in network.spiking():
                neuron.enabled = before[number]
        return result


@dataclass(frozen=True)
class COS(QCFS):
    """Calibrated offset spikes (Hao et al., ICLR 2023), layer by layer and image by image.

    A neuron that is left with theta or more after ``rho`` steps fired too little: its v(0) goes
    up by theta; one that is left below 0 fired too much: down.

    :param rho: steps of the calibrating runs
    :param repeats: how often a layer's v(0) is shifted
    """

    rho: int = 4
    repeats: int = 1
    name: ClassVar[str] = "COS"

    @property
    def extra_steps(self) -> int:
        return self.rho * (self.repeats + 1)

    def run(self, network: SpikingNetwork, x: Tensor, steps: int) -> Tensor:
        before = {number: neuron.initial for number, neuron in network.spiking()}
        try:
            self._calibrate(network, x)
            result: Tensor = network(x, steps)
        finally:
            for number, neuron in network.spiking():
                neuron.initial = before[number]
                neuron.reset()
        return result

    def _calibrate(self, network: SpikingNetwork, x: Tensor) -> None:
        sequences = Sequences(network.folded, x, self.rho)
        for number, neuron in network.spiking():
            currents = sequences.currents(number)
            for _ in range(self.repeats):
                neuron.reset()
                for current in currents:
                    neuron(current)
                assert neuron.potential is not None
                left = neuron.potential
                shift = (left >= neuron.step).to(left) - (left < 0).to(left)
                neuron.initial = neuron.initial + shift
            neuron.reset()
            sequences.put(number, [neuron(current) for current in currents])


METHODS: tuple[tuple[str, str, Callable[[str], Method]], ...] = (
    (r"gn(\d*)", "gnN", lambda n: GroupNeuron(int(n or 4))),
    (r"qcfs()", "qcfs", lambda _: QCFS()),
    (r"rmp()", "rmp", lambda _: RMP()),
    (r"opi([\d.]*)", "opiP", lambda p: OPI(float(p or 100))),
    (r"srp(\d*)", "srpN", lambda n: SRP(tau=int(n or 4))),
    (r"cos(\d*)", "cosN", lambda n: COS(rho=int(n or 4))),
    (r"snm()", "snm", lambda _: SignedNeuron("neuron", "snm")),
    (r"snm-layer()", "snm-layer", lambda _: SignedNeuron("layer", "snm")),
    (r"snm-half()", "snm-half", lambda _: SignedNeuron("neuron", "snm", 0.5)),
    (r"if()", "if", lambda _: SignedNeuron("neuron", "if")),
    (r"if-layer()", "if-layer", lambda _: SignedNeuron("layer", "if")),
)
"""(pattern, how it is written, what it makes) of every name that :func:`method` takes."""


def method(name: str) -> Method:
    """The method of a name: ``gnN`` (N members), ``qcfs``, ``rmp``, ``opiP`` (P-th percentile),
    ``srpN`` and ``cosN`` (N steps before those that count), ``snm`` and ``if`` (neuron-wise),
    ``snm-layer`` and ``if-layer``, ``snm-half`` (neuron-wise, v(0) = theta/2).

    :raises CygnetError: no such method
    """
    for pattern, _, make in METHODS:
        match = re.fullmatch(pattern, name)
        if match is not None:
            try:
                return make(match.group(1))
            except ValueError:
                break
    written = ", ".join(form for _, form, _ in METHODS)
    raise CygnetError(f"method {name!r} must be one of {written}")
