# SPDX-License-Identifier: Apache-2.0
"""A whole core, memories and stalls included, equals the one-line model for ever: by induction.

The claim looks at the core from outside. The model keeps v and m of one slot, free but constant;
one step of that slot, freely picked, is remembered with its spike by the model, and compared when
as many spikes have left as steps were inside before it. Nothing of the core's insides is in that.

Induction needs more: what may be in the pipeline at all. So each stage is followed by a ghost, the
values that its step came in with (v, m, u, K, first, last), and by the datapath without registers
(:class:`~model.Flat`) on the ghost. The invariant, checked from reset and kept by every clock:

- each pipeline register of a step of the slot holds what the flat datapath says;
- the youngest step of the slot in flight leaves the model's v and m; of two in a row the later
  starts from what the earlier leaves, at least the interleave behind it;
- the slot of the state memory holds what the next step that reads it starts from;
- spikes inside are the valid stages, and a spike held by the skid buffer.

The memory of parameters is read-only and stands here as a register behind free constants.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from amaranth import Cat, Const, Elaboratable, Module, Mux, Signal, Value, signed
from amaranth.hdl import Assert, Assume, ClockDomain
from amaranth.lib import data
from model import Bugs, Flat, Step, kind_of, planted

from cygnet.gateware.neuron.timeline import Timeline
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["Steps"]


@dataclass(frozen=True)
class _Ghost:
    """What a step came in with, and what the datapath without registers makes of it."""

    v: Signal
    m: Signal
    u: Signal
    reset: Signal
    first: Signal
    last: Signal
    picked: Signal
    flat: dict[str, Signal]

    def moving(self) -> Value:
        return Cat(self.v, self.m, self.u, self.reset, self.first, self.last, self.picked)


def _initial(config: NeuronCoreConfig, reset: Value) -> Value:
    return reset >> 1 if config.initial_level == "half" else Const(0, 1)


def _named(line: Timeline) -> dict[str, tuple[int, list[Signal]]]:
    """Every value of a pipeline: the stage it begins in, and its signals from there on."""
    return line._values


class Steps(Elaboratable):  # type: ignore[misc]
    """The core, the model beside it, the claim and the invariant.

    :param bugs: values of the pipeline that are wrong
    :param closer: clocks by which the source breaks the interleave rule
    """

    def __init__(
        self, config: NeuronCoreConfig, *, bugs: Bugs | None = None, closer: int = 0
    ) -> None:
        self.config = config
        self.closer = closer
        self.slot = slot = Signal(config.index_width)
        self.pick = Signal()
        self.rows = rows = Signal(data.ArrayLayout(config.threshold_width, config.channels))
        schedule = config.schedule

        class Core(kind_of(config)):  # type: ignore[misc]
            timeline = planted(bugs or {})

            def _parameters(self, m: Module, line: Timeline, advance: Signal) -> None:
                self.line = line
                line.put("row", 0, rows[self.i.payload.channel])
                row = line.at("row", schedule.row)
                line.put("reset", schedule.row, row)
                line.put("initial", schedule.row, _initial(config, row))

            def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
                write = super()._state(m, line, advance)
                port = m.submodules.state.read_port(domain="comb")
                m.d.comb += port.addr.eq(slot)
                self.stored = port.data
                return write

        self.core: Any = Core(config)
        self.core._MustUse__used = True
        self.domain = ClockDomain("sync", reset_less=True)
        self.ports = (
            self.domain.clk,
            *(self.slot, self.pick, self.rows.as_value(), self.core.i.valid),
            *(self.core.i.payload.as_value(), self.core.o.ready),
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        m.domains.sync = self.domain
        config = self.config
        core = self.core
        m.submodules.core = self.pipeline = core.elaborate(platform)
        self._source(m)

        step_in = core.i.payload
        taken = core.i.valid & core.i.ready
        reset = self.rows[step_in.channel]
        self.v = v = Signal(signed(config.membrane_width))
        self.m = remembered = Signal(max(1, config.memory_width))
        self.started = started = Signal()
        self.age = age = Signal(range(config.interleave + 1), init=config.interleave)
        mine = step_in.index == self.slot
        step = Step(
            m,
            config,
            Mux(step_in.first, _initial(config, reset), v),
            Mux(step_in.first, 0, remembered),
            step_in.current,
            reset,
        )
        with m.If(core.i.ready & (age < config.interleave)):
            m.d.sync += age.eq(age + 1)
        with m.If(core.i.valid & mine):
            m.d.comb += Assume(reset > 0)
            if not config.saturate:
                m.d.comb += Assume(step.fits)
            if config.kind == "snm":
                m.d.comb += Assume(step.memory < 1 << config.memory_width)
            with m.If(~step_in.first):
                m.d.comb += [Assume(started), Assume(age >= config.interleave - self.closer)]
        with m.If(taken & mine):
            m.d.sync += [v.eq(step.left), remembered.eq(step.memory), started.eq(1), age.eq(1)]

        picked = self._claim(m, taken & mine, step)
        self._invariant(m, self._ghosts(m, reset, picked))
        return m

    def _source(self, m: Module) -> None:
        """Constants stay; an offered step stays until it is taken."""
        core = self.core
        began, held = Signal(), Cat(self.slot, self.rows.as_value())
        before = Signal(len(held))
        m.d.sync += [began.eq(1), before.eq(held)]
        with m.If(began):
            m.d.comb += Assume(held == before)
        waited, was = Signal(), Signal(core.i.payload.shape())
        m.d.sync += [waited.eq(core.i.valid & ~core.i.ready), was.eq(core.i.payload)]
        with m.If(waited):
            m.d.comb += [Assume(core.i.valid), Assume(core.i.payload == was)]

    def _claim(self, m: Module, taken: Value, step: Step) -> Value:
        """What is proved; returns whether the step that is taken is the one to look at."""
        core = self.core
        self.inside = inside = Signal(range(self.config.latency + 4))
        leaves = core.o.valid & core.o.ready
        m.d.sync += inside.eq(inside + (core.i.valid & core.i.ready) - leaves)
        self.watching, self.ahead = watching, ahead = Signal(), Signal.like(inside)
        self.expected = expected = Signal(core.o.payload.shape())
        picked = Signal()
        m.d.comb += picked.eq(~watching & taken & self.pick)
        with m.If(picked):
            m.d.sync += [
                watching.eq(1),
                ahead.eq(inside - leaves),
                expected.index.eq(core.i.payload.index),
                expected.count.eq(step.count),
                expected.first.eq(core.i.payload.first),
                expected.last.eq(core.i.payload.last),
            ]
        with m.If(core.o.valid):
            m.d.comb += Assert(inside > 0)
        with m.If(watching & leaves):
            m.d.sync += ahead.eq(ahead - 1)
            with m.If(ahead == 0):
                m.d.comb += Assert(core.o.payload == expected)
                m.d.sync += watching.eq(0)
        return picked

    def _ghosts(self, m: Module, reset: Value, picked: Value) -> dict[int, _Ghost]:
        """One for each stage, moving as the stages do."""
        config, schedule, core = self.config, self.config.schedule, self.core
        step_in = core.i.payload
        before: Value = Cat(
            self.v, self.m, step_in.current, reset, step_in.first, step_in.last, picked
        )
        ghosts = {}
        for stage in range(1, max(schedule.store, schedule.output) + 1):
            v, memory = Signal.like(self.v), Signal.like(self.m)
            u, level = Signal.like(step_in.current), Signal(config.threshold_width)
            first, last, mark = Signal(), Signal(), Signal()
            flat = self._flat(m, v, memory, u, level, first, last)
            ghost = ghosts[stage] = _Ghost(v, memory, u, level, first, last, mark, flat)
            with m.If(core.i.ready):
                m.d.sync += ghost.moving().eq(before)
            before = ghost.moving()
        return ghosts

    def _flat(
        self,
        m: Module,
        v: Value,
        memory: Value,
        u: Value,
        reset: Value,
        first: Value,
        last: Value,
    ) -> dict[str, Signal]:
        """All values of the datapath, by name."""
        fields = self.config.__dataclass_fields__
        config = Flat(**{name: getattr(self.config, name) for name in fields})

        class Core(kind_of(config)):  # type: ignore[misc]
            def _parameters(self, m: Module, line: Timeline, advance: Signal) -> None:
                self.line = line
                line.put("row", 0, reset)
                line.put("reset", 0, reset)
                line.put("initial", 0, _initial(config, reset))

            def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
                line.put("old", 0, v)
                if config.memory_width:
                    line.put("old_m", 0, memory)
                return Signal(config.membrane_width + config.memory_width)

            def _output(self, m: Module, line: Timeline, advance: Signal) -> None:
                m.d.comb += advance.eq(1)

        core = Core(config)
        core._MustUse__used = True  # elaborated here, to get at its values
        m.submodules += core.elaborate(None)
        m.d.comb += [
            core.i.valid.eq(1),
            core.i.payload.current.eq(u),
            core.i.payload.first.eq(first),
            core.i.payload.last.eq(last),
        ]
        return {name: signals[0] for name, (_, signals) in _named(core.line).items()}

    def _invariant(self, m: Module, ghosts: dict[int, _Ghost]) -> None:
        config, schedule, core = self.config, self.config.schedule, self.core
        valid = {stage: core.line.at("valid", stage) for stage in ghosts}
        mine = {
            stage: valid[stage] & (core.line.at("index", stage) == self.slot) for stage in ghosts
        }
        self._registers(m, ghosts, mine)
        self._spikes(m, ghosts, valid, mine)

        def none(low: int, high: int) -> Value:
            """No step of the slot in these stages."""
            return ~reduce(or_, (mine[stage] for stage in range(low, high + 1)), Const(0, 1))

        def state(v: Value, memory: Value) -> Value:
            return Cat(v, memory) if config.memory_width else Cat(v)

        def left(stage: int) -> Value:
            flat = ghosts[stage].flat
            return state(flat["left"], flat["kept"] if config.memory_width else Const(0, 1))

        model = state(self.v, self.m)
        store = schedule.store
        reads = schedule.state - (config.state_memory == "block")
        with m.If(self.started & none(1, store)):
            m.d.comb += Assert(core.stored == model)
        with m.If(none(1, min(store, config.interleave - 1))):
            m.d.comb += Assert(self.age == config.interleave)
        for stage in range(1, store + 1):
            ghost = ghosts[stage]
            with m.If(mine[stage] & none(1, stage - 1)):
                m.d.comb += [
                    Assert(self.started),
                    Assert(left(stage) == model),
                    Assert(self.age == min(stage, config.interleave)),
                ]
            with m.If(mine[stage] & ~ghost.first):
                start = state(ghost.v, ghost.m)
                for older in range(stage + 1, store + 1):
                    with m.If(mine[older] & none(stage + 1, older - 1)):
                        if older - stage < config.interleave:
                            m.d.comb += Assert(0)
                        else:
                            m.d.comb += Assert(start == left(older))
                if stage <= reads:
                    with m.If(none(stage + 1, store)):
                        m.d.comb += Assert(core.stored == start)

    def _registers(self, m: Module, ghosts: dict[int, _Ghost], mine: dict[int, Value]) -> None:
        """Every register of a step of the slot holds what the flat datapath says."""
        block = self.config.state_memory == "block"
        for name, (birth, signals) in _named(self.core.line).items():
            if name in ("valid", "index"):
                continue
            reads = name in ("old", "old_m")
            for stage, signal in enumerate(signals, birth):
                # What a block RAM gives is a register, too.
                if stage > birth or (reads and block):
                    ghost = ghosts[stage]
                    with m.If(mine[stage] & ~ghost.first if reads else mine[stage]):
                        m.d.comb += Assert(signal == ghost.flat[name])

    def _spikes(
        self,
        m: Module,
        ghosts: dict[int, _Ghost],
        valid: dict[int, Value],
        mine: dict[int, Value],
    ) -> None:
        """How many are inside, and where the one is that is looked at."""
        core, output = self.core, self.config.schedule.output
        kept, held = Signal(), Signal()
        if self.config.variant == "fast":
            skid = self.pipeline.submodules.skid
            m.d.comb += kept.eq(~skid.i.ready)
            with m.If(~core.o.ready & ~kept):
                m.d.sync += held.eq(ghosts[output].picked & valid[output])
            with m.If(core.o.ready):
                m.d.sync += held.eq(0)
        stages = range(1, output + 1)

        def count(low: int) -> Value:
            return sum((valid[stage] for stage in range(low, output + 1)), kept)

        marks = [ghosts[stage].picked for stage in stages]
        m.d.comb += [
            Assert(self.inside == count(1)),
            Assert(sum(marks, held) == self.watching),
        ]
        with m.If(held):
            m.d.comb += [
                Assert(kept),
                Assert(self.ahead == 0),
                Assert(core.o.payload == self.expected),
            ]
        for stage in stages:
            ghost = ghosts[stage]
            with m.If(ghost.picked):
                m.d.comb += [
                    Assert(mine[stage]),
                    Assert(self.ahead == count(stage + 1)),
                    Assert(self.expected.index == self.slot),
                    Assert(self.expected.count == ghost.flat["spike"]),
                    Assert(self.expected.first == ghost.first),
                    Assert(self.expected.last == ghost.last),
                ]
