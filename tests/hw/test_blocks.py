# SPDX-License-Identifier: Apache-2.0
"""More time-steps than accumulators: windows walked in blocks, values and cycles as predicted."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from accelerators import compare, simulate
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.layer_plan import plan_layers
from cygnet.network import Network
from networks import dense_frames, dense_network, signed_convolutions


def in_blocks(network: Network, steps: int, block: int, *, lanes: int = 4) -> HardwareConfig:
    """One block size for all layers but the second, which has one less."""
    config = HardwareConfig.uniform(network, steps=steps, lanes=lanes, block=block)
    layers = list(config.layers)
    layers[1] = replace(layers[1], block=max(1, block - 1))
    return replace(config, layers=tuple(layers))


@pytest.mark.parametrize(
    ("steps", "block", "blocks", "columns", "final"),
    [
        (1, 8, 1, 1, 1),
        (8, 8, 1, 8, 8),
        (9, 8, 2, 5, 4),
        (32, 8, 4, 8, 8),
        (17, 5, 4, 5, 2),
        (64, 1, 64, 1, 1),
        (7, 3, 3, 3, 1),
    ],
)
def test_blocks_are_as_even_as_they_can_be(
    steps: int, block: int, blocks: int, columns: int, final: int
) -> None:
    network = dense_network(1, steps=64)
    hardware = HardwareConfig.uniform(network, steps=steps, lanes=4, block=block)
    first, middle, last = plan_layers(network, hardware)
    # Pixels are the same at every step, and the last layer reads sums over them.
    assert (first.blocks, first.columns, first.steps) == (1, 1, steps)
    assert (last.blocks, last.columns, last.steps) == (1, 1, 1)
    assert (middle.blocks, middle.columns, middle.final_steps) == (blocks, columns, final)
    assert middle.main.columns == steps


@pytest.mark.parametrize(
    ("steps", "block"),
    [(32, 8), *(pytest.param(*slow, marks=pytest.mark.slow) for slow in [(32, 5), (64, 16)])],
)
def test_signed_neurons_with_a_threshold_each(steps: int, block: int) -> None:
    network = signed_convolutions(7, steps=steps)
    frames = dense_frames(network, 3, seed=8, density=0.6)[1:]
    spikes = run(network, frames, steps=steps, record=True).counts[:-1]
    assert all(found is not None and (found > 0).any() for found in spikes)
    assert any(found is not None and (found < 0).any() for found in spikes)
    compare(network, in_blocks(network, steps, block), frames)


@pytest.mark.parametrize(("kind", "steps", "block"), [("if", 32, 8), ("if", 64, 8), ("gn", 11, 1)])
def test_dense(kind: str, steps: int, block: int) -> None:
    network = dense_network(4, (12, 10, 7, 4), kind=kind, steps=64)  # type: ignore[arg-type]
    compare(network, in_blocks(network, steps, block), dense_frames(network, 3, seed=9))


def test_stalls_change_no_value() -> None:
    network = signed_convolutions(9, steps=10)
    frames = dense_frames(network, 3, seed=10, density=0.6)
    golden = run(network, frames, steps=10)
    logits, labels, *_ = simulate(network, in_blocks(network, 10, 4), frames, stalls=11)
    np.testing.assert_array_equal(logits, golden.logits)
    np.testing.assert_array_equal(labels, golden.labels)


@pytest.mark.parametrize(
    ("block", "error", "message"),
    [
        (0, ValueError, "block must be an integer in 1..64, not 0"),
        (65, ValueError, "block must be an integer in 1..64, not 65"),
        (2.0, TypeError, "block must be an integer, not 2.0"),
    ],
)
def test_refused(block: int, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        LayerHardware(4, block=block)
