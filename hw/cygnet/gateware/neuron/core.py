# SPDX-License-Identifier: Apache-2.0
"""The frame that all neuron cores share: streams, memories, stall, hazard check."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from amaranth import Cat, Const, Module, Mux, ResetSignal, Signal, Value, signed, unsigned
from amaranth.hdl import Assert, ValueCastable
from amaranth.lib import data, stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out

from cygnet.gateware.load import LoadPort, Words, parameter_memory
from cygnet.gateware.neuron.arithmetic import clamp
from cygnet.gateware.neuron.timeline import Timeline
from cygnet.gateware.stream_registers import Skid
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["NeuronCore", "spike_layout", "step_layout"]


def step_layout(config: NeuronCoreConfig) -> data.StructLayout:
    """Payload of ``i``: one time-step of one neuron."""
    return data.StructLayout(
        {
            "index": unsigned(config.index_width),
            "channel": unsigned(config.channel_width),
            "current": signed(config.current_width),
            "first": 1,
            "last": 1,
        }
    )


def spike_layout(config: NeuronCoreConfig) -> data.StructLayout:
    """Payload of ``o``: what the neuron sends in that step."""
    shape = signed if config.kind == "snm" else unsigned
    return data.StructLayout(
        {
            "index": unsigned(config.index_width),
            "count": shape(config.count_width),
            "first": 1,
            "last": 1,
        }
    )


class NeuronCore(wiring.Component, ABC):
    """A pipeline that does one neuron-step a clock; its subclasses say what a step computes.

    A step that is ``first`` starts a neuron: its membrane is v0 and its memory 0, whatever the slot
    holds. Every other step goes on from what the last one of its slot has left, provided it keeps
    the distance of :attr:`~cygnet.neuron_core.NeuronCoreConfig.interleave`. Spikes come in the
    order of the steps, :attr:`~cygnet.neuron_core.NeuronCoreConfig.latency` clocks later if the
    sink is free. A sink that is not ready stops the core and loses nothing. ``channel`` addresses
    the row of parameters; ``last`` is handed through. Reset drops every step in flight.

    Parameters
    ----------
    config : NeuronCoreConfig
        Widths, memories, schedule.
    contents : Words
        Rows of the memory ``parameters``, from
        :meth:`~cygnet.neuron_core.NeuronCoreConfig.rows`.
    checked : bool
        Adds an assertion that fails, in simulation or proof, on a step that comes too early.

    Members
    -------
    i : In(stream.Signature(step_layout(config)))
        The steps.
    o : Out(stream.Signature(spike_layout(config)))
        The spikes.

    Raises
    ------
    TypeError
        ``config`` is no NeuronCoreConfig.
    ValueError
        ``contents`` has another number of rows than ``config`` or a row wider than it.
    """

    timeline = Timeline
    """Makes the pipeline; proofs put one with a planted bug here."""

    def __init__(
        self,
        config: NeuronCoreConfig,
        contents: Words = None,
        *,
        checked: bool = False,
    ) -> None:
        if not isinstance(config, NeuronCoreConfig):
            raise TypeError(f"config must be a NeuronCoreConfig, not {config!r}")
        rows = config.channels if config.row_width else 0
        if contents is not None and not isinstance(contents, LoadPort):
            if len(contents) != rows:
                raise ValueError(f"contents must be {rows} rows, not {len(contents)!r}")
            for row in contents:
                if not 0 <= row < 1 << config.row_width:
                    raise ValueError(
                        f"contents must be rows of {config.row_width} bits, not {row!r}"
                    )
        self.config = config
        self.contents = contents
        self.checked = checked
        super().__init__(
            {
                "i": In(stream.Signature(step_layout(config))),
                "o": Out(stream.Signature(spike_layout(config))),
            }
        )

    def elaborate(self, platform: Any) -> Module:
        m = Module()
        config, schedule = self.config, self.config.schedule
        advance = Signal()
        line = self.timeline(m, advance)

        m.d.comb += self.i.ready.eq(advance)
        line.put("valid", 0, self.i.valid, resets=True)
        for name in ("index", "current", "first", "last"):
            line.put(name, 0, self.i.payload[name])

        self._parameters(m, line, advance)
        write = self._state(m, line, advance)
        self.potential(line)
        self.fire(m, line)

        left: Value = line.at("left", schedule.store)
        if config.memory_width:
            left = Cat(left, line.at("kept", schedule.store))
        m.d.comb += write.eq(left)
        count: Value = line.at("count", schedule.encode)
        if config.enables:
            count = Mux(line.at("enabled", schedule.encode), count, 0)
        line.put("spike", schedule.encode, count, spike_layout(config)["count"].shape)
        self._output(m, line, advance)
        return m

    @abstractmethod
    def fire(self, m: Module, line: Timeline) -> None:
        """Adds what one step does with p.

        Takes ``p``, ``reset`` and, where the core has them, ``fire``, ``m`` and ``amplitude`` from
        ``line``; puts ``count`` there, in stage ``encode``, ``left``, the membrane after the step,
        and for an SNM ``kept``, its memory.
        """

    def _parameters(self, m: Module, line: Timeline, advance: Signal) -> None:
        config = self.config
        stage = config.schedule.row
        fields: dict[str, Value] = {}
        if config.row_width:
            port = parameter_memory(
                m,
                "parameters",
                width=config.row_width,
                depth=config.channels,
                words=self.contents,
                attributes={"rom_style": "block"} if config.channels > 32 else {},
            )
            m.d.comb += [port.addr.eq(self.i.payload.channel), port.en.eq(advance)]
            line.put("row", 1, port.data)
            row = line.at("row", stage)
            at = 0
            for field in config.row_fields:
                bits = row[at : at + field.width]
                fields[field.name] = bits.as_signed() if field.signed else bits
                at += field.width
        if config.threshold != "memory":
            fields["reset"] = Const(config.reset, config.threshold_width)
            fields["fire"] = Const(config.fire, config.threshold_width)
            fields["initial"] = Const(config.initial, signed(config.membrane_width))
        elif config.initial_level == "half":
            fields["initial"] = fields["reset"][1:]
        elif config.initial_level == "zero":
            fields["initial"] = Const(0, 1)
        for name, value in fields.items():
            # A constant is there in every stage.
            line.put(name, 0 if isinstance(value, Const) else stage, value)

    def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
        """The memory of v and m; returns what is written to it in stage ``store``."""
        config, schedule = self.config, self.config.schedule
        width = config.membrane_width + config.memory_width
        block = config.state_memory == "block"
        m.submodules.state = memory = Memory(
            shape=width,
            depth=config.depth,
            init=[],
            # What a read gives in the clock of a write to its slot is never used.
            attrs={"ram_style": "block", "no_rw_check": 1} if block else {},
        )
        write = memory.write_port()
        m.d.comb += [
            write.addr.eq(line.at("index", schedule.store)),
            write.en.eq(line.at("valid", schedule.store) & advance),
        ]
        if block:
            read = memory.read_port()
            m.d.comb += [
                read.addr.eq(line.at("index", schedule.state - 1)),
                read.en.eq(advance),
            ]
        else:
            read = memory.read_port(domain="comb")
            m.d.comb += read.addr.eq(line.at("index", schedule.state))
        old = read.data[: config.membrane_width].as_signed()
        # So the multiplexer between this and v0 stays one that a carry cell can take in.
        line.put("old", schedule.state, old, keep=not block)
        if config.memory_width:
            line.put("old_m", schedule.state, read.data[config.membrane_width :])
        if self.checked:
            self._check(m, line, advance)
        return write.data

    def _check(self, m: Module, line: Timeline, advance: Signal) -> None:
        """Asserts that no step reads a slot that an earlier one has still to write."""
        config, schedule = self.config, self.config.schedule
        reader = schedule.state - (config.state_memory == "block")
        for writer in range(reader + 1, schedule.store + 1):
            clash = Signal(name=f"clash_{writer}")
            m.d.comb += clash.eq(
                advance
                & line.at("valid", reader)
                & ~line.at("first", reader)
                & line.at("valid", writer)
                & (line.at("index", reader) == line.at("index", writer))
            )
            m.d.sync += Assert(
                ~clash | ResetSignal(allow_reset_less=True),
                "steps of one neuron must keep the interleave",
            )

    def potential(self, line: Timeline) -> None:
        """Adds p = v + u, saturating if that is asked for."""
        config, schedule = self.config, self.config.schedule
        stage = schedule.add
        v = Mux(
            line.at("first", stage),
            line.at("initial", stage),
            line.at("old", stage),
        )
        if config.memory_width:
            line.put("m", stage, Mux(line.at("first", stage), 0, line.at("old_m", stage)))
        total = v + line.at("current", stage)
        if config.saturate:
            line.put("sum", stage, total)
            total = clamp(line.at("sum", schedule.clamp), config.membrane_width)
        line.put("p", schedule.clamp, total, signed(config.membrane_width))

    def _output(self, m: Module, line: Timeline, advance: Signal) -> None:
        config = self.config
        stage = config.schedule.output
        spike: ValueCastable = Signal(spike_layout(config))
        m.d.comb += [
            spike.index.eq(line.at("index", stage)),
            spike.count.eq(line.at("spike", stage)),
            spike.first.eq(line.at("first", stage)),
            spike.last.eq(line.at("last", stage)),
        ]
        valid = line.at("valid", stage)
        if config.variant == "small":
            m.d.comb += [
                self.o.valid.eq(valid),
                self.o.payload.eq(spike),
                advance.eq(self.o.ready | ~valid),
            ]
        else:
            m.submodules.skid = skid = Skid(spike_layout(config))
            m.d.comb += [
                skid.i.valid.eq(valid),
                skid.i.payload.eq(spike),
                advance.eq(skid.i.ready),
            ]
            wiring.connect(m, skid.o, wiring.flipped(self.o))
