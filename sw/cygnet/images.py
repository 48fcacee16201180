# SPDX-License-Identifier: Apache-2.0
"""What lies in each memory of an accelerator.

A :class:`Memory` holds the words; :mod:`cygnet.image_files` writes them to files, and the gateware
takes the same words in Amaranth's simulator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Network

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

    :param name: ``<layer>_weight``, ``<layer>_bias`` or ``<layer>_neuron``
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


def memories(network: Network, hardware: HardwareConfig) -> list[Memory]:
    """The contents of every memory that an image fills, in the order of the layers.

    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: the gateware does not build one of the layers
    """
    contents = []
    for plan in plan_layers(network, hardware):
        contents += [_weights(plan), _biases(plan)]
        if plan.core is not None and plan.core.row_width:
            contents.append(_neurons(plan, network))
    return contents


def _weights(plan: LayerPlan) -> Memory:
    weight = plan.layer.synapses.fan_in()
    padded = np.zeros((plan.groups * plan.lanes, plan.inputs), dtype=np.int8)
    padded[: plan.outputs] = weight
    rows = padded.reshape(plan.groups, plan.lanes, plan.inputs).transpose(0, 2, 1)
    return Memory(
        name=f"{plan.name}_weight",
        layer=plan.name,
        width=plan.lanes * plan.weight_bits,
        words=pack(rows.reshape(-1, plan.lanes), plan.weight_bits),
        fields=tuple(
            Field(f"lane{lane}", lane * plan.weight_bits, plan.weight_bits, True)
            for lane in range(plan.lanes)
        ),
        address=f"(output // {plan.lanes}) * {plan.inputs} + input; lane = output % {plan.lanes}",
    )


def _biases(plan: LayerPlan) -> Memory:
    return Memory(
        name=f"{plan.name}_bias",
        layer=plan.name,
        width=plan.bias_width,
        words=pack(plan.biases[:, None], plan.bias_width),
        fields=(Field("bias", 0, plan.bias_width, True),),
        address="output",
    )


def _neurons(plan: LayerPlan, network: Network) -> Memory:
    assert plan.core is not None
    assert plan.layer.neurons is not None
    fields = []
    low = 0
    for field in plan.core.row_fields:
        fields.append(Field(field.name, low, field.width, field.signed))
        low += field.width
    return Memory(
        name=f"{plan.name}_neuron",
        layer=plan.name,
        width=plan.core.row_width,
        words=plan.core.rows(plan.layer.neurons, network.shape(plan.number)),
        fields=tuple(fields),
        address="output",
    )
