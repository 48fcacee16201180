# SPDX-License-Identifier: Apache-2.0
"""The spiking network in floats: a folded network whose activations became spiking neurons."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from cygnet.conversion.extraction import fold
from cygnet.conversion.folded import FoldedNetwork, Stage
from cygnet.conversion.normalization import (
    Batches,
    Normalization,
    Threshold,
    observed_thresholds,
    to_model,
)
from cygnet.conversion.sequences import Sequences
from cygnet.errors import ConversionError
from cygnet.network import INPUT, InputSpec
from cygnet.neurons import GN, IF, QCFS, SNM, Imported, SpikingNeuron

__all__ = ["NeuronKind", "SpikingNetwork", "make_neuron", "to_spiking"]

NeuronKind = Literal["gn", "if", "snm"]


class SpikingNetwork(nn.Module):
    """Runs T steps on a constant input (direct coding) and accumulates the last stage's currents.

    :param folded: the linear maps; shared, not copied
    :param neurons: one for every stage, None for the last
    :param spec: what enters the integer network
    """

    def __init__(
        self,
        folded: FoldedNetwork,
        neurons: Sequence[SpikingNeuron | None],
        spec: InputSpec,
    ) -> None:
        super().__init__()
        self.folded = folded
        self.neurons = nn.ModuleList(neurons)  # type: ignore[arg-type]  # None is fine
        self.spec = spec

    def neuron(self, number: int) -> SpikingNeuron:
        """Neurons of a stage that is not the last."""
        neuron = self.neurons[number]
        assert isinstance(neuron, SpikingNeuron)
        return neuron

    def spiking(self) -> Iterator[tuple[int, SpikingNeuron]]:
        """(number of the stage, its neurons) of every stage that has any."""
        for number, neuron in enumerate(self.neurons):
            if isinstance(neuron, SpikingNeuron):
                yield number, neuron

    def reset(self) -> None:
        """Forget all potentials."""
        for _, neuron in self.spiking():
            neuron.reset()

    def input(self, data: object) -> Tensor:
        """Users' data as :meth:`forward` takes it; see
        :func:`cygnet.conversion.normalization.to_model`."""
        dtype = next(self.folded.parameters()).dtype
        return to_model(data, self.spec, self.folded.shape).to(dtype)  # type: ignore[arg-type]

    def forward(
        self,
        x: Tensor,
        steps: int,
        *,
        see: Callable[[int, int, Stage, Tensor], None] | None = None,
    ) -> Tensor:
        """Logits after each step, from a fresh start.

        :param x: float[n, *shape], normalised; or float[n, T, *shape], a new one at each step
        :param steps: T >= 1
        :param see: gets step (from 0), number, stage and the stage's output at that step
        :returns: float[T, n, classes]; entry t - 1 is the mean current of the last stage over the
            steps 1..t
        """
        self.reset()
        sequence = x.ndim == len(self.folded.shape) + 2
        constant: dict[int, Tensor] = {}
        logits: list[Tensor] = []
        total: Tensor | None = None
        for step in range(steps):

            def act(number: int, stage: Stage, current: Tensor, step: int = step) -> Tensor:
                neuron = self.neurons[number]
                value = neuron(current) if isinstance(neuron, SpikingNeuron) else current
                if see is not None:
                    see(step, number, stage, value)
                return value

            now = self._step(x[:, step] if sequence else x, act, None if sequence else constant)
            total = now if total is None else total + now
            logits.append(total / (step + 1))
        self.reset()
        return torch.stack(logits)

    def layerwise(self, x: Tensor, steps: int) -> Tensor:
        """What :meth:`forward` gives, layer by layer with the steps folded into the batch.

        Faster where a batch is small, and takes T times the memory.

        :param x: float[n, *shape], normalised
        """
        self.reset()
        sequences = Sequences(self.folded, x, steps)
        outputs: list[Tensor] = []
        for number in range(len(self.folded)):
            neuron = self.neurons[number]
            outputs = sequences.currents(number)
            if isinstance(neuron, SpikingNeuron):
                outputs = [neuron(current) for current in outputs]
            sequences.put(number, outputs)
        self.reset()
        total = torch.stack(outputs).flatten(2).cumsum(0)
        count = torch.arange(1, steps + 1, dtype=total.dtype, device=total.device)
        return total / count[:, None, None]

    def _step(
        self,
        x: Tensor,
        act: Callable[[int, Stage, Tensor], Tensor],
        constant: dict[int, Tensor] | None,
    ) -> Tensor:
        def remembered(number: int, stage: Stage, values: Sequence[Tensor | None]) -> Tensor:
            if constant is None or stage.source != INPUT or stage.shortcut is not None:
                return stage.current(values)
            if number not in constant:
                constant[number] = stage.current(values)
            return constant[number]

        return self.folded.run(x, act, remembered).flatten(1)


def make_neuron(
    kind: NeuronKind, tau: int, threshold: Threshold, *, initial: float | None = None
) -> SpikingNeuron:
    """One layer's neurons.

    :param tau: members, for ``"gn"`` only
    :param initial: v(0) in units of what a spike takes off; None for the kind's own
    """
    options = {} if initial is None else {"initial": initial}
    if kind == "gn":
        return GN(threshold.value, tau, enabled=threshold.enabled, **options)
    if kind == "if":
        return IF(threshold.value, enabled=threshold.enabled, **options)
    if kind == "snm":
        return SNM(threshold.value, enabled=threshold.enabled, **options)
    raise ValueError(f"neuron must be 'gn', 'if' or 'snm', not {kind!r}")


def to_spiking(
    model: nn.Module | FoldedNetwork,
    calibration: Batches | None,
    *,
    input: InputSpec,
    neuron: NeuronKind = "gn",
    tau: int = 4,
    normalization: Normalization | None = None,
    percentile: float = 100.0,
    initial: float | None = None,
    spiking_output: bool = False,
) -> SpikingNetwork:
    """The spiking network of a trained torch network, float64.

    A network that is spiking already (:class:`cygnet.neurons.Imported`, SpikingJelly, snnTorch)
    keeps its neurons; no option but ``input`` is used then.

    :param model: the trained network, or what :func:`cygnet.conversion.fold` made of it
    :param calibration: training images, uint8 in the layout of ``input`` or floats as the network
        takes them; None is enough where every activation is QCFS and ``normalization`` is None
    :param input: what enters the network
    :param neuron: ``"gn"``, ``"if"`` or ``"snm"``
    :param tau: members of a group neuron; no other kind uses it
    :param normalization: where thresholds come from. None: the trained lambda where the activation
        is QCFS, else neuron-wise for SNM and layer-wise for IF and GN
    :param percentile: of the activations, instead of their maximum
    :param initial: v(0) in units of what a spike takes off the potential; None: 1/2 for GN and IF,
        0 for SNM
    :param spiking_output: end in neurons as the published SNM network does: logits are then what
        they send, and one that is not positive is 0; needs calibration data

    :raises ConversionError: the network has no spiking form, or nothing fires in a layer
    """
    folded = model if isinstance(model, FoldedNetwork) else fold(model, input)
    if any(isinstance(stage.activation, Imported) for stage in folded):
        return SpikingNetwork(folded, _imported(folded), input)
    wanted = normalization or ("neuron" if neuron == "snm" else "layer")
    trained = normalization is None
    observed: list[Threshold | None] = [None] * len(folded)
    if calibration is not None:
        observed = observed_thresholds(
            folded,
            calibration,
            input,
            normalization=wanted,
            percentile=percentile,
            output=spiking_output,
        )
    neurons: list[SpikingNeuron | None] = []
    for stage, seen in zip(folded, observed, strict=True):
        if stage.activation is None and not spiking_output:
            neurons.append(None)
            continue
        if trained and isinstance(stage.activation, QCFS):
            value = stage.activation.threshold.detach().double().cpu()
            threshold = Threshold(value)
        elif seen is not None:
            threshold = seen
        else:
            raise ConversionError(
                f"layer {stage.label}: its threshold comes from calibration data, and none is "
                "given; pass training images"
            )
        neurons.append(make_neuron(neuron, tau, threshold, initial=initial))
    return SpikingNetwork(folded, neurons, input)


def _imported(folded: FoldedNetwork) -> list[SpikingNeuron | None]:
    """The neurons of a network that is spiking already."""
    neurons: list[SpikingNeuron | None] = []
    for stage in folded:
        if stage.activation is None:
            neurons.append(None)
            continue
        if not isinstance(stage.activation, Imported):
            raise ConversionError(
                f"layer {stage.label}: has an activation, and other layers spike; use spiking "
                "neurons in all layers or in none"
            )
        try:
            neurons.append(stage.activation.fitted(stage.outgoing))
        except ValueError as error:
            raise ConversionError(f"layer {stage.label}: {error}") from None
    return neurons
