# SPDX-License-Identifier: Apache-2.0
"""The core of group neurons, and with tau = 1 of integrate-and-fire neurons."""

from __future__ import annotations

from amaranth import Cat, Module, Mux, Signal, Value, signed

from cygnet.gateware.neuron.arithmetic import clamp, multiple
from cygnet.gateware.neuron.core import NeuronCore
from cygnet.gateware.neuron.timeline import Timeline

__all__ = ["GroupCore"]


class GroupCore(NeuronCore):
    """p = v + u; c = #{k = 1..tau : p >= F + (k-1) K}; v = p - c K.

    The neurons of a group share their membrane; every one has a comparator, all work at once, and
    one subtraction of c K resets them together (equations 8 to 10 of the group neuron paper).
    """

    def fire(self, m: Module, line: Timeline) -> tuple[Value, Value, Value]:
        config, schedule = self.config, self.config.schedule
        tau = config.tau
        width = config.membrane_width

        p = line.at("v", schedule.add) + line.at("current", schedule.add)
        if config.saturate:
            line.put("sum", schedule.add, p)
            p = clamp(line.at("sum", schedule.clamp), width)
        line.put("p", schedule.clamp, p, signed(width))

        for factor in range(1, tau + 1):
            line.put(f"K{factor}", schedule.multiples, multiple(line, schedule.multiples, factor))
        if config.fire_level == "reset" and config.threshold != "constant":
            levels = [f"K{k}" for k in range(1, tau + 1)]
        else:
            levels = [f"F{k}" for k in range(1, tau + 1)]
            stage = schedule.multiples
            fire = line.at("fire", stage)
            line.put("F1", stage, fire)
            for k in range(2, tau + 1):
                line.put(f"F{k}", stage, fire + line.at(f"K{k - 1}", stage))

        # A threshold needs few bits: what the membrane has above them is looked at once.
        stage = schedule.compare
        p = line.at("p", stage)
        low = max(len(line.at(level, stage)) for level in levels)
        negative = p[-1]
        beyond = p[low : width - 1].any() if width - 1 > low else 0
        reached = Signal(tau, name="reached")
        for k, level in enumerate(levels):
            m.d.comb += reached[k].eq(
                ~negative & (beyond | (p[: min(low, width - 1)] >= line.at(level, stage)))
            )
        line.put("reached", stage, reached)

        # Thresholds rise with k, so bit b of the count is the parity of the levels k that 2^b
        # divides.
        stage = schedule.encode
        reached = line.at("reached", stage)
        count = Cat(
            Cat(reached[k - 1] for k in range(1, tau + 1) if k % (1 << bit) == 0).xor()
            for bit in range(tau.bit_length())
        )
        line.put("c", stage, count)

        stage = schedule.product
        c = line.at("c", stage)
        product: Value = Mux(c[0], line.at("K1", stage), 0)
        if tau >= 2:
            triple = line.at("K3", stage) if tau >= 3 else 0
            product = Mux(c[1], Mux(c[0], triple, line.at("K2", stage)), product)
        if tau >= 4:
            high = Mux(c[2], line.at("K1", stage), 0)
            if tau >= 8:
                high = Mux(c[3], Mux(c[2], line.at("K3", stage), line.at("K2", stage)), high)
            if tau >= 5:
                product = product + (high << 2)
            else:
                product = Mux(c[2], line.at("K4", stage), product)
            if tau == 16:
                product = Mux(c[4], line.at("K16", stage), product)
        line.put("cK", stage, product)

        stage = schedule.reset
        membrane = line.at("p", stage) - line.at("cK", stage)
        enabled_count = line.at("c", schedule.encode)
        return enabled_count, membrane[:width], Cat()
