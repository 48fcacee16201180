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
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "INPUT",
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

Shape = tuple[int, int, int]
"""(height, width, channels)."""

INPUT = -1
"""The ``source`` of a layer that reads the network's input."""

MAX_TAU = 16
MAX_RESET = 2**18 - 1
"""The largest reset amount K that quantisation gives (docs/numerics.md)."""
MAX_WIDTH = 48
"""The widest membrane or accumulator, in bits, that golden (int64) and gateware take."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


def signed_width(low: int, high: int) -> int:
    """Bits of the two's complement number that holds every integer of ``low..high``."""
    return (
        max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1
    )


def unsigned_width(high: int) -> int:
    """Bits of the unsigned number that holds ``0..high``; at least 1."""
    return max(1, int(high).bit_length())


@dataclass(frozen=True)
class Bounds:
    """An inclusive range of integers, ``low <= high``."""

    low: int
    high: int

    def __post_init__(self) -> None:
        for name, value in (("low", self.low), ("high", self.high)):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"Bounds {name} must be an integer, not {value!r}")
        if self.low > self.high:
            raise ValueError(f"Bounds low must be at most high {self.high}, not {self.low!r}")

    @property
    def signed(self) -> bool:
        return self.low < 0

    @property
    def width(self) -> int:
        """Bits of the narrowest number that holds the range (signed only where it must be)."""
        if self.signed:
            return signed_width(self.low, self.high)
        return unsigned_width(self.high)

    def scaled(self, factor: int) -> Bounds:
        """The range of a value of this range times a factor >= 0."""
        return Bounds(self.low * factor, self.high * factor)


def _array(value: object, name: str, dtype: str, shape: tuple[int, ...] | None = None) -> NDArray:
    """A read-only copy in one of the contract's dtypes; refuses what does not fit into it."""
    array = np.asarray(value)
    if dtype == "float64":
        if array.dtype.kind not in "fiu":
            raise TypeError(f"{name} must be an array of numbers, not of {array.dtype}")
        array = array.astype(np.float64)
    elif dtype == "bool":
        if array.dtype != np.bool_:
            raise TypeError(f"{name} must be an array of booleans, not of {array.dtype}")
        array = array.copy()
    else:
        if array.dtype.kind not in "iu":
            raise TypeError(f"{name} must be an array of integers, not of {array.dtype}")
        info = np.iinfo(dtype)
        if array.size and (int(array.min()) < info.min or int(array.max()) > info.max):
            raise ValueError(
                f"{name} must be an array of {dtype}, not of values in "
                f"{int(array.min())}..{int(array.max())}"
            )
        array = array.astype(dtype)
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} must be an array of shape {shape}, not {array.shape!r}")
    array = np.ascontiguousarray(array)
    array.setflags(write=False)
    return array


def _integer(value: object, name: str, low: int, high: int) -> int:
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be an integer, not {value!r}")
    if not low <= value <= high:
        raise ValueError(f"{name} must be an integer in {low}..{high}, not {value!r}")
    return int(value)


def _pair(value: object, name: str, low: int) -> tuple[int, int]:
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise TypeError(f"{name} must be a pair (vertical, horizontal), not {value!r}")
    return _integer(value[0], name, low, 2**16), _integer(value[1], name, low, 2**16)


def _shape(value: object, name: str) -> Shape:
    if not isinstance(value, (tuple, list)) or len(value) != 3:
        raise TypeError(f"{name} must be (height, width, channels), not {value!r}")
    return (
        _integer(value[0], name, 1, 2**16),
        _integer(value[1], name, 1, 2**16),
        _integer(value[2], name, 1, 2**20),
    )


def _positive(value: object, name: str) -> float:
    if not isinstance(value, (int, float, np.floating, np.integer)) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number, not {value!r}")
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} must be a finite number > 0, not {value!r}")
    return float(value)


