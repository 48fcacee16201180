# SPDX-License-Identifier: Apache-2.0
"""``--budget`` and ``--fps``: the configuration that fits a device, shown before it is built."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.command.common import images, one_of, show
from cygnet.hardware import HardwareConfig, LayerHardware, default_beat
from cygnet.network import Network
from cygnet.product_plan import ARITHMETIC
from cygnet.synthesis.area import DEVICES
from cygnet.synthesis.budget import Budget, balance

__all__ = ["as_rows", "budget_for", "show_budget"]

IMAGES = 64
"""That events are counted in."""


def budget_for(
    network: Network,
    path: object,
    device: str,
    *,
    steps: int,
    fps: float | None,
    mhz: float,
    beat: int | None,
    arithmetic: str | None,
    data: list[str] | None,
) -> Budget:
    """What ``--budget`` and the options that go with it ask for."""
    one_of(device, "--budget", tuple(DEVICES))
    kinds = None
    if arithmetic is not None:
        named = [one_of(text, "--arithmetic", ARITHMETIC) for text in arithmetic.split(",")]
        found = [kind for text in named for kind in ARITHMETIC if kind == text]
        count = len(network.layers)
        kinds = found * count if len(found) == 1 else found
    return balance(
        network,
        DEVICES[device],
        steps=steps,
        fps=fps,
        mhz=mhz,
        beat=beat,
        arithmetic=kinds,
        events=None if not data else _events(network, path, steps, data),
        label=str(path),
    )


def _events(network: Network, path: object, steps: int, data: list[str]) -> list[NDArray[np.int64]]:
    from cygnet.golden.timing import count_events
    from cygnet.golden.values import run

    x, _ = images(data, None, IMAGES, network, path)
    plain = HardwareConfig(
        steps=steps,
        beat=default_beat(network),
        layers=tuple(LayerHardware(1) for _ in network.layers),
    )
    return count_events(network, plain, x, run(network, x, steps=steps, record=True).counts)


def as_rows(network: Network, budget: Budget) -> list[dict[str, Any]]:
    """One object for each layer."""
    layers = zip(network.layers, budget.hardware.layers, budget.areas, budget.clocks, strict=True)
    return [
        {
            "layer": layer.name,
            "lanes": chosen.lanes,
            "cores": chosen.cores,
            "arithmetic": chosen.arithmetic,
            "clocks": clocks,
            "tables": area.tables,
            "rams": area.rams,
            "dsps": area.dsps,
            "memories": [
                {"name": name, "rows": rows, "bits": bits, "rams": rams}
                for name, rows, bits, rams in area.memories
            ],
        }
        for layer, chosen, area, clocks in layers
    ]


def show_budget(network: Network, budget: Budget, device: str, mhz: float) -> None:
    """The tables, for people."""
    columns = ("layer", "lanes", "cores", "arithmetic", "clocks", "tables", "block RAM", "DSP")
    keys = ("layer", "lanes", "cores", "arithmetic", "clocks", "tables", "rams", "dsps")
    rows = as_rows(network, budget)
    whole, there = budget.whole, DEVICES[device]
    cells = [[row[key] for key in keys] for row in rows]
    cells.append(["in all", "", "", "", max(budget.clocks), whole.tables, whole.rams, whole.dsps])
    cells.append([device, "", "", "", "", there.tables, there.rams, there.dsps])
    rate = f"{budget.fps(mhz):,.0f} frames/s at {mhz:g} MHz"
    show(f"Estimate: {rate}, by the slowest layer", columns, cells)
    memories = [
        (f"{row['layer']} {memory['name']}", memory["rows"], memory["bits"], memory["rams"])
        for row in rows
        for memory in row["memories"]
        if memory["rams"]
    ]
    show("In block RAM", ("memory", "rows", "bits in a row", "blocks"), memories)
