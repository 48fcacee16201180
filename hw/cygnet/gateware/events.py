# SPDX-License-Identifier: Apache-2.0
"""The payloads of the streams inside an accelerator."""

from __future__ import annotations

from amaranth.hdl import Shape, signed, unsigned
from amaranth.lib import data

from cygnet.layer_plan import LayerPlan
from cygnet.network import unsigned_width

__all__ = ["current_layout", "event_layout", "row_layout", "value_shape"]


def value_shape(plan: LayerPlan) -> Shape:
    """One value that the layer reads: a pixel, or a spike count of one time-step."""
    width = plan.value.width
    return signed(width) if plan.value.signed else unsigned(width)


def row_layout(plan: LayerPlan) -> data.StructLayout:
    """What fills a layer's frame buffer.

    index: number of the row, in raster order; values[r][s]: input ``index * row + r`` at step s;
    last: closes the frame; discard: with ``last``, forget the frame instead.
    """
    return data.StructLayout(
        {
            "index": unsigned(unsigned_width(plan.rows - 1)),
            "values": data.ArrayLayout(data.ArrayLayout(value_shape(plan), plan.columns), plan.row),
            "last": unsigned(1),
            "discard": unsigned(1),
        }
    )


def event_layout(plan: LayerPlan) -> data.StructLayout:
    """One input that is not zero at every step (or a blank event, where a frame has none).

    index: number of the input; values[s]: its value at step s; last: the last event of a round of
    P outputs; end: that round is the frame's last.
    """
    return data.StructLayout(
        {
            "index": unsigned(unsigned_width(plan.rows * plan.row - 1)),
            "values": data.ArrayLayout(value_shape(plan), plan.columns),
            "first": unsigned(1),
            "last": unsigned(1),
            "end": unsigned(1),
        }
    )


def current_layout(plan: LayerPlan) -> data.StructLayout:
    """The sum of one output at one step.

    index: its lane; channel: its number; first, last: of its steps; end: the frame's last.
    """
    return data.StructLayout(
        {
            "index": unsigned(unsigned_width(plan.lanes - 1)),
            "channel": unsigned(unsigned_width(plan.outputs - 1)),
            "current": signed(plan.current_width),
            "first": unsigned(1),
            "last": unsigned(1),
            "end": unsigned(1),
        }
    )
