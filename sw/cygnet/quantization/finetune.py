# SPDX-License-Identifier: Apache-2.0
"""A short training run that lets a network get used to few bits.

The forward pass computes what the integer network computes at T = 1 with as many thresholds as the
activations have levels, or, for T > 1, what it would compute if each neuron's current were the same
in every step: QCFS with T times the levels. The backward pass goes through the rounding as if it
were not there (straight-through, Bengio et al. 2013) and through QCFS as published. What is learnt
from are the float network's own logits (Hinton et al. 2015) with the levels of the largest T, so
that no labels are needed.

A layer takes a clock for each event in its windows, so what fires is a cost. With a limit, events
beyond it are part of the loss; a neuron's threshold is a sigmoid in the backward pass (surrogate
gradient: Neftci, Mostafa, Zenke 2019).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from cygnet.conversion.folded import FoldedNetwork, Stage
from cygnet.conversion.refusals import pair
from cygnet.conversion.spiking import SpikingNetwork
from cygnet.errors import ConversionError
from cygnet.network import INPUT, MAX_RESET
from cygnet.neurons import GN, QCFS, qcfs
from cygnet.quantization.neurons import SHORTCUT_LIMIT, ThresholdForm
from cygnet.quantization.quantize import bit_widths
from cygnet.training.augment import augment

__all__ = ["Finetuning", "QuantizedTraining", "finetune", "trained_steps", "window_events"]


@dataclass(frozen=True)
class Finetuning:
    """How :func:`finetune` trains.

    :param epochs: passes over the images, >= 1
    :param batch: images a step
    :param learning_rate: of Adam at the start, > 0; it falls along half a cosine to 0. A network of
        many layers loses more by a high one than it gains; two bits want about 1e-3
    :param steps: T of one batch after the other, in turn; each >= 1
    :param events: the most that one layer's windows may hold in a frame, the mean over images, at
        the largest T; None for no limit
    :param augment: names out of :data:`cygnet.training.AUGMENTATIONS`
    :param seed: of the order of images and of the augmentation

    :raises ValueError: ``steps`` is empty or holds something else, the rate is not above 0 or
        ``events`` below 1
    """

    epochs: int = 5
    batch: int = 128
    learning_rate: float = 2e-4
    steps: Sequence[int] = (1,)
    events: int | None = None
    augment: Collection[str] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.steps or any(type(step) is not int or step < 1 for step in self.steps):
            raise ValueError(f"steps must be integers of at least 1, not {self.steps!r}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate!r}")
        if self.events is not None and self.events < 1:
            raise ValueError(f"events must be at least 1, not {self.events!r}")


def trained_steps(steps: int) -> tuple[int, ...]:
    """The T to train for where up to ``steps`` will run: 1, 2 and 4, as far as they are run.

    With more, the levels of an activation hardly matter any longer.
    """
    return tuple(each for each in (1, 2, 4) if each <= steps)


def finetune(
    network: SpikingNetwork,
    x: NDArray[np.uint8],
    *,
    bits: int | Mapping[str, int],
    threshold: ThresholdForm = "exact",
    options: Finetuning | None = None,
    device: str | torch.device = "cpu",
    progress: Callable[[int, int, float], None] | None = None,
) -> SpikingNetwork:
    """A copy of a network whose weights and thresholds suit :func:`quantize` at these widths.

    :param network: GN neurons, thresholds one for each layer (trained ones, or layer-wise)
    :param x: training images, uint8[n, height, width, channels]; no labels
    :param bits: as for :func:`quantize`
    :param threshold: as for :func:`quantize`
    :param progress: called with (steps done, steps in all, loss)

    :raises ConversionError: another kind of neuron, or thresholds that differ within a layer
    """
    options = options or Finetuning()
    training = QuantizedTraining(network, bits=bits, threshold=threshold).float().to(device)
    teacher = _finer(network.folded, max(options.steps)).float().to(device)
    optimizer = torch.optim.Adam(training.parameters(), lr=options.learning_rate)
    per_epoch = max(len(x) // options.batch, 1)
    total = options.epochs * per_epoch
    order = torch.Generator().manual_seed(options.seed)
    changes = torch.Generator(device).manual_seed(options.seed)
    pixels = torch.from_numpy(np.require(x, None, "W"))
    done = 0
    for _ in range(options.epochs):
        chosen = torch.randperm(len(x), generator=order)
        for begin in range(0, per_epoch * options.batch, options.batch):
            images = pixels[chosen[begin : begin + options.batch]].to(device)
            image = augment(images, network.spec, options.augment, changes)
            image = image.reshape(-1, *network.folded.shape)
            with torch.no_grad():
                wanted = teacher(image).softmax(1)
            step = options.steps[done % len(options.steps)]
            fired: dict[int, Tensor] | None = None if options.events is None else {}
            logits = training(image, step, within=max(options.steps), fired=fired)
            loss = functional.cross_entropy(logits, wanted)
            if fired is not None and options.events is not None:
                events = window_events(network.folded, fired)
                loss = loss + (events / options.events - 1).relu().sum()
            for group in optimizer.param_groups:
                group["lr"] = options.learning_rate * (1 + math.cos(math.pi * done / total)) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            done += 1
            if progress is not None:
                progress(done, total, float(loss.detach()))
    return training.finished()


def _finer(folded: FoldedNetwork, steps: int) -> FoldedNetwork:
    """A copy whose QCFS activations have as many levels as T steps of them."""
    finer = copy.deepcopy(folded)
    for stage in finer:
        if isinstance(stage.activation, QCFS):
            stage.activation.levels *= steps
    return finer


class QuantizedTraining(nn.Module):
    """The integer network in floats, differentiable: at T = 1, or the mean over T steps of it.

    :param network: see :func:`finetune`
    """

    def __init__(
        self,
        network: SpikingNetwork,
        *,
        bits: int | Mapping[str, int],
        threshold: ThresholdForm = "exact",
    ) -> None:
        super().__init__()
        # In a tuple, so that it is no child: it stays as it is when this module moves or changes.
        self._source = (network,)
        self.folded: FoldedNetwork = copy.deepcopy(network.folded).requires_grad_(True)
        self.bits = bit_widths(network.folded, bits)
        self.threshold = threshold
        thetas = []
        for number, neuron in network.spiking():
            stage = network.folded.stage(number)
            if not isinstance(neuron, GN) or neuron.threshold.numel() != 1:
                raise ConversionError(
                    f"layer {stage.label}: a fine-tune needs group neurons with one threshold a "
                    "layer; use neuron 'gn' and layer-wise normalization"
                )
            thetas.append(nn.Parameter(neuron.threshold.detach().reshape(()).clone()))
            activation = stage.activation
            if isinstance(activation, QCFS) and activation.levels != neuron.members:
                raise ConversionError(
                    f"layer {stage.label}: has {activation.levels} levels but {neuron.members} "
                    "members; convert with tau equal to L"
                )
        self.thetas = nn.ParameterList(thetas)

    @property
    def network(self) -> SpikingNetwork:
        """What the training started from."""
        return self._source[0]

    def forward(
        self,
        x: Tensor,
        steps: int = 1,
        *,
        within: int = 1,
        fired: dict[int, Tensor] | None = None,
    ) -> Tensor:
        """Logits float[n, classes] of float[n, *shape], by the step.

        :param steps: T, over which spike counts are averaged; the integer network's currents differ
            from step to step, these do not, so that only T = 1 is exact
        :param fired: gets, by the number of a stage, which of its neurons fire ``within`` so many
            steps: 1.0 or 0.0, with a gradient
        """
        sizes = self._sizes()

        def current(number: int, stage: Stage, values: Sequence[Tensor | None]) -> Tensor:
            return self._current(number, stage, values, sizes, steps)

        def act(number: int, stage: Stage, value: Tensor) -> Tensor:
            if stage.activation is None:
                return value
            members = self.network.neuron(number).members
            if fired is not None:
                fired[number] = _fires(value, sizes[number], within)
            return qcfs(value, sizes[number] * members, members * steps)

        result: Tensor = self.folded.run(x, act, current).flatten(1)
        return result

    def finished(self) -> SpikingNetwork:
        """The trained network, float64, on the CPU."""
        folded = copy.deepcopy(self.folded).cpu().double().requires_grad_(False)
        neurons: list[GN | None] = []
        for number, stage in enumerate(folded):
            if stage.activation is None:
                neurons.append(None)
                continue
            old = self.network.neuron(number)
            theta = self._theta(number).detach().cpu().double()
            neurons.append(GN(theta, old.members))
            if isinstance(stage.activation, QCFS):
                stage.activation = QCFS(old.members, float(theta)).double().requires_grad_(False)
                stage.activation.weight.copy_(theta)
        return SpikingNetwork(folded, neurons, self.network.spec)

    def _theta(self, number: int) -> Tensor:
        theta: Tensor = self.thetas[number].abs().clamp_min(1e-6)
        return theta

    def _sizes(self) -> list[Tensor]:
        """What one spike of each layer stands for."""
        return [
            self._theta(number) / self.network.neuron(number).members
            for number in range(len(self.thetas))
        ]

    def _current(
        self,
        number: int,
        stage: Stage,
        values: Sequence[Tensor | None],
        sizes: list[Tensor],
        steps: int,
    ) -> Tensor:
        weight = stage.synapses.weight
        bias = stage.synapses.bias
        spec = self.network.spec
        first = stage.source == INPUT
        if first:
            unit = self._of_input(weight, [spec.scale / std for std in spec.std])
            means = self._of_input(
                weight, [m / s for m, s in zip(spec.mean, spec.std, strict=True)]
            )
        else:
            unit = sizes[stage.source].detach()
        if stage.pool is not None:
            unit = unit / math.prod(pair(stage.pool.kernel_size))
        projection = stage.shortcut.projection if stage.shortcut is not None else None
        skip = sizes[stage.shortcut.source].detach() if stage.shortcut is not None else None
        with torch.no_grad():
            largest = (weight * unit).abs().flatten(1).amax(1)
            if projection is not None:
                assert skip is not None
                largest = torch.maximum(
                    largest, (projection.weight * skip).abs().flatten(1).amax(1)
                )
            size = sizes[number].detach() if number < len(sizes) else None
            reset, scale = self._scale(
                stage, largest, size, None if projection is not None else skip
            )
        grid = scale.reshape(-1, *[1] * (weight.ndim - 1))
        assert bias is not None
        rough = torch.round(weight * unit * grid) / (unit * grid)
        # What the mean of the pixels brings is rounded together with the bias.
        mean = (rough * means).flatten(1).sum(1) if first else torch.zeros_like(bias)
        rounded = torch.round((bias - mean) * scale) / scale + mean
        if reset is not None:
            # v(0) = K >> 1: an odd K starts half a unit below one half. The quarter takes whole
            # numbers off the ties, where rounding errors of floats would decide.
            rounded = rounded + (0.25 - 0.5 * torch.remainder(reset, 2)) / (scale * steps)
        value = _apply(stage, values, _straight(weight, rough), _straight(bias, rounded))
        if stage.shortcut is None:
            return value
        carried = values[stage.shortcut.source - INPUT]
        assert carried is not None
        assert skip is not None
        if projection is None:
            gain = torch.round(skip * scale) / (skip * scale)
            return value + carried * gain.reshape(-1, *[1] * (carried.ndim - 2))
        grid = scale.reshape(-1, *[1] * (projection.weight.ndim - 1)) * skip
        other = _straight(projection.weight, torch.round(projection.weight * grid) / grid)
        if isinstance(projection, nn.Linear):
            more = functional.linear(carried, other)
        else:
            more = functional.conv2d(carried, other, None, projection.stride)
        return value + more

    def _of_input(self, weight: Tensor, channels: Sequence[float]) -> Tensor:
        """A value for each input channel, broadcasting to a weight of a layer that reads them."""
        spec = self.network.spec
        values = torch.tensor(channels, dtype=torch.float64).to(weight)
        if weight.ndim == 4:
            groups = len(values) // weight.shape[1]
            into = values.reshape(groups, -1).repeat_interleave(weight.shape[0] // groups, 0)
            return into[:, :, None, None]
        height, width, _ = spec.shape
        if len(self.folded.shape) == 1 and spec.layout == "nhwc":
            return values.repeat(height * width)
        return values.repeat_interleave(weight.shape[1] // len(values))

    def _scale(
        self, stage: Stage, largest: Tensor, size: Tensor | None, identity: Tensor | None
    ) -> tuple[Tensor | None, Tensor]:
        """K of each channel (None for the last layer), and K / theta."""
        limit = 2 ** (self.bits[stage.name] - 1) - 1
        if size is None:
            peak = largest.max().clamp_min(1e-30)
            return None, (limit / peak).expand_as(largest)
        reset = ((limit + 0.5 - 1e-6) * size / largest.clamp_min(1e-30)).floor().clamp(1, MAX_RESET)
        if identity is not None:
            reset = torch.minimum(reset, (SHORTCUT_LIMIT * size / identity).floor())
        reset = torch.where(largest > 0, reset, torch.ones_like(reset))
        if self.threshold == "pow2":
            reset = torch.exp2(torch.log2(reset).add(1e-6).floor())
        return reset, reset / size


def _fires(current: Tensor, size: Tensor, steps: int) -> Tensor:
    """Whether neurons with v(0) = size / 2 fire within some steps of the same current."""
    above = current - size / (2 * steps)
    return _straight(torch.sigmoid(2 * above / size), (above >= 0).to(current))


def window_events(folded: FoldedNetwork, fired: Mapping[int, Tensor]) -> Tensor:
    """float[stages]: events in all windows of each stage in a frame, the mean over images; 0 where
    a stage reads the input.

    :param fired: by the number of a stage, 1.0 for each of its neurons that fires, [n, *outgoing]
    """
    none = next(iter(fired.values())).new_zeros(())
    return torch.stack([_in_windows(stage, fired, none) for stage in folded])


def _in_windows(stage: Stage, fired: Mapping[int, Tensor], total: Tensor) -> Tensor:
    if stage.source != INPUT:
        x = fired[stage.source]
        if stage.pool is not None:
            x = functional.max_pool2d(x, pair(stage.pool.kernel_size), pair(stage.pool.stride))
        if isinstance(stage.synapses, nn.Conv2d):
            layer = stage.synapses
            assert not isinstance(layer.padding, str)
            window = torch.ones(1, 1, *pair(layer.kernel_size)).to(x)
            each = x.sum(1, keepdim=True)
            x = functional.conv2d(each, window, None, layer.stride, layer.padding)
        total = x.sum() / len(x)
    shortcut = stage.shortcut
    if shortcut is not None and shortcut.projection is not None and shortcut.source != INPUT:
        x = fired[shortcut.source]
        if x.ndim == 4:
            vertical, horizontal = pair(getattr(shortcut.projection, "stride", 1))
            x = x[:, :, ::vertical, ::horizontal]
        total = total + x.sum() / len(x)
    return total


def _straight(value: Tensor, rounded: Tensor) -> Tensor:
    return value + (rounded - value).detach()


def _apply(stage: Stage, values: Sequence[Tensor | None], weight: Tensor, bias: Tensor) -> Tensor:
    x = values[stage.source - INPUT]
    assert x is not None
    if stage.pool is not None:
        x = stage.pool(x)
    if isinstance(stage.synapses, nn.Linear):
        return functional.linear(x.flatten(1), weight, bias)
    layer = stage.synapses
    assert not isinstance(layer.padding, str)
    return functional.conv2d(x, weight, bias, layer.stride, layer.padding, 1, layer.groups)
