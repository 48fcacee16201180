# SPDX-License-Identifier: Apache-2.0
"""Frames as beats of the input stream, and back."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.input_stream import beats, from_stream, row_beats, to_stream
from cygnet.network import Bounds, Convolution, Dense, InputSpec, Layer, Network


def _network(spec: InputSpec, *, convolution: bool = False) -> Network:
    size = int(np.prod(spec.shape))
    synapses: Any = Dense(np.ones((2, size), dtype=np.int8))
    if convolution:
        synapses = Convolution(np.ones((2, *spec.shape), dtype=np.int8))
    return Network("net", spec, (Layer("out", synapses, np.zeros(2, int), None, -1),), 4)


def _hardware(steps: int, beat: int) -> HardwareConfig:
    return HardwareConfig(steps, beat, (LayerHardware(1),))


def test_counts_of_a_row_come_step_after_step() -> None:
    network = _network(InputSpec("counts", (1, 1, 3), bounds=Bounds(-2, 9)))
    hardware = _hardware(2, 2)
    x = np.array([[[1, -2, 3], [4, 5, 6], [7, 8, 9]]]).reshape(1, 3, 1, 1, 3)
    sent = to_stream(network, hardware, x)
    # Two rows of two values, two steps each; the third step is not run.
    assert sent.tolist() == [[1, 254, 4, 5, 3, 0, 6, 0]]
    assert beats(network, hardware) == 4
    assert row_beats(network, hardware) == 2
    assert (from_stream(network, hardware, sent) == x[:, :2]).all()


@pytest.mark.parametrize("bounds", [Bounds(0, 255), Bounds(-128, 127), Bounds(0, 1)])
@pytest.mark.parametrize(("shape", "beat"), [((3, 2, 2), 2), ((1, 1, 13), 8), ((2, 3, 1), 1)])
def test_there_and_back(bounds: Bounds, shape: tuple[int, int, int], beat: int) -> None:
    network = _network(InputSpec("counts", shape, bounds=bounds), convolution=beat == shape[2])
    rng = np.random.default_rng(1)
    x = rng.integers(bounds.low, bounds.high + 1, (5, 4, *shape))
    hardware = _hardware(3, beat)
    sent = to_stream(network, hardware, x)
    assert sent.dtype == np.uint8
    assert sent.shape == (5, beat * beats(network, hardware))
    assert (from_stream(network, hardware, sent) == x[:, :3]).all()


def test_pixels_are_left_as_they_are() -> None:
    network = _network(InputSpec("pixels", (2, 2, 3)))
    x = np.random.default_rng(2).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)
    hardware = _hardware(3, 8)
    sent = to_stream(network, hardware, x)
    assert (sent == x.reshape(4, 12)).all()
    assert (from_stream(network, hardware, sent) == x).all()
    assert beats(network, hardware) == 2


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (
            np.zeros((1, 1, 1, 1, 3), int),
            "x must be an array [n, T, *(1, 1, 3)] of 2 steps or more, "
            "not of shape (1, 1, 1, 1, 3)",
        ),
        (np.full((1, 2, 1, 1, 3), -4), "x must be in -3..3, not in -4..-4"),
    ],
)
def test_refused(x: np.ndarray, message: str) -> None:
    network = _network(InputSpec("counts", (1, 1, 3), bounds=Bounds(-3, 3)))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        to_stream(network, _hardware(2, 2), x)


def test_pixels_refused() -> None:
    network = _network(InputSpec("pixels", (1, 1, 3)))
    message = "x must be uint8 [n, *(1, 1, 3)], not int64 of shape (2, 3)"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        to_stream(network, _hardware(2, 2), np.zeros((2, 3), np.int64))
