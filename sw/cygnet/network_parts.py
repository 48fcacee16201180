# SPDX-License-Identifier: Apache-2.0
"""What an integer network is made of: input, synapses, pooling, shortcuts, neurons.

Every object checks itself when it is made; what depends on its neighbours, the
:class:`~cygnet.network.Network` checks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cygnet import checks
from cygnet.ranges import Bounds

__all__ = [
    "INPUT",
    "MAX_RESET",
    "MAX_TAU",
    "MAX_WIDTH",
    "Convolution",
    "Dense",
    "Identity",
    "InputSpec",
    "Neurons",
    "Projection",
    "Shape",
    "SumPool",
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
        object.__setattr__(self, "shape", checks.shape(self.shape, "input shape"))
        object.__setattr__(self, "scale", checks.positive(self.scale, "input scale"))
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
        object.__setattr__(self, "std", tuple(checks.positive(value, "input std") for value in std))
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
        object.__setattr__(self, "kernel", checks.pair(self.kernel, "pooling kernel", 1))
        object.__setattr__(self, "stride", checks.pair(self.stride, "pooling stride", 1))

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
        weight = checks.array(self.weight, "weight", "int8")
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
        weight = checks.array(self.weight, "weight", "int8")
        if weight.ndim != 4 or 0 in weight.shape:
            raise ValueError(
                f"weight must be an array [outputs, kernel height, kernel width, inputs / groups], "
                f"not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "stride", checks.pair(self.stride, "stride", 1))
        object.__setattr__(self, "padding", checks.pair(self.padding, "padding", 0))
        checks.integer(self.groups, "groups", 1, 2**20)
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
    bits = checks.integer(synapses.bits, "bits", 2, 8)
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
        checks.integer(self.source, "shortcut source", INPUT, 2**16)
        weight = checks.array(self.weight, "shortcut weight", "int16")
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
        checks.integer(self.source, "shortcut source", INPUT, 2**16)
        weight = checks.array(self.weight, "shortcut weight", "int8")
        if weight.ndim != 2 or 0 in weight.shape:
            raise ValueError(
                f"shortcut weight must be an array [channels, source channels], "
                f"not of shape {weight.shape!r}"
            )
        object.__setattr__(self, "weight", weight)
        object.__setattr__(self, "stride", checks.pair(self.stride, "shortcut stride", 1))
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
        tau = checks.integer(self.tau, "tau", 1, MAX_TAU)
        if self.kind != "gn" and tau != 1:
            raise ValueError(f"tau of kind {self.kind!r} must be 1, not {tau!r}")
        for name in ("reset", "fire", "initial"):
            object.__setattr__(self, name, checks.array(getattr(self, name), name, "int32"))
        object.__setattr__(self, "step", checks.array(self.step, "step", "float64"))
        if self.enabled is not None:
            object.__setattr__(self, "enabled", checks.array(self.enabled, "enabled", "bool"))
        if self.amplitude is not None:
            object.__setattr__(
                self, "amplitude", checks.array(self.amplitude, "amplitude", "int32")
            )
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
            checks.integer(self.membrane_width, "membrane width", 2, MAX_WIDTH)

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
