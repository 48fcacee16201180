# SPDX-License-Identifier: Apache-2.0
"""What is chosen for the hardware, as opposed to what is computed.

A :class:`HardwareConfig` and a :class:`~cygnet.network.Network` together determine the Verilog,
the memory images and every clock cycle. No Amaranth in here, so that the golden model and the
image writer share it with the gateware.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from cygnet.network import Convolution, Network, Shape
from cygnet.product_plan import ARITHMETIC, Arithmetic

__all__ = ["BLOCK", "HardwareConfig", "LayerHardware", "default_beat"]

MAX_LANES = 512
MAX_BEAT = 64
MAX_BLOCK = 64
BLOCK = 8


@dataclass(frozen=True)
class LayerHardware:
    """One layer's share of the device.

    :param lanes: outputs computed at once (P); one row of P weights is read per event
    :param neuron: variant of the neuron core, ``"fast"`` or ``"small"``
    :param cores: neuron cores that share the lanes; a divisor of them, 1 in the last layer
    :param arithmetic: products of weights and values in lookup tables of four inputs (``"lut"``)
        or of six (``"lut6"``), or in multiplier blocks (``"dsp"``), two time-steps in one where
        they fit
    :param block: the most time-steps that have accumulators of their own; of more, the layer walks
        each window once for every block of so many
    """

    lanes: int
    neuron: Literal["fast", "small"] = "fast"
    cores: int = 1
    arithmetic: Arithmetic = "lut"
    block: int = BLOCK

    def __post_init__(self) -> None:
        for name, value, high in (
            ("lanes", self.lanes, MAX_LANES),
            ("block", self.block, MAX_BLOCK),
        ):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, not {value!r}")
            if not 1 <= value <= high:
                raise ValueError(f"{name} must be an integer in 1..{high}, not {value!r}")
        if self.arithmetic not in ARITHMETIC:
            choices = " or ".join(map(repr, ARITHMETIC))
            raise ValueError(f"arithmetic must be {choices}, not {self.arithmetic!r}")
        if not isinstance(self.cores, int) or isinstance(self.cores, bool):
            raise TypeError(f"cores must be an integer, not {self.cores!r}")
        if self.cores < 1 or self.lanes % self.cores:
            raise ValueError(
                f"cores must be a divisor of the {self.lanes} lanes, such as "
                f"{_nearest_divisor(self.lanes, self.cores)}, not {self.cores!r}"
            )
        if self.neuron not in ("fast", "small"):
            raise ValueError(f"neuron variant must be 'fast' or 'small', not {self.neuron!r}")


def _nearest_divisor(number: int, wanted: int) -> int:
    """The smaller of two that are as near."""
    divisors = [n for n in range(1, number + 1) if number % n == 0]
    return min(divisors, key=lambda divisor: (abs(divisor - wanted), divisor))


def default_beat(network: Network) -> int:
    """One pixel where a convolution reads the input, else 8 values."""
    convolution = isinstance(network.layers[0].synapses, Convolution)
    return network.input.shape[2] if convolution else 8


@dataclass(frozen=True)
class HardwareConfig:
    """Everything that the gateware is built from besides the network.

    :param steps: T, the time-steps that the hardware runs, 1..Network.steps
    :param beat: input values that arrive in one transfer; where a convolution reads the input, its
        channels
    :param layers: one for each layer of the network
    :param loadable: weights, biases and thresholds are written at run time, not read from images;
        every one of them then lies in a memory
    """

    steps: int
    beat: int
    layers: tuple[LayerHardware, ...]
    loadable: bool = False

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("steps", self.steps, 1, 4096),
            ("beat", self.beat, 1, MAX_BEAT),
        ):
            if not isinstance(value, int) or isinstance(value, bool):
                raise TypeError(f"{name} must be an integer, not {value!r}")
            if not low <= value <= high:
                raise ValueError(f"{name} must be an integer in {low}..{high}, not {value!r}")
        if not isinstance(self.loadable, bool):
            raise TypeError(f"loadable must be a boolean, not {self.loadable!r}")
        object.__setattr__(self, "layers", tuple(self.layers))
        for layer in self.layers:
            if not isinstance(layer, LayerHardware):
                raise TypeError(f"layers must be LayerHardware, not {layer!r}")

    @classmethod
    def uniform(
        cls,
        network: Network,
        *,
        steps: int,
        lanes: int = 16,
        beat: int | None = None,
        neuron: Literal["fast", "small"] = "fast",
        cores: int = 1,
        arithmetic: Arithmetic = "lut",
        block: int = BLOCK,
    ) -> HardwareConfig:
        """The same in every layer, but never more lanes than it has outputs, nor more neuron cores
        than divide them.

        :param beat: None for one pixel where a convolution reads the input, else for 8
        """
        if not isinstance(cores, int) or isinstance(cores, bool) or cores < 1:
            raise ValueError(f"cores must be an integer >= 1, not {cores!r}")
        layers = []
        for number in range(len(network.layers)):
            share = min(lanes, network.shape(number)[2])
            last = number == len(network.layers) - 1
            divisor = max(n for n in range(1, cores + 1) if last or share % n == 0)
            layers.append(LayerHardware(share, neuron, 1 if last else divisor, arithmetic, block))
        config = cls(
            steps=steps,
            beat=default_beat(network) if beat is None else beat,
            layers=tuple(layers),
        )
        config.check(network)
        return config

    def check(self, network: Network) -> None:
        """Refuse a configuration that does not go with the network (ValueError)."""
        if len(self.layers) != len(network.layers):
            raise ValueError(
                f"layers must be {len(network.layers)} as in the network, not {len(self.layers)}"
            )
        if self.steps > network.steps:
            raise ValueError(
                f"steps must be at most {network.steps}, the T_max of the network, not {self.steps}"
            )
        for number, layer in enumerate(self.layers):
            channels = network.shape(number)[2]
            if layer.lanes > channels:
                raise ValueError(
                    f"lanes of layer {network.layers[number].name!r} must be at most its "
                    f"{channels} outputs, not {layer.lanes}"
                )
        if self.layers[-1].cores != 1:
            raise ValueError(
                f"cores of layer {network.layers[-1].name!r}, the last, must be 1, "
                f"not {self.layers[-1].cores}"
            )

    def beats(self, shape: Shape) -> int:
        """Transfers that bring one input map."""
        return -(-math.prod(shape) // self.beat)
