# SPDX-License-Identifier: Apache-2.0
"""What an accelerator will take of a device, estimated before anything is generated.

A model of each part of a layer from its plan, in the cells of ECP5: tables and halves of carry
cells (TRELLIS_COMB), with distributed RAM at six a cell. Its constants are fitted to the mapped
modules of the accelerators in docs/results/accelerator.md, which says how far it is off. Other
families are the same number times a factor: Xilinx 7 from two accelerators that were mapped,
iCE40 from the neuron cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

from cygnet.buffer_plan import BufferPlan
from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Network
from cygnet.product_plan import digits, packs, product_terms

__all__ = [
    "DEVICES",
    "Device",
    "LayerArea",
    "accelerator_area",
    "block_rams",
    "family_device",
    "layer_area",
    "total",
]

_RAM_CELL = 6
"""Tables that a cell of distributed RAM takes (16 words of 4 bits)."""
_FRAME = 220
"""Tables of input and readout."""


@dataclass(frozen=True)
class Device:
    """What a device has.

    :param name: as ``--budget`` takes it
    :param family: decides block RAM geometry and arithmetic
    :param tables: lookup tables (of six inputs on Xilinx 7)
    :param rams: block RAMs (ECP5, Xilinx 7: 18 kbit; iCE40: 4 kbit)
    :param dsps: multipliers
    """

    name: str
    family: Literal["ecp5", "ice40", "xilinx"]
    tables: int
    rams: int
    dsps: int

    @property
    def factor(self) -> float:
        """Tables of this family for each of ECP5."""
        return {"ecp5": 1.0, "ice40": 1.7, "xilinx": 0.9}[self.family]


DEVICES = {
    device.name: device
    for device in (
        Device("ecp5-25k", "ecp5", 24288, 56, 28),
        Device("ecp5-45k", "ecp5", 43848, 108, 72),
        Device("ecp5-85k", "ecp5", 83640, 208, 156),
        Device("ice40-hx8k", "ice40", 7680, 32, 0),
        Device("ice40-up5k", "ice40", 5280, 30, 8),
        Device("xc7a35t", "xilinx", 20800, 100, 90),
        Device("xc7a100t", "xilinx", 63400, 270, 240),
        Device("xc7a200t", "xilinx", 134600, 730, 740),
        Device("xc7z020", "xilinx", 53200, 280, 220),
    )
}
"""By name; sizes as their makers state them."""


def family_device(family: str) -> Device:
    """The smallest device of a family, whose estimates are those of every other one."""
    found = (device for device in DEVICES.values() if device.family == family)
    return min(found, key=lambda device: device.tables)


_SHAPES = {
    "ecp5": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "xilinx": ((512, 36), (1024, 18), (2048, 9), (4096, 4), (8192, 2), (16384, 1)),
    "ice40": ((256, 16), (512, 8), (1024, 4), (2048, 2)),
}
_LEAST_BITS = 1400
"""Of a memory that is worth a block RAM."""


@cache
def block_rams(depth: int, width: int, family: str) -> int:
    """Block RAMs of a memory; none for a small one, which ends in tables.

    Rows that are left over at the end of one shape, or columns, may take another.
    """
    if depth * width < _LEAST_BITS or depth <= 32:
        return 0
    shapes = _SHAPES[family]
    choices = []
    for rows, columns in shapes:
        down, across = -(-depth // rows), -(-width // columns)
        choices.append(down * across)
        if depth > rows and depth % rows:
            choices.append((down - 1) * across + _least(depth % rows, width, shapes))
        if width > columns and width % columns:
            choices.append((across - 1) * down + _least(depth, width % columns, shapes))
    return min(choices)


def _least(depth: int, width: int, shapes: Sequence[tuple[int, int]]) -> int:
    return min(-(-depth // rows) * -(-width // columns) for rows, columns in shapes)


@dataclass(frozen=True)
class LayerArea:
    """One layer's share, or a sum of them.

    :param memories: (what, rows, bits in a row, block RAMs) of each
    """

    tables: int
    rams: int
    dsps: int
    memories: tuple[tuple[str, int, int, int], ...] = ()


def layer_area(plan: LayerPlan, device: Device) -> LayerArea:
    """The estimate for one layer with its neurons and what brings their spikes on."""
    memories = [("weight", plan.rounds * plan.positions, plan.lanes * plan.weight_bits)]
    distributed = 0
    tables = 0.0
    for buffer in plan.buffers:
        name = "main" if buffer is plan.main else "projection"
        memories.append((name, buffer.lines * buffer.line_rows, _row_bits(buffer)))
        tables += _buffer(buffer, plan)
    if plan.skip is not None:
        bits = plan.skip.row * plan.skip.columns * plan.skip.value.width
        memories.append(("skip", plan.skip.capacity * plan.skip.words, bits))
        tables += 60 + plan.cores * (40 + 2 * plan.skip.weight_bits)
    memories.append(("bias", plan.words, plan.cores * plan.bias_width))
    if plan.core is not None and plan.core.row_width:
        rows = plan.core.channels
        memories += [(f"neuron{n}", rows, plan.core.row_width) for n in range(plan.cores)]
    placed = [(*memory, block_rams(memory[1], memory[2], device.family)) for memory in memories]
    for what, rows, bits, rams in placed[1:]:
        if rams:
            continue
        if what in ("main", "projection", "skip"):
            distributed += -(-rows // 16) * -(-bits // 4)
        else:
            tables += rows * bits / 16
    banks = placed[0][3] * 18 > 2 * placed[0][2]
    products, dsps = _products(plan)
    sums = plan.lanes * plan.columns
    tables += sums * (plan.accumulator_width + 2) + products
    tables += 3.0 * placed[0][2] * banks
    # Sums one by one, with biases.
    tables += 0.82 * sums * plan.accumulator_width + plan.cores * (plan.current_width + 10) + 40
    if plan.core is not None:
        width = plan.core.membrane_width
        tables += plan.cores * (30 + (4.2 if plan.core.kind == "snm" else 3.6) * width)
        # The state of the neurons in flight.
        distributed += plan.cores * -(-plan.core.depth // 16) * -(-width // 4)
    tables += _RAM_CELL * distributed
    return LayerArea(
        round(tables * device.factor), sum(rams for *_, rams in placed), dsps, tuple(placed)
    )


def _products(plan: LayerPlan) -> tuple[float, int]:
    """(tables, multipliers) of the engine's products."""
    count = plan.lanes * plan.columns
    if plan.arithmetic == "dsp":
        if plan.columns > 1 and packs(plan.value, plan.weight_bits):
            pairs = plan.lanes * -(-plan.columns // 2)
            return pairs * (plan.weight_bits + plan.value.width), pairs
        return 0.0, count
    if digits(plan.value, plan.arithmetic):
        terms = -(-plan.value.width // 2) + 1
    else:
        terms = product_terms(plan.value)
    adders = (terms - 1) * (plan.weight_bits + 3)
    return count * (adders + 2.4 * terms), 0


def _row_bits(buffer: BufferPlan) -> int:
    mask = buffer.row + 1 if buffer.row > 1 else 0
    position = max(1, (buffer.line_rows - 1).bit_length())
    return buffer.row * buffer.columns * buffer.value.width + position + mask


def _buffer(buffer: BufferPlan, plan: LayerPlan) -> float:
    """Buffer, windows and walk: mostly by lines."""
    pointer = (buffer.lines * buffer.line_rows).bit_length()
    tables = 90 + 8.0 * buffer.row * buffer.columns + 120
    if buffer.width > 1:
        ends = buffer.lines * -(-buffer.width // 16) * -(-pointer // 4)
        tables += buffer.lines * (70 + 35) + _RAM_CELL * 2 * ends
    if buffer.pool is not None:
        tables += 8.0 * buffer.row * buffer.columns * buffer.value.width
    return tables


def total(areas: Sequence[LayerArea], device: Device) -> LayerArea:
    """The whole accelerator."""
    return LayerArea(
        sum(area.tables for area in areas) + round(_FRAME * device.factor),
        sum(area.rams for area in areas),
        sum(area.dsps for area in areas),
    )


def accelerator_area(network: Network, hardware: HardwareConfig, device: Device) -> LayerArea:
    """The estimate for a network on a configuration."""
    plans = plan_layers(network, hardware)
    return total([layer_area(plan, device) for plan in plans], device)
