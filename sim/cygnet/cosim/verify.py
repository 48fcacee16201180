# SPDX-License-Identifier: Apache-2.0
"""An accelerator's RTL against the golden model, over a whole data set: values and cycles."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.files import write_text
from cygnet.gateware.verilog import generate, top_name
from cygnet.golden import timing, values
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import Network

__all__ = ["Expectation", "Verification", "expect", "simulator", "verify"]

CHUNK = 1000
"""Images whose spikes are kept at once while events are counted."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Expectation:
    """What the golden model says of n images.

    :param logits: int64[n, classes]
    :param labels: int64[n]
    :param events: int64[layers, n], the events that each layer reads
    """

    network: Network
    hardware: HardwareConfig
    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    events: NDArray[np.int64]

    @property
    def lane_use(self) -> float:
        """Useful synaptic operations over lanes times the clocks in which a window is open, over
        all layers, back to back."""
        cycles = self.timing(back_to_back=True)
        layers = timing.lane_use(self.network, self.hardware, self.events, cycles)
        open_clocks = (cycles.closed - cycles.opened + 1).sum(axis=1)
        slots = open_clocks * np.array([layer.lanes for layer in self.hardware.layers])
        return float((np.array(layers) * slots).sum() / slots.sum())

    def timing(self, *, back_to_back: bool) -> timing.Timing:
        return timing.predict(self.network, self.hardware, self.events, back_to_back=back_to_back)


@dataclass(frozen=True, eq=False)
class Verification:
    """How a simulation and the golden model compare.

    :param images: n
    :param mismatches: images of which a logit, the label or a cycle differs
    :param first: what differs first, in words; empty where nothing does
    :param latency: mean cycles from first beat to last logit, from an idle pipeline
    :param latency_max: the longest of them
    :param interval: mean cycles between images back to back
    :param lane_use: see :attr:`Expectation.lane_use`
    :param seconds: that the two simulations took, compilation left out
    :param labels: int64[n], of the RTL
    """

    images: int
    mismatches: int
    first: str
    latency: float
    latency_predicted: float
    latency_max: int
    interval: float
    interval_predicted: float
    lane_use: float
    seconds: float
    labels: NDArray[np.int64]


def expect(
    network: Network,
    hardware: HardwareConfig,
    x: NDArray[np.uint8],
    *,
    progress: Progress | None = None,
) -> Expectation:
    """Run the golden model.

    :param x: uint8[n, h, w, c], at least one image
    """
    logits, labels, events = [], [], []
    for start in range(0, len(x), CHUNK):
        part = x[start : start + CHUNK]
        result = values.run(network, part, steps=hardware.steps, record=True)
        logits.append(result.logits)
        labels.append(result.labels)
        counts = [count for count in result.counts if count is not None]
        events.append(timing.count_events(network, hardware, part, counts))
        if progress is not None:
            progress(start + len(part), len(x))
    return Expectation(
        network,
        hardware,
        np.concatenate(logits),
        np.concatenate(labels),
        np.concatenate(events, axis=1),
    )


def simulator(
    network: Network,
    hardware: HardwareConfig,
    folder: Path,
    *,
    workers: int = 2,
    cache: Path | None = None,
) -> VerilatorSimulator:
    """Verilog and images of an accelerator, written to a folder, and the compiled model of them.

    :raises CygnetError: the gateware does not build the network, or a tool is missing
    """
    text = generate(network, hardware)
    top = top_name(network)
    write_text(folder / f"{top}.v", text)
    write_images(network, hardware, folder)
    return VerilatorSimulator(
        text, top=top, images=folder, classes=network.classes, workers=workers, cache=cache
    )


def verify(
    simulator: VerilatorSimulator,
    expected: Expectation,
    x: NDArray[np.uint8],
    *,
    progress: Progress | None = None,
) -> Verification:
    """Send every image through the RTL twice: each from an idle pipeline, and all back to back.

    :param x: the images that ``expected`` is for
    :param progress: called now and then with frames done and frames in all, from another thread
    :raises MismatchError: the RTL breaks the rules of its streams, or stops
    """
    frames = np.ascontiguousarray(x.reshape(len(x), -1))
    began = time.perf_counter()
    alone = simulator.run(frames, back_to_back=False, progress=_shifted(progress, 0))
    together = simulator.run(frames, back_to_back=True, progress=_shifted(progress, len(x)))
    seconds = time.perf_counter() - began
    idle = expected.timing(back_to_back=False)
    accepted, finished = _in_pipelines(expected, together.starts)
    begun = np.repeat(together.accepted[together.starts], np.diff(together.starts, append=len(x)))
    differences = {
        "logits": (alone.logits != expected.logits).any(axis=1)
        | (together.logits != expected.logits).any(axis=1),
        "labels": (alone.labels != expected.labels) | (together.labels != expected.labels),
        "cycles from an idle pipeline": alone.latency != idle.latency,
        "cycles back to back": (together.accepted - begun != accepted)
        | (together.finished - begun != finished),
    }
    predicted = np.delete(np.diff(finished), together.starts[1:] - 1)
    return Verification(
        images=len(x),
        mismatches=int(np.any(list(differences.values()), axis=0).sum()),
        first=next(
            (
                f"{what} of image {wrong.argmax()}"
                for what, wrong in differences.items()
                if any(wrong)
            ),
            "",
        ),
        latency=float(alone.latency.mean()),
        latency_predicted=float(idle.latency.mean()),
        latency_max=int(alone.latency.max()),
        interval=_mean(together.intervals, alone.latency),
        interval_predicted=_mean(predicted, idle.latency),
        lane_use=expected.lane_use,
        seconds=seconds,
        labels=together.labels,
    )


def _shifted(progress: Progress | None, before: int) -> Progress | None:
    """The progress of one of two runs, ``before`` frames after the start of both."""
    if progress is None:
        return None
    return lambda done, total: progress(before + done, 2 * total)


def _mean(intervals: NDArray[np.int64], latency: NDArray[np.int64]) -> float:
    """Of a single image, where there are no neighbours, its latency."""
    return float((intervals if len(intervals) else latency).mean())


def _in_pipelines(
    expected: Expectation, starts: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cycles (accepted, finished) where every start begins anew in a pipeline of its own."""
    parts = [
        timing.predict(expected.network, expected.hardware, events, back_to_back=True)
        for events in np.split(expected.events, starts[1:], axis=1)
    ]
    return (
        np.concatenate([part.accepted for part in parts]),
        np.concatenate([part.finished for part in parts]),
    )
