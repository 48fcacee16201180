# SPDX-License-Identifier: Apache-2.0
"""Random integer networks, small and seeded, that use all of the contract."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.network import (
    INPUT,
    Bounds,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    Shape,
    SumPool,
)

KINDS = ("gn", "if", "snm")


def random_neurons(
    rng: np.random.Generator, shape: Shape, kind: str, *, plain: bool = False
) -> Neurons:
    """Neurons of a layer of that shape; ``plain`` ones have F = K, per channel, and no options."""
    size: tuple[int, ...] = shape if not plain and rng.random() < 0.5 else shape[2:]
    reset = rng.integers(1, 400, size)
    fire = reset if plain else np.maximum(1, reset + rng.integers(-20, 20, size))
    initial = reset >> 1 if kind != "snm" else np.zeros_like(reset)
    options = {} if plain else _options(rng, shape, kind)
    if not plain and rng.random() < 0.5:
        initial = rng.integers(-300, 300, shape)
    return Neurons(
        kind=kind,  # type: ignore[arg-type]
        tau=int(rng.integers(1, 7)) if kind == "gn" else 1,
        reset=reset,
        fire=fire,
        initial=initial,
        step=rng.random(shape[2]) + 0.1,
        **options,
    )


def _options(rng: np.random.Generator, shape: Shape, kind: str) -> dict[str, object]:
    options: dict[str, object] = {}
    if rng.random() < 0.5:
        options["enabled"] = rng.random(shape if rng.random() < 0.5 else shape[2:]) < 0.8
    if kind == "snm" and rng.random() < 0.7:
        options["amplitude"] = rng.integers(1, 256, shape)
    if rng.random() < 0.3:
        options["membrane_width"] = 11
    return options


def random_weight(
    rng: np.random.Generator, shape: tuple[int, ...], bits: int = 8
) -> NDArray[np.int64]:
    high = 2 ** (bits - 1) - 1
    return np.asarray(rng.integers(-high, high + 1, shape), dtype=np.int64)


def random_mlp(
    rng: np.random.Generator,
    *,
    kind: str = "gn",
    steps: int = 4,
    sizes: tuple[int, ...] = (20, 13, 9, 5),
    plain: bool = True,
    spiking: bool = False,
    bits: int = 8,
) -> Network:
    """Dense layers on pixels; the last one accumulates unless ``spiking``."""
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        last = number == len(sizes) - 2
        layers.append(
            Layer(
                name=f"layer{number}",
                synapses=Dense(random_weight(rng, (outputs, inputs), bits), bits),
                bias=rng.integers(-500, 500, outputs),
                neurons=None
                if last and not spiking
                else random_neurons(rng, (1, 1, outputs), kind, plain=plain),
                source=number - 1 if number else INPUT,
            )
        )
    return Network(
        name="mlp", input=InputSpec("pixels", (1, 1, sizes[0])), layers=tuple(layers), steps=steps
    )


def random_residual(
    rng: np.random.Generator, *, kind: str = "gn", steps: int = 4, counts: bool = False
) -> Network:
    """Convolutions (strided, grouped, depthwise), pooling and both kinds of shortcut."""
    if counts:
        spec = InputSpec("counts", (8, 6, 4), bounds=Bounds(-2, 3))
    else:
        spec = InputSpec(
            "pixels", (8, 6, 4), scale=1 / 255, mean=(0.1, 0.5, 0.0, 1.0), std=(0.2, 0.3, 1.0, 0.1)
        )

    def neurons(shape: Shape) -> Neurons:
        return random_neurons(rng, shape, kind)

    layers = (
        Layer(
            name="stem",
            synapses=Convolution(random_weight(rng, (6, 3, 3, 2)), (1, 1), (1, 1), groups=2),
            bias=rng.integers(-500, 500, 6),
            neurons=neurons((8, 6, 6)),
            source=INPUT,
        ),
        Layer(
            name="depthwise",
            synapses=Convolution(random_weight(rng, (6, 3, 3, 1), 4), (1, 1), (1, 1), 6, 4),
            bias=rng.integers(-50, 50, 6),
            neurons=neurons((8, 6, 6)),
            source=0,
            shortcut=Identity(0, rng.integers(-3000, 3000, 6)),
        ),
        Layer(
            name="down",
            synapses=Convolution(random_weight(rng, (5, 2, 3, 6)), (2, 1), (0, 2)),
            bias=rng.integers(-50, 50, 5),
            neurons=neurons((4, 8, 5)),
            source=1,
        ),
        Layer(
            name="joined",
            synapses=Convolution(random_weight(rng, (7, 1, 1, 5)), (1, 2)),
            bias=rng.integers(-50, 50, 7),
            neurons=neurons((4, 4, 7)),
            source=2,
            shortcut=Projection(2, random_weight(rng, (7, 5)), (1, 2)),
        ),
        Layer(
            name="pooled",
            synapses=Convolution(random_weight(rng, (3, 2, 2, 7)), (1, 1), (1, 1)),
            bias=rng.integers(-50, 50, 3),
            neurons=neurons((4, 3, 3)),
            source=3,
            pool=SumPool((2, 3), (1, 1)),
        ),
        Layer(
            name="out",
            synapses=Dense(random_weight(rng, (4, 12))),
            bias=rng.integers(-50, 50, 4),
            neurons=None,
            source=4,
            pool=SumPool((2, 2), (2, 1)),
        ),
    )
    return Network(name="residual", input=spec, layers=layers, steps=steps)


def random_input(
    rng: np.random.Generator, network: Network, images: int, *, steps: int = 4
) -> NDArray[np.integer]:
    """Input of the network's kind, a third of it zero."""
    spec = network.input
    shape = (images, *spec.shape) if spec.kind == "pixels" else (images, steps, *spec.shape)
    x = rng.integers(spec.bounds.low, spec.bounds.high + 1, shape)
    x[rng.random(shape) < 1 / 3] = 0
    return x.astype(np.uint8 if spec.kind == "pixels" else np.int16)


