# SPDX-License-Identifier: Apache-2.0
"""The cocotb test module for anything with one stream in and one stream out.

It is run by :func:`cygnet.cosim.bench.run_job`, which leaves the job in a file and reads back what
each case said and saw.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import cocotb

from cygnet.cosim.case import BenchError, Case, Job
from cygnet.cosim.streams import (
    Clocked,
    Monitor,
    Scoreboard,
    Sink,
    Source,
    Stream,
)

FOLDER = Path(os.environ["CYGNET_BENCH"])
JOB = Job.from_json((FOLDER / "job.json").read_text())
TAIL = 40
"""Clocks to go on after the last predicted output, in which there must be no other."""


@cocotb.test()
@cocotb.parametrize(number=range(len(JOB.cases)))
async def case(dut: Any, number: int) -> None:
    chosen = JOB.cases[number]
    cocotb.log.info("case %s, seed %d", chosen.name, chosen.seed)
    report: dict[str, Any] = {"name": chosen.name, "seed": chosen.seed, "failure": None}
    try:
        await _run(dut, chosen, report)
    except BenchError as failure:
        report["failure"] = str(failure)
        raise
    finally:
        (FOLDER / f"report-{number}.json").write_text(json.dumps(report))


async def _run(dut: Any, chosen: Case, report: dict[str, Any]) -> None:
    inward, outward = Stream(dut, JOB.source), Stream(dut, JOB.sink)
    source = Source(
        inward,
        [JOB.source.payload.pack(item) for item in chosen.items],
        chosen.source,
        2 * chosen.seed,
        chosen.gates,
    )
    sink = Sink(outward, chosen.sink, 2 * chosen.seed + 1)
    scoreboard = Scoreboard(chosen.expected, lambda: source.accepted)
    moved = 0

    def received(cycle: int, found: Any) -> None:
        nonlocal moved
        scoreboard(cycle, found)
        source.released = scoreboard.received
        moved = cycle

    def taken(cycle: int, found: Any) -> None:
        nonlocal moved
        moved = cycle

    monitors = [Monitor(inward, taken), Monitor(outward, received)]
    bench = Clocked(getattr(dut, JOB.clock), getattr(dut, JOB.reset), [source, sink, *monitors])

    def stuck() -> bool:
        return bench.cycle - moved > chosen.patience

    # Values before the first clock: what the module shows in reset is nobody's business.
    inward.valid.value = 0
    outward.ready.value = 0
    await bench.restart()
    for clock in chosen.resets:
        moved = 0
        await bench.run(partial(bench.reached, clock), clock + 1)
        scoreboard.restart()
        await bench.restart(clocks=1 + clock % 3)
    moved = 0
    await bench.run(
        lambda: stuck() or (source.done and scoreboard.done),
        (len(chosen.items) + len(chosen.expected) + 2) * (chosen.patience + 2),
    )
    if not (source.done and scoreboard.done):
        raise BenchError(
            f"cycle {bench.cycle}: nothing moved for {chosen.patience} clocks after "
            f"{source.sent} of {len(source.items)} inputs and "
            f"{scoreboard.received} of {len(chosen.expected)} outputs"
        )
    report["cycles"] = bench.cycle
    await bench.run(partial(bench.reached, bench.cycle + TAIL), TAIL + 1)
    report["streams"] = {
        monitor.stream.spec.name: {
            "handshakes": dict(monitor.handshakes),
            "values": {name: dict(seen) for name, seen in monitor.values.items()},
        }
        for monitor in monitors
    }
