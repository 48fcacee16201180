# SPDX-License-Identifier: Apache-2.0
"""The golden model against loops over single neurons, written from docs/numerics.md alone."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cygnet.golden import convolutions, synapses, values
from cygnet.golden.neurons import Population
from cygnet.golden.values import run
from cygnet.network import (
    INPUT,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    SumPool,
)
from networks import KINDS, random_input, random_mlp, random_residual


def at(array: Any, y: int, x: int, c: int) -> int:
    return int(array[c] if array.ndim == 1 else array[y, x, c])


def naive(network: Network, image: np.ndarray, steps: int) -> tuple[list[int], dict, dict]:
    """Logits, {layer: {(t, y, x, c): event}} and {layer: {(t, y, x, c): membrane}} of one image,
    with Python integers, time-step by time-step."""
    state: dict = {}
    memory: dict = {}
    events: dict = {number: {} for number in range(len(network.layers))}
    membranes: dict = {number: {} for number in range(len(network.layers))}
    last = len(network.layers) - 1
    totals = [0] * network.classes
    for t in range(steps):
        sent: dict = {}
        frame = image if network.input.kind == "pixels" else image[t]
        sent[INPUT] = {place: int(frame[place]) for place in np.ndindex(frame.shape)}
        for number, layer in enumerate(network.layers):
            height, width, channels = network.shape(number)
            sent[number] = {}
            for y, x, c in itertools.product(range(height), range(width), range(channels)):
                u = int(layer.bias[c]) + synaptic(network, number, sent, y, x, c)
                key = (number, y, x, c)
                if layer.neurons is None:
                    totals[(y * width + x) * channels + c] += u
                    membranes[number][t, y, x, c] = totals[(y * width + x) * channels + c]
                    continue
                neurons = layer.neurons
                v = state.get(key, at(neurons.initial, y, x, c))
                spikes, v, memory[key] = neuron(neurons, y, x, c, v, memory.get(key, 0), u)
                state[key] = v
                amplitude = (
                    1 if neurons.amplitude is None else at(neurons.amplitude, y, x, c)
                ) * spikes
                sent[number][y, x, c] = amplitude
                events[number][t, y, x, c] = amplitude
                membranes[number][t, y, x, c] = v
                if number == last:
                    totals[(y * width + x) * channels + c] += amplitude
    return totals, events, membranes


def neuron(
    neurons: Neurons, y: int, x: int, c: int, v: int, m: int, u: int
) -> tuple[int, int, int]:
    if neurons.enabled is not None and not at(neurons.enabled, y, x, c):
        return 0, v, m
    level, reset = at(neurons.fire, y, x, c), at(neurons.reset, y, x, c)
    p = v + u
    if neurons.membrane_width is not None:
        half = 2 ** (neurons.membrane_width - 1)
        p = min(max(p, -half), half - 1)
    if neurons.kind == "snm":
        spikes = 1 if p >= level else -1 if p <= -level and m > 0 else 0
    else:
        spikes = 0
        while spikes < neurons.tau and p >= level + spikes * reset:
            spikes += 1
    return spikes, p - spikes * reset, m + spikes


def synaptic(network: Network, number: int, sent: dict, y: int, x: int, c: int) -> int:
    layer = network.layers[number]
    height, width, channels = network.pooled_shape(number)
    source = sent[layer.source]

    def value(row: int, column: int, channel: int) -> int:
        if layer.pool is None:
            return int(source[row, column, channel])
        (high, wide), (down, right) = layer.pool.kernel, layer.pool.stride
        return sum(
            source[row * down + i, column * right + j, channel]
            for i in range(high)
            for j in range(wide)
        )

    total = 0
    synapses = layer.synapses
    if isinstance(synapses, Dense):
        for i, place in enumerate(np.ndindex(height, width, channels)):
            total += int(synapses.weight[c, i]) * value(*place)
    else:
        outputs, high, wide, inputs = synapses.weight.shape
        group = c // (outputs // synapses.groups)
        for i, j, k in itertools.product(range(high), range(wide), range(inputs)):
            row = y * synapses.stride[0] + i - synapses.padding[0]
            column = x * synapses.stride[1] + j - synapses.padding[1]
            channel = group * inputs + k
            if 0 <= row < height and 0 <= column < width:
                s = value(row, column, channel)
            elif layer.source == INPUT:
                s = network.input.padding[channel]
                s *= 1 if layer.pool is None else layer.pool.kernel[0] * layer.pool.kernel[1]
            else:
                s = 0
            total += int(synapses.weight[c, i, j, k]) * s
    shortcut = layer.shortcut
    if isinstance(shortcut, Identity):
        total += int(shortcut.weight[c]) * sent[shortcut.source][y, x, c]
    elif shortcut is not None:
        row, column = y * shortcut.stride[0], x * shortcut.stride[1]
        for k in range(shortcut.weight.shape[1]):
            total += int(shortcut.weight[c, k]) * sent[shortcut.source][row, column, k]
    return total


def check(network: Network, x: np.ndarray, steps: int, **options: Any) -> None:
    result = run(network, x, steps=steps, record=True, **options)
    assert result.logits.dtype == np.int64
    for n, image in enumerate(x):
        logits, events, membranes = naive(network, image, steps)
        assert result.logits[n].tolist() == logits
        assert result.labels[n] == max(range(len(logits)), key=lambda i: (logits[i], -i))
        for number, layer in enumerate(network.layers):
            assert result.membranes[number].dtype == np.int64
            for (t, *place), v in membranes[number].items():
                assert result.membranes[number][(t, n, *place)] == v
            if layer.neurons is None:
                assert result.counts[number] is None
                continue
            recorded = result.counts[number]
            assert recorded is not None
            assert recorded.dtype == np.int16
            for (t, *place), count in events[number].items():
                assert recorded[(t, n, *place)] == count
    plain = run(network, x, steps=steps, **options)
    assert (plain.logits == result.logits).all()
    assert plain.counts == ()
    assert plain.after is None
    after = run(network, x, steps=steps, each_step=True, **options).after
    assert after is not None
    for t in range(1, steps + 1):
        assert (after[t - 1] == run(network, x, steps=t).logits).all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("kind", KINDS)
def test_dense(kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    network = random_mlp(rng, kind=kind, plain=seed == 0, spiking=seed % 2 == 1)
    check(network, random_input(rng, network, 3), 1 + seed)


@pytest.mark.parametrize("counts", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_everything_else(kind: str, counts: bool) -> None:
    rng = np.random.default_rng(100 + counts)
    network = random_residual(rng, kind=kind, counts=counts)
    check(network, random_input(rng, network, 3), 4 - counts, batch=2)


def test_pooled_pixels_and_their_padding() -> None:
    rng = np.random.default_rng(7)
    network = Network(
        name="pooled",
        input=InputSpec("pixels", (4, 4, 2), scale=1 / 16, mean=(0.5, 0.25)),
        layers=(
            Layer(
                name="only",
                synapses=Convolution(rng.integers(-9, 9, (3, 3, 3, 2)), padding=(1, 1)),
                bias=np.array([4, 5, 6]),
                neurons=None,
                source=INPUT,
                pool=SumPool((2, 2), (2, 2)),
            ),
        ),
        steps=3,
    )
    check(network, random_input(rng, network, 3), 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("products", [np.float32, np.float64])
@pytest.mark.parametrize("states", [np.float32, np.float64])
def test_every_number_format_gives_the_same(
    products: type, states: type, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(5)
    network = random_residual(rng, kind=kind)
    x = random_input(rng, network, 3)
    expected = run(network, x, steps=4, record=True)
    monkeypatch.setattr(synapses, "product_format", lambda network, number: products)
    monkeypatch.setattr(values, "state_format", lambda network, number: states)
    result = run(network, x, steps=4, record=True)
    assert (result.logits == expected.logits).all()
    for a, b in zip(result.membranes, expected.membranes, strict=True):
        assert (a == b).all()


@pytest.mark.parametrize("kind", KINDS)
def test_torch_convolutions_give_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(6)
    network = random_residual(rng, kind=kind)
    x = random_input(rng, network, 5)
    expected = run(network, x, steps=4, record=True, batch=2)
    used: list[tuple[int, ...]] = []

    def counted(x: np.ndarray, weight: np.ndarray, convolution: Convolution) -> np.ndarray:
        used.append(weight.shape)
        return convolutions.with_torch(x, weight, convolution)

    monkeypatch.setattr(convolutions, "WORTH_TORCH", 0)
    monkeypatch.setattr(synapses, "SMALL_MAP", 1)
    monkeypatch.setattr(synapses, "with_torch", counted)
    result = run(network, x, steps=4, record=True, batch=2)
    assert set(used) == {
        layer.synapses.weight.shape
        for number, layer in enumerate(network.layers)
        if isinstance(layer.synapses, Convolution)
        and synapses.product_format(network, number) is np.float32
    }
    assert (result.logits == expected.logits).all()
    for a, b in zip(result.membranes, expected.membranes, strict=True):
        assert (a == b).all()


def test_torch_that_rounds_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    network = random_residual(np.random.default_rng(6))
    assert convolutions.choose(network, 4, 1) == "numpy"  # little to do
    assert convolutions.choose(network, 4, 10**9) == "torch"

    def rounded(x: np.ndarray, weight: np.ndarray, convolution: Convolution) -> np.ndarray:
        import torch

        short = torch.from_numpy(x).bfloat16().float().numpy()
        return with_torch(short, weight, convolution)

    with_torch = convolutions.with_torch
    monkeypatch.setattr(convolutions, "with_torch", rounded)
    assert convolutions.choose(network, 4, 10**9) == "numpy"


def edge(inputs: int, weight: int, bias: int, neurons: Neurons | None = None) -> Network:
    """Two outputs of one weight each, +weight and -weight, at all inputs of 0..255."""
    return Network(
        name="edge",
        input=InputSpec("pixels", (1, 1, inputs)),
        layers=(
            Layer(
                name="only",
                synapses=Dense(np.array([[weight] * inputs, [-weight] * inputs])),
                bias=np.array([bias, -bias]),
                neurons=neurons,
                source=INPUT,
            ),
        ),
        steps=1,
    )


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        # 255 + 518 * 127 * 255 + 1531 = 2^24
        (1531, np.float32),
        (1532, np.float64),
        (2**45, np.float64),
    ],
)
def test_product_format_at_its_edge(bias: int, expected: type) -> None:
    network = edge(518, 127, bias)
    assert synapses.product_format(network, 0) is expected
    x = np.full((1, 1, 1, 518), 255, np.uint8)
    u = 518 * 127 * 255 + bias
    assert run(network, x, steps=1).logits.tolist() == [[u, -u]]


@pytest.mark.parametrize(
    ("bias", "expected"),
    [
        # 1 + 3 * 127 * 255 + bias + F + 2 K = 2^24
        (2**24 - 97159, np.float32),
        (2**24 - 97158, np.float64),
        (2**40, np.float64),
    ],
)
def test_state_format_at_its_edge(bias: int, expected: type) -> None:
    one = np.ones(2, int)
    network = edge(3, 127, bias, Neurons("if", one, one, one, np.ones(2)))
    assert synapses.state_format(network, 0) is expected
    x = np.full((1, 1, 1, 3), 255, np.uint8)
    membranes = run(network, x, steps=1, record=True).membranes[0].ravel().tolist()
    u = 3 * 127 * 255 + bias
    assert membranes == [u, 1 - u]


@given(quotient=st.integers(0, 17), reset=st.integers(1, 2**18 - 1), below=st.integers(1, 3))
def test_a_quotient_in_float32_never_reaches_the_next_whole_number(
    quotient: int, reset: int, below: int
) -> None:
    """The counts of potentials just below and at each threshold, as far as float32 may be used."""
    if (quotient + 1) * reset > 2**24:
        return
    neurons = Neurons("gn", np.array([reset]), np.array([reset]), np.array([0]), np.ones(1), 16)
    population = Population(neurons, (1, 1, 1), 2, np.float32)
    u = np.array([quotient * reset - below, quotient * reset], np.float32).reshape(2, 1, 1, 1)
    c = np.empty_like(u)
    population.step(u, c)
    expected = [(quotient * reset - below) // reset, quotient]
    assert c.ravel().tolist() == [min(max(value, 0), 16) for value in expected]


def test_batches_change_nothing() -> None:
    rng = np.random.default_rng(11)
    network = random_residual(rng, kind="snm")
    x = random_input(rng, network, 7)
    done: list[int] = []
    whole = run(network, x, steps=4, record=True, batch=7)
    parts = run(network, x, steps=4, record=True, batch=3, progress=done.append)
    assert done == [3, 6, 7]
    assert (whole.logits == parts.logits).all()
    assert (whole.labels == parts.labels).all()
    for a, b in zip(whole.membranes, parts.membranes, strict=True):
        assert (a == b).all()


def test_no_images() -> None:
    network = random_mlp(np.random.default_rng(0))
    result = run(network, np.zeros((0, 1, 1, 20), np.uint8), steps=2)
    assert result.logits.shape == (0, 5)
    assert result.labels.shape == (0,)


def test_memory_is_flat_in_the_images() -> None:
    rng = np.random.default_rng(3)
    network = random_residual(rng)
    peaks = []
    for images in (1000, 4000):
        x = random_input(rng, network, images)
        tracemalloc.start()
        run(network, x, steps=4, batch=100)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.3 * peaks[0]


def test_a_tie_goes_to_the_lowest_class() -> None:
    network = Network(
        name="tie",
        input=InputSpec("pixels", (1, 1, 1)),
        layers=(
            Layer(
                name="only",
                synapses=Dense(np.array([[1], [2], [2], [0]])),
                bias=np.zeros(4, np.int64),
                neurons=None,
                source=INPUT,
            ),
        ),
        steps=1,
    )
    x = np.array([0, 9], np.uint8).reshape(2, 1, 1, 1)
    assert run(network, x, steps=1).labels.tolist() == [0, 1]


@pytest.mark.parametrize(
    ("x", "steps", "kind", "message"),
    [
        (np.zeros((1, 1, 1, 20), np.int64), 1, TypeError, "x must be an array of uint8, not"),
        (np.zeros((1, 20), np.uint8), 1, ValueError, r"x must be an array \[n, \*\(1, 1, 20\)\]"),
        (np.zeros((1, 1, 1, 20), np.uint8), 5, ValueError, r"steps must be in 1\.\.4 for this"),
        (np.zeros((1, 1, 1, 20), np.uint8), 0, ValueError, r"steps must be in 1\.\.4 for this"),
        (np.zeros((1, 1, 1, 20), np.uint8), 1.0, TypeError, "steps must be an integer, not 1.0"),
    ],
)
def test_refuses(x: np.ndarray, steps: int, kind: type[Exception], message: str) -> None:
    network = random_mlp(np.random.default_rng(0))
    with pytest.raises(kind, match=f"^{message}"):
        run(network, x, steps=steps)


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        (np.zeros((1, 4, 8, 6, 4)), TypeError, "x must be an array of integers, not of float64"),
        (np.zeros((1, 3, 8, 6, 4), int), ValueError, r"x must be an array \[n, T, .* of 4 steps"),
        (np.full((1, 4, 8, 6, 4), 4), ValueError, r"x must be in -2\.\.3, not in 4\.\.4"),
    ],
)
def test_refuses_counts(x: np.ndarray, kind: type[Exception], message: str) -> None:
    network = random_residual(np.random.default_rng(0), counts=True)
    with pytest.raises(kind, match=f"^{message}"):
        run(network, x, steps=4)
