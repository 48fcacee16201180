# SPDX-License-Identifier: Apache-2.0
"""Integers for every stage of a spiking network (docs/numerics.md, "From floats to integers")."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from cygnet.conversion.folded import FoldedNetwork, Stage
from cygnet.conversion.refusals import pair
from cygnet.conversion.spiking import SpikingNetwork
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import (
    INPUT,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    SumPool,
)
from cygnet.neurons import Imported
from cygnet.quantization.compensation import compensated
from cygnet.quantization.moments import Moments
from cygnet.quantization.neurons import (
    ThresholdForm,
    kept_reset,
    layer_neurons,
    layer_reset,
    layer_steps,
)
from cygnet.quantization.scales import exact_exponent, times
from cygnet.quantization.units import (
    Floats,
    Unit,
    input_unit,
    mean_sum,
    place_dependent,
    pooled_shape,
    to_numpy,
    unit_weight,
)

__all__ = ["bit_widths", "quantize"]


@dataclass(frozen=True)
class _Sums:
    """A stage's linear maps in floats, of whole units of their sources; first axis: channel."""

    weight: Floats
    bias: Floats
    projection: Floats | None
    identity: Floats | None

    @property
    def linear(self) -> list[Floats]:
        """What gets the width of a weight."""
        return [self.weight] if self.projection is None else [self.weight, self.projection]

    @property
    def largest(self) -> Floats:
        """Per channel, the largest magnitude of what gets the width of a weight."""
        largest = np.abs(self.weight.reshape(len(self.weight), -1)).max(axis=1)
        if self.projection is not None:
            largest = np.maximum(largest, np.abs(self.projection).max(axis=1))
        return np.asarray(largest)

    def times(self, scale: Callable[[Floats], Floats]) -> _Sums:
        """All of it times a number for each channel."""
        return _Sums(
            scale(self.weight),
            scale(self.bias),
            None if self.projection is None else scale(self.projection),
            None if self.identity is None else scale(self.identity),
        )

    def whole(self, mean: Callable[[Floats], Floats]) -> _Sums:
        """All of it rounded.

        :param mean: what the mean of the input brings, from rounded weights. With them, what
            rounding adds to a weight meets the distance of a pixel from the mean; with the
            weights as they were it would meet the whole pixel.
        """
        weight = np.rint(self.weight)
        bias = np.rint(self.bias - mean(weight))
        return _Sums(weight, bias, *map(_rint, (self.projection, self.identity)))

    def compensated(self, moment: Floats, units: _Sums, limit: int) -> _Sums:
        """Weights that are whole already, with a bias that makes up for what that added to them
        (:mod:`cygnet.quantization.compensation`).

        :param moment: of :func:`~cygnet.quantization.moments.input_moments`
        :param units: what one unit of each source stands for, at the places of the weights
        """
        outputs = len(self.bias) // len(moment)
        parts = []
        for group, products in enumerate(moment):
            rows = slice(group * outputs, (group + 1) * outputs)
            unit = _table(units, rows)[0]
            parts.append(compensated(_table(self, rows), products / np.outer(unit, unit), limit))
        found = np.concatenate(parts)
        size = self.weight[0].size
        return _Sums(
            found[:, :size].reshape(self.weight.shape),
            found[:, -1],
            None if self.projection is None else found[:, size:-1],
            self.identity,
        )


def _table(sums: _Sums, rows: slice) -> Floats:
    """float64[channels, n + 1]: what gets the width of a weight, and the bias."""
    parts = [part[rows].reshape(len(sums.bias[rows]), -1) for part in (*sums.linear, sums.bias)]
    return np.concatenate(parts, axis=1)


def _rint(values: Floats | None) -> Floats | None:
    return None if values is None else np.rint(values)


