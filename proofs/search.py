# SPDX-License-Identifier: Apache-2.0
"""The search for a count, at the widths of real layers, one stage at a time.

Bit-blasting a whole search of tau = 16 at 25 bits does not end within minutes: nothing sees through
its chain of additions. So it is cut into stages, and proved in two halves that share one text,
:class:`Search`:

- *bits*: with what the stage before gives free, each stage of the gateware, its width and its
  carry tricks included, equals its line of :class:`Search` as integers;
- *integers*: all lines of :class:`Search` together give the count and the membrane of
  docs/numerics.md, for every p and every K >= 1, whatever their widths (z3, linear arithmetic).

The first half takes two facts from the second: that p >= 2^n K and a negative rest exclude each
other, and that the last addition, done in the membrane's bits, does not wrap, since what is left is
p, or lies between 0 and p.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import z3
from amaranth import Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume, ClockDomain
from model import Bugs, Flat, kind_of, times

from cygnet.gateware.neuron.timeline import Timeline
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["Chain", "Stages"]

Choose = Callable[[Any, Any, Any], Any]
"""``choose(condition, a, b)``: a if the condition holds, else b."""


class Search:
    """The stages of a search, over any numbers that can be added and compared.

    :param multiple: ``multiple(factor)`` is that many times K
    """

    def __init__(self, tau: int, multiple: Callable[[int], Any], choose: Choose) -> None:
        self.digits = max(1, (tau + 1).bit_length() - 1)
        self.whole = tau == 1 << self.digits
        self._multiple = multiple
        self._choose = choose

    def rest(self, digit: int, before: Any) -> Any:
        """What is left after one more digit; ``before`` is p for the first."""
        step = self._multiple(1 << (self.digits - 1 - digit))
        if digit == 0:
            return before - step
        return self._choose(before < 0, before + step, before - step)

    def over(self, first: Any, p: Any) -> Any:
        """Whether p >= 2^n K, from what the first digit left, or from p if that is the last."""
        if self.digits == 1:
            return p >= self._multiple(2)
        return first >= self._multiple(1 << (self.digits - 1))

    def left(self, rest: Any, over: Any) -> Any:
        """The membrane after the step."""
        lower = self._choose(over, rest - self._multiple(1), rest) if self.whole else rest
        return self._choose(rest < 0, rest + self._multiple(1), lower)

    def count(self, rests: list[Any], over: Any) -> Any:
        """The digits' signs as a number."""
        bits = [
            self._choose(rest < 0, 0, 1 << (self.digits - 1 - digit))
            for digit, rest in enumerate(rests)
        ]
        total = bits[0]
        for bit in bits[1:]:
            total = total + bit
        return self._choose(over, 1 << self.digits, total) if self.whole else total


