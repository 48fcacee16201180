# SPDX-License-Identifier: Apache-2.0
"""What lies in each memory of an accelerator.

A :class:`Memory` holds the words; :mod:`cygnet.image_files` writes them to files, and the gateware
takes the same words in Amaranth's simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cygnet.buffer_plan import BufferPlan
from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import INPUT, Convolution, Dense, Identity, Network, Projection
from cygnet.neuron_core import rows_of

__all__ = ["Field", "Memory", "memories", "pack"]


@dataclass(frozen=True)
class Field:
    """Bits ``low .. low + width - 1`` of each word.

    :param name: what it is
    :param signed: two's complement
    """

    name: str
    low: int
    width: int
    signed: bool


@dataclass(frozen=True)
class Memory:
    """The contents of one memory.

    :param name: ``<layer>_weight``, ``_bias``, ``_skip`` or ``_neuron0`` and on, one for each core
    :param layer: name of its layer
    :param width: bits of a word
    :param words: unsigned integers below ``2**width``, address 0 first
    :param fields: what the bits of a word are, low bits first
    :param address: the meaning of an address, as a formula
    """

    name: str
    layer: str
    width: int
    words: Sequence[int]
    fields: tuple[Field, ...]
    address: str

    @property
    def depth(self) -> int:
        return len(self.words)


def pack(values: NDArray[np.integer], bits: int) -> list[int]:
    """One word per row: int[rows, n] to n * ``bits`` bits, column 0 in the low bits.

    :param values: integers that fit into ``bits`` bits, signed or unsigned
    """
    unsigned = values.astype(np.int64) & ((1 << bits) - 1)
    places = ((unsigned[:, :, None] >> np.arange(bits)) & 1).astype(np.uint8)
    packed = np.packbits(places.reshape(len(values), -1), axis=1, bitorder="little")
    return [int.from_bytes(row.tobytes(), "little") for row in packed]


def memories(
    network: Network, hardware: HardwareConfig, plans: Sequence[LayerPlan] | None = None
) -> list[Memory]:
    """The contents of every memory that an image fills, in the order of the layers.

    :param plans: where the network's parameters go into another's design
        (:func:`cygnet.refit.refit`)
    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: the gateware does not build one of the layers
    """
    contents = []
    for plan in plan_layers(network, hardware) if plans is None else plans:
        contents += [_weights(plan, network), _biases(plan)]
        if plan.skip is not None:
            contents.append(_skips(plan))
        if plan.core is not None and plan.core.row_width:
            contents += _neurons(plan, network)
    return contents


def _weights(plan: LayerPlan, network: Network) -> Memory:
    synapses = plan.layer.synapses
    if isinstance(synapses, Dense):
        height, width, channels = network.pooled_shape(plan.number)
        taps = synapses.weight.reshape(plan.outputs, height, width, channels)
        if plan.main.source == INPUT:
            taps = synapses.weight.reshape(plan.outputs, 1, 1, -1)
    else:
        taps = _ungrouped(synapses)
    parts = [_positions(taps, plan.main)]
    shortcut = plan.layer.shortcut
    if plan.projection is not None and isinstance(shortcut, Projection):
        parts.append(_positions(shortcut.weight[:, None, None, :], plan.projection))
    weight = np.concatenate(parts, axis=1)
    padded = np.zeros((plan.rounds * plan.lanes, plan.positions), dtype=np.int8)
    padded[: plan.outputs] = weight
    rows = padded.reshape(plan.rounds, plan.lanes, plan.positions).transpose(0, 2, 1)
    bits = plan.weight_bits
    return Memory(
        name=f"{plan.name}_weight",
        layer=plan.name,
        width=plan.lanes * bits,
        words=pack(rows.reshape(-1, plan.lanes), bits),
        fields=tuple(Field(f"lane{lane}", lane * bits, bits, True) for lane in range(plan.lanes)),
        address=f"(output // {plan.lanes}) * {plan.positions} + place of the input in the window; "
        f"lane = output % {plan.lanes}",
    )


def _ungrouped(synapses: Convolution) -> NDArray[np.int8]:
    """int8[outputs, kernel height, kernel width, inputs], zero between groups."""
    outputs, height, width, inputs = synapses.weight.shape
    if synapses.groups == 1:
        return synapses.weight
    full = np.zeros((outputs, height, width, inputs * synapses.groups), dtype=np.int8)
    for group in range(synapses.groups):
        part = slice(group * outputs // synapses.groups, (group + 1) * outputs // synapses.groups)
        full[part, :, :, group * inputs : (group + 1) * inputs] = synapses.weight[part]
    return full


def _positions(taps: NDArray[np.int8], buffer: BufferPlan) -> NDArray[np.int8]:
    """int8[outputs, positions]: the weights in the order in which rows lie in the buffer, each row
    filled up to a power of two."""
    outputs, height, width, channels = taps.shape
    words = -(-channels // buffer.row)
    filled = np.zeros((outputs, height, width, words * buffer.row), dtype=np.int8)
    filled[..., :channels] = taps
    placed = np.zeros((outputs, height * width * words, 1 << buffer.place_bits), dtype=np.int8)
    placed[..., : buffer.row] = filled.reshape(outputs, -1, buffer.row)
    return placed.reshape(outputs, -1)


def _by_core(plan: LayerPlan, values: NDArray[np.int64], bits: int) -> list[int]:
    """One word for each row of channels, a field for each neuron core."""
    filled = np.zeros(plan.words * plan.cores, dtype=np.int64)
    filled[: plan.outputs] = values
    return pack(filled.reshape(plan.words, plan.cores), bits)


def _biases(plan: LayerPlan) -> Memory:
    bits = plan.bias_width
    return Memory(
        name=f"{plan.name}_bias",
        layer=plan.name,
        width=plan.cores * bits,
        words=_by_core(plan, plan.biases, bits),
        fields=tuple(Field(f"bias{core}", core * bits, bits, True) for core in range(plan.cores)),
        address=f"output // {plan.cores}",
    )


def _skips(plan: LayerPlan) -> Memory:
    assert plan.skip is not None
    assert isinstance(plan.layer.shortcut, Identity)
    bits = plan.skip.weight_bits
    return Memory(
        name=f"{plan.name}_skip",
        layer=plan.name,
        width=plan.cores * bits,
        words=_by_core(plan, plan.layer.shortcut.weight.astype(np.int64), bits),
        fields=tuple(Field(f"skip{core}", core * bits, bits, True) for core in range(plan.cores)),
        address=f"output // {plan.cores}",
    )


def _neurons(plan: LayerPlan, network: Network) -> list[Memory]:
    core, neurons = plan.core, plan.layer.neurons
    assert core is not None
    assert neurons is not None
    fields = []
    low = 0
    for field in core.row_fields:
        fields.append(Field(field.name, low, field.width, field.signed))
        low += field.width
    shape = network.shape(plan.number)
    words = replace(core, channels=rows_of(neurons, shape)).rows(neurons, shape)
    pixels = len(words) // plan.outputs
    gap = [1] * (plan.words * plan.cores - plan.outputs)
    filled = [
        word
        for pixel in range(pixels)
        for word in words[pixel * plan.outputs : (pixel + 1) * plan.outputs] + gap
    ]
    place = f"pixel * {plan.words} + " if plan.rows_per_pixel else ""
    return [
        Memory(
            name=f"{plan.name}_neuron{number}",
            layer=plan.name,
            width=core.row_width,
            words=filled[number :: plan.cores],
            fields=tuple(fields),
            address=f"{place}output // {plan.cores}, output % {plan.cores} = {number}",
        )
        for number in range(plan.cores)
    ]
