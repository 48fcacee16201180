# SPDX-License-Identifier: Apache-2.0
"""The integer network: the one contract between converter, golden model and gateware.

Everything here is an integer except the few floats that translate to and from the user's world
(pixel scale, activation steps, logit scale). The objects are frozen and validated when they are
made, so whoever holds a :class:`Network` holds one that can be computed. The semantics, to the
bit, are in ``docs/numerics.md``; the file format is in ``docs/file-format.md``.

Order is raster everywhere: a feature map has shape ``(height, width, channels)`` and neuron
``(y, x, c)`` has the number ``(y * width + x) * channels + c``. A vector of n is ``(1, 1, n)``.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cygnet import checks
from cygnet.network_parts import (
    INPUT,
    MAX_RESET,
    MAX_TAU,
    MAX_WIDTH,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Neurons,
    Projection,
    Shape,
    SumPool,
)
from cygnet.ranges import Bounds, signed_width, unsigned_width

__all__ = [
    "INPUT",
    "MAX_RESET",
    "MAX_TAU",
    "MAX_WIDTH",
    "Bounds",
    "Convolution",
    "Dense",
    "Identity",
    "InputSpec",
    "Layer",
    "Network",
    "Neurons",
    "Projection",
    "Shape",
    "SumPool",
    "signed_width",
    "unsigned_width",
]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, eq=False)
class Layer:
    """Pooling, synapses, shortcut and neurons that work as one layer.

    :param name: lower case, unique in the network; it names files and Verilog modules
    :param synapses: :class:`Dense` or :class:`Convolution`
    :param bias: int64[channels], added at every time-step
    :param neurons: None for the last layer, which accumulates u over the time-steps
    :param source: number of the layer that it reads, or :data:`INPUT`
    :param pool: sum pooling of its input, or None
    :param shortcut: a second way into the same sum, or None
    """

    name: str
    synapses: Dense | Convolution
    bias: NDArray[np.int64]
    neurons: Neurons | None
    source: int
    pool: SumPool | None = None
    shortcut: Identity | Projection | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(
                f"layer name must be lower-case letters, digits and underscores, not {self.name!r}"
            )
        try:
            if not isinstance(self.synapses, (Dense, Convolution)):
                raise TypeError(f"synapses must be a Dense or a Convolution, not {self.synapses!r}")
            if self.neurons is not None and not isinstance(self.neurons, Neurons):
                raise TypeError(f"neurons must be a Neurons or None, not {self.neurons!r}")
            if self.pool is not None and not isinstance(self.pool, SumPool):
                raise TypeError(f"pool must be a SumPool or None, not {self.pool!r}")
            if self.shortcut is not None and not isinstance(self.shortcut, (Identity, Projection)):
                raise TypeError(
                    f"shortcut must be an Identity, a Projection or None, not {self.shortcut!r}"
                )
            checks.integer(self.source, "source", INPUT, 2**16)
            bias = checks.array(self.bias, "bias", "int64", (self.synapses.channels,))
            object.__setattr__(self, "bias", bias)
            if self.neurons is not None and self.neurons.channels != self.synapses.channels:
                raise ValueError(
                    f"neurons must have {self.synapses.channels} channels like the weight, "
                    f"not {self.neurons.channels}"
                )
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {self.name!r}: {error}") from None


@dataclass(frozen=True, eq=False)
class Network:
    """A spiking network in integers, complete and valid.

    :param name: lower case; it names files and Verilog modules
    :param input: what enters
    :param layers: in an order in which every layer comes after those that it reads
    :param steps: T_max, the largest number of time-steps for which its widths hold; it may be run
        for any T in 1..steps
    :param logit_scale: float value of one unit of the last layer's sum at T = 1: a float logit is
        ``sum * logit_scale / T``
    """

    name: str
    input: InputSpec
    layers: tuple[Layer, ...]
    steps: int
    logit_scale: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(
                f"network name must be lower-case letters, digits and underscores, "
                f"not {self.name!r}"
            )
        if not isinstance(self.input, InputSpec):
            raise TypeError(f"network input must be an InputSpec, not {self.input!r}")
        object.__setattr__(self, "layers", tuple(self.layers))
        checks.integer(self.steps, "steps", 1, 4096)
        object.__setattr__(self, "logit_scale", checks.positive(self.logit_scale, "logit scale"))
        if not self.layers:
            raise ValueError("network must have at least one layer, not none")
        names = [layer.name for layer in self.layers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"layer name must be unique, not {name!r} twice")
        for number, layer in enumerate(self.layers):
            try:
                self._check(number, layer)
            except (TypeError, ValueError) as error:
                raise type(error)(f"layer {layer.name!r}: {error}") from None

    def _check(self, number: int, layer: Layer) -> None:
        if layer.source >= number:
            raise ValueError(f"source must come before layer {number}, not be {layer.source!r}")
        if layer.neurons is None and number != len(self.layers) - 1:
            raise ValueError("neurons must be a Neurons in every layer but the last, not None")
        shape = layer.synapses.output_shape(self.pooled_shape(number))
        if layer.shortcut is not None:
            if layer.shortcut.source >= number or layer.shortcut.source == INPUT:
                raise ValueError(
                    f"shortcut source must be a layer before layer {number}, "
                    f"not {layer.shortcut.source!r}"
                )
            carried = layer.shortcut.output_shape(self.shape(layer.shortcut.source))
            if carried != shape:
                raise ValueError(f"shortcut must have the layer's shape {shape}, not {carried!r}")
        if layer.neurons is not None:
            for name, array in layer.neurons.arrays():
                if array.ndim == 3 and array.shape != shape:
                    raise ValueError(
                        f"{name} must be an array of shape {shape}, not {array.shape!r}"
                    )
        bounds = self.current(number)
        potential = self.potential(number)
        if layer.neurons is not None and layer.neurons.membrane_width is not None:
            for name in ("reset", "fire", "initial"):
                array = getattr(layer.neurons, name)
                if int(array.max()) > potential.high or int(array.min()) < potential.low:
                    raise ValueError(
                        f"{name} must fit into the membrane of "
                        f"{layer.neurons.membrane_width} bits, not reach {int(np.abs(array).max())}"
                    )
        if max(bounds.width, potential.width) >= MAX_WIDTH:
            raise ValueError(f"sums must fit into {MAX_WIDTH} bits, not reach {potential!r}")

    def shape(self, number: int) -> Shape:
        """(height, width, channels) of a layer's output, or of :data:`INPUT`."""
        if number == INPUT:
            return self.input.shape
        return self._shapes[number]

    def pooled_shape(self, number: int) -> Shape:
        """Shape of what the synapses of layer ``number`` see: its source's, after its pooling."""
        layer = self.layers[number]
        shape = self.shape(layer.source)
        return shape if layer.pool is None else layer.pool.output_shape(shape)

    @cached_property
    def _shapes(self) -> _LazyShapes:
        return _LazyShapes(self)

    def events(self, number: int) -> Bounds:
        """The range of the event values that a layer (or :data:`INPUT`) sends at one time-step."""
        if number == INPUT:
            return self.input.bounds
        neurons = self.layers[number].neurons
        if neurons is None:
            raise ValueError(f"layer {self.layers[number].name!r} accumulates; it sends no events")
        return neurons.events

    def operand(self, number: int) -> Bounds:
        """The range of what layer ``number`` multiplies by a weight (events after pooling)."""
        layer = self.layers[number]
        events = self.events(layer.source)
        return events if layer.pool is None else events.scaled(math.prod(layer.pool.kernel))

    def current(self, number: int) -> Bounds:
        """Bounds of u, the sum of one time-step with its bias, from the layer's own weights."""
        return self._bounds[number][0]

    def potential(self, number: int) -> Bounds:
        """Bounds of p, the potential before firing, over ``steps`` time-steps (docs/numerics.md).

        For the last layer: bounds of the sum of u over all time-steps.
        """
        return self._bounds[number][1]

    @cached_property
    def _bounds(self) -> _LazyBounds:
        return _LazyBounds(self)

    @property
    def classes(self) -> int:
        return math.prod(self.shape(len(self.layers) - 1))

    @cached_property
    def digest(self) -> str:
        """SHA-256 (hex) over the network's file content; names it in images and Verilog."""
        # The file module rests on this one.
        from cygnet.network_file import digest

        return digest(self)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def macs(self, number: int) -> int:
        """Synaptic operations of layer ``number`` in one time-step with every input non-zero,
        padding not counted out."""
        layer = self.layers[number]
        height, width, channels = self.shape(number)
        synapses = int(layer.synapses.fan_in().shape[1])
        if isinstance(layer.shortcut, Projection):
            synapses += int(layer.shortcut.fan_in().shape[1])
        return height * width * channels * synapses


