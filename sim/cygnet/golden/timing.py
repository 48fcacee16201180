# SPDX-License-Identifier: Apache-2.0
"""Clock cycles of an accelerator, predicted exactly from the events of each window.

Exact for a source that is always valid and a sink that is always ready; the tests compare with
==. Latency is from the transfer of a frame's first beat to the transfer of its last logit, from an
idle pipeline; the interval is the mean between frames that come back to back.

A layer starts a window when the pixels that it covers are there, when the window before is done,
and when every reader has room for its results; from then on nothing stalls. With e = max(1, events
in the window), the last event of its first walk and that of all its walks are issued at

    start(n) = max(pixels, room, start(n - 1) + CADENCE)
    first(n) = max(start(n) + WALKER_START + e - 1, last(n - 1) + max(e, drain))
    last(n) = first(n) + (walks - 1) max(e, drain)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cygnet.buffer_plan import BufferPlan
from cygnet.golden.recursion import Recursion
from cygnet.hardware import HardwareConfig
from cygnet.input_stream import row_beats
from cygnet.layer_plan import plan_layers
from cygnet.network import INPUT, Network

__all__ = ["Timing", "count_events", "lane_use", "logit_cycles", "predict"]

Cycles = NDArray[np.int64]


@dataclass(frozen=True)
class Timing:
    """Cycles of n frames, counted from the transfer of the first beat of the first one.

    :param accepted: int64[n], cycle of the transfer of each frame's first beat
    :param finished: int64[n], cycle of the transfer of each frame's last logit
    :param busy: int64[layers, n], clocks in which a window of the frame was open in a layer
    """

    accepted: Cycles
    finished: Cycles
    busy: Cycles

    @property
    def latency(self) -> Cycles:
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
    counts: Sequence[NDArray[np.integer] | None],
) -> list[Cycles]:
    """Events that each layer reads in each window of each frame.

    :param frames: pixels, uint8[n, height, width, channels], or counts, integers
        [n, T, height, width, channels]
    :param counts: per layer, [T, n, height, width, channels] (``Result.counts``); the last layer's
        are not needed
    :returns: for each layer int64[n, windows]
    """
    events = []
    for plan in plan_layers(network, hardware):
        total = np.zeros((len(frames), plan.pixels), dtype=np.int64)
        for buffer in plan.buffers:
            present = _present(network, hardware, buffer, frames, counts)
            total += _in_windows(buffer, present)
        events.append(total)
    return events


def _present(
    network: Network,
    hardware: HardwareConfig,
    buffer: BufferPlan,
    frames: NDArray[np.integer],
    counts: Sequence[NDArray[np.integer] | None],
) -> Cycles:
    """Values that are events in each pixel of a buffer's map, int64[n, height, width]."""
    if buffer.source == INPUT and network.input.kind == "counts":
        present = _fired(buffer, frames[:, : hardware.steps].swapaxes(0, 1))
    elif buffer.source == INPUT:
        pixels = frames.reshape(len(frames), *network.input.shape)
        if (buffer.height, buffer.width) != (1, 1):
            height, width = pixels.shape[1:3]
            border = (buffer.height - height) // 2, (buffer.width - width) // 2
            full = np.empty((len(frames), buffer.height, buffer.width, pixels.shape[3]), np.int64)
            full[:] = network.input.padding
            full[
                :,
                border[0] : buffer.height - border[0],
                border[1] : buffer.width - border[1],
            ] = pixels
            pixels = full
        present = (pixels != 0).sum(axis=3)
    else:
        spikes = counts[buffer.source]
        assert spikes is not None
        values = spikes.astype(np.int64)
        if buffer.pool is not None:
            steps, n, height, width, channels = values.shape
            kernel = buffer.pool.kernel
            tiled = values.reshape(
                steps, n, height // kernel[0], kernel[0], width // kernel[1], kernel[1], channels
            )
            values = tiled.sum(axis=(3, 5))
        present = _fired(buffer, values)
    if (buffer.height, buffer.width) == (1, 1):
        present = present.sum(axis=(1, 2))[:, None, None]
    return np.asarray(present, dtype=np.int64)


def _fired(buffer: BufferPlan, values: NDArray[np.integer]) -> Cycles:
    """Values [T, n, h, w, c] that are events in each pixel, int64[n, height, width]."""
    fired = values.sum(axis=0, dtype=np.int64) if buffer.columns == 1 else values.any(axis=0)
    return np.asarray((fired != 0).sum(axis=3), dtype=np.int64)


def _in_windows(buffer: BufferPlan, present: Cycles) -> Cycles:
    """Sums over the windows, int64[n, windows]."""
    padding = buffer.padding
    padded = np.pad(present, ((0, 0), (padding[0],) * 2, (padding[1],) * 2))
    windows = sliding_window_view(padded, buffer.kernel, axis=(1, 2))
    windows = windows[:, :: buffer.stride[0], :: buffer.stride[1]]
    return np.asarray(windows.sum(axis=(3, 4)).reshape(len(present), -1), dtype=np.int64)


def predict(
    network: Network,
    hardware: HardwareConfig,
    events: Sequence[Cycles],
    *,
    back_to_back: bool = True,
) -> Timing:
    """The cycles of frames with the given events.

    :param events: per layer int64[n, windows], see :func:`count_events`
    :param back_to_back: every frame right behind the one before; otherwise each from an idle
        pipeline, with its own cycle 0
    """
    plans = plan_layers(network, hardware)
    if len(events) != len(plans):
        raise ValueError(f"events must be of {len(plans)} layers, not {len(events)}")
    beats = row_beats(network, hardware)
    if back_to_back:
        run = Recursion(plans, network, beats, [layer.tolist() for layer in events], max)
    else:
        # All frames at once, each the only one of its own run.
        run = Recursion(plans, network, beats, [[list(layer.T)] for layer in events], np.maximum)
    accepted, finished, busy = (np.array(list(cycles)) for cycles in run.run())
    if back_to_back:
        return Timing(accepted - accepted[0], finished - accepted[0], busy.T)
    return Timing(accepted[0] + 0 * finished[0], finished[0], busy[0])


def logit_cycles(
    network: Network, hardware: HardwareConfig, events: Sequence[Cycles], timing: Timing
) -> Cycles:
    """int64[n, classes]: the cycle of the transfer of each logit; the last column is ``finished``.

    :param events: as given to :func:`predict`
    """
    plan = plan_layers(network, hardware)[-1]
    output = np.arange(plan.outputs)
    rounds = np.maximum(np.maximum(events[-1][:, 0], 1), plan.drain)[:, None]
    later = (plan.rounds - 1 - output // plan.lanes) * rounds
    cycles = timing.finished[:, None] - later + output % plan.lanes - (plan.tail - 1)
    return np.asarray(cycles, dtype=np.int64)


def lane_use(
    network: Network, hardware: HardwareConfig, events: Sequence[Cycles], timing: Timing
) -> list[float]:
    """Per layer, useful synaptic operations over P times the clocks in which a window is open.

    The steps of a block happen in one clock and count once, whether or not the input is zero in
    all of them.
    """
    use = []
    for plan in plan_layers(network, hardware):
        useful = int(events[plan.number].sum()) * plan.outputs * plan.blocks
        use.append(useful / (plan.lanes * int(timing.busy[plan.number].sum())))
    return use
