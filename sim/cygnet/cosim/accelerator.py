# SPDX-License-Identifier: Apache-2.0
"""The whole accelerator against the golden model: in cocotb, and over data sets.

The prediction is computed once, by :mod:`cygnet.golden`; everything after it compares with ==.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.case import Case, Expected, Job
from cygnet.cosim.payload import Payload, StreamSpec
from cygnet.cosim.simulator import Progress, SimulationResult, VerilatorSimulator
from cygnet.cosim.stalls import FREE, Stall
from cygnet.errors import MismatchError
from cygnet.gateware.verilog import generate, top_name
from cygnet.golden import timing, values
from cygnet.hardware import HardwareConfig
from cygnet.input_stream import to_stream
from cygnet.layer_plan import plan_layers
from cygnet.network import Network, unsigned_width

__all__ = ["Prediction", "case", "check", "job", "predict", "run_and_check", "simulator"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the golden model says about n frames.

    :param frames: uint8[n, bytes] as they are sent (:func:`cygnet.input_stream.to_stream`)
    :param logits: int64[n, classes]
    :param labels: int64[n]
    :param events: for each layer int64[n, windows], events that it reads in each window
    """

    network: Network
    hardware: HardwareConfig
    frames: NDArray[np.uint8]
    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    events: tuple[NDArray[np.int64], ...]

    def timing(self, first: int, last: int, *, back_to_back: bool) -> timing.Timing:
        """Cycles of frames ``first .. last - 1`` after a reset, with a free source and sink."""
        events = [layer[first:last] for layer in self.events]
        return timing.predict(self.network, self.hardware, events, back_to_back=back_to_back)


def predict(
    network: Network,
    hardware: HardwareConfig,
    frames: NDArray[np.integer[Any]],
    *,
    batch: int = 1000,
    progress: Progress | None = None,
) -> Prediction:
    """Logits and events of each frame.

    :param frames: pixels, uint8[n, ...] in raster order; counts, integers [n, T, h, w, c]
    :param batch: frames whose spikes are kept in memory at once
    :param progress: called with the frames done and the frames in all
    """
    logits, labels, events = [], [], []
    for start in range(0, max(len(frames), 1), batch):
        part = frames[start : start + batch]
        if network.input.kind == "pixels":
            part = part.reshape(-1, *network.input.shape)
        result = values.run(network, part, steps=hardware.steps, record=True)
        logits.append(result.logits)
        labels.append(result.labels)
        events.append(timing.count_events(network, hardware, part, result.counts))
        if progress is not None:
            progress(start + len(part), len(frames))
    return Prediction(
        network,
        hardware,
        to_stream(network, hardware, frames),
        np.concatenate(logits),
        np.concatenate(labels),
        tuple(np.concatenate(layer) for layer in zip(*events, strict=True)),
    )


def job(network: Network, hardware: HardwareConfig, cases: Sequence[Case]) -> Job:
    """The accelerator's streams with cases for them."""
    last = plan_layers(network, hardware)[-1]
    label = unsigned_width(last.outputs - 1)
    return Job(
        StreamSpec("in", Payload.of([("data", 8 * hardware.beat), ("last", 1)]), packed=False),
        StreamSpec(
            "out",
            Payload.of([("logit", last.current_width, True), ("label", label), ("last", 1)]),
            packed=False,
        ),
        tuple(cases),
    )


def case(
    name: str,
    prediction: Prediction,
    *,
    source: Stall = FREE,
    sink: Stall = FREE,
    seed: int = 1,
    back_to_back: bool = True,
    resets: Sequence[int] = (),
) -> Case:
    """All frames of a prediction as one stimulus; cycles are compared where nothing stalls."""
    hardware, frames = prediction.hardware, prediction.frames
    beats = -(-frames.shape[1] // hardware.beat)
    padded = np.pad(frames, ((0, 0), (0, beats * hardware.beat - frames.shape[1])))
    items = [
        {"data": int.from_bytes(beat.tobytes(), "little"), "last": int(number == beats - 1)}
        for frame in padded.reshape(len(frames), beats, hardware.beat)
        for number, beat in enumerate(frame)
    ]
    classes = prediction.network.classes
    free = source.kind == sink.kind == "none"
    expected = []
    clocks = prediction.timing(0, len(frames), back_to_back=back_to_back)
    cycles = timing.logit_cycles(prediction.network, hardware, prediction.events, clocks)
    cycles -= clocks.accepted[:, None]
    for image, row in enumerate(prediction.logits):
        for number, logit in enumerate(row):
            last = number == classes - 1
            found = {"logit": int(logit), "last": int(last)}
            if last:
                found["label"] = int(prediction.labels[image])
            expected.append(
                Expected(
                    found,
                    cycle=int(cycles[image, number]) if free else None,
                    after=image * beats,
                    where=f"image {image}, class {number}",
                )
            )
    gates = {} if back_to_back else {image * beats: image * classes for image in range(len(frames))}
    return Case(name, items, expected, source, sink, seed, gates, resets)


def simulator(
    network: Network,
    hardware: HardwareConfig,
    images: Path,
    *,
    workers: int = 2,
    cache: Path | None = None,
) -> VerilatorSimulator:
    """The compiled accelerator.

    :param images: folder with its memory images
    """
    return VerilatorSimulator(
        generate(network, hardware),
        top=top_name(network),
        images=images,
        classes=network.classes,
        workers=workers,
        cache=cache,
    )


def check(prediction: Prediction, result: SimulationResult, *, back_to_back: bool) -> None:
    """Logits, labels and every cycle of a run without stalls equal the prediction.

    :raises MismatchError: naming the first image that differs
    """
    wrong = np.flatnonzero((result.logits != prediction.logits).any(axis=1))
    if len(wrong):
        image = int(wrong[0])
        number = int(np.flatnonzero(result.logits[image] != prediction.logits[image])[0])
        raise MismatchError(
            f"image {image}, class {number}, cycle {result.finished[image]}: logit expected "
            f"{prediction.logits[image, number]}, got {result.logits[image, number]} "
            f"({len(wrong)} of {len(result.logits)} images differ)"
        )
    wrong = np.flatnonzero(result.labels != prediction.labels)
    if len(wrong):
        image = int(wrong[0])
        raise MismatchError(
            f"image {image}, cycle {result.finished[image]}: label expected "
            f"{prediction.labels[image]}, got {result.labels[image]}"
        )
    starts = [*result.starts.tolist(), len(result.logits)]
    for first, last in itertools.pairwise(starts):
        clocks = prediction.timing(first, last, back_to_back=back_to_back)
        taken = result.latency[first:last]
        if back_to_back:
            taken = result.finished[first:last] - result.accepted[first]
        expected = clocks.finished if back_to_back else clocks.latency
        wrong = np.flatnonzero(taken != expected)
        if len(wrong):
            image = int(wrong[0])
            raise MismatchError(
                f"image {first + image}: expected its last logit {expected[image]} clocks after "
                f"{'the first image' if back_to_back else 'its first beat'}, got {taken[image]}"
            )


def run_and_check(
    compiled: VerilatorSimulator,
    prediction: Prediction,
    *,
    back_to_back: bool,
    progress: Progress | None = None,
) -> SimulationResult:
    """Run every frame and :func:`check` it."""
    result = compiled.run(prediction.frames, back_to_back=back_to_back, progress=progress)
    check(prediction, result, back_to_back=back_to_back)
    return result
