# SPDX-License-Identifier: Apache-2.0
"""Lanes, neuron cores and arithmetic of every layer, for a device or a frame rate."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import CygnetError
from cygnet.hardware import MAX_LANES, HardwareConfig, LayerHardware, default_beat
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import INPUT, Identity, Network
from cygnet.product_plan import Arithmetic
from cygnet.synthesis.area import Device, LayerArea, layer_area, total

__all__ = ["SPIKES", "Budget", "balance"]

SPIKES = 0.4
"""Share of a layer's inputs that are not zero, where spikes are read (35 to 43 % in the MLPs of
docs/results); of pixels, all are taken to be."""
MOST_CORES = 16
FILL = 0.75
"""Share of the tables that is given out; beyond it routing takes long and clocks get slower."""
RAM_FILL = 0.98
"""Share of the block RAMs that is given out: estimates were off by up to 2 %."""
RAM_WEIGHTS = (0.3, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0)
"""What a share of the block RAMs may cost next to the same share of the tables."""


@dataclass(frozen=True)
class Budget:
    """What was chosen, and what it is expected to come to.

    :param hardware: the configuration
    :param areas: of each layer
    :param clocks: expected clocks of a frame in each layer
    :param whole: areas added up, with input and readout
    """

    hardware: HardwareConfig
    areas: tuple[LayerArea, ...]
    clocks: tuple[int, ...]
    whole: LayerArea

    def fps(self, mhz: float) -> float:
        """Frames a second that the slowest layer allows."""
        return mhz * 1e6 / max(self.clocks)


def expected_clocks(plan: LayerPlan, events: NDArray[np.int64] | None = None) -> int:
    """Clocks of a frame.

    :param events: int64[frames, windows] of the layer, see ``cygnet.golden.timing.count_events``;
        None for an assumed share of the inputs, see :data:`SPIKES`
    """
    if events is not None:
        each = np.maximum(events, plan.drain).sum(axis=1).mean() * plan.walks
        return round(float(each))
    density = 1.0 if plan.layer.source == INPUT else SPIKES
    assumed = max(1.0, density * sum(buffer.positions for buffer in plan.buffers))
    return round(plan.pixels * plan.walks * max(assumed, plan.drain))


def balance(
    network: Network,
    device: Device,
    *,
    steps: int,
    fps: float | None = None,
    mhz: float = 100.0,
    beat: int | None = None,
    arithmetic: Sequence[Arithmetic] | None = None,
    events: Sequence[NDArray[np.int64]] | None = None,
    label: str | None = None,
) -> Budget:
    """The fastest accelerator that fits a device, or the smallest that makes a frame rate.

    Each layer takes the cheapest lanes and neuron cores that keep it within a number of clocks; the
    number is the frame rate's, or the least for which all layers fit.

    :param steps: T of the hardware
    :param fps: frames a second to reach; None for as many as fit
    :param mhz: the clock that frames a second are reckoned with
    :param arithmetic: for each layer; None for multipliers where the device has them left and they
        save the most tables
    :param events: of each layer, as for :func:`expected_clocks`
    :param label: what errors call the network; None for its name
    :raises CygnetError: the network does not fit, or not at that rate; with what it needs and what
        there is
    """
    beat = default_beat(network) if beat is None else beat
    plain: Arithmetic = "lut6" if device.family == "xilinx" else "lut"
    given = tuple(arithmetic or (plain,) * len(network.layers))
    whole = HardwareConfig(steps, beat, ())
    search = _Search(network, device, whole, given, arithmetic is None, events)
    least = search.multiply(search.build(tuple(LayerHardware(1, arithmetic=a) for a in given)))
    label = f"network {network.name!r}" if label is None else label
    _refuse(label, device, least)
    search = replace(search, least=least.whole.rams)
    options = search.options()
    if fps is not None:
        found = search.within(options, mhz * 1e6 / fps)
        if found is None:
            best = _fastest(search, options) or least
            raise CygnetError(
                f"{label}: {fps:,.0f} frames/s at {mhz:g} MHz need "
                f"{mhz * 1e6 / fps:,.0f} clocks a frame, and {device.name} has room for "
                f"{max(best.clocks):,} ({best.whole.tables:,} of {device.tables:,} tables, "
                f"{best.whole.rams} of {device.rams} block RAMs, {best.whole.dsps} of "
                f"{device.dsps} multipliers); lower --fps or take a larger device"
            )
        return found
    return _fastest(search, options) or least


def _fastest(search: _Search, options: Sequence[Sequence[_Option]]) -> Budget | None:
    """By bisection over the clocks that layers can have."""
    floor = max(min(option.clocks for option in layer) for layer in options)
    wished = sorted({option.clocks for layer in options for option in layer})
    wished = [clocks for clocks in wished if clocks >= floor]
    best = None
    low, high = 0, len(wished)
    while low < high:
        middle = (low + high) // 2
        found = search.within(options, wished[middle])
        if found is None:
            low = middle + 1
        else:
            best, high = found, middle
    return best


@dataclass(frozen=True)
class _Option:
    """One way to build one layer."""

    hardware: LayerHardware
    clocks: int
    area: LayerArea


@dataclass(frozen=True)
class _Search:
    """What stays the same for all that is tried.

    :param hardware: what is not of the layers
    :param arithmetic: of each layer
    :param choose: whether multipliers may take its place
    :param least: block RAMs of the smallest accelerator, for which there is room
    """

    network: Network
    device: Device
    hardware: HardwareConfig
    arithmetic: tuple[Arithmetic, ...]
    choose: bool
    events: Sequence[NDArray[np.int64]] | None
    least: int = 0

    def build(self, layers: tuple[LayerHardware, ...]) -> Budget:
        plans = self.plans(layers)
        areas = tuple(layer_area(plan, self.device) for plan in plans)
        clocks = tuple(map(self.clocks, plans))
        hardware = replace(self.hardware, layers=layers)
        return Budget(hardware, areas, clocks, total(areas, self.device))

    def plans(self, layers: tuple[LayerHardware, ...]) -> tuple[LayerPlan, ...]:
        return plan_layers(self.network, replace(self.hardware, layers=layers))

    def clocks(self, plan: LayerPlan) -> int:
        return expected_clocks(plan, None if self.events is None else self.events[plan.number])

    def options(self) -> list[list[_Option]]:
        """Of each layer: every number of lanes that saves a round, with each number of neuron
        cores that divides it. The others have as many cores meanwhile."""
        number = range(len(self.network.layers))
        found: list[list[_Option]] = [[] for _ in number]
        for cores in range(1, MOST_CORES + 1):
            lanes = [_lanes(self.network, n, cores) for n in number]
            gained = False
            for turn in range(max(map(len, lanes))):
                layers = tuple(
                    LayerHardware(
                        each[min(turn, len(each) - 1)] if each else 1,
                        cores=cores if each else 1,
                        arithmetic=self.arithmetic[n],
                    )
                    for n, each in enumerate(lanes)
                )
                for plan in self.plans(layers):
                    n = plan.number
                    if turn >= len(lanes[n]):
                        continue
                    clocks = self.clocks(plan)
                    gained |= all(
                        clocks < old.clocks for old in found[n] if old.hardware.lanes <= plan.lanes
                    )
                    found[n].append(_Option(layers[n], clocks, layer_area(plan, self.device)))
            if not gained:
                break
        return found

    def within(self, options: Sequence[Sequence[_Option]], clocks: float) -> Budget | None:
        """The cheapest accelerator whose layers all keep within this many clocks."""
        found = []
        rams = max(RAM_FILL * self.device.rams, self.least)
        for chosen in {self.cheapest(options, clocks, weight) for weight in RAM_WEIGHTS} - {None}:
            assert chosen is not None
            budget = self.multiply(self.build(chosen))
            if _fits(budget.whole, self.device, rams) and max(budget.clocks) <= clocks:
                found.append(budget)
        return min(found, key=lambda budget: _share(budget.whole, self.device), default=None)

    def cheapest(
        self, options: Sequence[Sequence[_Option]], clocks: float, weight: float
    ) -> tuple[LayerHardware, ...] | None:
        """For each layer, those that are joined with as many cores."""

        def cost(option: _Option) -> float:
            rams = option.area.rams / max(1, self.device.rams)
            return option.area.tables / self.device.tables + weight * rams

        chosen: dict[int, LayerHardware] = {}
        for number in range(len(options)):
            if number in chosen:
                continue
            group = sorted(_linked(self.network, number))
            best: tuple[float, list[_Option]] | None = None
            for cores in range(1, MOST_CORES + 1):
                picked = []
                for n in group:
                    able = [
                        option
                        for option in options[n]
                        if option.hardware.cores == cores and option.clocks <= clocks
                    ]
                    if not able:
                        break
                    picked.append(min(able, key=cost))
                else:
                    costs = sum(map(cost, picked))
                    if best is None or costs < best[0]:
                        best = costs, picked
            if best is None:
                return None
            chosen |= {n: pick.hardware for n, pick in zip(group, best[1], strict=True)}
        return tuple(chosen[n] for n in range(len(options)))

    def multiply(self, budget: Budget) -> Budget:
        """Multipliers for the layers in which one saves the most tables, while there are any."""
        if not self.choose:
            return budget
        without = budget.hardware.layers
        every = tuple(replace(layer, arithmetic="dsp") for layer in without)
        within = self.build(every)
        saved = [
            ((a.tables - b.tables) / max(1, b.dsps), n)
            for n, (a, b) in enumerate(zip(budget.areas, within.areas, strict=True))
        ]
        left = self.device.dsps
        chosen = list(without)
        for gain, number in sorted(saved, reverse=True):
            if gain > 0 and within.areas[number].dsps <= left:
                left -= within.areas[number].dsps
                chosen[number] = every[number]
        return self.build(tuple(chosen))


def _lanes(network: Network, number: int, cores: int) -> list[int]:
    """Numbers of lanes, each the least for its number of rounds that these cores divide; none
    where there are more cores than outputs, or a last layer, which has no neurons."""
    outputs = network.shape(number)[2]
    if cores > 1 and number == len(network.layers) - 1:
        return []
    least = {math.ceil(outputs / rounds) for rounds in range(1, outputs + 1)}
    found = {math.ceil(lanes / cores) * cores for lanes in least}
    return sorted(lanes for lanes in found if lanes <= min(outputs, MAX_LANES))


def _fits(whole: LayerArea, device: Device, rams: float) -> bool:
    return whole.tables <= FILL * device.tables and whole.rams <= rams and whole.dsps <= device.dsps


def _share(whole: LayerArea, device: Device) -> float:
    """Of tables and block RAMs together: what the cheapest accelerator has least of."""
    return whole.tables / device.tables + whole.rams / max(1, device.rams)


def _refuse(label: str, device: Device, least: Budget) -> None:
    """The smallest accelerator must fit."""
    if _fits(least.whole, device, device.rams):
        return
    weights = sum(rows * bits for area in least.areas for _, rows, bits, _ in area.memories[:1])
    raise CygnetError(
        f"{label}: needs {least.whole.rams:,} block RAMs (its weights alone are "
        f"{weights / 1e6:.2f} Mbit) and {least.whole.tables:,} tables with one lane in each layer, "
        f"and {device.name} has {device.rams} and {device.tables:,}, of which "
        f"{round(FILL * device.tables):,} are given out; take a larger device, fewer bits or a "
        "smaller network"
    )


def _linked(network: Network, number: int) -> set[int]:
    """Layers that must have as many neuron cores: those that identity shortcuts join."""
    linked = {number}
    while True:
        more = set(linked)
        for n, layer in enumerate(network.layers):
            if isinstance(layer.shortcut, Identity) and linked & {n, layer.shortcut.source}:
                more |= {n, layer.shortcut.source}
        if more == linked:
            return linked
        linked = more
