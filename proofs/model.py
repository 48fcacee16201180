# SPDX-License-Identifier: Apache-2.0
"""The one-line model of a step, and the pieces that all proofs of the neuron cores share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from amaranth import Const, Module, Mux, Signal, Value, signed

from cygnet.gateware.neuron import GroupCore, NeuronCore, SignedCore
from cygnet.gateware.neuron.timeline import Timeline
from cygnet.neuron_core import NeuronCoreConfig, Schedule

__all__ = ["Bugs", "Flat", "Potential", "Step", "kind_of", "planted", "product", "times"]

Bugs = Mapping[str, Callable[[Value], Value]]


def planted(bugs: Bugs) -> type[Timeline]:
    """A pipeline in which the named values are wrong."""

    class Planted(Timeline):
        def put(self, name: str, stage: int, value: Any, *rest: Any, **options: Any) -> Signal:
            if name in bugs:
                right = Value.cast(value)
                value = Signal(right.shape())
                self._m.d.comb += value.eq(bugs[name](right))
            return super().put(name, stage, value, *rest, **options)

    return Planted


def kind_of(config: NeuronCoreConfig) -> type[NeuronCore]:
    return SignedCore if config.kind == "snm" else GroupCore


class Potential:
    """p = v + u or sat(v + u); ``fits`` where that is the same."""

    def __init__(self, m: Module, config: NeuronCoreConfig, v: Value, u: Value) -> None:
        half = 1 << (config.membrane_width - 1)
        total = Signal(_wide(config))
        m.d.comb += total.eq(v + u)
        self.fits = (total >= -half) & (total < half)
        self.p = Signal(_wide(config))
        clamped = Mux(total < -half, -half, Mux(total >= half, half - 1, total))
        m.d.comb += self.p.eq(clamped if config.saturate else total)


class Step:
    """A whole step by the formulas of docs/numerics.md, F = K."""

    def __init__(
        self, m: Module, config: NeuronCoreConfig, v: Value, memory: Value, u: Value, reset: Value
    ) -> None:
        potential = Potential(m, config, v, u)
        self.fits, p = potential.fits, potential.p
        self.count = Signal(signed(6))
        if config.kind == "snm":
            falls = (p <= -reset) & (memory > 0)
            m.d.comb += self.count.eq(Mux(p >= reset, 1, Mux(falls, -1, 0)))
        else:
            reached = [p >= times(reset, k + 1) for k in range(config.tau)]
            m.d.comb += self.count.eq(sum(reached, Const(0)))
        self.left = Signal(_wide(config))
        self.memory = Signal(signed(18))
        m.d.comb += [
            self.left.eq(p - product(m, config, self.count, reset)),
            self.memory.eq(memory + self.count),
        ]


def _wide(config: NeuronCoreConfig) -> Any:
    widest = max(config.membrane_width, config.current_width, config.threshold_width + 5)
    return signed(widest + 3)


def product(m: Module, config: NeuronCoreConfig, count: Value, reset: Value) -> Signal:
    """A count times K, case by case."""
    product = Signal(_wide(config))
    with m.Switch(count):
        for c in range(-1, 2) if config.kind == "snm" else range(config.tau + 1):
            with m.Case(c):
                m.d.comb += product.eq(-reset if c < 0 else times(reset, c))
    return product


def times(value: Value, factor: int) -> Value:
    """A product with a constant, as shifts and additions."""
    terms = [value << bit for bit in range(factor.bit_length()) if factor >> bit & 1]
    return sum(terms, Const(0))


@dataclass(frozen=True, kw_only=True)
class Flat(NeuronCoreConfig):
    """A core without pipeline registers: what it computes, at the widths of real layers."""

    @property
    def schedule(self) -> Schedule:
        compare = super().schedule.compare
        return Schedule(0, 0, 0, 0, 0, (0,) * len(compare), 0, 0, 0, 0, 0)
