# SPDX-License-Identifier: Apache-2.0
"""Integer neurons: K, F, v(0), mask and amplitudes of one layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.conversion.folded import Stage
from cygnet.errors import ConversionError
from cygnet.network import MAX_RESET, Neurons
from cygnet.neurons import GN, SNM, Imported, SpikingNeuron
from cygnet.quantization.scales import (
    bits_needed,
    exact_exponent,
    integers,
    largest_reset,
    power_of_two,
)
from cygnet.quantization.units import Floats, Unit, to_numpy

__all__ = ["ThresholdForm", "kept_reset", "layer_neurons", "layer_reset", "layer_steps"]

ThresholdForm = Literal["exact", "pow2"]

AMPLITUDE_BITS = 8
SHORTCUT_LIMIT = 2**15 - 1


def layer_steps(neuron: SpikingNeuron, stage: Stage) -> tuple[Floats, NDArray[np.bool_] | None]:
    """Steps, and which neurons are enabled: [channels], or [channels, height, width] where they
    differ from place to place."""
    step = to_numpy(neuron.step)
    enabled = None if neuron.enabled is None else neuron.enabled.cpu().numpy().astype(np.bool_)
    channels = stage.outgoing[0]
    if step.ndim == 3 and step.shape[1:] != (1, 1):
        step = np.broadcast_to(step, stage.outgoing).copy()
        if enabled is not None:
            enabled = np.broadcast_to(enabled, stage.outgoing)
            firing = np.where(enabled, step, 0).max(axis=(1, 2), keepdims=True)
            # A silent neuron has no threshold of its own; it must not spoil its channel's scale.
            step = np.where(enabled, step, np.where(firing > 0, firing, step))
        return step, enabled
    if enabled is not None and not (enabled.ndim == 3 and enabled.shape[1:] != (1, 1)):
        enabled = np.broadcast_to(enabled.reshape(-1), (channels,))
    return np.broadcast_to(step.reshape(-1), (channels,)).copy(), enabled


def layer_reset(
    stage: Stage,
    largest: Floats,
    skip: Floats | None,
    step: Floats,
    *,
    bits: int,
    form: ThresholdForm,
) -> NDArray[np.int64]:
    """K of every channel (docs/numerics.md).

    :param largest: float64[channels], the largest magnitude of a channel's weights, 1x1 shortcut
        included, times what one unit of their source stands for
    :param skip: float64[channels] of an identity shortcut, or None
    :param step: float64[channels], theta/tau or theta
    :raises ConversionError: K = 1 is too much for the weights' width
    """
    limit = 2 ** (bits - 1) - 1
    reset = largest_reset(largest, step, limit)
    zero = largest == 0
    if (reset < 1).any():
        channel = int(np.argmax(reset < 1))
        needed = bits_needed(float(largest[channel]), float(step[channel]))
        works = f"use {needed} bits" if needed else "no width up to 8 bits does; train it again"
        raise ConversionError(
            f"layer {stage.label}: weights of channel {channel} are too large for its threshold "
            f"in {bits} bits; {works}"
        )
    if skip is not None:
        # Kernel weights alone set K, but for what a shortcut's 16 bits cannot hold.
        reset = np.minimum(reset, largest_reset(np.abs(skip), step, SHORTCUT_LIMIT))
        if (reset < 1).any():
            raise ConversionError(
                f"layer {stage.label}: its shortcut does not fit into 16 bits; train it again"
            )
        zero = zero & (skip == 0)
    reset = np.where(zero, 1, reset)
    return power_of_two(reset) if form == "pow2" else reset


def kept_reset(
    linear: Sequence[Floats], skip: Floats | None, bias: Floats, step: Floats, *, bits: int
) -> NDArray[np.int64]:
    """K of every channel with which weights, shortcut, bias and thresholds are what they were, not
    rounded: theta times a power of two; 0 where there is none.

    :param linear: float64[channels, ...], weights that get the width of a weight
    :param skip: float64[channels] of an identity shortcut, or None
    :param step: theta, [channels] or [channels, height, width]
    """
    others = [bias, step] if skip is None else [bias, step, skip]
    power = np.max([exact_exponent(values) for values in (*linear, *others)], axis=0)

    def scaled(values: Floats) -> Floats:
        largest = np.abs(values.reshape(len(values), -1)).max(axis=1)
        return np.asarray(np.ldexp(largest, power))

    with np.errstate(over="ignore"):
        fits = (scaled(step) <= MAX_RESET) & (scaled(bias) < 2**40)
        for values in linear:
            fits &= scaled(values) <= 2 ** (bits - 1) - 1
        if skip is not None:
            fits &= scaled(skip) <= SHORTCUT_LIMIT
        return np.where(fits, scaled(step), 0).astype(np.int64)


def layer_neurons(
    neuron: SpikingNeuron,
    reset: NDArray[np.int64],
    step: Floats,
    *,
    enabled: NDArray[np.bool_] | None,
    membrane_width: int | None,
) -> tuple[Neurons, Unit]:
    """The neurons, and what one unit of their events stands for.

    :param reset: K of every channel; where thresholds differ from place to place, that of its
        largest
    :param step: as :func:`layer_steps` gives it
    """
    kind: Literal["gn", "if", "snm"]
    imported = isinstance(neuron, Imported)
    kind = "gn" if isinstance(neuron, GN) else "snm" if isinstance(neuron, SNM) else "if"
    unit = Unit(step[:, None, None] if step.ndim == 1 else step)
    stated = step
    if imported:
        unit = Unit(to_numpy(neuron.carried))
        channel = unit.value.reshape(-1)
        stated = np.broadcast_to(channel, (len(reset),)).copy()
    amplitude = None
    levels: NDArray[np.int64] = reset
    if step.ndim == 3:
        scaled = integers(step, reset[:, None, None], step.max(axis=(1, 2), keepdims=True))
        levels = np.maximum(1, scaled).astype(np.int64)
        if kind == "snm":
            gain = (2**AMPLITUDE_BITS - 1) / float(
                step.max() if enabled is None else step[enabled].max()
            )
            amplitude = np.clip(np.rint(gain * step), 1, 2**AMPLITUDE_BITS - 1).astype(np.int64)
            unit = Unit(np.array(1 / gain))
    return (
        Neurons(
            kind=kind,
            tau=neuron.members,
            reset=_raster(levels),
            fire=_raster(levels + 1 if imported and neuron.strict else levels),
            initial=_raster(_initial(neuron, levels)),
            step=_raster(stated),
            enabled=None if enabled is None else _raster(enabled),
            amplitude=None if amplitude is None else _raster(amplitude),
            membrane_width=membrane_width,
        ),
        unit,
    )


def _initial(neuron: SpikingNeuron, reset: NDArray[np.int64]) -> NDArray[np.int64]:
    """v(0) in integers: K >> 1 for one half, else rint(fraction * K)."""
    fraction = to_numpy(neuron.initial)
    if fraction.ndim == 0 or (fraction == fraction.flat[0]).all():
        if fraction.flat[0] == 0.5:
            return reset >> 1
        return np.rint(fraction.flat[0] * reset).astype(np.int64)
    if fraction.ndim == 3 and fraction.shape[1:] == (1, 1):
        fraction = fraction.reshape(-1)
    if fraction.ndim == 1:
        fraction = fraction[:, None, None] if reset.ndim == 3 else fraction
        return np.rint(fraction * reset).astype(np.int64)
    whole = reset if reset.ndim == 3 else reset[:, None, None]
    return np.rint(fraction * whole).astype(np.int64)


def _raster(values: NDArray) -> NDArray:
    """[channels, height, width] to [height, width, channels]; [channels] as it is."""
    return values.transpose(1, 2, 0) if values.ndim == 3 else values
