# SPDX-License-Identifier: Apache-2.0
"""Agents on the streams of a module, inside the simulator: source, sink, monitor, scoreboard.

An agent has two moments in each clock: ``drive`` right after the rising edge, where it may write
inputs, and ``sample`` once everything has settled, where it sees the values that the next rising
edge acts on. A transfer is a sample with valid and ready. :class:`Clocked` calls all agents from
one coroutine, so that every agent agrees on the number of a clock; clock 0 is the first after
reset.

The scoreboard holds what the golden model predicted and compares; no agent computes a result.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from cocotb.clock import Clock
from cocotb.triggers import ReadOnly, RisingEdge

from cygnet.cosim.case import BenchError, Expected
from cygnet.cosim.payload import StreamSpec
from cygnet.cosim.stalls import Stall

__all__ = ["Agent", "Clocked", "Monitor", "Scoreboard", "Sink", "Source", "Stream"]

Values = Mapping[str, int | None]
"""Fields of a transfer; None where the simulator knows no value (X or Z)."""

BINNED_WIDTH = 6
"""Fields up to this many bits get a histogram of their values in the coverage."""


class Agent(Protocol):
    def restart(self) -> None:
        """Forget everything: the module was reset."""

    def drive(self) -> None:
        """Write this clock's inputs."""

    def sample(self, cycle: int) -> None:
        """Read this clock's settled values."""


class Stream:
    """The handles of one stream."""

    def __init__(self, dut: Any, spec: StreamSpec) -> None:
        self.spec = spec
        self.valid = self._handle(dut, "valid")
        self.ready = self._handle(dut, "ready")
        if spec.packed:
            self.parts = [self._handle(dut, "payload")]
        else:
            self.parts = [self._handle(dut, field.name) for field in spec.payload.fields]

    def _handle(self, dut: Any, part: str) -> Any:
        name = self.spec.signal(part)
        try:
            return getattr(dut, name)
        except AttributeError:
            raise BenchError(f"the module has no port {name}") from None

    def write(self, word: int) -> None:
        """Put a packed payload on the signals."""
        if self.spec.packed:
            self.parts[0].value = word
            return
        for handle, field in zip(self.parts, self.spec.payload.fields, strict=True):
            handle.value = word & ((1 << field.width) - 1)
            word >>= field.width

    def read(self) -> dict[str, int | None]:
        """The fields as they are now."""
        fields = self.spec.payload.fields
        if not self.spec.packed:
            return {
                field.name: _decode(str(handle.value), field)
                for handle, field in zip(self.parts, fields, strict=True)
            }
        bits = str(self.parts[0].value)
        found: dict[str, int | None] = {}
        end = len(bits)
        for field in fields:
            found[field.name] = _decode(bits[end - field.width : end], field)
            end -= field.width
        return found

    def bit(self, handle: Any, cycle: int) -> bool:
        """A valid or ready, which may never be unknown."""
        text = str(handle.value)
        if text not in ("0", "1"):
            raise BenchError(f"cycle {cycle}: {handle._name} is {text}")
        return text == "1"


def _decode(bits: str, field: Any) -> int | None:
    try:
        return int(field.decode(int(bits, 2)))
    except ValueError:
        return None


class Source:
    """Sends packed items in order; what it has once shown as valid stays until its transfer.

    While not valid it shows random payloads, which nobody may look at.

    :param gates: ``{item: n}``: the item waits until ``released`` is at least n
    """

    def __init__(
        self,
        stream: Stream,
        items: Sequence[int],
        stall: Stall,
        seed: int,
        gates: Mapping[int, int] | None = None,
    ) -> None:
        self.stream = stream
        self.items = items
        self.stall = stall
        self.seed = seed
        self.gates = gates or {}
        self.restart()

    def restart(self) -> None:
        self.sent = 0
        self.released = 0
        self.accepted: list[int] = []
        self._shown = False
        self._stalls = self.stall.clocks(self.seed)
        self._noise = random.Random(self.seed)

    @property
    def done(self) -> bool:
        return self.sent == len(self.items)

    def drive(self) -> None:
        if self._shown:
            return
        stalled = next(self._stalls)
        if self.done or stalled or self.released < self.gates.get(self.sent, 0):
            self.stream.valid.value = 0
            self.stream.write(self._noise.getrandbits(self.stream.spec.payload.width))
            return
        self.stream.write(self.items[self.sent])
        self.stream.valid.value = 1
        self._shown = True

    def sample(self, cycle: int) -> None:
        if self._shown and self.stream.bit(self.stream.ready, cycle):
            self.accepted.append(cycle)
            self.sent += 1
            self._shown = False


