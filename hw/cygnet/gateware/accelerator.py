# SPDX-License-Identifier: Apache-2.0
"""A whole network: layers chained by streams, each working on its own image."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, signed, unsigned
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.credits import path_name, readers_of
from cygnet.gateware.layer import EncoderPath, NeuronArray, SynapseLayer
from cygnet.gateware.load import Contents
from cygnet.gateware.pixel_input import PixelInput, beat_layout
from cygnet.gateware.readout import Readout
from cygnet.gateware.stream_registers import StreamRegister
from cygnet.hardware import HardwareConfig
from cygnet.input_stream import row_beats
from cygnet.layer_plan import frames_inside, plan_layers
from cygnet.network import Network, unsigned_width

__all__ = ["Accelerator"]


class Accelerator(wiring.Component):
    """Pixels or counts in, logits out. A valid stays until its transfer and never waits for ready.

    Parameters
    ----------
    network : Network
    hardware : HardwareConfig
    contents : mapping of memory name to words, or None
        For Amaranth's own simulator (:func:`cygnet.images.memories`), or ports that write them;
        Verilog reads images.

    Members
    -------
    in_valid, in_ready, in_data, in_last
        Beats of ``hardware.beat`` values of 8 bits in the order of :mod:`cygnet.input_stream`, the
        first in the low bits; the last beat of a frame has ``in_last``.
    in_error : ``Out(1)``
        High for one clock when a frame of the wrong length came; the frame gives no logits.
    out_valid, out_ready, out_logit, out_label, out_last
        One logit a beat (signed) in class order; ``out_last`` comes with the last one, and
        ``out_label``, the winning class, is meaningful with it.

    Raises
    ------
    ValueError, CygnetError
        The configuration does not go with the network, or the gateware does not build a layer.
    """

    def __init__(
        self, network: Network, hardware: HardwareConfig, contents: Contents | None = None
    ) -> None:
        self._network = network
        self._plans = plan_layers(network, hardware)
        self._row_beats = row_beats(network, hardware)
        self._contents = contents
        last = self._plans[-1]
        super().__init__(
            {
                "in_valid": In(1),
                "in_ready": Out(1),
                "in_data": In(unsigned(8 * hardware.beat)),
                "in_last": In(1),
                "in_error": Out(1),
                "out_valid": Out(1),
                "out_ready": In(1),
                "out_logit": Out(signed(last.current_width)),
                "out_label": Out(unsigned_width(last.outputs - 1)),
                "out_last": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        plans = self._plans
        m.submodules.pixels = pixels = PixelInput(plans[0], self._network.input, self._row_beats)
        # Between the pins, which may lie anywhere, and what works on beats.
        m.submodules.entry = entry = StreamRegister(beat_layout(plans[0]))
        m.submodules.readout = readout = Readout(plans[-1], frames_inside(plans))

        readers = [readers_of(plans, plan.number) for plan in plans]
        layers = []
        for plan in plans:
            layer = SynapseLayer(plan, readers[plan.number], contents=self._contents)
            m.submodules[plan.name] = layer
            layers.append(layer)
        for plan, layer in zip(plans[:-1], layers[:-1], strict=True):
            m.submodules[f"{plan.name}_neurons"] = neurons = NeuronArray(plan, self._contents)
            wiring.connect(m, layer.o, neurons.i)
            m.d.comb += neurons.o.ready.eq(1)
            for number, reader in enumerate(readers[plan.number]):
                assert reader.layer is not None
                role = reader.role
                path = EncoderPath(plan, reader)
                m.submodules[path_name(plan, reader)] = path
                target = layers[reader.layer.number]
                m.d.comb += [
                    path.i.valid.eq(neurons.o.valid),
                    path.i.payload.eq(neurons.o.payload),
                    getattr(layer, f"credit_{number}").eq(getattr(target, f"{role}_credit")),
                ]
                wiring.connect(m, path.o, getattr(target, role))
        # Nothing is taken before the border above the first frame is there.
        started = Signal()
        with m.If(pixels.i.ready):
            m.d.sync += started.eq(1)
        wiring.connect(m, entry.o, pixels.i)
        wiring.connect(m, pixels.o, layers[0].main)
        wiring.connect(m, layers[-1].o, readout.i)
        wiring.connect(m, pixels.verdict, readout.verdict)

        m.d.comb += [
            layers[-1].credit_0.eq(readout.credit),
            layers[-1].credit_1.eq(pixels.verdict.valid),
            entry.i.valid.eq(self.in_valid & started),
            self.in_ready.eq(entry.i.ready & started),
            entry.i.payload.data.eq(self.in_data),
            entry.i.payload.last.eq(self.in_last),
            self.in_error.eq(pixels.verdict.valid & pixels.verdict.payload),
            self.out_valid.eq(readout.o.valid),
            readout.o.ready.eq(self.out_ready),
            self.out_logit.eq(readout.o.payload.logit),
            self.out_label.eq(readout.o.payload.label),
            self.out_last.eq(readout.o.payload.last),
        ]
        return m
