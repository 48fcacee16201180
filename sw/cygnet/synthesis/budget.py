# SPDX-License-Identifier: Apache-2.0
"""Lanes, neuron cores and arithmetic of every layer, for a device or a frame rate."""

from __future__ import annotations

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
LANE, CORE = 50, 140
"""Tables of a lane and of a neuron core, roughly: what is tried first."""
FILL = 0.75
"""Share of the tables that is given out; beyond it routing takes long and clocks get slower."""


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
) -> Budget:
    """The fastest accelerator that fits a device, or the smallest that makes a frame rate.

    The slowest layer gets more lanes, or neuron cores, as long as all of it fits and the frame rate
    is not reached.

    :param steps: T of the hardware
    :param fps: frames a second to reach; None for as many as fit
    :param mhz: the clock that frames a second are reckoned with
    :param arithmetic: for each layer; None for multipliers where the device has them left and they
        save the most tables
    :param events: of each layer, as for :func:`expected_clocks`
    :raises CygnetError: the network does not fit, or not at that rate; with what it needs and what
        there is
    """
    beat = default_beat(network) if beat is None else beat
    plain: Arithmetic = "lut6" if device.family == "xilinx" else "lut"
    given = tuple(arithmetic or (plain,) * len(network.layers))
    search = _Search(network, device, steps, beat, events)
    best = search.build(tuple(LayerHardware(1, arithmetic=kind) for kind in given))
    _refuse(network, device, best)
    stuck: set[int] = set()
    while fps is None or best.fps(mhz) < fps:
        slowest = max(range(len(given)), key=best.clocks.__getitem__)
        if slowest in stuck:
            break
        for candidate in _larger(network, best.hardware.layers, slowest):
            tried = search.build(candidate)
            if arithmetic is None:
                tried = search.multiply(tried, plain)
            if tried.clocks[slowest] < best.clocks[slowest] and _fits(tried.whole, device):
                best = tried
                break
        else:
            stuck.add(slowest)
    if fps is not None and best.fps(mhz) < fps:
        raise CygnetError(
            f"network {network.name!r}: {fps:,.0f} frames/s at {mhz:g} MHz need "
            f"{mhz * 1e6 / fps:,.0f} clocks a frame, and {device.name} has room for "
            f"{max(best.clocks):,} ({best.whole.tables:,} of {device.tables:,} tables, "
            f"{best.whole.rams} of {device.rams} block RAMs, {best.whole.dsps} of {device.dsps} "
            f"multipliers); lower --fps or take a larger device"
        )
    return best


@dataclass(frozen=True)
class _Search:
    """What stays the same for all that is tried."""

    network: Network
    device: Device
    steps: int
    beat: int
    events: Sequence[NDArray[np.int64]] | None

    def build(self, layers: tuple[LayerHardware, ...]) -> Budget:
        hardware = HardwareConfig(steps=self.steps, beat=self.beat, layers=layers)
        plans = plan_layers(self.network, hardware)
        areas = tuple(layer_area(plan, self.device) for plan in plans)
        clocks = tuple(
            expected_clocks(plan, None if self.events is None else self.events[plan.number])
            for plan in plans
        )
        return Budget(hardware, areas, clocks, total(areas, self.device))

    def multiply(self, budget: Budget, plain: Arithmetic) -> Budget:
        """Multipliers for the layers in which one saves the most tables, while there are any."""
        layers = tuple(replace(layer, arithmetic=plain) for layer in budget.hardware.layers)
        every = tuple(replace(layer, arithmetic="dsp") for layer in layers)
        without, within = self.build(layers), self.build(every)
        saved = [
            ((a.tables - b.tables) / max(1, b.dsps), n)
            for n, (a, b) in enumerate(zip(without.areas, within.areas, strict=True))
        ]
        left = self.device.dsps
        chosen = list(layers)
        for gain, number in sorted(saved, reverse=True):
            if gain > 0 and within.areas[number].dsps <= left:
                left -= within.areas[number].dsps
                chosen[number] = every[number]
        return self.build(tuple(chosen))


def _fits(whole: LayerArea, device: Device) -> bool:
    return (
        whole.tables <= FILL * device.tables
        and whole.rams <= device.rams
        and whole.dsps <= device.dsps
    )


def _refuse(network: Network, device: Device, least: Budget) -> None:
    """The smallest accelerator must fit."""
    if _fits(least.whole, device):
        return
    weights = sum(rows * bits for area in least.areas for _, rows, bits, _ in area.memories[:1])
    raise CygnetError(
        f"network {network.name!r}: needs {least.whole.rams:,} block RAMs (its weights alone are "
        f"{weights / 1e6:.2f} Mbit) and {least.whole.tables:,} tables with one lane in each layer, "
        f"and {device.name} has {device.rams} and {device.tables:,}, of which "
        f"{round(FILL * device.tables):,} are given out; take a larger device, fewer bits or a "
        "smaller network"
    )


def _larger(
    network: Network, layers: tuple[LayerHardware, ...], number: int
) -> list[tuple[LayerHardware, ...]]:
    """Configurations in which one layer may be faster: more neuron cores, or lanes that save a
    round or more."""
    last = number == len(layers) - 1
    outputs = network.shape(number)[2]
    linked = _linked(network, number)
    now = layers[number]
    choices = []
    for rounds in range(-(-outputs // now.lanes), 0, -1):
        lanes = -(-outputs // rounds)
        if not now.lanes <= lanes <= MAX_LANES:
            continue
        for cores in range(1, min(1 if last else MOST_CORES, lanes) + 1):
            others = [layers[n].lanes for n in linked - {number}]
            if any(count % cores for count in (lanes, *others)) or (lanes, cores) == (
                now.lanes,
                now.cores,
            ):
                continue
            changed = [
                replace(each, lanes=lanes if n == number else each.lanes, cores=cores)
                if n in linked
                else each
                for n, each in enumerate(layers)
            ]
            choices.append((lanes * LANE + cores * CORE, tuple(changed)))
    return [changed for _, changed in sorted(choices, key=lambda choice: choice[0])]


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
