# SPDX-License-Identifier: Apache-2.0
"""An accelerator for systems on chip: AXI4-Stream for data, AXI4-Lite for control."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    Module,
    Mux,
    ResetInserter,
    ResetSignal,
    Signal,
    Value,
)
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.errors import CygnetError
from cygnet.gateware.accelerator import Accelerator
from cygnet.gateware.axi.buffers import AnswerBuffer, FrameBuffer
from cygnet.gateware.axi.counters import Counters
from cygnet.gateware.axi.gates import InputGate, OutputGate, answer_layout, beat_layout
from cygnet.gateware.axi.loader import Loader
from cygnet.gateware.axi.registers import RegisterBlock, axi_lite_ports
from cygnet.gateware.load import Contents
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from cygnet.input_stream import frame_bytes
from cygnet.layer_plan import plan_layers
from cygnet.load_image import LOAD_WORD, LoadLayout
from cygnet.network import Network, unsigned_width
from cygnet.registers import registers_of

__all__ = ["CORE", "AxiAccelerator"]

CORE = "accelerator"
"""Name of the submodule that computes."""


class AxiAccelerator(wiring.Component):
    """Frames in at ``s_axis``, logits out at ``m_axis``, registers at ``s_axi``.

    docs/axi.md says what each port and register does.

    Parameters
    ----------
    network : Network
    hardware : HardwareConfig
        ``hardware.loadable``: parameters come at run time, and nothing runs before they are there.
    buffered : bool
        Frames and answers may pass through registers.
    contents : mapping of memory name to words, or None
        For Amaranth's own simulator, where parameters are not loaded.

    Members
    -------
    aclk, aresetn : ``In(1)``
        The only clock; reset, synchronous, active low.
    s_axi_* : AXI4-Lite
        Registers (:mod:`cygnet.registers`).
    s_axis_* : AXI4-Stream
        Beats of ``hardware.beat`` bytes; TLAST closes a frame.
    m_axis_* : AXI4-Stream
        One logit a beat, sign-extended to 32 bits (64 where it is wider), in class order; TLAST
        closes an answer. TUSER: the winning class, meaningful with TLAST, and above it a bit that
        marks an answer that a reset has cut.
    s_axis_load_* : AXI4-Stream
        Parameters, where they are loaded.
    irq : ``Out(1)``
        High while an event that is enabled is set.

    Raises
    ------
    ValueError, CygnetError
        See :class:`~cygnet.gateware.accelerator.Accelerator`.
    CygnetError
        Logits are wider than 64 bits, or than 32 where they pass through registers.
    """

    def __init__(
        self,
        network: Network,
        hardware: HardwareConfig,
        *,
        buffered: bool = False,
        contents: Contents | None = None,
    ) -> None:
        self._network = network
        self._hardware = hardware
        self._buffered = buffered
        self._contents = contents
        last = plan_layers(network, hardware)[-1]
        self._logit_width = last.current_width
        self._classes = last.outputs
        widest = 32 if buffered else 64
        if self._logit_width > widest:
            raise CygnetError(
                f"{network.name}: has logits of {self._logit_width} bits, and "
                f"{'registers' if buffered else 'm_axis'} take {widest}; choose fewer time-steps"
            )
        self._layout = None
        if hardware.loadable:
            self._layout = LoadLayout.of(network, hardware, memories(network, hardware))
        members: dict[str, Any] = {
            "aclk": In(1),
            "aresetn": In(1),
            **axi_lite_ports(),
            "s_axis_tdata": In(8 * hardware.beat),
            "s_axis_tkeep": In(hardware.beat),
            "s_axis_tlast": In(1),
            "s_axis_tvalid": In(1),
            "s_axis_tready": Out(1),
            "m_axis_tdata": Out(32 if self._logit_width <= 32 else 64),
            "m_axis_tuser": Out(unsigned_width(self._classes - 1) + 1),
            "m_axis_tlast": Out(1),
            "m_axis_tvalid": Out(1),
            "m_axis_tready": In(1),
            "irq": Out(1),
        }
        if hardware.loadable:
            members |= {
                "s_axis_load_tdata": In(LOAD_WORD),
                "s_axis_load_tlast": In(1),
                "s_axis_load_tvalid": In(1),
                "s_axis_load_tready": Out(1),
            }
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.domains.sync = ClockDomain()
        m.d.comb += [ClockSignal().eq(self.aclk), ResetSignal().eq(~self.aresetn)]

        loadable, buffered = self._hardware.loadable, self._buffered
        m.submodules.registers = registers = RegisterBlock(
            registers_of(loadable=loadable, buffered=buffered), self._constants()
        )
        for name in axi_lite_ports():
            port, inner = getattr(self, name), getattr(registers, name)
            inward = self.signature.members[name].flow is In
            m.d.comb += inner.eq(port) if inward else port.eq(inner)

        # In reset is what computes; what is around it goes on.
        held, was_held = Signal(init=1), Signal(init=1)
        contents, loaded = self._load(m, registers) if loadable else (self._contents, Const(1, 1))
        m.d.sync += [
            held.eq(registers.control_reset | registers.control_load | ~loaded),
            was_held.eq(held),
        ]
        accelerator = Accelerator(self._network, self._hardware, contents)
        m.submodules[CORE] = ResetInserter(held)(accelerator)
        m.submodules.input = into = InputGate(self._hardware.beat)
        m.submodules.output = out = OutputGate(self._logit_width, self._classes)
        self._streams(m, into, out)
        through: Value = Const(0, 1)
        if buffered:
            through = self._buffers(m, registers, held, accelerator, into, out)
        else:
            connect_beats(m, into.o, accelerator)
            connect_answers(m, accelerator, out.i)
        m.d.comb += [
            into.held.eq(held),
            into.enable.eq(registers.control_enable & ~through),
            out.held.eq(held),
        ]
        self._count(m, registers, held, accelerator, through, out)
        m.d.comb += [
            registers.status_running.eq(~held),
            registers.errors_frame_length_set.eq(accelerator.in_error),
            registers.errors_frame_cut_set.eq(held & ~was_held & (into.inside | out.inside)),
        ]
        return m

    def _constants(self) -> dict[tuple[str, str], int]:
        network, hardware = self._network, self._hardware
        constants = {
            ("NETWORK_HIGH", "digits"): int(network.digest[:8], 16),
            ("NETWORK_LOW", "digits"): int(network.digest[8:16], 16),
            ("FEATURES", "loadable"): int(hardware.loadable),
            ("FEATURES", "buffered"): int(self._buffered),
            ("FEATURES", "beat"): hardware.beat,
            ("FEATURES", "logit"): self._logit_width,
            ("VALUES", "values"): frame_bytes(network, hardware),
            ("CLASSES", "classes"): self._classes,
            ("STEPS", "steps"): hardware.steps,
        }
        if self._layout is not None:
            constants |= {
                ("LAYOUT", "layout"): self._layout.checksum,
                ("LOAD_WORDS", "words"): self._layout.words,
            }
        return constants

    def _streams(self, m: Module, into: InputGate, out: OutputGate) -> None:
        beat = self._hardware.beat
        kept = Cat(self.s_axis_tkeep[place].replicate(8) for place in range(beat))
        m.d.comb += [
            into.i.valid.eq(self.s_axis_tvalid),
            into.i.payload.data.eq(self.s_axis_tdata & kept),
            into.i.payload.last.eq(self.s_axis_tlast),
            self.s_axis_tready.eq(into.i.ready),
            self.m_axis_tvalid.eq(out.o.valid),
            self.m_axis_tdata.eq(out.o.payload.logit),
            self.m_axis_tlast.eq(out.o.payload.last),
            self.m_axis_tuser.eq(Cat(out.o.payload.label, out.o.payload.cut)),
            out.o.ready.eq(self.m_axis_tready),
        ]

    def _load(self, m: Module, registers: RegisterBlock) -> tuple[Contents, Value]:
        """The memories' contents, and whether they are there."""
        assert self._layout is not None
        m.submodules.loader = loader = Loader(self._layout)
        pushed, word = registers.load_data_word_given, loader.i.payload
        # A word from a register cannot wait.
        m.d.comb += [
            loader.restart.eq(registers.control_load),
            loader.i.valid.eq(pushed | self.s_axis_load_tvalid),
            word.data.eq(Mux(pushed, registers.load_data_word, self.s_axis_load_tdata)),
            word.last.eq(self.s_axis_load_tlast & ~pushed),
            word.framed.eq(~pushed),
            self.s_axis_load_tready.eq(loader.i.ready & ~pushed),
            registers.status_loaded.eq(loader.loaded),
            registers.status_loading.eq(loader.loading),
            registers.load_count_words.eq(loader.count),
            registers.load_checksum_crc.eq(loader.checksum),
            registers.errors_load_checksum_set.eq(loader.wrong_checksum),
            registers.errors_load_layout_set.eq(loader.wrong_layout),
            registers.errors_load_length_set.eq(loader.wrong_length | (pushed & loader.loaded)),
            registers.interrupt_status_load_set.eq(loader.ended),
        ]
        return loader.ports, loader.loaded

    def _buffers(
        self,
        m: Module,
        registers: RegisterBlock,
        held: Signal,
        accelerator: Accelerator,
        into: InputGate,
        out: OutputGate,
    ) -> Value:
        """Both ways through registers; whether these are in use, which changes in reset only."""
        through = Signal()
        with m.If(held):
            m.d.sync += through.eq(registers.control_buffered)
        frames = FrameBuffer(frame_bytes(self._network, self._hardware), self._hardware.beat)
        answers = AnswerBuffer(self._logit_width, self._classes)
        m.submodules.frames = ResetInserter(held)(frames)
        m.submodules.answers = ResetInserter(held)(answers)
        beats = stream.Signature(beat_layout(self._hardware.beat)).create(path=("beats",))
        given = stream.Signature(answer_layout(self._logit_width, self._classes)).create(
            path=("given",)
        )
        connect_beats(m, beats, accelerator)
        connect_answers(m, accelerator, given)
        with m.If(through):
            m.d.comb += [
                beats.valid.eq(frames.o.valid),
                beats.payload.eq(frames.o.payload),
                frames.o.ready.eq(beats.ready),
                answers.i.valid.eq(given.valid),
                given.ready.eq(answers.i.ready),
            ]
        with m.Else():
            m.d.comb += [
                beats.valid.eq(into.o.valid),
                beats.payload.eq(into.o.payload),
                into.o.ready.eq(beats.ready),
                out.i.valid.eq(given.valid),
                given.ready.eq(out.i.ready),
            ]
        m.d.comb += [
            answers.i.payload.eq(given.payload),
            out.i.payload.eq(given.payload),
            frames.word.eq(registers.in_data_values),
            frames.given.eq(registers.in_data_values_given),
            answers.taken.eq(registers.out_data_logit_taken),
            registers.in_space_words.eq(frames.space),
            registers.out_count_logits.eq(answers.count),
            registers.out_data_logit.eq(answers.logit),
            registers.out_label_label.eq(answers.label),
            registers.errors_buffer_set.eq(frames.lost | answers.missed),
        ]
        return through

    def _count(
        self,
        m: Module,
        registers: RegisterBlock,
        held: Signal,
        accelerator: Accelerator,
        through: Value,
        out: OutputGate,
    ) -> None:
        m.submodules.counters = counters = Counters()
        entered, left, inside = Signal(), Signal(), Signal()
        shown = out.o.payload
        m.d.comb += [
            entered.eq(accelerator.in_valid & accelerator.in_ready & ~held),
            left.eq(accelerator.out_valid & accelerator.out_ready & accelerator.out_last & ~held),
        ]
        with m.If(held):
            m.d.sync += inside.eq(0)
        with m.Elif(entered):
            m.d.sync += inside.eq(~accelerator.in_last)
        answered = Mux(through, left, out.o.valid & out.o.ready & shown.last & ~shown.cut)
        high = Signal(32)
        with m.If(registers.cycles_low_cycles_taken):
            m.d.sync += high.eq(counters.cycles[32:])
        errors = [
            getattr(registers, name)
            for name in registers.signature.members
            if name.startswith("errors_") and name.endswith("_set")
        ]
        m.d.comb += [
            counters.clear.eq(registers.control_clear),
            counters.held.eq(held),
            counters.begins.eq(entered & ~inside),
            counters.ends_in.eq(entered & accelerator.in_last),
            counters.ends_out.eq(left),
            counters.answered.eq(answered),
            counters.dropped.eq(accelerator.in_error & ~held),
            counters.stalled_in.eq(self.s_axis_tvalid & ~self.s_axis_tready),
            counters.stalled_out.eq(self.m_axis_tvalid & ~self.m_axis_tready),
            registers.frames_in_frames.eq(counters.frames_in),
            registers.frames_out_frames.eq(counters.frames_out),
            registers.frames_dropped_frames.eq(counters.frames_dropped),
            registers.stalls_in_clocks.eq(counters.stalls_in),
            registers.stalls_out_clocks.eq(counters.stalls_out),
            registers.cycles_low_cycles.eq(counters.cycles[:32]),
            registers.cycles_high_cycles.eq(high),
            registers.status_busy.eq(counters.busy | out.o.valid | out.inside),
            registers.interrupt_status_answer_set.eq(answered),
            registers.interrupt_status_error_set.eq(Cat(errors).any()),
            self.irq.eq(
                (registers.interrupt_status_answer & registers.interrupt_enable_answer)
                | (registers.interrupt_status_error & registers.interrupt_enable_error)
                | (registers.interrupt_status_load & registers.interrupt_enable_load)
            ),
        ]


def connect_beats(m: Module, beats: Any, accelerator: Accelerator) -> None:
    """A stream of beats to the accelerator's input."""
    m.d.comb += [
        accelerator.in_valid.eq(beats.valid),
        accelerator.in_data.eq(beats.payload.data),
        accelerator.in_last.eq(beats.payload.last),
        beats.ready.eq(accelerator.in_ready),
    ]


def connect_answers(m: Module, accelerator: Accelerator, answers: Any) -> None:
    """The accelerator's output to a stream of logits."""
    m.d.comb += [
        answers.valid.eq(accelerator.out_valid),
        answers.payload.logit.eq(accelerator.out_logit),
        answers.payload.label.eq(accelerator.out_label),
        answers.payload.last.eq(accelerator.out_last),
        accelerator.out_ready.eq(answers.ready),
    ]
