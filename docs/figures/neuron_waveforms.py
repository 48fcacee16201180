# SPDX-License-Identifier: Apache-2.0
"""Draws docs/figures/neuron-waveforms.svg: one GN and one SNM neuron, from a simulation.

python docs/figures/neuron_waveforms.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib as mpl
from amaranth import Module, Signal
from amaranth.sim import Simulator
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cygnet.gateware.neuron import GroupCore, SignedCore
from cygnet.gateware.neuron.timeline import Timeline
from cygnet.neuron_core import NeuronCoreConfig

BASE: dict[str, Any] = {
    "membrane_width": 12,
    "current_width": 12,
    "threshold_width": 9,
    "depth": 4,
    "channels": 1,
    "variant": "small",
}
GN = NeuronCoreConfig(kind="gn", tau=4, **BASE)
SNM = NeuronCoreConfig(kind="snm", memory_width=3, initial_level="zero", **BASE)
SLOT = 1
THRESHOLD = 100
CURRENTS = {"gn": (260, 130, -90, 180), "snm": (60, 60, -90, -90)}
Trace = dict[str, list[int | None]]


def trace(config: NeuronCoreConfig) -> Trace:
    """Values of the ports and of one slot in each clock; None where not valid."""
    kind = SignedCore if config.kind == "snm" else GroupCore

    class Watched(kind):  # type: ignore[misc, valid-type]
        def _state(self, m: Module, line: Timeline, advance: Signal) -> Signal:
            written = super()._state(m, line, advance)
            self.memory = m.submodules.state
            return written

    core: Any = Watched(config, [THRESHOLD])
    found: Trace = {"i.current": [], "o.count": [], "v": [], "m": []}

    async def testbench(ctx: Any) -> None:
        ctx.set(core.o.ready, 1)
        currents = CURRENTS[config.kind]
        clocks = config.interleave * len(currents) + config.latency + 1
        for clock in range(clocks):
            t, rest = divmod(clock, config.interleave)
            valid = rest == 0 and t < len(currents)
            if valid:
                step = {"index": SLOT, "channel": 0, "current": currents[t]}
                flags = {"first": int(t == 0), "last": int(t == len(currents) - 1)}
                ctx.set(core.i.payload, step | flags)
            ctx.set(core.i.valid, valid)
            found["i.current"].append(currents[t] if valid else None)
            spike = ctx.get(core.o.payload).count if ctx.get(core.o.valid) else None
            found["o.count"].append(spike)
            word = ctx.get(core.memory.data[SLOT])
            width = config.membrane_width
            v = word & (1 << width) - 1
            found["v"].append(v - (v >> (width - 1) << width))
            found["m"].append(word >> width)
            await ctx.tick()

    simulator = Simulator(core)
    simulator.add_clock(1e-8)
    simulator.add_testbench(testbench)
    simulator.run()
    if config.kind != "snm":
        del found["m"]
    return found


def draw(axes: Axes, config: NeuronCoreConfig, values: Trace) -> None:
    """Lanes of boxes with a value in each; a new box where the value changes."""
    lanes = list(values)
    clocks = len(values[lanes[0]])
    for row, name in enumerate(reversed(lanes)):
        lane = values[name]
        start = 0
        for clock in range(1, clocks + 1):
            if clock < clocks and lane[clock] == lane[start] and not name.endswith("rent"):
                continue
            if lane[start] is None:
                axes.plot([start, clock], [row + 0.5] * 2, color="0.7", linewidth=1)
            else:
                colour = "#cfe3f5" if name in ("v", "m") else "#fbe3b8"
                box = mpl.patches.Rectangle(
                    (start + 0.04, row + 0.15), clock - start - 0.08, 0.7, fc=colour, ec="0.3"
                )
                axes.add_patch(box)
                axes.text(
                    (start + clock) / 2, row + 0.5, str(lane[start]), ha="center", va="center"
                )
            start = clock
    for clock in range(clocks + 1):
        axes.axvline(clock, color="0.9", linewidth=0.6, zorder=0)
    axes.set(xlim=(0, clocks), ylim=(0, len(lanes)), xlabel="clock")
    axes.set_yticks([row + 0.5 for row in range(len(lanes))], reversed(lanes))
    axes.set_xticks(range(clocks))
    axes.set_title(
        f"{config.kind.upper()}, K = {THRESHOLD}, tau = {config.tau}, small variant: "
        f"latency {config.latency}, interleave {config.interleave}",
        loc="left",
        fontsize=10,
    )


def main() -> None:
    mpl.rcParams.update({"svg.hashsalt": "cygnet", "svg.fonttype": "none", "font.size": 9})
    figure = Figure(figsize=(9, 4.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 4])
    draw(upper, GN, trace(GN))
    draw(lower, SNM, trace(SNM))
    out = Path(__file__).with_name("neuron-waveforms.svg")
    figure.savefig(out, metadata={"Date": None})


if __name__ == "__main__":
    main()
