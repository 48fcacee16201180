# SPDX-License-Identifier: Apache-2.0
"""A mismatch brought down to one neuron, with a waveform of the clocks around it."""

from __future__ import annotations

from pathlib import Path

from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.explain import explain
from cygnet.cosim.waves import record

__all__ = ["diagnose"]

BEFORE = 2
"""Images that run before the one that differs, so that the pipeline is as full as it was."""
WINDOW = 200
"""Clocks in the waveform before and after the first difference."""


def diagnose(
    prediction: Prediction,
    verilog: str,
    images: Path,
    image: int,
    waves: Path,
    *,
    cache: Path | None = None,
) -> str:
    """Run the images around one that differs again, and say where it first does.

    :param prediction: of all frames
    :param verilog: of the accelerator that differs
    :param images: folder with its memory images
    :param image: number of the first frame that differs
    :param waves: FST file to write
    :returns: a clause that names image, layer, neuron, step, cycle, expected and got, and the
        waveform
    """
    network, hardware = prediction.network, prediction.hardware
    first = max(0, image - BEFORE)
    frames = prediction.frames[first : image + 1]
    found = explain(network, hardware, verilog, images, frames, cache=cache)
    if found is None:
        record(network, hardware, verilog, images, frames, waves, cache=cache)
        return (
            f"every neuron up to image {image} answers as predicted, so look at the last layer or "
            f"at the cycles; waveform of images {first}..{image}: {waves}"
        )
    record(
        network,
        hardware,
        verilog,
        images,
        frames,
        waves,
        first=max(0, found.cycle - WINDOW),
        last=found.cycle + WINDOW,
        cache=cache,
    )
    return f"{found.shifted(first)} (cycles from a reset before image {first}); waveform: {waves}"