class _LazyShapes(dict[int, Shape]):
    """Output shape of each layer, computed when first asked for."""

    def __init__(self, network: Network) -> None:
        super().__init__({INPUT: network.input.shape})
        self._network = network

    def __missing__(self, number: int) -> Shape:
        self[number] = self._network.layers[number].synapses.output_shape(
            self._network.pooled_shape(number)
        )
        return self[number]


class _LazyBounds(dict[int, tuple[Bounds, Bounds]]):
    """Bounds of each layer, computed when first asked for."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self._network = network

    def __missing__(self, number: int) -> tuple[Bounds, Bounds]:
        network = self._network
        layer = network.layers[number]
        low, high = _extremes(layer.synapses.fan_in(), network.operand(number))
        if layer.shortcut is not None:
            extra_low, extra_high = _extremes(
                layer.shortcut.fan_in(), network.events(layer.shortcut.source)
            )
            low, high = low + extra_low, high + extra_high
        low, high = low + layer.bias, high + layer.bias
        current = Bounds(int(low.min()), int(high.max()))
        self[number] = current, _potential(layer, network, low, high)
        return self[number]


def _extremes(fan_in: NDArray, operand: Bounds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Per channel, the least and the greatest sum of weight * operand."""
    positive = np.maximum(fan_in, 0).sum(axis=1, dtype=np.int64)
    negative = np.minimum(fan_in, 0).sum(axis=1, dtype=np.int64)
    low = negative * operand.high + positive * operand.low
    high = positive * operand.high + negative * operand.low
    return low, high


