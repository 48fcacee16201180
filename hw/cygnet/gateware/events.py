# SPDX-License-Identifier: Apache-2.0
"""The payloads of the streams inside an accelerator."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from cygnet.buffer_plan import BufferPlan, SkipPlan
from cygnet.layer_plan import LayerPlan
from cygnet.network import Bounds, unsigned_width

__all__ = [
    "current_layout",
    "event_layout",
    "row_layout",
    "sums_layout",
    "value_shape",
    "values_layout",
]


def value_shape(value: Bounds) -> Shape:
    """A pixel, or a spike count of one time-step, in as few bits as its range needs."""
    return signed(value.width) if value.signed else unsigned(value.width)


def values_layout(row: int, columns: int, value: Bounds) -> data.ArrayLayout:
    """values[r][s]: value r of a row at step s."""
    return data.ArrayLayout(data.ArrayLayout(value_shape(value), columns), row)


def row_layout(buffer: BufferPlan | SkipPlan) -> data.ArrayLayout:
    """What fills a buffer: values[r][s] of R neighbouring channels at step s.

    Rows come in raster order and without a gap: ``words`` of them make a pixel.
    """
    return values_layout(buffer.row, buffer.columns, buffer.value)


def event_layout(plan: LayerPlan) -> data.StructLayout:
    """One input that is not zero at every step (or a blank event, where a window has none).

    base + position: its row of weights, modulo the width of base; values[s]: its value at step s of
    a block; first, last: of a walk for P outputs and the steps of a block; end: those outputs are
    the window's last.
    """
    places = max(buffer.line_rows << buffer.place_bits for buffer in plan.buffers)
    return data.StructLayout(
        {
            "base": unsigned(unsigned_width(plan.rounds * plan.positions - 1)),
            "position": unsigned(unsigned_width(places - 1)),
            "values": data.ArrayLayout(value_shape(plan.value), plan.columns),
            "first": unsigned(1),
            "last": unsigned(1),
            "end": unsigned(1),
        }
    )


def sums_layout(plan: LayerPlan) -> data.StructLayout:
    """The results of one walk: sums[s][p] of lane p at step s of its block, before shortcut and
    bias; end: in the window's last round."""
    return data.StructLayout(
        {
            "sums": data.ArrayLayout(
                data.ArrayLayout(signed(plan.accumulator_width), plan.lanes), plan.columns
            ),
            "end": unsigned(1),
        }
    )


def current_layout(plan: LayerPlan) -> data.StructLayout:
    """The sums of one output for each core, at one step.

    index: slot of the neurons in their cores; channel: row of their parameters; currents[j]: for
    core j; first, last: of a neuron's steps; end: the window's last.
    """
    channels = plan.words if plan.core is None else plan.core.channels
    return data.StructLayout(
        {
            "index": unsigned(unsigned_width(plan.beats - 1)),
            "channel": unsigned(unsigned_width(channels - 1)),
            "currents": data.ArrayLayout(signed(plan.current_width), plan.cores),
            "first": unsigned(1),
            "last": unsigned(1),
            "end": unsigned(1),
        }
    )
