# SPDX-License-Identifier: Apache-2.0
"""What the neuron cores are proved to do, and the bugs that the proofs are shown to find.

*Datapath*: for every v, u, m and every parameter, the count and the membrane that a step leaves
are the ones of docs/numerics.md; the pipeline runs once, from reset, without its memories.
*Rules*: a spike that is offered stays as it is until it is taken, whatever the sink does
(induction). *Search*: the stages of a search one by one, at the widths of real layers. *Steps*: the
whole core, state memory and stalls included, equals the one-line model for ever (induction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume, ClockDomain
from model import Bugs, Flat, Potential, kind_of, planted, times
from sby import Formula, Proof
from search import Chain, Stages
from steps import Steps

from cygnet.gateware.neuron.timeline import Timeline
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["proofs"]


class Datapath(Elaboratable):  # type: ignore[misc]
    """One step, every value of it free but constant over the run."""

    def __init__(self, config: NeuronCoreConfig, bugs: Bugs | None = None) -> None:
        self.config = config
        self.bugs = bugs or {}
        self.old = Signal(signed(config.membrane_width))
        self.old_m = Signal(max(1, config.memory_width))
        self.initial = Signal(signed(config.membrane_width))
        self.reset = Signal(config.threshold_width)
        self.fire = Signal(config.threshold_width)
        self.enabled = Signal()
        self.amplitude = Signal(max(1, config.amplitude_width))
        self.u = Signal(signed(config.current_width))
        self.first = Signal()
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = (
            self.domain.clk,
            *(self.old, self.old_m, self.initial, self.reset, self.fire, self.enabled),
            *(self.amplitude, self.u, self.first),
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = self.domain
        config, schedule = self.config, self.config.schedule
        free = self

        class Core(kind_of(config)):  # type: ignore[misc]
            timeline = planted(free.bugs)
            written = Signal(config.membrane_width + config.memory_width)

            def _parameters(self, m: Module, line: Timeline, advance: Signal) -> None:
                for name in ("reset", "fire", "initial", "enabled", "amplitude"):
                    line.put(name, 0, getattr(free, name))

            def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
                line.put("old", schedule.state, free.old)
                if config.memory_width:
                    line.put("old_m", schedule.state, free.old_m)
                return self.written

        m.submodules.core = core = Core(config)

        clock = Signal(range(schedule.store + 3))
        with m.If(clock < schedule.store + 2):
            m.d.sync += clock.eq(clock + 1)
        held = Cat(self.ports[1:])
        before = Signal(len(held))
        m.d.sync += before.eq(held)
        with m.If(clock > 0):
            m.d.comb += Assume(held == before)
        m.d.comb += [
            core.i.valid.eq(clock == 0),
            core.i.payload.current.eq(self.u),
            core.i.payload.first.eq(self.first),
            core.o.ready.eq(1),
            Assume(self.reset > 0),
            Assume(self.fire > 0),
        ]
        if config.threshold != "memory":
            m.d.comb += [Assume(self.reset == config.reset), Assume(self.fire == config.fire)]
        elif config.fire_level == "reset":
            m.d.comb += Assume(self.fire == self.reset)

        v = Mux(self.first, self.initial, self.old)
        potential = Potential(m, config, v, self.u)
        if not config.saturate:
            m.d.comb += Assume(potential.fits)
        m.d.comb += Assert(core.o.valid == (clock == schedule.output))
        seen = Signal.like(core.o.payload.count)
        count = Signal.like(core.o.payload.count)
        m.d.comb += count.eq(Mux(clock == schedule.output, core.o.payload.count, seen))
        m.d.sync += seen.eq(count)
        with m.If(clock == schedule.store):
            left = core.written[: config.membrane_width].as_signed()
            if config.kind == "snm":
                kept = core.written[config.membrane_width :]
                self._signed(m, potential.p, count, left, kept)
            else:
                self._group(m, potential.p, count, left)
        return m

    def _group(self, m: Module, p: Value, count: Value, left: Value) -> None:
        """count = k implies F + (k-1) K <= p < F + k K; F = K: k = clip(floor(p/K), 0, tau)."""
        tau = self.config.tau
        m.d.comb += Assert(count <= tau)
        for k in range(tau + 1):
            with m.If(count == k):
                if k > 0:
                    m.d.comb += Assert(p >= self.fire + times(self.reset, k - 1))
                if k < tau:
                    m.d.comb += Assert(p < self.fire + times(self.reset, k))
                m.d.comb += Assert(left == p - times(self.reset, k))

    def _signed(self, m: Module, p: Value, count: Value, left: Value, kept: Value) -> None:
        """Equations 7 to 11 of the SNM paper, the memory an integer that never goes below zero."""
        config = self.config
        memory = Mux(self.first, 0, self.old_m)
        m.d.comb += Assume(memory + 1 < 1 << config.memory_width)
        rises, falls = p >= self.fire, (p <= -self.fire) & (memory > 0)
        one = self.amplitude if config.amplitude_width else Const(1)
        shown = Mux(rises, one, Mux(falls, -one, 0))
        if config.enables:
            shown = Mux(self.enabled, shown, 0)
        change = Mux(rises, self.reset, Mux(falls, -self.reset, 0))
        m.d.comb += [
            Assert(count == shown),
            Assert(left == p - change),
            Assert(kept == memory + rises - falls),
            Assert(memory + rises - falls >= 0),
        ]


class _NeverStops(Timeline):
    """A pipeline that moves on while its sink waits."""

    def __init__(self, m: Module, advance: Value) -> None:
        super().__init__(m, Const(1))


class Rules(Elaboratable):  # type: ignore[misc]
    """A stream in, a stream out, both ends free; only the rules of the output are looked at."""

    def __init__(self, config: NeuronCoreConfig, *, broken: bool = False) -> None:
        self.core: Any = kind_of(config)(config)
        if broken:
            self.core.timeline = _NeverStops
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = (
            self.domain.clk,
            self.core.i.valid,
            self.core.i.payload.as_value(),
            self.core.o.ready,
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = self.domain
        m.submodules.core = core = self.core
        waited = Signal()
        was = Signal(core.o.payload.shape())
        m.d.sync += [waited.eq(core.o.valid & ~core.o.ready), was.eq(core.o.payload)]
        with m.If(waited):
            m.d.comb += [Assert(core.o.valid), Assert(core.o.payload == was)]
        return m


def proofs() -> Iterator[Proof | Formula]:
    """Every proof, planted bugs included."""
    yield from _datapaths()
    yield from _searches()
    yield from _streams()


def _config(core: type[NeuronCoreConfig] = NeuronCoreConfig, **options: Any) -> Any:
    """A core of eight bits, so that it is soon proved; ``options`` say what matters."""
    width = options.get("membrane_width", 8)
    values: dict[str, Any] = {
        "kind": "gn",
        "membrane_width": width,
        "current_width": width,
        "threshold_width": max(1, width - 6),
        "depth": 32,
        "channels": 2,
    }
    return core(**values | options)


SNM: dict[str, Any] = {"kind": "snm", "memory_width": 3, "initial_level": "zero"}


def _stuck(value: int) -> Callable[[Value], Value]:
    return lambda _: Const(value)


def _datapaths() -> Iterator[Proof]:
    def proof(name: str, bugs: Bugs | None = None, flat: bool = True, **options: Any) -> Proof:
        config = _config(Flat if flat else NeuronCoreConfig, **options)
        depth = config.schedule.store + 1
        build = partial(Datapath, config, bugs)
        return Proof(f"datapath-{name}", build, "bmc", depth, holds=not bugs)

    # Widths one short of a power of two, at it, and one past it.
    for width in (7, 8, 9, 15, 16, 17):
        yield proof(f"gn-tau4-w{width}", tau=4, membrane_width=width)
    for tau in (1, 2, 3, 4):
        yield proof(f"gn-tau{tau}-w25", tau=tau, membrane_width=25)
    for tau in (7, 8, 15, 16):
        yield proof(f"gn-tau{tau}-w11", tau=tau, membrane_width=11)
    for tau in (1, 2, 4, 5, 11, 13, 16):
        yield proof(f"gn-tau{tau}-fire", tau=tau, fire_level="memory", membrane_width=9)
    for width in (7, 8, 9):
        wide: Any = {
            "membrane_width": width,
            "current_width": width + 2,
            "threshold_width": width - 1,
        }
        yield proof(f"gn-saturate-w{width}", tau=4, saturate=True, **wide)
        yield proof(f"snm-saturate-w{width}", saturate=True, **wide, **SNM)
    yield proof("gn-saturate-fire", tau=3, fire_level="memory", saturate=True, membrane_width=9)
    for width in (15, 16, 17, 24):
        yield proof(f"snm-w{width}", membrane_width=width, **SNM)
    yield proof("snm-fire", membrane_width=16, fire_level="memory", variant="small", **SNM)
    yield proof("snm-amplitude", membrane_width=16, amplitude_width=8, enables=True, **SNM)
    for shift in (0, 7, 8, 9):
        level: Any = {"reset": 1 << shift, "fire": 1 << shift}
        yield proof(
            f"gn-pow2-k{level['reset']}", tau=4, membrane_width=16, threshold="pow2", **level
        )
    yield proof("gn-pow2-tau7", tau=7, membrane_width=17, threshold="pow2", reset=64, fire=64)
    yield proof("gn-constant", tau=4, membrane_width=12, threshold="constant", reset=9, fire=10)

    # The same through the registers of the pipeline.
    for variant in ("fast", "small"):
        options: Any = {"variant": variant, "membrane_width": 9, "flat": False}
        yield proof(f"pipeline-gn-tau4-{variant}", tau=4, **options)
        yield proof(f"pipeline-gn-fire-{variant}", tau=3, fire_level="memory", **options)
        yield proof(f"pipeline-gn-saturate-{variant}", tau=2, saturate=True, **options)
        yield proof(f"pipeline-snm-{variant}", **options, **SNM)
        power: Any = {"threshold": "pow2", "reset": 4, "fire": 4}
        yield proof(f"pipeline-pow2-{variant}", tau=4, **power, **options)

    # Planted bugs, each of them refuted.
    yield proof("bug-gn-no-last-level", {"over": _stuck(0)}, tau=4, membrane_width=16)
    yield proof("bug-gn-level-off-by-one", {"rest0": lambda e: e - 1}, tau=4, membrane_width=16)
    yield proof("bug-gn-residual", {"left": lambda v: v + 1}, tau=4, membrane_width=16)
    yield proof(
        "bug-gn-comparator",
        {"reached": lambda r: r & ~4},
        tau=5,
        fire_level="memory",
        membrane_width=16,
    )
    yield proof(
        "bug-gn-wraps",
        {"sum": lambda s: s[:16].as_signed()},
        tau=4,
        saturate=True,
        membrane_width=16,
    )
    yield proof("bug-snm-forgets-memory", {"owes": _stuck(1)}, membrane_width=16, **SNM)
    yield proof("bug-snm-zero", {"some": lambda some: some | 1}, membrane_width=16, **SNM)
    level = {"reset": 64, "fire": 64}
    yield proof(
        "bug-pow2-count",
        {"p": lambda p: p | 64},
        tau=4,
        threshold="pow2",
        membrane_width=16,
        **level,
    )


def _searches() -> Iterator[Proof | Formula]:
    def stages(name: str, tau: int, width: int, bugs: Bugs | None = None) -> Proof:
        config = _config(tau=tau, membrane_width=width)
        return Proof(name, partial(Stages, config, bugs), "bmc", 1, holds=not bugs)

    for tau in (1, 2, 3, 4, 7, 8, 15, 16):
        yield Formula(f"search-tau{tau}-integers", Chain(tau))
        yield stages(f"search-tau{tau}-w25", tau, 25)
    for width in (7, 8, 9, 15, 16, 17, 31, 32):
        yield stages(f"search-tau16-w{width}", 16, width)
    yield Formula("bug-search-integers", Chain(16, wrong=True), holds=False)
    for name in ("rest2", "over", "left", "count"):
        yield stages(f"bug-search-{name}", 16, 25, {name: lambda value: value + 1})


def _streams() -> Iterator[Proof]:
    tiny: Any = {"membrane_width": 5, "threshold_width": 2, "depth": 8}
    kinds: dict[str, Any] = {
        "gn": {"tau": 4},
        "if": {"kind": "if"},
        "snm": SNM | {"memory_width": 2},
    }
    for variant in ("fast", "small"):
        for name, kind in kinds.items():
            options = tiny | kind | {"variant": variant}
            rules = _config(**options)
            yield Proof(f"rules-{name}-{variant}", partial(Rules, rules), "prove", 3)
            for state in ("lut", "block"):
                config = _config(**options, state_memory=state)
                steps = partial(Steps, config)
                proof = f"steps-{name}-{variant}-{state}"
                yield Proof(proof, steps, "prove", 2, free_memories=True)
        config = _config(variant=variant, tau=2, **tiny)
        deep = config.schedule.store + config.interleave + 3
        close = partial(Steps, config, closer=1)
        yield Proof(f"bug-steps-close-{variant}", close, "prove", deep, holds=False)
        wrong = partial(Steps, config, bugs={"valid": lambda _: Const(1)})
        yield Proof(f"bug-steps-bubble-{variant}", wrong, "prove", deep, holds=False)
    broken = partial(Rules, _config(variant="small", tau=2, **tiny), broken=True)
    yield Proof("bug-rules-small", broken, "prove", 12, holds=False)
