# SPDX-License-Identifier: Apache-2.0
"""Who reads a layer's output, and how much room the readers have promised."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Const, Module, Signal, Value

from cygnet.buffer_plan import BufferPlan, SkipPlan
from cygnet.layer_plan import FRAMES, MAX_FRAMES, LayerPlan
from cygnet.network import unsigned_width

__all__ = ["Reader", "path_name", "readers_of"]


@dataclass(frozen=True)
class Reader:
    """One buffer that a layer's output fills.

    :param layer: plan of the layer that reads it; None for the readout
    :param buffer: the buffer; None for the readout
    :param capacity: most credits there can be, in pixels, or frames (a dense layer, the readout)
    :param granted: credits after reset
    :param unit: what one returned unit (a line, a pixel, a frame) is worth
    :param credit_width: bits of the units that come back at once
    """

    layer: LayerPlan | None
    buffer: BufferPlan | SkipPlan | None
    capacity: int
    granted: int
    unit: int
    credit_width: int

    @property
    def role(self) -> str:
        """Which buffer of its layer it is: ``"main"``, ``"projection"`` or ``"skip"``."""
        if isinstance(self.buffer, SkipPlan):
            return "skip"
        return "main" if self.layer is None or self.buffer is self.layer.main else "projection"

    @property
    def takes_first(self) -> bool:
        """Whether the first window of a frame needs a credit."""
        if not isinstance(self.buffer, BufferPlan) or self.buffer.pool is None:
            return True
        return self.buffer.width * self.buffer.height == 1 or self.buffer.pool.kernel == (1, 1)

    def takes(self, m: Module, y: Signal, x: Signal) -> Value:
        """Whether the window (y, x) needs a credit: it opens a pixel of the reader's, or closes the
        last of those that are pooled into one."""
        if not isinstance(self.buffer, BufferPlan):
            return Const(1)
        if self.buffer.width * self.buffer.height == 1:
            return (y == 0) & (x == 0)
        if self.buffer.pool is None:
            return Const(1)
        taken: Value = Const(1)
        for axis, (place, kernel) in enumerate(zip((y, x), self.buffer.pool.kernel, strict=True)):
            closing = Signal(name=f"pool_closes_{axis}")
            with m.Switch(place):
                with m.Case(*range(kernel - 1, 1 << len(place), kernel)):
                    m.d.comb += closing.eq(1)
            taken = taken & closing
        return taken


def path_name(plan: LayerPlan, reader: Reader) -> str:
    """Name of the part that brings a layer's spikes to a reader."""
    assert reader.layer is not None
    return f"{plan.name}_to_{reader.layer.name}_{reader.role}"


def readers_of(plans: tuple[LayerPlan, ...], number: int) -> tuple[Reader, ...]:
    """The readers of a layer, in the order of the layers; main, projection, identity within one."""
    readers = []
    for plan in plans[number + 1 :]:
        for buffer in plan.buffers:
            if buffer.source == number:
                width = unsigned_width(buffer.lines)
                readers.append(
                    Reader(plan, buffer, buffer.capacity, buffer.capacity, buffer.width, width)
                )
        if plan.skip is not None and plan.skip.source == number:
            slots = plan.skip.slots
            readers.append(Reader(plan, plan.skip, slots, slots, 1, 1))
    if number == len(plans) - 1:
        # The readout has room for some frames, and the input vouches for each that is complete.
        readers.append(Reader(None, None, FRAMES, FRAMES, 1, 2))
        readers.append(Reader(None, None, MAX_FRAMES, 0, 1, 1))
    return tuple(readers)