@dataclass(frozen=True)
class InputSpec:
    """What enters the network.

    ``pixels``: unsigned 8-bit values, the same at every time-step; the network was trained on
    ``(pixel * scale - mean[c]) / std[c]``. ``counts``: signed integers in ``bounds``, new at every
    time-step; ``scale`` is the float value of one count.

    :param kind: ``"pixels"`` or ``"counts"``
    :param shape: (height, width, channels)
    :param scale: float value of one unit
    :param mean: float[channels], zero for ``counts``
    :param std: float[channels], one for ``counts``
    :param bounds: the integers that may occur; 0..255 for pixels; 0 always among them
    :param layout: how the user's arrays are laid out, ``"nhwc"`` or ``"nchw"``
    """

    kind: Literal["pixels", "counts"]
    shape: Shape
    scale: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    bounds: Bounds = field(default_factory=lambda: Bounds(0, 255))
    layout: Literal["nhwc", "nchw"] = "nhwc"

    def __post_init__(self) -> None:
        if self.kind not in ("pixels", "counts"):
            raise ValueError(f"input kind must be 'pixels' or 'counts', not {self.kind!r}")
        if self.layout not in ("nhwc", "nchw"):
            raise ValueError(f"input layout must be 'nhwc' or 'nchw', not {self.layout!r}")
        object.__setattr__(self, "shape", _shape(self.shape, "input shape"))
        object.__setattr__(self, "scale", _positive(self.scale, "input scale"))
        channels = self.shape[2]
        mean = tuple(self.mean) or (0.0,) * channels
        std = tuple(self.std) or (1.0,) * channels
        for name, values in (("mean", mean), ("std", std)):
            if len(values) != channels:
                raise ValueError(
                    f"input {name} must have one value for each of {channels} channels, "
                    f"not {len(values)}"
                )
        for value in mean:
            if not isinstance(value, (int, float, np.floating)) or not math.isfinite(value):
                raise ValueError(f"input mean must be a finite number, not {value!r}")
        object.__setattr__(self, "mean", tuple(float(value) for value in mean))
        object.__setattr__(self, "std", tuple(_positive(value, "input std") for value in std))
        if not isinstance(self.bounds, Bounds):
            raise TypeError(f"input bounds must be a Bounds, not {self.bounds!r}")
        if self.kind == "pixels":
            if self.bounds != Bounds(0, 255):
                raise ValueError(f"input bounds of pixels must be 0..255, not {self.bounds!r}")
            if not all(0 <= value <= 255 for value in self.padding):
                raise ValueError(
                    f"input mean must be in 0..255 pixel steps, "
                    f"not {self.mean!r} at scale {self.scale!r}"
                )
        else:
            if any(self.mean) or any(value != 1.0 for value in self.std):
                raise ValueError("input of kind 'counts' must have mean 0 and std 1")
            if not (self.bounds.low <= 0 <= self.bounds.high) or self.bounds.width > 16:
                raise ValueError(
                    f"input bounds must hold 0 and fit into 16 bits, not {self.bounds!r}"
                )

    @property
    def padding(self) -> tuple[int, ...]:
        """The pixel value per channel that stands for zero in a convolution's padding."""
        return tuple(int(np.rint(value / self.scale)) for value in self.mean)


