# SPDX-License-Identifier: Apache-2.0
"""A row of a line buffer, its events taken out one by one."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import data

from cygnet.gateware.bits import at_least, lowest, pick
from cygnet.gateware.delay import delayed
from cygnet.gateware.line_buffer import stored_layout
from cygnet.layer_plan import LayerPlan

__all__ = ["OpenRow"]


class OpenRow:
    """The registers of a row that was read, part of the walker.

    :param rows: one of each buffer, in registers
    :param from_projection: the row that is loaded comes from the second
    :param block: steps that are walked
    :param load: take the row
    """

    single: Value
    """Only one event is left."""
    position: Value
    """A clock later, the place of the lowest event among the inputs of its line."""
    values: list[Value]
    """With it, its values in the steps of the block."""

    def __init__(
        self,
        m: Module,
        plan: LayerPlan,
        rows: Sequence[data.View],
        from_projection: Value,
        block: Signal,
        load: Signal,
    ) -> None:
        self._load = load
        self._masks: list[tuple[Signal, Value, Value, Signal]] = []
        self._whole = Signal(name="whole")
        singles, positions = [], []
        columns: list[list[Value]] = [[] for _ in range(plan.columns)]
        chosen = Signal()
        for number, (buffer, ready) in enumerate(zip(plan.buffers, rows, strict=True)):
            row = Signal(stored_layout(buffer), name=f"row_{number}", reset_less=True)
            with m.If(load):
                m.d.sync += [row.eq(ready), chosen.eq(from_projection)]
            stored = [
                [
                    delayed(m, value, f"value_{number}_{r}_{column}", 1)
                    for column, value in enumerate(self._of_block(plan, block, row.values[r]))
                ]
                for r in range(buffer.row)
            ]
            position = delayed(m, row.position, f"position_{number}", 1)
            if buffer.row == 1:
                singles.append(Const(1))
                positions.append(position)
                for column in range(plan.columns):
                    columns[column].append(stored[0][column])
                continue
            done = Signal(buffer.row, name=f"done_{number}", reset_less=True)
            one_left = Signal(name=f"one_left_{number}", reset_less=True)
            present = Signal(buffer.row, name=f"present_{number}")
            lowest_present = Signal(buffer.row, name=f"lowest_{number}")
            m.d.comb += [
                present.eq(row.mask & ~done),
                lowest_present.eq(lowest(present)),
            ]
            self._masks.append((done, lowest_present, present, one_left))
            singles.append(Mux(self._whole, row.single, one_left))
            # What is known late decides which event it is; what it is follows a clock later.
            event = delayed(m, lowest_present, f"event_{number}", 1)
            place = [Const(value, buffer.place_bits) for value in range(buffer.row)]
            positions.append(Cat(pick(event, place), position))
            for column in range(plan.columns):
                bits = [stored[value][column].as_unsigned() for value in range(buffer.row)]
                selected = pick(event, bits)
                columns[column].append(selected.as_signed() if buffer.value.signed else selected)
        self.single = singles[0]
        self.position = positions[0]
        self.values = [values[0] for values in columns]
        if len(plan.buffers) > 1:
            self.single = Mux(chosen, singles[1], singles[0])
            second = delayed(m, chosen, "second", 1)
            self.position = Mux(second, positions[1], positions[0])
            self.values = [Mux(second, values[1], values[0]) for values in columns]

    @staticmethod
    def _of_block(plan: LayerPlan, block: Signal, values: data.View) -> list[Value]:
        """Those of the S steps of a block; zero behind the last step."""
        steps: list[Value] = [values[step] for step in range(values.shape().length)]
        if plan.blocks == 1:
            return steps
        zero = Const(0, steps[0].shape())
        steps += [zero] * (plan.blocks * plan.columns - len(steps))
        return [Array(steps[column :: plan.columns])[block] for column in range(plan.columns)]

    def advance(self, m: Module, issue: Signal) -> None:
        """The event that was issued is done."""
        with m.If(self._load):
            m.d.sync += self._whole.eq(1)
        with m.Elif(issue):
            m.d.sync += self._whole.eq(0)
        for done, event, present, one_left in self._masks:
            _, two, three = at_least(list(present))
            with m.If(self._load):
                m.d.sync += done.eq(0)
            with m.Elif(issue):
                m.d.sync += [done.eq(done | event), one_left.eq(two & ~three)]