class Sink:
    """Takes what comes, except in the clocks in which it stalls."""

    def __init__(self, stream: Stream, stall: Stall, seed: int) -> None:
        self.stream = stream
        self.stall = stall
        self.seed = seed
        self.restart()

    def restart(self) -> None:
        self._stalls = self.stall.clocks(self.seed)

    def drive(self) -> None:
        self.stream.ready.value = int(not next(self._stalls))

    def sample(self, cycle: int) -> None:
        pass


class Monitor:
    """Watches a stream: reports transfers, refuses a broken handshake, counts what it saw.

    :param report: called with the cycle and the fields of each transfer
    """

    def __init__(self, stream: Stream, report: Callable[[int, Values], None] | None = None) -> None:
        self.stream = stream
        self.report = report
        self.handshakes: Counter[str] = Counter()
        self.values: dict[str, Counter[int]] = {
            field.name: Counter()
            for field in stream.spec.payload.fields
            if field.width <= BINNED_WIDTH
        }
        self.restart()

    def restart(self) -> None:
        self._held: dict[str, int | None] | None = None
        self._before = ""

    def drive(self) -> None:
        pass

    def sample(self, cycle: int) -> None:
        valid = self.stream.bit(self.stream.valid, cycle)
        ready = self.stream.bit(self.stream.ready, cycle)
        now = "transfer" if valid and ready else "held" if valid else "empty" if ready else "idle"
        self.handshakes[now] += 1
        if self._before:
            self.handshakes[f"{self._before} then {now}"] += 1
        self._before = now
        name = self.stream.spec.name
        if self._held is not None and not valid:
            raise BenchError(f"cycle {cycle}: {name} took its valid back before the transfer")
        if not valid:
            return
        found = self.stream.read()
        if self._held is not None and found != self._held:
            raise BenchError(
                f"cycle {cycle}: {name} changed its payload before the transfer, "
                f"from {self._held} to {found}"
            )
        self._held = None if ready else found
        if ready:
            for field, seen in self.values.items():
                value = found[field]
                if value is not None:
                    seen[value] += 1
            if self.report is not None:
                self.report(cycle, found)


class Scoreboard:
    """Compares transfers with the prediction, in order.

    :param accepted: of the source; cycles are counted from its transfers
    """

    def __init__(self, expected: Sequence[Expected], accepted: Callable[[], Sequence[int]]) -> None:
        self.expected = expected
        self._accepted = accepted
        self.restart()

    def restart(self) -> None:
        self.received = 0

    @property
    def done(self) -> bool:
        return self.received == len(self.expected)

    def __call__(self, cycle: int, found: Values) -> None:
        if self.done:
            raise BenchError(
                f"cycle {cycle}: output {self.received} was not predicted: {dict(found)}"
            )
        expected = self.expected[self.received]
        where = expected.where or f"output {self.received}"
        for field, value in expected.values.items():
            if found[field] != value:
                shown = "unknown (X)" if found[field] is None else found[field]
                raise BenchError(f"{where}, cycle {cycle}: {field} expected {value}, got {shown}")
        if expected.cycle is not None:
            accepted = self._accepted()
            if expected.after >= len(accepted):
                raise BenchError(f"{where}, cycle {cycle}: came before item {expected.after}")
            taken = cycle - accepted[expected.after]
            if taken != expected.cycle:
                raise BenchError(
                    f"{where}, cycle {cycle}: expected {expected.cycle} clocks after "
                    f"item {expected.after}, got {taken}"
                )
        self.received += 1


class Clocked:
    """A module's clock and reset, and the agents that live by them."""

    def __init__(self, clock: Any, reset: Any, agents: Sequence[Agent]) -> None:
        self.clock = clock
        self.reset = reset
        self.agents = agents
        self.cycle = 0
        Clock(clock, 10, unit="ns").start()

    async def restart(self, clocks: int = 2) -> None:
        """Hold reset for some clocks; inputs stay as they are in the first of them."""
        self.reset.value = 1
        for number in range(clocks):
            await RisingEdge(self.clock)
            if number == 0:
                for agent in self.agents:
                    agent.restart()
                    if isinstance(agent, Source):
                        agent.stream.valid.value = 0
        self.reset.value = 0
        self.cycle = 0

    def reached(self, cycle: int) -> bool:
        return self.cycle >= cycle

    async def run(self, until: Callable[[], bool], limit: int) -> None:
        """Clock after clock until ``until()``, tested before each.

        :raises BenchError: not within ``limit`` clocks
        """
        last = self.cycle + limit
        while not until():
            if self.cycle >= last:
                raise BenchError(f"cycle {self.cycle}: not done after {limit} clocks")
            for agent in self.agents:
                agent.drive()
            await ReadOnly()
            for agent in self.agents:
                agent.sample(self.cycle)
            self.cycle += 1
            await RisingEdge(self.clock)
