# SPDX-License-Identifier: Apache-2.0
"""Small networks, and frames for them, that reach what is in an accelerator.

A fault is seen at the logits only where all that follows hears of it, so layers must be neither
silent nor full, and lines must have none, few and all of their events.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from cygnet.network import (
    INPUT,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    SumPool,
)

__all__ = ["dense_network", "maps_network", "pictures"]


def pictures(network: Network, count: int, seed: int) -> NDArray[np.uint8]:
    """From a single event to nearly all, as likely on every scale; one of nothing, one full."""
    rng = np.random.default_rng(seed)
    x = rng.integers(0, 256, (count, *network.input.shape))
    x[rng.random(x.shape) < 0.3] = 255
    share = 2.0 ** -rng.uniform(0, 5, (count, 1, 1, 1))
    share[::4] = 1 - share[::4]
    x[rng.random(x.shape) > share] = 0
    x[1], x[2] = 0, 255
    return x.astype(np.uint8)


def dense_network() -> Network:
    """Small, with weights of both extremes, so that sums reach their bounds.

    Biases and thresholds were fitted to each neuron's currents, so that each gives all its counts
    about as often: what a silent or a full neuron reads cannot be seen.
    """
    rng = np.random.default_rng(112)
    biases = (
        (-936, 7992, 1274, 1702, 202, -141, 986),
        (-68, 106, 16, 2, -29, 10),
        (-54, 90, 33),
    )
    resets = ((2217, 2125, 831, 594, 532, 710, 1049), (8, 12, 4, 10, 8, 8), None)
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise((10, 7, 6, 3))):
        weight = rng.integers(-7, 8, (outputs, inputs), dtype=np.int8)
        weight[0], weight[1] = 7, -7
        reset = resets[number]
        neurons = None if reset is None else _neurons(np.array(reset, np.int32))
        bias = np.array(biases[number])
        layers.append(Layer(f"layer{number + 1}", Dense(weight, 4), bias, neurons, number - 1))
    return Network("mutated", InputSpec("pixels", (1, 1, 10)), tuple(layers), 3)


def maps_network() -> Network:
    """Convolutions with padding and strides, both kinds of shortcut, and pooling.

    Seed, weights and thresholds are the best of 16,973 that were drawn: lines of every layer have
    from no event to all of them, each about as often, and 9 in 10 frames give other logits when one
    of their events is taken away.
    """
    rng = np.random.default_rng(148929576)

    def weight(low: int, *shape: int) -> NDArray[np.int8]:
        return rng.integers(low, 8, shape, dtype=np.int8)

    def neurons(high: int) -> Neurons:
        return _neurons(rng.integers(max(1, high // 2), high + 1, 2, dtype=np.int32))

    def bias(neurons: Neurons, most: int) -> NDArray[np.int64]:
        return -(neurons.reset.astype(np.int64) * rng.integers(0, most + 1, 2) // 8)

    first, second, third = neurons(535), neurons(42), neurons(30)
    layers = (
        Layer(
            "conv1",
            Convolution(weight(-4, 2, 3, 3, 2), padding=(1, 1), bits=4),
            bias(first, 1),
            first,
            INPUT,
        ),
        Layer(
            "conv2",
            Convolution(weight(-6, 2, 3, 3, 2), padding=(1, 1), bits=4),
            bias(second, 4),
            second,
            0,
            shortcut=Identity(0, rng.integers(-20, 21, 2, dtype=np.int16)),
        ),
        Layer(
            "conv3",
            Convolution(weight(-6, 2, 2, 3, 2), (2, 1), (0, 1), bits=4),
            bias(third, 0),
            third,
            1,
            shortcut=Projection(0, weight(-7, 2, 2), (2, 1), bits=4),
        ),
        Layer(
            "out",
            Dense(weight(-7, 3, 4), 4),
            rng.integers(-50, 51, 3),
            None,
            2,
            SumPool((2, 2), (2, 2)),
        ),
    )
    return Network("mutated", InputSpec("pixels", (4, 4, 2)), layers, 2)


def _neurons(reset: NDArray[np.int32]) -> Neurons:
    return Neurons("gn", reset, reset, reset >> 1, np.ones(len(reset)), tau=4)
