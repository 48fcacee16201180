# SPDX-License-Identifier: Apache-2.0
"""The core of group neurons, and with tau = 1 of integrate-and-fire neurons."""

from __future__ import annotations

from amaranth import Cat, Const, Module, Mux, Signal, Value

from cygnet.gateware.neuron.arithmetic import add_or_subtract, multiple
from cygnet.gateware.neuron.core import NeuronCore
from cygnet.gateware.neuron.timeline import Timeline
from cygnet.network import signed_width

__all__ = ["GroupCore"]


class GroupCore(NeuronCore):
    """p = v + u; c = #{k = 1..tau : p >= F + (k-1) K}; v = p - c K.

    Equations 8 to 10 of the group neuron paper. The neurons of a group share their membrane, and
    one reset serves them all. How c is found is
    :attr:`~cygnet.neuron_core.NeuronCoreConfig.algorithm`.
    """

    def fire(self, m: Module, line: Timeline) -> None:
        match self.config.algorithm:
            case "search":
                self._search(m, line)
            case "shift":
                self._shift(line)
            case _:
                self._parallel(m, line)

    def _search(self, m: Module, line: Timeline) -> None:
        """Non-restoring division: each subtraction halves what c may be, and leaves v nearly done.

        With tau = 2^n or 2^n - 1, e1 = p - 2^(n-1) K, and from then on the halved multiple is
        subtracted where e was >= 0 and added where it was not. The signs are the digits of c; what
        is left, e_n, lacks at most one K. tau = 2^n has one level more, p >= 2^n K.
        """
        config, schedule = self.config, self.config.schedule
        digits = len(schedule.compare)
        least = -(1 << config.membrane_width - 1) - (config.tau << config.threshold_width)
        width = signed_width(least, (1 << config.membrane_width - 1) - 1)

        value = "p"
        for digit in range(digits):
            stage = schedule.compare[digit]
            step = line.at("reset", stage) << (digits - 1 - digit)
            before = line.at(value, stage)
            if digit == 0:
                rest = (before - step)[:width].as_signed()
            else:
                below = line.at(f"below{digit - 1}", stage)
                rest = add_or_subtract(before, step, below, ~below, width)
            value = f"rest{digit}"
            line.put(value, stage, rest)
            line.put(f"below{digit}", stage, rest[-1])

        over: Value = Const(0)
        if config.tau == 1 << digits:
            stage = schedule.compare[min(1, digits - 1)]
            before = line.at("rest0" if digits > 1 else "p", stage)
            step = line.at("reset", stage) << max(1, digits - 1)
            # 2^n K - 1 - p < 0, so that the sign is the answer itself.
            line.put("over", stage, (_not(before) + step)[-1])
            over = line.at("over", schedule.reset)

        stage = schedule.reset
        below = line.at(f"below{digits - 1}", stage)
        reset = line.at("reset", stage)
        left = add_or_subtract(line.at(value, stage), reset, below, over, config.membrane_width)
        line.put("left", stage, left)

        stage = schedule.encode
        bits = Cat(~line.at(f"below{digit}", stage) for digit in reversed(range(digits)))
        if config.tau == 1 << digits:
            top = line.at("over", stage)
            bits = Cat(bits & (~top).replicate(digits), top)
        line.put("count", stage, bits)

    def _shift(self, line: Timeline) -> None:
        """K = 2^s: the bits of p from s upwards are floor(p / K); the others need no look."""
        config, schedule = self.config, self.config.schedule
        shift = config.reset.bit_length() - 1
        stage = schedule.encode
        quotient = line.at("p", stage)[shift:].as_signed()
        count: Value = Mux(quotient[-1], 0, quotient[: config.tau.bit_length()])
        beyond = quotient >= config.tau
        if config.tau & (config.tau - 1) == 0:
            beyond = ~quotient[-1] & quotient[config.tau.bit_length() - 1 : -1].any()
        line.put("count", stage, Mux(beyond, config.tau, count)[: config.tau.bit_length()])
        stage = schedule.reset
        p = line.at("p", stage)
        left = p[shift:].as_signed() - line.at("count", stage)
        line.put("left", stage, Cat(p[:shift], left)[: config.membrane_width])

    def _parallel(self, m: Module, line: Timeline) -> None:
        """A comparator for each threshold, all at once; the sum of their answers is c."""
        config, schedule = self.config, self.config.schedule
        tau = config.tau
        width = config.membrane_width

        stage = schedule.multiples
        reset = line.at("reset", stage)
        for factor in range(1, tau + 1):
            line.put(f"K{factor}", stage, multiple(reset, factor))
        stage = max(schedule.multiples, schedule.compare[0] - 1)
        separate = config.fire_level == "memory" or config.threshold != "memory"
        fire = line.at("fire" if separate else "reset", stage)
        line.put("level1", stage, fire)
        for k in range(2, tau + 1):
            level = fire + line.at(f"K{k - 1}", stage) if separate else line.at(f"K{k}", stage)
            line.put(f"level{k}", stage, level)

        # A threshold needs few bits: what the membrane has above them is looked at once.
        stage = schedule.compare[0]
        p = line.at("p", stage)
        levels = [line.at(f"level{k}", stage) for k in range(1, tau + 1)]
        low = min(max(len(level) for level in levels), width - 1)
        beyond = p[low : width - 1].any()
        reached = Signal(tau, name="reached")
        for k, level in enumerate(levels):
            m.d.comb += reached[k].eq(~p[-1] & (beyond | (p[:low] >= level)))
        line.put("reached", stage, reached)

        # Thresholds rise with k, so bit b of the count is the parity of those of the levels that
        # 2^b divides.
        stage = schedule.encode
        reached = line.at("reached", stage)
        count = Cat(
            Cat(reached[k - 1] for k in range(1, tau + 1) if k % (1 << bit) == 0).xor()
            for bit in range(tau.bit_length())
        )
        line.put("count", stage, count)

        # Two digits to the base of four, and 16 K for itself.
        stage = schedule.product
        c = line.at("count", stage)
        times = [Const(0), *(line.at(f"K{k}", stage) for k in range(1, min(tau, 3) + 1))]
        product = _select(c[:2], times)
        if tau >= 5:
            product = product + (_select(c[2:4], times) << 2)
        elif tau == 4:
            product = Mux(c[2], line.at("K4", stage), product)
        if tau == 16:
            product = Mux(c[4], line.at("K16", stage), product)
        line.put("product", stage, product)

        stage = schedule.reset
        line.put("left", stage, (line.at("p", stage) - line.at("product", stage))[:width])


def _not(value: Value) -> Value:
    return (~value).as_signed()


def _select(digit: Value, values: list[Value]) -> Value:
    """The value that a digit of one or two bits names."""
    chosen = Mux(digit[0], values[1], values[0])
    if len(values) > 2 and len(digit) > 1:
        high = Mux(digit[0], values[3] if len(values) > 3 else 0, values[2])
        chosen = Mux(digit[1], high, chosen)
    return chosen
