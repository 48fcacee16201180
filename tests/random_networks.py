# SPDX-License-Identifier: Apache-2.0
"""Random networks of every kind that the gateware builds, and hardware for them; seeded."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.network import (
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

Generator = np.random.Generator


LONG = 200
"""Seeds from here on draw networks of many time-steps, walked in blocks."""
COUNTS = 300
"""Seeds from here on draw networks that read counts, new ones at every time-step."""


def draw(seed: int) -> tuple[Network, HardwareConfig, NDArray[np.integer]]:
    """A network, its hardware, and a few frames."""
    rng = np.random.default_rng([seed, 2402])
    network = draw_network(rng, counts=seed >= COUNTS)
    if seed >= LONG:
        network = replace(network, steps=int(rng.integers(5, 18)))
    hardware = draw_hardware(rng, network)
    if seed >= LONG:
        layers = [replace(one, block=int(rng.integers(1, 9))) for one in hardware.layers]
        hardware = replace(hardware, layers=tuple(layers))
    spec = network.input
    size: tuple[int, ...] = spec.shape if spec.kind == "pixels" else (network.steps, *spec.shape)
    shape = (int(rng.integers(2, 5)), *size)
    frames = rng.integers(spec.bounds.low, spec.bounds.high + 1, shape)
    frames *= rng.random(shape) < rng.uniform(0.05, 1)
    frames[rng.integers(0, len(frames))] = 0
    return network, hardware, frames.astype(np.uint8 if spec.kind == "pixels" else np.int16)


def draw_network(rng: Generator, *, counts: bool = False) -> Network:
    shape = (int(rng.integers(1, 9)), int(rng.integers(1, 9)), int(rng.integers(1, 4)))
    if counts:
        low = -int(rng.integers(0, 129)) if rng.random() < 0.5 else 0
        spec = InputSpec("counts", shape, bounds=Bounds(low, int(rng.integers(1, 128))))
    else:
        mean = tuple(rng.integers(0, 200, shape[2]) / 255) if rng.random() < 0.5 else ()
        spec = InputSpec("pixels", shape, 1 / 255, mean)
    steps = int(rng.integers(1, 5))
    layers: list[Layer] = []
    shapes: list[Shape] = []
    ranges: list[Bounds] = []
    for number in range(int(rng.integers(0, 5))):
        source = number - 1
        at = shapes[source] if number else shape
        value = ranges[source] if number else spec.bounds
        pool = _pool(rng, at) if number else None
        if pool is not None:
            at = pool.output_shape(at)
            value = value.scaled(math.prod(pool.kernel))
        synapses = _synapses(rng, at)
        shape_out = synapses.output_shape(at)
        shortcut = _shortcut(rng, shapes, number, shape_out) if number > 1 else None
        kind = str(rng.choice(["gn", "gn", "if", "snm"]))
        spread = max(2, int(np.abs(synapses.fan_in().astype(int)).sum(1).max() * value.high // 6))
        neurons = _neurons(rng, kind, shape_out, min(spread, 200_000))
        bias = rng.integers(-spread // 3, spread, shape_out[2])
        layers.append(Layer(f"l{number}", synapses, bias, neurons, source, pool, shortcut))
        shapes.append(shape_out)
        ranges.append(neurons.events)
    at = shapes[-1] if shapes else shape
    pool = _pool(rng, at) if shapes else None
    at = pool.output_shape(at) if pool else at
    classes = int(rng.integers(1, 7))
    bits = int(rng.integers(2, 9))
    synapses = Dense(_weights(rng, (classes, math.prod(at)), bits), bits)
    bias = rng.integers(-1000, 1000, classes)
    layers.append(Layer("out", synapses, bias, None, len(layers) - 1, pool))
    return Network("drawn", spec, tuple(layers), steps)


def _weights(rng: Generator, shape: tuple[int, ...], bits: int) -> NDArray[np.int64]:
    largest = 2 ** (bits - 1) - 1
    weights = rng.integers(-largest, largest + 1, shape)
    weights.flat[0] = largest
    return weights


def _pool(rng: Generator, shape: Shape) -> SumPool | None:
    divisors = [[k for k in range(1, n + 1) if n % k == 0] for n in shape[:2]]
    kernel = (int(rng.choice(divisors[0])), int(rng.choice(divisors[1])))
    return SumPool(kernel, kernel) if rng.random() < 0.4 else None


def _synapses(rng: Generator, shape: Shape) -> Dense | Convolution:
    bits = int(rng.integers(2, 9))
    channels = int(rng.integers(1, 8))
    if rng.random() < 0.2:
        return Dense(_weights(rng, (channels, math.prod(shape)), bits), bits)
    padding = tuple(int(rng.integers(0, 3)) for _ in range(2))
    kernel = tuple(
        int(rng.integers(p + 1, max(p + 1, min(n + 2 * p, 5)) + 1))
        for n, p in zip(shape[:2], padding, strict=True)
    )
    stride = tuple(int(rng.integers(1, 4)) for _ in range(2))
    groups = 1
    if rng.random() < 0.2:
        groups = shape[2]
        channels = groups * int(rng.integers(1, 3))
    weights = _weights(rng, (channels, *kernel, shape[2] // groups), bits)
    return Convolution(weights, stride, padding, groups, bits)


def _shortcut(
    rng: Generator, shapes: list[Shape], number: int, shape: Shape
) -> Identity | Projection | None:
    for source in range(number - 1):
        before = shapes[source]
        if rng.random() < 0.4:
            continue
        if before == shape:
            return Identity(source, rng.integers(-3000, 3000, shape[2]))
        strides = [
            [s for s in range(1, 5) if (n - 1) // s + 1 == wanted]
            for n, wanted in zip(before[:2], shape[:2], strict=True)
        ]
        if all(strides):
            stride = (strides[0][0], strides[1][0])
            return Projection(source, _weights(rng, (shape[2], before[2]), 6), stride, 6)
    return None


def _neurons(rng: Generator, kind: str, shape: Shape, spread: int) -> Neurons:
    size = shape if rng.random() < 0.2 else shape[2:]
    tau = int(rng.integers(1, 7)) if kind == "gn" else 1
    reset = rng.integers(1, max(2, spread // tau), size)
    if rng.random() < 0.2:
        reset = 1 << rng.integers(0, max(1, spread.bit_length() - 2), size)
    fire = reset + (1 if rng.random() < 0.2 else 0)
    initial = np.zeros_like(reset) if kind == "snm" else reset >> 1
    enabled = rng.random(size) < 0.8 if rng.random() < 0.2 else None
    amplitude = None
    if kind == "snm" and rng.random() < 0.4:
        amplitude = rng.integers(1, 256, shape)
    return Neurons(
        kind,  # type: ignore[arg-type]
        reset,
        fire,
        initial,
        np.ones(shape[2]),
        tau=tau,
        enabled=enabled,
        amplitude=amplitude,
    )


def draw_hardware(rng: Generator, network: Network) -> HardwareConfig:
    cores = int(rng.integers(1, 4))
    layers = []
    for number in range(len(network.layers)):
        channels = network.shape(number)[2]
        many = cores if number < len(network.layers) - 1 and cores <= channels else 1
        lanes = many * int(rng.integers(1, channels // many + 1))
        layers.append(LayerHardware(lanes, str(rng.choice(["fast", "small"])), many))  # type: ignore[arg-type]
    arithmetic = rng.choice(["lut", "lut6", "dsp"], len(layers))
    layers = [
        replace(layer, arithmetic=str(kind)) for layer, kind in zip(layers, arithmetic, strict=True)
    ]
    beat = 2 ** int(rng.integers(0, 4))
    if isinstance(network.layers[0].synapses, Convolution):
        beat = network.input.shape[2]
    return HardwareConfig(int(rng.integers(1, network.steps + 1)), beat, tuple(layers))


__all__ = ["draw", "draw_hardware", "draw_network"]
