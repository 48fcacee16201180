# SPDX-License-Identifier: Apache-2.0
"""What a stream bench does: what goes in, what the golden model says must come out, and when.

Nothing here computes a result: whoever makes a :class:`Case` brings the golden model's prediction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cygnet.cosim.payload import StreamSpec
from cygnet.cosim.stalls import FREE, Stall
from cygnet.errors import MismatchError

__all__ = ["BenchError", "Case", "Expected", "Job"]


class BenchError(MismatchError):
    """The module under test did something else than predicted."""


@dataclass(frozen=True)
class Expected:
    """One transfer that must leave.

    :param values: of the fields to compare; a field that is not named may be anything
    :param cycle: clocks from the transfer of item ``after`` to this one, compared where not None
    :param after: number of an input item
    :param where: what it is to a reader: ``image 3, class 2``
    """

    values: Mapping[str, int]
    cycle: int | None = None
    after: int = 0
    where: str = ""


@dataclass(frozen=True)
class Case:
    """One stimulus, run from reset.

    :param name: unique in its job
    :param items: values of each input transfer, in order
    :param expected: of each output transfer, in order; there must be no other
    :param source: when the source holds back
    :param sink: when the sink holds back
    :param seed: of both stalls, and of the payload shown while not valid
    :param gates: ``{item: n}``: the item is offered only once n outputs have left
    :param resets: at each of these clocks (counted from the previous reset) ``rst`` is high for a
        few clocks, and everything begins anew
    :param patience: clocks without any transfer after which the bench gives up
    """

    name: str
    items: Sequence[Mapping[str, int]]
    expected: Sequence[Expected]
    source: Stall = FREE
    sink: Stall = FREE
    seed: int = 1
    gates: Mapping[int, int] = field(default_factory=dict)
    resets: Sequence[int] = ()
    patience: int = 10_000

    def __post_init__(self) -> None:
        if not self.items:
            raise ValueError(f"case {self.name!r} must have at least one item, not none")
        for number in self.gates:
            if not 0 <= number < len(self.items):
                raise ValueError(f"gate must be the number of an item, not {number!r}")
        for expected in self.expected:
            if not 0 <= expected.after < len(self.items):
                raise ValueError(f"after must be the number of an item, not {expected.after!r}")


@dataclass(frozen=True)
class Job:
    """A module's two streams and the cases to put it through."""

    source: StreamSpec
    sink: StreamSpec
    cases: tuple[Case, ...]
    clock: str = "clk"
    reset: str = "rst"

    def __post_init__(self) -> None:
        object.__setattr__(self, "cases", tuple(self.cases))
        names = [case.name for case in self.cases]
        if len(set(names)) < len(names):
            raise ValueError(f"cases must have different names, not {names!r}")

    def to_json(self) -> str:
        """For the simulator's process; payloads go as words, so that faults show here."""
        known = {f.name for f in self.sink.payload.fields}
        for case in self.cases:
            for expected in case.expected:
                if not set(expected.values) <= known:
                    raise ValueError(
                        f"case {case.name!r}: expected fields must be among {sorted(known)}, "
                        f"not {sorted(expected.values)}"
                    )
        return json.dumps(
            {
                "source": self.source.to_json(),
                "sink": self.sink.to_json(),
                "clock": self.clock,
                "reset": self.reset,
                "cases": [
                    {
                        "name": case.name,
                        "items": [self.source.payload.pack(item) for item in case.items],
                        "expected": [
                            [{k: int(v) for k, v in e.values.items()}, e.cycle, e.after, e.where]
                            for e in case.expected
                        ],
                        "source": str(case.source),
                        "sink": str(case.sink),
                        "seed": case.seed,
                        "gates": sorted(case.gates.items()),
                        "resets": [int(clock) for clock in case.resets],
                        "patience": case.patience,
                    }
                    for case in self.cases
                ],
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Job:
        found: dict[str, Any] = json.loads(text)
        source = StreamSpec.from_json(found["source"])
        return cls(
            source,
            StreamSpec.from_json(found["sink"]),
            tuple(
                Case(
                    case["name"],
                    [source.payload.unpack(word) for word in case["items"]],
                    [Expected(*row) for row in case["expected"]],
                    Stall.parse(case["source"]),
                    Stall.parse(case["sink"]),
                    case["seed"],
                    dict(case["gates"]),
                    case["resets"],
                    case["patience"],
                )
                for case in found["cases"]
            ),
            found["clock"],
            found["reset"],
        )
