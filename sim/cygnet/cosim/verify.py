# SPDX-License-Identifier: Apache-2.0
"""An accelerator's RTL against the golden model, over a whole data set: how much differs."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.resume import Resumable
from cygnet.cosim.simulator import Progress, VerilatorSimulator
from cygnet.files import write_text
from cygnet.gateware.verilog import generate, top_name
from cygnet.golden import timing
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import Network

__all__ = ["Verification", "lane_use", "verify", "write_accelerator"]


def write_accelerator(network: Network, hardware: HardwareConfig, folder: Path) -> str:
    """Write the Verilog and the memory images that it reads into a folder; returns the Verilog.

    :raises CygnetError: the gateware does not build the network, or a file cannot be written
    """
    text = generate(network, hardware)
    write_text(folder / f"{top_name(network)}.v", text)
    write_images(network, hardware, folder)
    return text


@dataclass(frozen=True, eq=False)
class Verification:
    """How a simulation and the golden model compare.

    :param images: n
    :param mismatches: images of which a logit, the label or a cycle differs
    :param first: what differs first, in words; empty where nothing does
    :param image: the first image that differs, or None
    :param labels: int64[n], of the RTL
    :param latency: mean cycles from first beat to last logit, from an idle pipeline
    :param latency_max: the longest of them
    :param interval: mean cycles between images back to back
    :param lane_use: see :func:`lane_use`
    :param seconds: that the two simulations took, compilation left out
    """

    images: int
    mismatches: int
    first: str
    image: int | None
    labels: NDArray[np.int64]
    latency: float
    latency_predicted: float
    latency_max: int
    interval: float
    interval_predicted: float
    lane_use: float
    seconds: float


def verify(
    compiled: VerilatorSimulator | Resumable,
    prediction: Prediction,
    *,
    progress: Progress | None = None,
) -> Verification:
    """Send every frame through the RTL twice: each from an idle pipeline, and all back to back.

    :param progress: called now and then with frames done and frames in all, from another thread
    :raises MismatchError: the RTL breaks the rules of its streams, or stops
    """
    frames = prediction.frames
    total = len(frames)
    began = time.perf_counter()
    alone = compiled.run(frames, back_to_back=False, progress=_shifted(progress, 0))
    together = compiled.run(frames, back_to_back=True, progress=_shifted(progress, total))
    seconds = time.perf_counter() - began
    idle = prediction.timing(0, total, back_to_back=False)
    # Each start is a pipeline of its own, whose cycles count from its first frame.
    accepted, finished, gaps = [], [], []
    for first, last in itertools.pairwise([*together.starts.tolist(), total]):
        clocks = prediction.timing(first, last, back_to_back=True)
        accepted.append(clocks.accepted + together.accepted[first])
        finished.append(clocks.finished + together.accepted[first])
        gaps.append(np.diff(clocks.finished))
    differences = {
        "logits": (alone.logits != prediction.logits) | (together.logits != prediction.logits),
        "label": (alone.labels != prediction.labels) | (together.labels != prediction.labels),
        "cycles from an idle pipeline": alone.latency != idle.latency,
        "cycles back to back": (together.accepted != np.concatenate(accepted))
        | (together.finished != np.concatenate(finished)),
    }
    wrong = {what: found.reshape(total, -1).any(axis=1) for what, found in differences.items()}
    any_wrong = np.any(list(wrong.values()), axis=0)
    image = int(any_wrong.argmax()) if any_wrong.any() else None
    return Verification(
        images=total,
        mismatches=int(any_wrong.sum()),
        first=""
        if image is None
        else next(f"{what} of image {image}" for what, found in wrong.items() if found[image]),
        image=image,
        labels=together.labels,
        latency=float(alone.latency.mean()),
        latency_predicted=float(idle.latency.mean()),
        latency_max=int(alone.latency.max()),
        interval=_mean(together.intervals, alone.latency),
        interval_predicted=_mean(np.concatenate(gaps), idle.latency),
        lane_use=lane_use(prediction),
        seconds=seconds,
    )


def lane_use(prediction: Prediction) -> float:
    """Useful synaptic operations over lanes times the clocks in which a window is open, over all
    layers, back to back. The steps of a block happen in one clock and count once."""
    network, hardware, events = prediction.network, prediction.hardware, prediction.events
    cycles = prediction.timing(0, len(prediction.frames), back_to_back=True)
    layers = timing.lane_use(network, hardware, events, cycles)
    clocks = cycles.busy.sum(axis=1)
    slots = clocks * np.array([layer.lanes for layer in hardware.layers])
    return float((np.array(layers) * slots).sum() / slots.sum())


def _shifted(progress: Progress | None, before: int) -> Progress | None:
    """The progress of one of two runs, ``before`` frames after the start of both."""
    if progress is None:
        return None
    return lambda done, total: progress(before + done, 2 * total)


def _mean(intervals: NDArray[np.int64], latency: NDArray[np.int64]) -> float:
    """Of a single image, which has no neighbours, its latency."""
    return float((intervals if len(intervals) else latency).mean())