def _potential(
    layer: Layer, network: Network, low: NDArray[np.int64], high: NDArray[np.int64]
) -> Bounds:
    steps = network.steps
    neurons = layer.neurons
    if neurons is None:
        return Bounds(min(0, steps * int(low.min())), max(0, steps * int(high.max())))
    if neurons.membrane_width is not None:
        half = 1 << (neurons.membrane_width - 1)
        return Bounds(-half, half - 1)
    reset = neurons.reset.astype(np.int64)
    fire = neurons.fire.astype(np.int64)
    initial = neurons.initial.astype(np.int64)
    # A step that fires less than fully leaves v <= F - 1 (SNM, firing downwards: v <= K - F), and
    # one that fires fully adds at most high - tau K: v climbs only where that is positive.
    climb = np.maximum(high - neurons.tau * reset, 0)
    above = initial + (steps - 1) * climb
    if steps > 1:
        rest = np.maximum(fire - 1, reset - fire) if neurons.kind == "snm" else fire - 1
        above = np.maximum(above, rest + (steps - 2) * climb)
    highest = above + np.maximum(high, 0)
    # Downwards: a neuron that never fired, or one that fired first and was left at F - K.
    fall = np.minimum(low, 0)
    lowest = np.minimum(initial + steps * fall, fire - reset + (steps - 1) * fall)
    return Bounds(min(int(lowest.min()), 0), max(int(highest.max()), 0))
