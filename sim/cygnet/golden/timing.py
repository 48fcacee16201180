# SPDX-License-Identifier: Apache-2.0
"""Clock cycles of an accelerator, predicted exactly from the events of each frame.

Exact for a source that is always valid and a sink that is always ready; the tests compare with
==. Latency is from the transfer of a frame's first beat to the transfer of its last logit, from an
idle pipeline; the interval is the mean between frames that come back to back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import (
    BANKS,
    CREDIT,
    ENCODE,
    OUTPUT,
    WALKER_START,
    LayerPlan,
    plan_layers,
)
from cygnet.network import Network

__all__ = ["Timing", "count_events", "lane_use", "logit_cycles", "predict"]


@dataclass(frozen=True)
class Timing:
    """Cycles of n frames, counted from the transfer of the first beat of the first one.

    :param accepted: int64[n], cycle of the transfer of each frame's first beat
    :param finished: int64[n], cycle of the transfer of each frame's last logit
    :param opened: int64[layers, n], cycle of the first event of each layer's frame
    :param closed: int64[layers, n], cycle of the last event of each layer's frame
    """

    accepted: NDArray[np.int64]
    finished: NDArray[np.int64]
    opened: NDArray[np.int64]
    closed: NDArray[np.int64]

    @property
    def latency(self) -> NDArray[np.int64]:
        """int64[n], clocks from first beat to last logit."""
        return self.finished - self.accepted

    @property
    def interval(self) -> float:
        """Mean clocks between the last logits of consecutive frames; of one frame, its latency."""
        if len(self.finished) == 1:
            return float(self.latency[0])
        return float(self.finished[-1] - self.finished[0]) / (len(self.finished) - 1)


def count_events(
    network: Network,
    hardware: HardwareConfig,
    frames: NDArray[np.integer],
    counts: Sequence[NDArray[np.integer]],
) -> NDArray[np.int64]:
    """Events that each layer reads in each frame.

    :param frames: pixels, [n, ...]
    :param counts: per layer, [T, n, height, width, channels] (``Result.counts``); the last layer's
        are not needed
    :returns: int64[layers, n]
    """
    events = []
    for plan in plan_layers(network, hardware):
        if plan.number == 0:
            present = frames.reshape(len(frames), -1) != 0
        else:
            spikes = counts[plan.number - 1]
            spikes = spikes.reshape(*spikes.shape[:2], -1)
            present = (spikes.sum(axis=0) if plan.columns == 1 else spikes.any(axis=0)) != 0
        events.append(present.sum(axis=1))
    return np.array(events, dtype=np.int64)


def predict(
    network: Network,
    hardware: HardwareConfig,
    events: NDArray[np.int64],
    *,
    back_to_back: bool = True,
) -> Timing:
    """The cycles of frames with the given events.

    :param events: int64[layers, n], see :func:`count_events`
    :param back_to_back: every frame right behind the one before; otherwise each from an idle
        pipeline, with its own cycle 0
    """
    plans = plan_layers(network, hardware)
    events = np.asarray(events, dtype=np.int64)
    if events.ndim != 2 or len(events) != len(plans):
        raise ValueError(f"events must be an array [{len(plans)}, n], not {events.shape!r}")
    layers, frames = events.shape
    # Independent runs side by side: one of n frames, or n of one frame.
    shape = (1, frames) if back_to_back else (frames, 1)
    accepted = np.zeros(shape, dtype=np.int64)
    finished = np.zeros(shape, dtype=np.int64)
    opened = np.zeros((layers, *shape), dtype=np.int64)
    closed = np.zeros((layers, *shape), dtype=np.int64)
    demand = np.maximum(events, 1).reshape(layers, *shape)
    for n in range(shape[1]):
        if n >= 1:
            accepted[:, n] = accepted[:, n - 1] + plans[0].rows
        if n >= BANKS:
            accepted[:, n] = np.maximum(accepted[:, n], closed[0][:, n - BANKS] + 1)
        ready = accepted[:, n] + plans[0].rows
        for number, plan in enumerate(plans):
            start = ready
            first = demand[number][:, n]
            if n >= 1:
                start = np.maximum(start, closed[number][:, n - 1] + 1)
            if n >= BANKS:
                released = finished if number == layers - 1 else closed[number + 1]
                start = np.maximum(start, released[:, n - BANKS] + CREDIT)
            opened[number][:, n] = start + WALKER_START
            last = start + WALKER_START + first - 1
            if n >= 1:
                last = np.maximum(last, closed[number][:, n - 1] + plan.drain)
            last = last + (plan.groups - 1) * np.maximum(first, plan.drain)
            closed[number][:, n] = last
            ready = last + _behind(plan)
        finished[:, n] = ready
    return Timing(
        accepted.reshape(-1),
        finished.reshape(-1),
        opened.reshape(layers, -1),
        closed.reshape(layers, -1),
    )


def _behind(plan: LayerPlan) -> int:
    """Clocks from a frame's last event to the next layer's decision to start, or to the transfer of
    the last logit."""
    last_current = plan.to_current + (plan.steps - 1) * plan.pitch + plan.tail - 1
    if plan.core is None:
        return last_current + OUTPUT
    return last_current + plan.core.latency + ENCODE + 1


def logit_cycles(
    network: Network, hardware: HardwareConfig, events: NDArray[np.int64], timing: Timing
) -> NDArray[np.int64]:
    """int64[n, classes]: the cycle of the transfer of each logit; the last column is ``finished``.

    :param events: int64[layers, n], as given to :func:`predict`
    """
    plan = plan_layers(network, hardware)[-1]
    output = np.arange(plan.outputs)
    rounds = np.maximum(np.maximum(events[-1], 1), plan.drain)[:, None]
    later = (plan.groups - 1 - output // plan.lanes) * rounds
    cycles = timing.finished[:, None] - later + output % plan.lanes - (plan.tail - 1)
    return np.asarray(cycles, dtype=np.int64)


def lane_use(
    network: Network, hardware: HardwareConfig, events: NDArray[np.int64], timing: Timing
) -> list[float]:
    """Per layer, useful synaptic operations over P times the clocks in which a frame is open.

    All T steps of an operation happen in one clock and count once.
    """
    use = []
    for plan in plan_layers(network, hardware):
        number = plan.number
        useful = int(events[number].sum()) * plan.outputs
        clocks = int((timing.closed[number] - timing.opened[number] + 1).sum())
        use.append(useful / (plan.lanes * clocks))
    return use
