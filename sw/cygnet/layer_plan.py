# SPDX-License-Identifier: Apache-2.0
"""What a network and a hardware configuration make of each layer: sizes, widths, latencies.

Gateware, memory images and golden cycles are all built from these plans, so that they cannot
disagree about a width, an address or a clock.

Words. A layer computes *windows*, one for each pixel of its output, in raster order; a dense layer
has one. It reads the events of a window out of a line buffer, once for each *round* of P outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cygnet.buffer_plan import BufferPlan, SkipPlan
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.network import (
    INPUT,
    Bounds,
    Convolution,
    Dense,
    Identity,
    Layer,
    Network,
    Projection,
    Shape,
    signed_width,
)
from cygnet.neuron_core import LOAD_ROOM, NeuronCoreConfig, rows_of
from cygnet.product_plan import Arithmetic, product_latency
from cygnet.shortcut_room import projection_lines, skip_slots

__all__ = ["LayerPlan", "frames_inside", "plan_layers"]

# Clocks between two events of the pipeline, fixed by the gateware and checked by its tests.
ENTRY = 1
"""From a beat's transfer at the pins to the earliest clock in which it goes on."""
WRITE = 2
"""From the clock in which a line buffer takes a row to the one in which it writes where that row's
pixel ends."""
WALKER_START = 8
"""From the clock in which a window can start to the one that issues its first event: decision,
gathering, preparation, line, request, memory, its register, row."""
CADENCE = 2
"""Least clocks between the starts of two windows."""
PICK = 1
"""From the clock that issues an event to the one in which its value and place are known."""
ADDRESS = 3
"""Event to weight address: a register for the event, one for the address, and one from which that
goes to memories far and wide."""
READ = 3
"""Weight address to weights: the memory, its output register, and one for what chooses between
memory blocks; multiplier blocks, which stand in few columns of the device, take one more."""
SKIP_READ = 2
"""A row that a shortcut asks for to its counts: a register for the address, and one for that of the
memory, which may lie far away."""
ACCUMULATE = 1
"""Product to accumulator."""
UNLOAD = 1
"""Accumulator to the register that holds its sum while the next round is computed."""
SELECT = 16
"""Sums that one of which is chosen in a clock."""
ENCODE = 1
"""Spike count to event row."""
POOL = 1
"""Event row to pooled event row."""
CREDIT = 2
"""From a release by a reader to the writer's decision to start another window."""
FRAMES = 2
"""Frames that the readout holds."""
MAX_FRAMES = 64
"""Frames between input and output, at most; enough for every network that fits a device."""
OUTPUT = 5
"""Last current to logit and label at the output: a register, comparison, choice, then a buffer of
two stages."""