def quantize(
    network: SpikingNetwork,
    *,
    steps: int,
    name: str = "network",
    bits: int | Mapping[str, int] = 8,
    threshold: ThresholdForm = "exact",
    membrane_width: int | None = None,
    moments: Moments | None = None,
) -> Network:
    """The integer network.

    :param network: GN, IF or SNM neurons in floats
    :param steps: T_max of the result, 1..4096
    :param name: of the result, lower case
    :param bits: width of a weight, 2..8: one number, or one by the name of a layer (8 for layers
        that it does not name)
    :param threshold: ``"exact"``, or ``"pow2"`` for powers of two, which compare in fewer bits
    :param membrane_width: bits of a membrane that saturates; None for one that cannot overflow
    :param moments: of :func:`input_moments`, for weights that make up for what rounding did to
        others; None: every weight is rounded to the nearest integer

    :raises ConversionError: a layer has no integers at these widths; names it and what works
    :raises CygnetError: ``bits`` names a layer that does not exist
    """
    names = [stage.name for stage in network.folded]
    if moments is not None and not set(names) <= set(moments):
        raise ValueError(f"moments must have the layers {', '.join(names)}, not {[*moments]!r}")
    if threshold not in ("exact", "pow2"):
        raise ValueError(f"threshold must be 'exact' or 'pow2', not {threshold!r}")
    widths = bit_widths(network.folded, bits)
    spec = network.spec
    units: dict[int, Unit] = {INPUT: input_unit(spec, network.folded.shape)}
    layers = []
    logit_scale = 1.0
    # What was spiking before it came here is not rounded where its numbers fit as they are.
    keep = any(isinstance(neuron, Imported) for neuron in network.neurons)
    for number, stage in enumerate(network.folded):
        width = widths[stage.name]
        sums = _sums(stage, units)
        neurons = None

        def mean(weight: Floats, stage: Stage = stage) -> Floats:
            return mean_sum(spec, stage, weight) if stage.source == INPUT else np.zeros(())

        if network.neurons[number] is None:
            scale = _output_scale(sums, width, keep=keep)
            logit_scale = 1 / scale
            sums = sums.times(lambda values, scale=scale: values * scale)  # type: ignore[misc]
        else:
            neuron = network.neuron(number)
            step, enabled = layer_steps(neuron, stage)
            if step.ndim == 3 and threshold == "pow2":
                raise ConversionError(
                    f"layer {stage.label}: thresholds of one channel differ from place to place "
                    "and cannot all be powers of two; use threshold 'exact', or channel-wise "
                    "normalization"
                )
            largest_step = step.max(axis=(1, 2)) if step.ndim == 3 else step
            reset = layer_reset(
                stage, sums.largest, sums.identity, largest_step, bits=width, form=threshold
            )
            if keep:
                kept = kept_reset(sums.linear, sums.identity, sums.bias, step, bits=width)
                reset = np.where(kept > 0, kept, reset)
            sums = sums.times(_scaling(reset, largest_step))
            logit_scale = float(neuron.carried.max()) if keep else float(step.max())
            neurons, units[number] = layer_neurons(
                neuron, reset, step, enabled=enabled, membrane_width=membrane_width
            )
        if moments is not None:
            limit = 2 ** (width - 1) - 1
            sums = sums.compensated(moments[stage.name], _sums(stage, units, _ones), limit)
        layers.append(_layer(stage, sums.whole(mean), neurons, spec, width))
    try:
        return Network(
            name=name, input=spec, layers=tuple(layers), steps=steps, logit_scale=logit_scale
        )
    except (TypeError, ValueError) as error:
        raise ConversionError(f"the integer network is not valid: {error}") from None


def bit_widths(folded: FoldedNetwork, bits: int | Mapping[str, int]) -> dict[str, int]:
    """Width of the weights of every layer, by its name; 8 where ``bits`` does not name it.

    :param bits: names are those of the stages or, behind them, the user's
    """
    names = [stage.name for stage in folded]
    known = {stage.origin: stage.name for stage in folded} | {name: name for name in names}
    given = dict.fromkeys(names, bits) if isinstance(bits, int) else dict(bits)
    widths = dict.fromkeys(names, 8)
    for name, width in given.items():
        if name not in known:
            raise CygnetError(f"bits: there is no layer {name!r}; layers are {', '.join(names)}")
        if not isinstance(width, int) or isinstance(width, bool):
            raise TypeError(f"bits must be an integer, not {width!r}")
        if not 2 <= width <= 8:
            raise ValueError(f"bits must be an integer in 2..8, not {width!r}")
        widths[known[name]] = width
    return widths


