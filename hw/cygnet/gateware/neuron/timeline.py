# SPDX-License-Identifier: Apache-2.0
"""Values that travel down a pipeline: name a value once, ask for it in any later stage."""

from __future__ import annotations

from amaranth import Module, Shape, Signal, Value
from amaranth.hdl import ShapeLike, ValueLike

__all__ = ["Timeline"]


class Timeline:
    """The pipeline registers of a component whose stages all advance together.

    Parameters
    ----------
    m : Module
        Where the registers go.
    advance : Value(1)
        High in the clocks at whose end every stage moves on.
    """

    def __init__(self, m: Module, advance: Value) -> None:
        self._m = m
        self._advance = advance
        self._values: dict[str, tuple[int, list[Signal]]] = {}

    def put(
        self,
        name: str,
        stage: int,
        value: ValueLike,
        shape: ShapeLike | None = None,
        *,
        resets: bool = False,
        keep: bool = False,
    ) -> Signal:
        """Name ``value``, which is there in ``stage``.

        Its registers have a reset if ``resets``. If ``keep``, synthesis makes no gate of what is
        before and what is after it.
        """
        if name in self._values:
            raise ValueError(f"name must be new, not {name!r}")
        value = Value.cast(value)
        signal = Signal(
            Shape.cast(shape) if shape is not None else value.shape(),
            name=f"{name}_{stage}",
            reset_less=not resets,
            attrs={"keep": 1} if keep else {},
        )
        self._m.d.comb += signal.eq(value)
        self._values[name] = (stage, [signal])
        return signal

    def at(self, name: str, stage: int) -> Signal:
        """The named value in ``stage``; registers in between are made when first needed."""
        birth, signals = self._values[name]
        if stage < birth:
            raise ValueError(f"stage of {name!r} must be at least {birth}, not {stage!r}")
        while birth + len(signals) <= stage:
            last = signals[-1]
            following = Signal(
                last.shape(),
                name=f"{name}_{birth + len(signals)}",
                reset_less=birth + len(signals) > 0 and last.reset_less,
            )
            with self._m.If(self._advance):
                self._m.d.sync += following.eq(last)
            signals.append(following)
        return signals[stage - birth]