@dataclass(frozen=True)
class LayerPlan:
    """One layer of an accelerator; every width in bits, every time in clocks.

    :param number: of the layer in the network
    :param shape: (height, width, channels) of its output
    :param lanes: P, outputs computed at once
    :param cores: neuron cores, each for every ``cores``-th lane
    :param main: buffer of the map that its synapses read
    :param projection: buffer of the map that a projection shortcut reads, or None
    :param skip: buffer of an identity shortcut, or None
    :param columns: S, steps that the engine computes side by side
    :param blocks: walks of a window for each round, one for every S of its T steps
    :param repeats: how often a finished column enters the neuron core: T for pixels, else 1
    :param steps: steps that each neuron makes in a frame (T; 1 in the last layer)
    :param scale: what a logit is multiplied by: T where the last layer reads pixels, else 1
    :param bias_steps: how many biases a sum gets: T where the last layer reads counts, else 1
    :param weight_bits: of one weight
    :param accumulator: range of a column's sum before shortcut and bias
    :param current: range of the sum with both; for the last layer of all steps together
    :param core: one neuron core; None in the last layer
    :param rows_per_pixel: the parameters differ from pixel to pixel
    :param arithmetic: of the engine's products
    :param bias_width: bits of one bias, two's complement
    :param room: bits that sums, biases and currents have for other parameters than the network's
    """

    layer: Layer
    number: int
    shape: Shape
    lanes: int
    cores: int
    main: BufferPlan
    projection: BufferPlan | None
    skip: SkipPlan | None
    columns: int
    blocks: int
    repeats: int
    steps: int
    scale: int
    bias_steps: int
    weight_bits: int
    accumulator: Bounds
    current: Bounds
    core: NeuronCoreConfig | None
    rows_per_pixel: bool
    arithmetic: Arithmetic
    bias_width: int
    room: int = 0

    @property
    def name(self) -> str:
        return self.layer.name

    @property
    def outputs(self) -> int:
        """Channels: outputs of one window."""
        return self.shape[2]

    @property
    def pixels(self) -> int:
        """Windows of one frame."""
        return self.shape[0] * self.shape[1]

    @property
    def buffers(self) -> tuple[BufferPlan, ...]:
        """What the walker reads."""
        return (self.main,) if self.projection is None else (self.main, self.projection)

    @property
    def value(self) -> Bounds:
        """Range of the values that the engine multiplies."""
        low = min(buffer.value.low for buffer in self.buffers)
        return Bounds(low, max(buffer.value.high for buffer in self.buffers))

    @property
    def positions(self) -> int:
        """Rows of weights for one round."""
        return sum(buffer.positions for buffer in self.buffers)

    @property
    def biases(self) -> NDArray[np.int64]:
        """int64[outputs]: what is added to a sum (for T steps where it sums over the steps)."""
        return self.layer.bias * self.bias_steps

    @property
    def rounds(self) -> int:
        """Rounds of P outputs that a window takes."""
        return -(-self.outputs // self.lanes)

    @property
    def tail(self) -> int:
        """Outputs in the last round, 1..P."""
        return self.outputs - (self.rounds - 1) * self.lanes

    @property
    def words(self) -> int:
        """Rows of one value per core that make one pixel of the output."""
        return -(-self.outputs // self.cores)

    @property
    def beats(self) -> int:
        """Clocks that a step of a round takes on the way to the neuron cores."""
        return self.lanes // self.cores

    @property
    def tail_beats(self) -> int:
        """The same for the last round."""
        return -(-self.tail // self.cores)

    @property
    def walks(self) -> int:
        """How often the walker goes over the events of a window."""
        return self.rounds * self.blocks

    @property
    def block_steps(self) -> int:
        """Steps that each neuron makes after one walk."""
        return self.columns * self.repeats

    @property
    def final_steps(self) -> int:
        """The same after the last walk of a round, 1..block_steps."""
        return self.steps - (self.blocks - 1) * self.block_steps

    @property
    def pitch(self) -> int:
        """Clocks from one step of a neuron to its next, or more if the core needs it."""
        if self.core is None or self.steps == 1:
            return self.beats
        return max(self.beats, self.core.interleave)

    @property
    def drain(self) -> int:
        """Clocks that the results of one walk occupy the way to the neuron cores; a window takes no
        fewer clocks than there are between two starts, so that starts always keep up."""
        return max(self.pitch * self.block_steps, CADENCE if self.walks == 1 else 1)

    @property
    def product_latency(self) -> int:
        """Clocks of the engine's products."""
        return product_latency(self.value, self.arithmetic, self.weight_bits, self.columns)

    @property
    def read_latency(self) -> int:
        """Clocks from a weight's address to the weight at its multiplier."""
        return READ + (self.arithmetic == "dsp")

    @property
    def skip_latency(self) -> int:
        """Clocks of the products of an identity shortcut, from the row that is asked for."""
        return 0 if self.skip is None else SKIP_READ + self.skip.product_latency

    @property
    def select_latency(self) -> int:
        """Clocks to choose one of a neuron core's sums: one of SELECT, then one of those."""
        return 2

    @property
    def drain_latency(self) -> int:
        """Clocks from a sum's turn to its current."""
        if self.skip is None:
            return self.select_latency + 1
        return max(self.select_latency, self.skip_latency) + 2

    @property
    def accumulator_width(self) -> int:
        return signed_width(self.accumulator.low, self.accumulator.high) + self.room

    @property
    def current_width(self) -> int:
        return signed_width(self.current.low, self.current.high) + self.room

    @property
    def to_sums(self) -> int:
        """Clocks from a walk's last event to its sums."""
        return PICK + ADDRESS + self.read_latency + self.product_latency + ACCUMULATE

    @property
    def to_current(self) -> int:
        """Clocks from a walk's last event to the first current of its drain."""
        return self.to_sums + UNLOAD + self.drain_latency

    @property
    def to_rows(self) -> int:
        """Clocks from a window's last event to the transfer of its last event row; for the last
        layer, to the transfer of the last logit."""
        last = self.to_current + (self.final_steps - 1) * self.pitch + self.tail_beats - 1
        return last + (OUTPUT if self.core is None else self.core.latency + ENCODE)


def plan_layers(network: Network, hardware: HardwareConfig) -> tuple[LayerPlan, ...]:
    """The plan of each layer.

    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: a layer has a kind that the gateware does not build; the message names it
    """
    hardware.check(network)
    plans: list[LayerPlan] = []
    for number in range(len(network.layers)):
        plans.append(_plan(network, hardware, number))
    for number, plan in enumerate(plans):
        if plan.skip is not None:
            slots = skip_slots(plans, number, plan.skip.source)
            plans[number] = replace(plan, skip=replace(plan.skip, slots=slots))
        if plan.projection is not None:
            lines = projection_lines(plans, number, plan.projection)
            plans[number] = replace(plan, projection=replace(plan.projection, least_lines=lines))
    return tuple(plans)


def frames_inside(plans: Sequence[LayerPlan]) -> int:
    """Frames, at most, that the input has judged and the readout not yet met.

    The last line of each of them lies in a buffer, or is on the way to one that has promised room
    for it, and a buffer of n lines holds the last lines of n / height frames, rounded up. One more
    for each layer is to spare.
    """
    held = sum(-(-plan.main.lines // plan.main.height) for plan in plans)
    return min(held + FRAMES + len(plans), MAX_FRAMES)


def _plan(network: Network, hardware: HardwareConfig, number: int) -> LayerPlan:
    layer = network.layers[number]
    choice = hardware.layers[number]
    last = number == len(network.layers) - 1
    _refuse(network, number)
    steps = hardware.steps
    pixels = layer.source == INPUT and network.input.kind == "pixels"
    # What lies in the buffers, and what the engine takes of it at once.
    stored = 1 if pixels or last else steps
    blocks = -(-stored // choice.block)
    main = _buffer(network, hardware, number, stored, steps if last and not pixels else 1)
    projection = skip = None
    accumulator = _sum_bounds(layer.synapses.fan_in(), main.value)
    if isinstance(layer.shortcut, Projection):
        projection = _projection(network, hardware, layer.shortcut, stored)
        extra = _sum_bounds(layer.shortcut.fan_in(), projection.value)
        accumulator = Bounds(accumulator.low + extra.low, accumulator.high + extra.high)
    elif isinstance(layer.shortcut, Identity):
        skip = _skip(network, hardware, number, layer.shortcut, stored)
    current = network.current(number)
    if last:
        current = Bounds(min(0, current.low * steps), max(0, current.high * steps))
    bias_steps = steps if last and not pixels else 1
    biases = layer.bias * bias_steps
    room = LOAD_ROOM if hardware.loadable else 0
    shape = network.shape(number)
    core = None
    per_pixel = False
    if layer.neurons is not None:
        whole = NeuronCoreConfig.for_layer(network, number, hardware)
        per_pixel = rows_of(layer.neurons, shape) != shape[2]
        words = -(-shape[2] // choice.cores) * (shape[0] * shape[1] if per_pixel else 1)
        core = replace(whole, channels=words).with_depth(choice.lanes // choice.cores)
    return LayerPlan(
        layer=layer,
        number=number,
        shape=shape,
        lanes=choice.lanes,
        cores=choice.cores,
        main=main,
        projection=projection,
        skip=skip,
        columns=-(-stored // blocks),
        blocks=blocks,
        repeats=steps if pixels and not last else 1,
        steps=1 if last else steps,
        scale=steps if pixels and last else 1,
        bias_steps=bias_steps,
        weight_bits=max(
            part.bits
            for part in (layer.synapses, layer.shortcut)
            if isinstance(part, (Dense, Convolution, Projection))
        ),
        accumulator=accumulator,
        current=current,
        core=core,
        rows_per_pixel=per_pixel,
        arithmetic=choice.arithmetic,
        bias_width=signed_width(int(biases.min()), int(biases.max())) + room,
        room=room,
    )


def _refuse(network: Network, number: int) -> None:
    """Layers that the gateware does not build."""
    layer = network.layers[number]
    last = number == len(network.layers) - 1
    where = f"layer {layer.name!r}"
    remedy = "run this network in the golden model"
    low, high = network.input.bounds.low, network.input.bounds.high
    if layer.source == INPUT and network.input.bounds.width > 8:
        raise CygnetError(f"{where}: gateware takes counts of 8 bits, not {low}..{high}; {remedy}")
    if layer.source == INPUT and number:
        raise CygnetError(f"{where}: gateware gives its input to the first layer only; {remedy}")
    if layer.source == INPUT and layer.pool is not None:
        raise CygnetError(f"{where}: gateware pools spikes, not its input; {remedy}")
    if layer.pool is not None and layer.pool.kernel != layer.pool.stride:
        raise CygnetError(f"{where}: gateware pools windows that do not overlap; {remedy}")
    if last != (layer.neurons is None):
        raise CygnetError(f"{where}: gateware is built for a last layer that accumulates; {remedy}")
    if last and network.shape(number)[:2] != (1, 1):
        raise CygnetError(f"{where}: gateware is built for a last layer of one pixel; {remedy}")
    if layer.source == INPUT and layer.shortcut is not None:
        raise CygnetError(f"{where}: gateware adds no shortcuts to its input; {remedy}")
    if last and layer.shortcut is not None:
        raise CygnetError(f"{where}: gateware adds shortcuts before neurons; {remedy}")


def _buffer(
    network: Network, hardware: HardwareConfig, number: int, columns: int, summed: int
) -> BufferPlan:
    layer = network.layers[number]
    height, width, channels = network.pooled_shape(number)
    value = network.operand(number).scaled(summed)
    given = layer.source == INPUT
    row = hardware.beat if given else hardware.layers[layer.source].cores
    words = -(-channels // row)
    if isinstance(layer.synapses, Dense):
        words = -(-height * width * channels // row) if given else height * width * words
        frames = 0 if given else _frames(network, hardware, layer.source)
        return BufferPlan(
            layer.source, 1, 1, words, row, columns, value, pool=layer.pool, least_lines=frames
        )
    if given and row != channels:
        raise CygnetError(
            f"beat must be {channels}, one pixel, where a convolution reads the input, not {row}"
        )
    padding = layer.synapses.padding
    if given and any(network.input.padding):
        # The border enters with the frame, as pixels of the value that stands for zero.
        height, width = height + 2 * padding[0], width + 2 * padding[1]
        padding = (0, 0)
    return BufferPlan(
        layer.source,
        height,
        width,
        words,
        row,
        columns,
        value,
        layer.synapses.kernel,
        layer.synapses.stride,
        padding,
        layer.pool,
    )


def _frames(network: Network, hardware: HardwareConfig, writer: int) -> int:
    """Frames that a dense layer must hold for its writer not to wait: one is read, one comes in; a
    third is promised where the writer computes all of a frame in one round, and so begins the next
    one long before it has handed this one on."""
    height, width, outputs = network.shape(writer)
    return 3 if height * width == 1 and outputs <= hardware.layers[writer].lanes else 0


def _projection(
    network: Network, hardware: HardwareConfig, shortcut: Projection, columns: int
) -> BufferPlan:
    height, width, channels = network.shape(shortcut.source)
    row = hardware.layers[shortcut.source].cores
    return BufferPlan(
        shortcut.source,
        height,
        width,
        -(-channels // row),
        row,
        columns,
        network.events(shortcut.source),
        stride=shortcut.stride,
    )


def _skip(
    network: Network, hardware: HardwareConfig, number: int, shortcut: Identity, columns: int
) -> SkipPlan:
    layer = network.layers[number]
    cores = hardware.layers[number].cores
    if hardware.layers[shortcut.source].cores != cores:
        source = network.layers[shortcut.source]
        raise CygnetError(
            f"layer {layer.name!r}: must have as many neuron cores as layer {source.name!r}, whose "
            f"spikes its shortcut adds, {hardware.layers[shortcut.source].cores}, not {cores}"
        )
    return SkipPlan(
        source=shortcut.source,
        slots=0,
        words=-(-network.shape(number)[2] // cores),
        row=cores,
        columns=columns,
        value=network.events(shortcut.source),
        weight_bits=signed_width(int(shortcut.weight.min()), int(shortcut.weight.max())),
    )


def _sum_bounds(fan_in: NDArray[np.integer], value: Bounds) -> Bounds:
    """Bounds of every partial sum of a layer's products."""
    positive = fan_in.clip(min=0).sum(axis=1, dtype=np.int64)
    negative = fan_in.clip(max=0).sum(axis=1, dtype=np.int64)
    low = negative * value.high + positive * value.low
    high = positive * value.high + negative * value.low
    return Bounds(int(low.min()), int(high.max()))
