# SPDX-License-Identifier: Apache-2.0
"""The core of signed neurons with memory."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Value, signed

from cygnet.gateware.neuron.arithmetic import clamp
from cygnet.gateware.neuron.core import NeuronCore
from cygnet.gateware.neuron.timeline import Timeline

__all__ = ["SignedCore"]


class SignedCore(NeuronCore):
    """p = v + u; c = +1 if p >= F, -1 if p <= -F and m > 0, else 0; v = p - c K; m += c.

    m counts the spikes sent and not yet taken back, an integer where the paper (equations 7 to
    11) has a multiple of the threshold. The spike carries its neuron's amplitude, if it has one.
    """

    def fire(self, m: Module, line: Timeline) -> tuple[Value, Value, Value]:
        config, schedule = self.config, self.config.schedule
        width = config.membrane_width

        p = line.at("v", schedule.add) + line.at("current", schedule.add)
        if config.saturate:
            line.put("sum", schedule.add, p)
            p = clamp(line.at("sum", schedule.clamp), width)
        line.put("p", schedule.clamp, p, signed(width))

        stage = schedule.compare
        p = line.at("p", stage)
        level = "fire"
        if config.fire_level == "reset" and config.threshold != "constant":
            level = "reset"
        fire = line.at(level, stage)
        line.put("rises", stage, p >= fire)
        line.put("falls", stage, p + fire <= 0)

        stage = schedule.encode
        up = line.at("rises", stage)
        down = line.at("falls", stage) & line.at("m", stage).any()
        line.put("up", stage, up)
        line.put("down", stage, down)
        if config.amplitude_width:
            amplitude = line.at("amplitude", stage)
            count = Mux(up, amplitude, Mux(down, -amplitude, 0))
        else:
            count = Cat(up | down, down).as_signed()

        stage = schedule.product
        reset = line.at("reset", stage)
        change = Mux(line.at("up", stage), -reset, Mux(line.at("down", stage), reset, 0))
        line.put("change", stage, change)

        stage = schedule.reset
        membrane = line.at("p", stage) + line.at("change", stage)
        delta = Cat(line.at("up", stage) | line.at("down", stage), line.at("down", stage))
        memory = line.at("m", stage) + delta.as_signed()
        return count, membrane[:width], memory[: config.memory_width]
