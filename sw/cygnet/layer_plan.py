# SPDX-License-Identifier: Apache-2.0
"""What a network and a hardware configuration make of each layer: sizes, widths, latencies.

Gateware, memory images and golden cycles are all built from these plans, so that they cannot
disagree about a width, an address or a clock.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.network import INPUT, Bounds, Dense, Layer, Network, signed_width
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["LayerPlan", "plan_layers"]

# Clocks between two events of the pipeline, fixed by the gateware and checked by its tests.
WALKER_START = 3
"""From the clock in which a frame's start is decided to the one that issues its first event."""
ADDRESS = 1
"""Event to weight address."""
READ = 2
"""Weight address to weights, with the memory's output register."""
ACCUMULATE = 1
"""Product to accumulator."""
UNLOAD = 1
"""Accumulator to the shift register of the drain."""
ADD_BIAS = 1
"""Shift register to the current with its bias."""
ENCODE = 1
"""Spike count to event row."""
CREDIT = 2
"""From a frame's release by its reader to the writer's decision to start another."""
BANKS = 2
"""Frames that a frame buffer, or the readout, holds."""
OUTPUT = 3
"""Last current to logit and label at the output: comparison, then a buffer of two stages."""


@dataclass(frozen=True)
class LayerPlan:
    """One layer of an accelerator; every width in bits, every time in clocks.

    :param number: of the layer in the network
    :param inputs: neurons or pixels that it reads
    :param outputs: neurons, or classes of the last layer
    :param lanes: P, outputs computed at once
    :param row: input values that are stored side by side in one row of the frame buffer
    :param columns: S, values an input brings at once and accumulators a lane has: T for spikes,
        1 for pixels (the same at every step) and for the last layer (which reads counts summed
        over the steps)
    :param repeats: how often a finished column enters the neuron core: T for pixels, else 1
    :param value: range of one value
    :param weight_bits: of one weight
    :param accumulator: range of a column's sum before the bias
    :param scale: what a logit is multiplied by: T where the last layer reads pixels, else 1
    :param bias_steps: how many biases a sum gets: T where the last layer reads counts, else 1
    :param current: range of the sum with its bias; for the last layer of all steps together
    :param core: the neuron core; None in the last layer
    """

    layer: Layer
    number: int
    inputs: int
    outputs: int
    lanes: int
    row: int
    columns: int
    repeats: int
    scale: int
    bias_steps: int
    value: Bounds
    weight_bits: int
    accumulator: Bounds
    current: Bounds
    core: NeuronCoreConfig | None

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def biases(self) -> NDArray[np.int64]:
        """int64[outputs]: what is added to a sum (for T steps where it sums over the steps)."""
        return self.layer.bias * self.bias_steps

    @property
    def bias_width(self) -> int:
        """Bits of one bias, two's complement."""
        return signed_width(int(self.biases.min()), int(self.biases.max()))

    @property
    def groups(self) -> int:
        """Rounds of P outputs a frame takes."""
        return -(-self.outputs // self.lanes)

    @property
    def tail(self) -> int:
        """Outputs in the last round, 1..P."""
        return self.outputs - (self.groups - 1) * self.lanes

    @property
    def rows(self) -> int:
        """Rows of the frame buffer that hold one frame."""
        return -(-self.inputs // self.row)

    @property
    def steps(self) -> int:
        """Steps that each neuron makes in a frame (T; 1 in the last layer)."""
        return self.columns * self.repeats

    @property
    def pitch(self) -> int:
        """Clocks from one step of a neuron to its next: P, or more if the core needs it."""
        if self.core is None or self.steps == 1:
            return self.lanes
        return max(self.lanes, self.core.interleave)

    @property
    def drain(self) -> int:
        """Clocks that the results of one round occupy the way to the neuron core."""
        return self.pitch * self.steps

    @property
    def product_latency(self) -> int:
        """Levels of the adder tree over the bits of a value; one register after each."""
        return max(1, math.ceil(math.log2(self.value.width)))

    @property
    def accumulator_width(self) -> int:
        return signed_width(self.accumulator.low, self.accumulator.high)

    @property
    def current_width(self) -> int:
        return signed_width(self.current.low, self.current.high)

    @property
    def to_current(self) -> int:
        """Clocks from a round's last event to the first current of its drain."""
        return ADDRESS + READ + self.product_latency + ACCUMULATE + UNLOAD + ADD_BIAS


def plan_layers(network: Network, hardware: HardwareConfig) -> tuple[LayerPlan, ...]:
    """The plan of each layer.

    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: a layer has a kind that the gateware does not build; the message names it
    """
    hardware.check(network)
    plans = []
    for number, layer in enumerate(network.layers):
        where = f"layer {layer.name!r}"
        if not isinstance(layer.synapses, Dense) or layer.pool or layer.shortcut:
            raise CygnetError(
                f"{where}: gateware is built for dense layers without pooling and shortcuts; "
                f"run this network in the golden model"
            )
        if layer.source != number - 1:
            raise CygnetError(
                f"{where}: gateware is built for layers in a chain; "
                f"run this network in the golden model"
            )
        if layer.source == INPUT and network.input.kind != "pixels":
            raise CygnetError(
                f"{where}: gateware is built for input of kind 'pixels'; "
                f"run this network in the golden model"
            )
        last = number == len(network.layers) - 1
        if last != (layer.neurons is None):
            raise CygnetError(
                f"{where}: gateware is built for a last layer that accumulates; "
                f"run this network in the golden model"
            )
        steps = hardware.steps
        pixels = layer.source == INPUT
        value = network.events(layer.source)
        if last and not pixels:
            value = value.scaled(steps)
        accumulator = _sum_bounds(layer, value)
        current = network.current(number)
        if last:
            current = Bounds(min(0, current.low * steps), max(0, current.high * steps))
        plans.append(
            LayerPlan(
                layer=layer,
                number=number,
                inputs=layer.synapses.weight.shape[1],
                outputs=layer.synapses.channels,
                lanes=hardware.layers[number].lanes,
                row=hardware.beat if pixels else 1,
                columns=1 if pixels or last else steps,
                repeats=steps if pixels and not last else 1,
                scale=steps if pixels and last else 1,
                bias_steps=steps if last and not pixels else 1,
                value=value,
                weight_bits=layer.synapses.bits,
                accumulator=accumulator,
                current=current,
                core=None if last else NeuronCoreConfig.for_layer(network, number, hardware),
            )
        )
    return tuple(plans)


def _sum_bounds(layer: Layer, value: Bounds) -> Bounds:
    """Bounds of every partial sum of a layer's products."""
    fan_in = layer.synapses.fan_in().astype("int64")
    positive = fan_in.clip(min=0).sum(axis=1)
    negative = fan_in.clip(max=0).sum(axis=1)
    low = negative * value.high + positive * value.low
    high = positive * value.high + negative * value.low
    return Bounds(int(low.min()), int(high.max()))