@dataclass(frozen=True)
class SumPool:
    """Sum of the counts in each window; the 1/k**2 of an average is in the weights that follow.

    :param kernel: (vertical, horizontal), >= 1
    :param stride: (vertical, horizontal), >= 1; windows must tile the map without a partial one
    """

    kernel: tuple[int, int]
    stride: tuple[int, int]

    def __post_init__(self) -> None:
        object.__setattr__(self, "kernel", _pair(self.kernel, "pooling kernel", 1))
        object.__setattr__(self, "stride", _pair(self.stride, "pooling stride", 1))

    def output_shape(self, shape: Shape) -> Shape:
        sizes = []
        for size, kernel, stride in zip(shape[:2], self.kernel, self.stride, strict=True):
            if kernel > size or (size - kernel) % stride:
                raise ValueError(
                    f"pooling kernel must tile the map without a partial window, "
                    f"not {kernel} with stride {stride} on {size}"
                )
            sizes.append((size - kernel) // stride + 1)
        return sizes[0], sizes[1], shape[2]


@dataclass(frozen=True, eq=False)
class Dense:
    """u[o] = sum over i of weight[o, i] * s[i], i in raster order of the input.

    :param weight: int[outputs, inputs]
    :param bits: width of a weight, 2..8; abs(weight) <= 2**(bits-1) - 1
    """

    weight: NDArray[np.int8]
    bits: int = 8

    def __post_init__(self) -> None:
        weight = _array(self.weight, "weight", "int8")
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(
                f"weight must be an array [outputs, inputs], not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)
        _check_bits(self)

    @property
    def channels(self) -> int:
        return int(self.weight.shape[0])

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != self.weight.shape[1]:
            raise ValueError(
                f"weight must have {math.prod(shape)} inputs (a map of {shape}), "
                f"not {self.weight.shape[1]}"
            )
        return 1, 1, self.channels

    def fan_in(self) -> NDArray[np.int8]:
        """int8[channels, synapses]: the weights of one output of each channel."""
        return self.weight


@dataclass(frozen=True, eq=False)
class Convolution:
    """Cross-correlation, as torch computes it, over a map of shape (height, width, channels).

    :param weight: int[outputs, kernel height, kernel width, inputs / groups]
    :param stride: (vertical, horizontal)
    :param padding: (vertical, horizontal), on both sides, of zeros (of :attr:`InputSpec.padding`
        where the layer reads pixels)
    :param groups: 1, or any divisor of inputs and outputs (depthwise: groups = inputs)
    :param bits: width of a weight, 2..8
    """

    weight: NDArray[np.int8]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    bits: int = 8

    def __post_init__(self) -> None:
        weight = _array(self.weight, "weight", "int8")
        if weight.ndim != 4 or 0 in weight.shape:
            raise ValueError(
                f"weight must be an array [outputs, kernel height, kernel width, inputs / groups], "
                f"not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "stride", _pair(self.stride, "stride", 1))
        object.__setattr__(self, "padding", _pair(self.padding, "padding", 0))
        _integer(self.groups, "groups", 1, 2**20)
        if weight.shape[0] % self.groups:
            raise ValueError(
                f"groups must divide the {weight.shape[0]} outputs, not {self.groups!r}"
            )
        for padding, kernel in zip(self.padding, weight.shape[1:3], strict=True):
            if padding >= kernel:
                raise ValueError(f"padding must be less than the kernel {kernel}, not {padding!r}")
        _check_bits(self)

    @property
    def channels(self) -> int:
        return int(self.weight.shape[0])

    @property
    def kernel(self) -> tuple[int, int]:
        return int(self.weight.shape[1]), int(self.weight.shape[2])

    def output_shape(self, shape: Shape) -> Shape:
        if shape[2] != self.weight.shape[3] * self.groups:
            raise ValueError(
                f"weight must have {shape[2]} input channels (a map of {shape}), "
                f"not {self.weight.shape[3] * self.groups}"
            )
        sizes = []
        for size, kernel, stride, padding in zip(
            shape[:2], self.kernel, self.stride, self.padding, strict=True
        ):
            if kernel > size + 2 * padding:
                raise ValueError(
                    f"kernel must fit into the padded map of {size + 2 * padding}, not {kernel!r}"
                )
            sizes.append((size + 2 * padding - kernel) // stride + 1)
        return sizes[0], sizes[1], self.channels

    def fan_in(self) -> NDArray[np.int8]:
        """int8[channels, synapses]: the weights of one output of each channel."""
        return self.weight.reshape(self.channels, -1)


def _check_bits(synapses: Dense | Convolution | Projection) -> None:
    bits = _integer(synapses.bits, "bits", 2, 8)
    largest = int(np.abs(synapses.weight.astype(np.int16)).max())
    if largest > 2 ** (bits - 1) - 1:
        raise ValueError(f"weight must fit into {bits} bits (symmetric), not reach {largest}")


@dataclass(frozen=True, eq=False)
class Identity:
    """A shortcut: the count of the neuron at the same place, times one integer per channel.

    :param source: number of the layer whose spikes it carries
    :param weight: int16[channels], rint(a_skip * K / theta)
    """

    source: int
    weight: NDArray[np.int16]

    def __post_init__(self) -> None:
        _integer(self.source, "shortcut source", INPUT, 2**16)
        weight = _array(self.weight, "shortcut weight", "int16")
        if weight.ndim != 1:
            raise ValueError(
                f"shortcut weight must be an array [channels], not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)

    def output_shape(self, shape: Shape) -> Shape:
        if shape[2] != self.weight.shape[0]:
            raise ValueError(
                f"shortcut weight must have {shape[2]} channels, not {self.weight.shape[0]}"
            )
        return shape

    def fan_in(self) -> NDArray[np.int16]:
        return self.weight.reshape(-1, 1)


@dataclass(frozen=True, eq=False)
class Projection:
    """A shortcut through a 1x1 convolution into the same sum.

    :param source: number of the layer whose spikes it carries
    :param weight: int[channels, source channels]
    :param stride: (vertical, horizontal)
    :param bits: width of a weight, 2..8
    """

    source: int
    weight: NDArray[np.int8]
    stride: tuple[int, int] = (1, 1)
    bits: int = 8

    def __post_init__(self) -> None:
        _integer(self.source, "shortcut source", INPUT, 2**16)
        weight = _array(self.weight, "shortcut weight", "int8")
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(
                f"shortcut weight must be an array [channels, source channels], "
                f"not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "stride", _pair(self.stride, "shortcut stride", 1))
        _check_bits(self)

    def output_shape(self, shape: Shape) -> Shape:
        if shape[2] != self.weight.shape[1]:
            raise ValueError(
                f"shortcut weight must have {shape[2]} source channels, not {self.weight.shape[1]}"
            )
        height, width = ((n - 1) // s + 1 for n, s in zip(shape[:2], self.stride, strict=True))
        return height, width, int(self.weight.shape[0])

    def fan_in(self) -> NDArray[np.int8]:
        return self.weight


@dataclass(frozen=True, eq=False)
class Neurons:
    """The neurons of a layer and their parameters, per channel or per neuron.

    With p = v(t-1) + u(t), the potential before firing::

        GN, IF  c = #{k = 1..tau : p >= F + (k-1) K}                 (GN paper, equations 8 to 10)
        SNM     c = +1 if p >= F; -1 if p <= -F and m > 0; else 0     (SNM paper, equations 7 to 11)
        all     v(t) = p - c K        m += c

    :param kind: ``"gn"``, ``"if"`` (a GN with tau = 1) or ``"snm"``
    :param tau: members of a group, 1..16; 1 unless kind is ``"gn"``
    :param reset: K, int32[channels] or [height, width, channels], >= 1
    :param fire: F, like ``reset``, >= 1
    :param initial: v(0), like ``reset`` in either shape
    :param enabled: bool, in either shape; a disabled neuron gives 0
    :param amplitude: int32 >= 1, in either shape: what one spike counts for in the layers that
        follow (SNM with neuron-wise normalisation); None for 1
    :param step: float64 in either shape, > 0: the float activation that one count stands for
        (theta/tau for GN, theta for IF and SNM), before ``amplitude``
    :param membrane_width: bits of a membrane that saturates, p = sat(v + u); None where the
        width follows from the weights and nothing can overflow
    """

    kind: Literal["gn", "if", "snm"]
    reset: NDArray[np.int32]
    fire: NDArray[np.int32]
    initial: NDArray[np.int32]
    step: NDArray[np.float64]
    tau: int = 1
    enabled: NDArray[np.bool_] | None = None
    amplitude: NDArray[np.int32] | None = None
    membrane_width: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("gn", "if", "snm"):
            raise ValueError(f"neuron kind must be 'gn', 'if' or 'snm', not {self.kind!r}")
        tau = _integer(self.tau, "tau", 1, MAX_TAU)
        if self.kind != "gn" and tau != 1:
            raise ValueError(f"tau of kind {self.kind!r} must be 1, not {tau!r}")
        for name in ("reset", "fire", "initial"):
            object.__setattr__(self, name, _array(getattr(self, name), name, "int32"))
        object.__setattr__(self, "step", _array(self.step, "step", "float64"))
        if self.enabled is not None:
            object.__setattr__(self, "enabled", _array(self.enabled, "enabled", "bool"))
        if self.amplitude is not None:
            object.__setattr__(self, "amplitude", _array(self.amplitude, "amplitude", "int32"))
            if self.kind != "snm":
                raise ValueError(f"amplitude must be None for kind {self.kind!r}, not an array")
        for name, array in self.arrays():
            if array.ndim not in (1, 3) or 0 in array.shape:
                raise ValueError(
                    f"{name} must be an array [channels] or [height, width, channels], "
                    f"not of shape {array.shape!r}"
                )
            if array.shape[-1] != self.channels:
                raise ValueError(
                    f"{name} must have {self.channels} channels like reset, not {array.shape[-1]}"
                )
        for name in ("reset", "fire", "amplitude"):
            array = getattr(self, name)
            if array is not None and int(array.min()) < 1:
                raise ValueError(f"{name} must be >= 1, not {int(array.min())!r}")
        if int(self.reset.max()) > MAX_RESET:
            raise ValueError(f"reset must be at most {MAX_RESET}, not {int(self.reset.max())!r}")
        if self.amplitude is not None and int(self.amplitude.max()) > 255:
            raise ValueError(f"amplitude must be at most 255, not {int(self.amplitude.max())!r}")
        if not (np.isfinite(self.step).all() and (self.step > 0).all()):
            raise ValueError("step must be finite and > 0 everywhere")
        if self.membrane_width is not None:
            _integer(self.membrane_width, "membrane width", 2, MAX_WIDTH)

    def arrays(self) -> Iterator[tuple[str, NDArray]]:
        """(field name, array) of every array that is set, in a fixed order."""
        for name in ("reset", "fire", "initial", "step", "enabled", "amplitude"):
            array = getattr(self, name)
            if array is not None:
                yield name, array

    @property
    def channels(self) -> int:
        return int(self.reset.shape[-1])

    @property
    def counts(self) -> Bounds:
        """The range of one neuron's output at one time-step, amplitude not counted in."""
        return Bounds(-1, 1) if self.kind == "snm" else Bounds(0, self.tau)

    @property
    def events(self) -> Bounds:
        """The range of one event value: counts times amplitude."""
        return self.counts.scaled(1 if self.amplitude is None else int(self.amplitude.max()))

    def per_neuron(self, name: str, shape: Shape) -> NDArray:
        """One of the arrays, broadcast to the layer's shape (height, width, channels)."""
        array = getattr(self, name)
        if array is None:
            array = np.ones(1, dtype=np.bool_ if name == "enabled" else np.int32)
        return np.broadcast_to(array, shape)


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
            _integer(self.source, "source", INPUT, 2**16)
            bias = _array(self.bias, "bias", "int64", (self.synapses.channels,))
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
        _integer(self.steps, "steps", 1, 4096)
        object.__setattr__(self, "logit_scale", _positive(self.logit_scale, "logit scale"))
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


def layer_numbers(network: Network, names: Sequence[str]) -> list[int]:
    """Numbers of the named layers; ValueError names the first that does not exist."""
    known = {layer.name: number for number, layer in enumerate(network.layers)}
    for name in names:
        if name not in known:
            raise ValueError(f"layer must be one of {', '.join(known)}, not {name!r}")
    return [known[name] for name in names]
