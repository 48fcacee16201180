# SPDX-License-Identifier: Apache-2.0
"""From a serial line to the streams of an accelerator and back."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module, Signal, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from cygnet.gateware.link.answers import Answers, logit_layout
from cygnet.gateware.link.requests import Requests, beat_layout
from cygnet.gateware.link.uart import Receiver, Transmitter, increment
from cygnet.host.device import Identity
from cygnet.host.protocol import Greeting

__all__ = ["LinkConfig", "SerialLink"]


@dataclass(frozen=True)
class LinkConfig:
    """What a link is built from.

    :param identity: what the board says of itself; its clock sets the baud rate
    :param baud: bits a second
    :param beat: values in a transfer to the accelerator
    :param logit_width: bits of a logit, 32 at most
    :param label_width: bits of a label
    :param slots: images that the board keeps while they wait, a power of two
    :param silence: seconds without a byte after which a frame is given up
    """

    identity: Identity
    baud: int
    beat: int
    logit_width: int
    label_width: int
    slots: int = 8
    silence: float = 0.05

    @property
    def greeting(self) -> Greeting:
        return Greeting(self.identity, self.slots)


class SerialLink(wiring.Component):
    """One image at a time goes through the accelerator, so its clocks are those of an idle one.

    Parameters
    ----------
    config : LinkConfig

    Members
    -------
    rx : ``In(1)``
    tx : ``Out(1)``
    image : ``Out(stream.Signature(beat_layout(beat)))``
        To the accelerator.
    logits : ``In(stream.Signature(logit_layout(logit_width, label_width)))``
        From it.
    error : ``In(1)``
        It dropped a frame: answers would be those of other images, so none are given any more.
    label : ``Out(unsigned(label_width))``
        Of the last image.
    """

    def __init__(self, config: LinkConfig) -> None:
        self._config = config
        self._step = increment(config.identity.clock_hz, config.baud)
        super().__init__(
            {
                "rx": In(1, init=1),
                "tx": Out(1, init=1),
                "image": Out(stream.Signature(beat_layout(config.beat))),
                "logits": In(
                    stream.Signature(logit_layout(config.logit_width, config.label_width))
                ),
                "error": In(1),
                "label": Out(unsigned(config.label_width)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        m = Module()
        config = self._config
        m.submodules.receiver = receiver = Receiver(self._step)
        m.submodules.transmitter = transmitter = Transmitter(self._step)
        m.submodules.requests = requests = Requests(
            values=config.identity.values,
            beat=config.beat,
            slots=config.slots,
            patience=max(1, round(config.silence * config.identity.clock_hz)),
        )
        m.submodules.answers = answers = Answers(
            config.greeting, width=config.logit_width, label_width=config.label_width
        )
        wiring.connect(m, receiver.o, requests.i)
        wiring.connect(m, requests.tickets, answers.tickets)
        wiring.connect(m, answers.o, transmitter.i)
        wiring.connect(m, wiring.flipped(self.logits), answers.i)

        # Between the first beat of an image and its last logit, and until that answer has left.
        inside = Signal()
        whole = Signal()  # all beats have gone in
        may = ~answers.busy & ~(inside & whole)
        moves = self.image.valid & self.image.ready
        m.d.comb += [
            receiver.rx.eq(self.rx),
            requests.broken.eq(receiver.error),
            self.tx.eq(transmitter.tx),
            self.label.eq(answers.label),
            self.image.payload.eq(requests.o.payload),
            self.image.valid.eq(requests.o.valid & may),
            requests.o.ready.eq(self.image.ready & may),
            answers.begins.eq(moves & ~inside),
        ]
        with m.If(moves):
            m.d.sync += [inside.eq(1), whole.eq(self.image.payload.last)]
        with m.If(self.logits.valid & self.logits.ready & self.logits.payload.last):
            m.d.sync += inside.eq(0)
        with m.If(self.error):
            m.d.sync += answers.fault.eq(1)
        return m