class Stages(Elaboratable):  # type: ignore[misc]
    """Each stage of the gateware against its line of :class:`Search`."""

    def __init__(self, config: NeuronCoreConfig, bugs: Bugs | None = None) -> None:
        if config.algorithm != "search":
            raise ValueError(f"config must be of a search, not {config.algorithm!r}")
        self.config = config
        self.bugs = bugs or {}
        self.old = Signal(signed(config.membrane_width))
        self.reset = Signal(config.threshold_width)
        self.u = Signal(signed(config.current_width))
        self.first = Signal()
        digits = len(config.schedule.compare)
        least = -(1 << config.membrane_width - 1) - (config.tau << config.threshold_width)
        width = (-least - 1).bit_length() + 1
        self.free = {f"rest{digit}": Signal(signed(width)) for digit in range(digits)}
        self.free["over"] = Signal()
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = (
            self.domain.clk,
            *(self.old, self.reset, self.u, self.first),
            *self.free.values(),
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = self.domain
        config, here = self.config, self
        made: dict[str, Signal] = {}

        class Cut(Timeline):
            """Hands on free values in place of the computed ones, which it keeps."""

            def put(
                self, name: str, stage: int, value: Any, shape: Any = None, **options: Any
            ) -> Signal:
                right = Value.cast(value)
                shape = right.shape() if shape is None else shape
                kept = made[name] = Signal(shape, name=f"made_{name}")
                m.d.comb += kept.eq(here.bugs[name](right) if name in here.bugs else right)
                given: Any = kept
                if name in here.free:
                    given = here.free[name]
                elif name.startswith("below"):
                    given = here.free[f"rest{name[5:]}"] < 0
                return super().put(name, stage, given, shape, **options)

        class Core(kind_of(config)):  # type: ignore[misc]
            timeline = Cut

            def _parameters(self, m: Module, line: Timeline, advance: Signal) -> None:
                line.put("reset", 0, here.reset)
                line.put("initial", 0, here.reset >> 1)

            def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
                line.put("old", 0, here.old)
                return Signal(config.membrane_width)

            def _output(self, m: Module, line: Timeline, advance: Signal) -> None:
                m.d.comb += advance.eq(1)

        fields = config.__dataclass_fields__
        core = Core(Flat(**{name: getattr(config, name) for name in fields}))
        core._MustUse__used = True  # elaborated here, to get at its values
        m.submodules.core = core.elaborate(platform)
        m.d.comb += [
            core.i.payload.current.eq(self.u),
            core.i.payload.first.eq(self.first),
            Assume(self.reset > 0),
        ]
        self._lines(m, made)
        return m

    def _lines(self, m: Module, made: dict[str, Signal]) -> None:
        config = self.config
        search = Search(config.tau, lambda factor: times(self.reset, factor), _mux)
        p, over = made["p"], self.free["over"]
        v = Mux(self.first, self.reset >> 1, self.old)
        half = 1 << (config.membrane_width - 1)
        potential = Signal(signed(config.membrane_width + 2))
        m.d.comb += potential.eq(v + self.u)
        with m.If((potential >= -half) & (potential < half)):
            m.d.comb += Assert(p == potential)
        rests: list[Any] = []
        before: Any = p
        for digit in range(search.digits):
            m.d.comb += Assert(made[f"rest{digit}"] == search.rest(digit, before))
            # The sign that is handed on is that of the number that is handed on.
            m.d.comb += Assert(made[f"below{digit}"] == (made[f"rest{digit}"] < 0))
            before = self.free[f"rest{digit}"]
            rests.append(before)
        if search.whole:
            m.d.comb += Assert(made["over"] == search.over(rests[0], p))
            m.d.comb += Assume(~over | (rests[-1] >= 0))  # of the integers
        left = Signal(signed(config.membrane_width))
        m.d.comb += [
            left.eq(search.left(rests[-1], over)),  # in the membrane's bits
            Assert(made["left"] == left),
            Assert(made["count"] == search.count(rests, over)),
        ]


def _mux(condition: Any, a: Any, b: Any) -> Any:
    return Mux(condition, a, b)


class Chain:
    """The lines of :class:`Search` together, over the integers.

    :param wrong: a planted bug: the first digit sees p - 1
    """

    def __init__(self, tau: int, *, wrong: bool = False) -> None:
        self.tau = tau
        self.wrong = wrong

    def __call__(self) -> bool:
        """Whether z3 finds no p and no K >= 1 for which count or membrane are not as they must be.

        :raises RuntimeError: z3 cannot tell
        """
        p, reset = z3.Ints("p K")
        tau = self.tau
        search = Search(tau, lambda factor: factor * reset, z3.If)
        rests: list[Any] = []
        before: Any = p - 1 if self.wrong else p
        for digit in range(search.digits):
            before = search.rest(digit, before)
            rests.append(before)
        over: Any = search.over(rests[0], p) if search.whole else z3.BoolVal(False)
        count, left = search.count(rests, over), search.left(rests[-1], over)
        claim = [
            z3.Implies(
                count == k,
                z3.And(
                    p >= k * reset if k > 0 else True,
                    p < (k + 1) * reset if k < tau else True,
                    left == p - k * reset,
                ),
            )
            for k in range(tau + 1)
        ]
        inside = z3.Or(left == p, z3.And(left >= 0, left <= p))
        solver = z3.Solver()
        apart = z3.Implies(over, rests[-1] >= 0)
        solver.add(reset >= 1, z3.Not(z3.And(count >= 0, count <= tau, inside, apart, *claim)))
        found = solver.check()
        if found == z3.unknown:
            raise RuntimeError(f"z3 cannot tell: {solver.reason_unknown()}")
        return bool(found == z3.unsat)
