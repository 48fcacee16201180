# SPDX-License-Identifier: Apache-2.0
"""Integers for every stage of a spiking network (docs/numerics.md, "From floats to integers")."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import nn

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
from cygnet.quantization.neurons import (
    ThresholdForm,
    kept_reset,
    layer_neurons,
    layer_reset,
    layer_steps,
)
from cygnet.quantization.scales import exact_exponent, integers
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

    def rounded(
        self, reset: NDArray[np.int64], step: Floats, mean: Callable[[Floats], Floats]
    ) -> _Sums:
        """All of it times K / theta, rounded.

        :param mean: what the mean of the input brings, from rounded weights. With them, what
            rounding adds to a weight meets the distance of a pixel from the mean; with the
            weights as they were it would meet the whole pixel.
        """

        def scale(values: Floats) -> Floats:
            shape = (-1, *[1] * (values.ndim - 1))
            return integers(values, reset.reshape(shape), step.reshape(shape))

        weight = scale(self.weight)
        return _Sums(
            weight,
            np.rint(self.bias * reset / step - mean(weight)),
            None if self.projection is None else scale(self.projection),
            None if self.identity is None else scale(self.identity),
        )


def quantize(
    network: SpikingNetwork,
    *,
    steps: int,
    name: str = "network",
    bits: int | Mapping[str, int] = 8,
    threshold: ThresholdForm = "exact",
    membrane_width: int | None = None,
) -> Network:
    """The integer network.

    :param network: GN, IF or SNM neurons in floats
    :param steps: T_max of the result, 1..4096
    :param name: of the result, lower case
    :param bits: width of a weight, 2..8: one number, or one by the name of a layer (8 for layers
        that it does not name)
    :param threshold: ``"exact"``, or ``"pow2"`` for powers of two, which compare in fewer bits
    :param membrane_width: bits of a membrane that saturates; None for one that cannot overflow

    :raises ConversionError: a layer has no integers at these widths; names it and what works
    :raises CygnetError: ``bits`` names a layer that does not exist
    """
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
            sums, logit_scale = _output(sums, width, mean, keep=keep)
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
            sums = sums.rounded(reset, largest_step, mean)
            logit_scale = float(neuron.carried.max()) if keep else float(step.max())
            neurons, units[number] = layer_neurons(
                neuron, reset, step, enabled=enabled, membrane_width=membrane_width
            )
        layers.append(_layer(stage, sums, neurons, spec, width))
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


def _sums(stage: Stage, units: Mapping[int, Unit]) -> _Sums:
    assert stage.synapses.bias is not None
    bias = to_numpy(stage.synapses.bias)
    projection = identity = None
    if stage.shortcut is not None:
        unit = units[stage.shortcut.source]
        if unit.local:
            raise place_dependent(stage, "shortcut")
        if stage.shortcut.projection is None:
            identity = np.broadcast_to(unit.value.reshape(-1), bias.shape).copy()
        else:
            projection = to_numpy(stage.shortcut.projection.weight)
            projection = projection.reshape(projection.shape[:2]) * unit.value.reshape(-1)
    return _Sums(unit_weight(stage, units[stage.source]), bias, projection, identity)


def _output(
    sums: _Sums, bits: int, mean: Callable[[Floats], Floats], *, keep: bool
) -> tuple[_Sums, float]:
    """One scale for all classes, and the float value of one integer unit.

    :param keep: a power of two where that makes integers of everything
    """
    peak = float(sums.largest.max())
    limit = 2 ** (bits - 1) - 1
    scale = limit / peak if peak > 0 else 1.0
    if keep and peak > 0:
        power = max(int(exact_exponent(values).max()) for values in (*sums.linear, sums.bias))
        if power < 64 and math.ldexp(peak, power) <= limit:
            scale = math.ldexp(1.0, power)
    weight = np.rint(sums.weight * scale)
    return _Sums(weight, np.rint(sums.bias * scale - mean(weight)), None, None), 1 / scale


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
