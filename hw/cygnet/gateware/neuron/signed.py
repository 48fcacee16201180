# SPDX-License-Identifier: Apache-2.0
"""The core of signed neurons with memory."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Value

from cygnet.gateware.neuron.arithmetic import add_or_subtract
from cygnet.gateware.neuron.core import NeuronCore
from cygnet.gateware.neuron.timeline import Timeline

__all__ = ["SignedCore"]


class SignedCore(NeuronCore):
    """p = v + u; c = +1 if p >= F, -1 if p <= -F and m > 0, else 0; v = p - c K; m += c.

    m counts the spikes sent and not yet taken back, an integer where the paper (equations 7 to
    11) has a multiple of the threshold. The spike carries its neuron's amplitude, if it has one.
    """

    def fire(self, m: Module, line: Timeline) -> None:
        config, schedule = self.config, self.config.schedule
        width = config.membrane_width

        # p moved by K towards zero is both the comparison with K and what is left after a spike.
        stage = schedule.compare[0]
        p = line.at("p", stage)
        negative = p[-1]
        moved = add_or_subtract(p, line.at("reset", stage), negative, ~negative, width + 1)
        line.put("moved", stage, moved)
        if config.fire_level == "reset" and config.threshold == "memory":
            past = moved
        else:
            past = add_or_subtract(p, line.at("fire", stage), negative, ~negative, width + 1)
        line.put("past", stage, past)

        # p <= -F is p + F <= 0, and zero takes a look at every bit: a few of them first.
        stage = max(schedule.compare[0], schedule.encode - 1)
        few = 4 if config.variant == "small" else 8
        past = line.at("past", stage)
        line.put("some", stage, Cat(past[at : at + few].any() for at in range(0, len(past), few)))
        line.put("owes", stage, line.at("m", stage).any())

        stage = schedule.encode
        beyond = line.at("past", stage)[-1]
        negative = line.at("p", stage)[-1]
        reached = Mux(negative, beyond | ~line.at("some", stage).any(), ~beyond)
        spikes = reached & (~negative | line.at("owes", stage))
        line.put("spikes", stage, spikes)
        line.put("sinks", stage, negative)
        one: Value = Const(1)
        if config.amplitude_width:
            one = line.at("amplitude", stage)
        line.put("count", stage, Mux(spikes, Mux(negative, -one, one), 0))

        stage = schedule.reset
        spikes, sinks = line.at("spikes", stage), line.at("sinks", stage)
        line.put("left", stage, Mux(spikes, line.at("moved", stage), line.at("p", stage))[:width])
        memory = line.at("m", stage)
        change = Cat(spikes, (spikes & sinks).replicate(len(memory) - 1))[: len(memory)]
        line.put("kept", stage, (memory + change)[: len(memory)])