def _sums(
    stage: Stage, units: Mapping[int, Unit], numbers: Callable[[Tensor], Floats] = to_numpy
) -> _Sums:
    """A stage's linear maps; if ``numbers`` gives ones, what the units of its sources stand for."""
    assert stage.synapses.bias is not None
    bias = numbers(stage.synapses.bias)
    projection = identity = None
    if stage.shortcut is not None:
        unit = units[stage.shortcut.source]
        if unit.local:
            raise place_dependent(stage, "shortcut")
        if stage.shortcut.projection is None:
            identity = np.broadcast_to(unit.value.reshape(-1), bias.shape).copy()
        else:
            projection = numbers(stage.shortcut.projection.weight)
            projection = projection.reshape(projection.shape[:2]) * unit.value.reshape(-1)
    weight = unit_weight(stage, units[stage.source], numbers(stage.synapses.weight))
    return _Sums(weight, bias, projection, identity)


def _ones(tensor: Tensor) -> Floats:
    return np.ones(tuple(tensor.shape))


def _scaling(reset: NDArray[np.int64], step: Floats) -> Callable[[Floats], Floats]:
    """Times K / theta, channel by channel."""

    def scaled(values: Floats) -> Floats:
        shape = (-1, *[1] * (values.ndim - 1))
        return times(values, reset.reshape(shape), step.reshape(shape))

    return scaled


def _output_scale(sums: _Sums, bits: int, *, keep: bool) -> float:
    """One scale for all classes.

    :param keep: a power of two where that makes integers of everything
    """
    peak = float(sums.largest.max())
    limit = 2 ** (bits - 1) - 1
    scale = limit / peak if peak > 0 else 1.0
    if keep and peak > 0:
        power = max(int(exact_exponent(values).max()) for values in (*sums.linear, sums.bias))
        if power < 64 and math.ldexp(peak, power) <= limit:
            scale = math.ldexp(1.0, power)
    return scale


def _layer(stage: Stage, sums: _Sums, neurons: Neurons | None, spec: InputSpec, bits: int) -> Layer:
    if not np.isfinite(sums.bias).all() or np.abs(sums.bias).max() >= 2**47:
        raise ConversionError(
            f"layer {stage.label}: its bias is too large for its weights; train it again"
        )
    shortcut: Identity | Projection | None = None
    if stage.shortcut is not None:
        if sums.identity is not None:
            shortcut = Identity(stage.shortcut.source, sums.identity.astype(np.int16))
        elif sums.projection is not None:
            stride = getattr(stage.shortcut.projection, "stride", (1, 1))
            shortcut = Projection(
                stage.shortcut.source, sums.projection.astype(np.int8), pair(stride), bits
            )
    return Layer(
        name=stage.name,
        synapses=_synapses(stage, sums.weight.astype(np.int8), spec, bits),
        bias=sums.bias.astype(np.int64),
        neurons=neurons,
        source=stage.source,
        pool=None
        if stage.pool is None
        else SumPool(pair(stage.pool.kernel_size), pair(stage.pool.stride)),
        shortcut=shortcut,
    )


def _synapses(
    stage: Stage, weight: NDArray[np.int8], spec: InputSpec, bits: int
) -> Dense | Convolution:
    if isinstance(stage.synapses, nn.Conv2d):
        layer = stage.synapses
        assert not isinstance(layer.padding, str)
        return Convolution(
            weight.transpose(0, 2, 3, 1),
            stride=pair(layer.stride),
            padding=pair(layer.padding),
            groups=layer.groups,
            bits=bits,
        )
    shape = pooled_shape(stage)
    if len(shape) == 1 and stage.source == INPUT and spec.layout == "nchw":
        height, width, channels = spec.shape
        shape = (channels, height, width)
    if len(shape) == 3:
        # torch flattens (channel, row, column); the raster is (row, column, channel).
        weight = weight.reshape(-1, *shape).transpose(0, 2, 3, 1).reshape(len(weight), -1)
    return Dense(weight, bits)