def dense_network(
    seed: int,
    sizes: Sequence[int] = (12, 10, 7, 4),
    *,
    kind: Literal["gn", "if"] = "gn",
    tau: int = 4,
    steps: int = 4,
    bits: int = 8,
    density: float = 1.0,
) -> Network:
    """A dense network whose neurons fire about half of the time."""
    rng = np.random.default_rng(seed)
    largest = 2 ** (bits - 1) - 1
    layers = []
    tau = tau if kind == "gn" else 1
    high = 255
    for number, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        weight = rng.integers(-largest, largest + 1, (outputs, inputs))
        weight *= rng.random(weight.shape) < density
        spread = int(largest * high * np.sqrt(inputs))
        bias = rng.integers(-spread // 8, spread // 4 + 1, outputs)
        neurons = None
        if number < len(sizes) - 2:
            reset = rng.integers(1, max(2, min(spread // (2 * tau), 2**18)), outputs)
            neurons = Neurons(kind, reset, reset, reset >> 1, np.ones(outputs), tau=tau)
        layers.append(Layer(f"layer{number + 1}", Dense(weight, bits), bias, neurons, number - 1))
        high = tau
    return Network("random", InputSpec("pixels", (1, 1, sizes[0])), tuple(layers), steps)


def dense_frames(network: Network, count: int, *, seed: int, density: float = 0.4) -> np.ndarray:
    """uint8[count, height, width, channels], part of it zero; the first is all zero."""
    rng = np.random.default_rng(seed)
    shape = (count, *network.input.shape)
    frames = rng.integers(0, 256, shape) * (rng.random(shape) < density)
    frames[0] = 0
    return frames.astype(np.uint8)


def signed_convolutions(seed: int, *, steps: int = 32) -> Network:
    """Signed neurons with a threshold and an amplitude each: two convolutions, pooling between
    them, and a dense end; frames of 4 x 4."""
    rng = np.random.default_rng(seed)

    def neurons(shape: Shape, spread: int) -> Neurons:
        reset = rng.integers(spread // 2, spread, shape)
        return Neurons(
            "snm",
            reset,
            reset,
            np.zeros_like(reset),
            np.ones(shape[2]),
            amplitude=rng.integers(1, 256, shape),
            enabled=rng.random(shape) < 0.9,
        )

    first = Convolution(random_weight(rng, (4, 3, 3, 1)), padding=(1, 1))
    second = Convolution(random_weight(rng, (5, 3, 3, 4)), padding=(1, 1))
    layers = (
        Layer("conv1", first, rng.integers(0, 4000, 4), neurons((4, 4, 4), 30_000), INPUT),
        Layer(
            "conv2",
            second,
            rng.integers(-2000, 2000, 5),
            neurons((2, 2, 5), 16_000),
            0,
            SumPool((2, 2), (2, 2)),
        ),
        Layer("output", Dense(random_weight(rng, (3, 20))), rng.integers(-99, 99, 3), None, 1),
    )
    return Network("signed", InputSpec("pixels", (4, 4, 1)), layers, steps)


def maps_network(seed: int, *, size: int = 4, channels: int = 4, steps: int = 2) -> Network:
    """Convolutions, a strided one among them, both kinds of shortcut and pooling, on frames of
    size x size x 2; weights of 4 bits."""
    rng = np.random.default_rng(seed)

    def synapses(outputs: int, kernel: int, inputs: int, **how: Any) -> Convolution:
        return Convolution(random_weight(rng, (outputs, kernel, kernel, inputs), 4), **how, bits=4)

    def bias(inputs: int, high: int, outputs: int) -> NDArray[np.int64]:
        return rng.integers(-inputs * high, inputs * high + 1, outputs)

    def neurons(inputs: int, high: int, outputs: int) -> Neurons:
        reset = rng.integers(1, inputs * high, outputs)
        return Neurons("gn", reset, reset, reset >> 1, np.ones(outputs), tau=4)

    c, half = channels, size // 2
    layers = (
        Layer(
            "conv1", synapses(c, 3, 2, padding=(1, 1)), bias(18, 255, c), neurons(18, 255, c), INPUT
        ),
        Layer(
            "conv2",
            synapses(c, 3, c, padding=(1, 1)),
            bias(9 * c, 4, c),
            neurons(9 * c, 4, c),
            0,
            shortcut=Identity(0, rng.integers(-40, 41, c)),
        ),
        Layer(
            "conv3",
            synapses(c, 3, c, stride=(2, 2), padding=(1, 1)),
            bias(9 * c, 4, c),
            neurons(9 * c, 4, c),
            1,
            shortcut=Projection(1, random_weight(rng, (c, c), 4), (2, 2), bits=4),
        ),
        Layer(
            "out",
            Dense(random_weight(rng, (3, c * (half // 2) ** 2), 4), 4),
            bias(c, 16, 3),
            None,
            2,
            SumPool((2, 2), (2, 2)),
        ),
    )
    return Network("maps", InputSpec("pixels", (size, size, 2)), layers, steps)
