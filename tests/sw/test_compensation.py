# SPDX-License-Identifier: Apache-2.0
"""Rounding that makes up for itself, against least squares solved anew for every weight."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import cygnet
from cygnet.conversion import SpikingNetwork, to_spiking
from cygnet.errors import CygnetError
from cygnet.golden.values import run
from cygnet.network import InputSpec
from cygnet.quantization import ThresholdForm, input_moments, quantize
from cygnet.quantization.compensation import BLOCK, DAMPING, compensated

from .residual import SPEC, Residual, images


def moments(size: int, samples: int, seed: int) -> np.ndarray:
    """Of spike counts that come together, and 1."""
    rng = np.random.default_rng(seed)
    common = rng.poisson(1.0, (samples, 1))
    x = np.minimum(rng.poisson(0.5, (samples, size - 1)) + common, 4)
    x = np.append(x, np.ones((samples, 1)), axis=1)
    return x.T @ x


def one_by_one(weights: np.ndarray, moment: np.ndarray, limit: int) -> np.ndarray:
    """Each weight rounded where least squares puts it, the ones before it being what they are."""
    size = len(moment)
    damped = moment.astype(float).copy()
    for i in range(size):
        damped[i, i] += DAMPING * moment[i, i] if moment[i, i] > 0 else 1
    order = [*sorted(range(size - 1), key=lambda i: -moment[i, i]), size - 1]
    result = np.zeros_like(weights)
    for row, whole in zip(weights, result, strict=True):
        for place, i in enumerate(order):
            done, rest = order[:place], order[place:]
            error = whole[done] - row[done]
            moved = -np.linalg.solve(damped[np.ix_(rest, rest)], damped[np.ix_(rest, done)] @ error)
            value = row[i] + moved[0]
            whole[i] = value if i == size - 1 else min(max(round(value), -limit), limit)
    return result


@pytest.mark.parametrize(
    ("size", "limit", "seed"), [(2, 127, 0), (9, 7, 1), (20, 1, 2), (40, 3, 3)]
)
def test_every_weight_is_where_least_squares_puts_it(size: int, limit: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-limit, limit, (5, size))
    moment = moments(size, 300, seed)
    np.testing.assert_allclose(
        compensated(weights, moment, limit), one_by_one(weights, moment, limit), atol=1e-8
    )


def test_more_weights_than_are_brought_up_to_date_at_once() -> None:
    rng = np.random.default_rng(5)
    size = BLOCK + 20
    weights, moment = rng.uniform(-7, 7, (2, size)), moments(size, 600, 5)
    np.testing.assert_allclose(
        compensated(weights, moment, 7), one_by_one(weights, moment, 7), atol=1e-8
    )


@pytest.mark.parametrize("limit", [1, 7, 127])
def test_sums_are_nearer_than_with_the_nearest_weights(limit: int) -> None:
    weights = np.random.default_rng(9).uniform(-limit, limit, (50, 30))
    moment = moments(30, 400, 9)

    def square(rounded: np.ndarray) -> float:
        error = rounded - weights
        return float(np.einsum("oi,ij,oj->", error, moment, error))

    nearest = np.append(np.rint(weights[:, :-1]), weights[:, -1:], axis=1)
    assert square(compensated(weights, moment, limit)) < 0.2 * square(nearest)


def test_inputs_that_never_come_together_are_rounded_to_the_nearest() -> None:
    rng = np.random.default_rng(6)
    weights = rng.uniform(-7, 7, (4, 10))
    moment = np.diag(rng.uniform(0, 5, 10))
    moment[3, 3] = 0  # nothing ever came in
    got = compensated(weights, moment, 7)
    assert np.array_equal(got[:, :-1], np.rint(weights[:, :-1]))
    assert np.allclose(got[:, -1], weights[:, -1])


def test_what_is_whole_already_stays() -> None:
    weights = np.array([[3.0, -2, 7, 0, -7, 11]])
    assert np.array_equal(compensated(weights, moments(6, 50, 7), 7), weights)


def test_weights_are_left_as_they_were_given() -> None:
    weights, moment = np.full((1, 3), 0.5), moments(3, 50, 8)
    before = weights.copy(), moment.copy()
    compensated(weights, moment, 7)
    assert np.array_equal(weights, before[0])
    assert np.array_equal(moment, before[1])


class Grouped(nn.Module):
    """Groups, stride, padding, a projection with a stride, pooling, all at once."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.main = nn.Conv2d(4, 6, (3, 2), stride=2, padding=(1, 0), groups=2)
        self.skip = nn.Conv2d(4, 6, 1, stride=2)
        self.pool = nn.AvgPool2d(2)
        self.out = nn.Linear(24, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(self.main(x) + self.skip(x))
        return self.out(self.pool(x).flatten(1))  # type: ignore[no-any-return]


PIXELS = InputSpec("pixels", (8, 8, 2), scale=1 / 255, mean=(0.1, 0.2), std=(0.5, 0.4))


def test_moments_are_those_of_every_window() -> None:
    """Against a loop over windows, in numpy, for two steps."""
    x = np.random.default_rng(1).integers(0, 256, (3, 8, 8, 2)).astype(np.uint8)
    spiking = to_spiking(Grouped(), x, input=PIXELS, neuron="if")
    found = input_moments(spiking, x, steps=2)
    spikes: dict[tuple[int, int], np.ndarray] = {}
    with torch.no_grad():
        image = spiking.input(x)
        spiking(image, 2, see=lambda t, number, _, v: spikes.update({(t, number): v.numpy()}))
    first = [spikes[0, 0], (spikes[0, 0] + spikes[1, 0]) / 2]
    second = [spikes[0, 1], (spikes[0, 1] + spikes[1, 1]) / 2]
    conv1, conv2, fc3 = np.zeros((1, 19, 19)), np.zeros((2, 17, 17)), np.zeros((1, 25, 25))
    for step in range(2):
        for n in range(3):
            padded = np.pad(image.numpy()[n], ((0, 0), (1, 1), (1, 1)))
            for y in range(8):
                for column in range(8):
                    window = [*padded[:, y : y + 3, column : column + 3].ravel(), 1]
                    conv1[0] += np.outer(window, window)
            padded = np.pad(first[step][n], ((0, 0), (1, 1), (0, 0)))
            for y in range(4):
                for column in range(4):
                    for group in range(2):
                        of_group = padded[2 * group : 2 * group + 2]
                        window = of_group[:, 2 * y : 2 * y + 3, 2 * column : 2 * column + 2]
                        row = [*window.ravel(), *first[step][n][:, 2 * y, 2 * column], 1]
                        conv2[group] += np.outer(row, row)
            pooled = second[step][n].reshape(6, 2, 2, 2, 2).mean(axis=(2, 4))
            fc3[0] += np.outer([*pooled.ravel(), 1], [*pooled.ravel(), 1])
    for name, expected in (("conv1", conv1), ("conv2", conv2), ("fc3", fc3)):
        np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=1e-4)


def test_moments_of_some_places_are_seeded() -> None:
    x = images(4)
    spiking = to_spiking(Residual(), x, input=SPEC)
    several = [input_moments(spiking, x, places=5, seed=seed) for seed in (1, 1, 2)]
    name = spiking.folded.stage(0).name
    assert np.array_equal(several[0][name], several[1][name])
    assert not np.array_equal(several[0][name], several[2][name])
    assert several[0][name][0, -1, -1] == 4 * 5 * 4  # images, places, steps


def distance(spiking: SpikingNetwork, network: cygnet.Network, x: np.ndarray) -> float:
    wanted = spiking(spiking.input(x), 2)[-1].numpy()
    got = run(network, x, steps=2).logits * network.logit_scale / 2
    return float(np.square(got - wanted).mean())


@pytest.mark.parametrize("threshold", ["exact", "pow2"])
@pytest.mark.parametrize(("network", "share"), [(Grouped, 0.6), (Residual, 0.9)])
def test_few_bits_come_nearer_to_the_floats(
    network: type[nn.Module], share: float, threshold: ThresholdForm
) -> None:
    spec = PIXELS if network is Grouped else SPEC
    rng = np.random.default_rng(2)
    height, width, channels = spec.shape
    coarse = rng.integers(0, 256, (400, -(-height // 4), -(-width // 4), channels))
    x = coarse.repeat(4, axis=1).repeat(4, axis=2)[:, :height, :width].astype(np.uint8)
    spiking = to_spiking(network(), x[:200], input=spec)
    found = input_moments(spiking, x[:200])
    nearest = quantize(spiking, steps=2, bits=4, threshold=threshold)
    other = quantize(spiking, steps=2, bits=4, threshold=threshold, moments=found)
    assert distance(spiking, other, x[200:]) < share * distance(spiking, nearest, x[200:])
    for one, two in zip(nearest.layers, other.layers, strict=True):
        if one.neurons is not None and two.neurons is not None:
            assert np.array_equal(one.neurons.reset, two.neurons.reset)


def test_moments_of_another_network() -> None:
    x = np.full((2, 8, 8, 2), 200, np.uint8)
    spiking = to_spiking(Grouped(), x, input=PIXELS)
    with pytest.raises(ValueError, match=r"^moments must have the layers conv1, conv2, fc3, not "):
        quantize(spiking, steps=1, moments={"conv1": np.eye(19)[None]})


def test_convert_rounds_as_it_is_told() -> None:
    x = np.random.default_rng(3).integers(0, 256, (60, 8, 8, 2)).astype(np.uint8)
    spiking = to_spiking(Grouped(), x, input=PIXELS)
    expected = quantize(spiking, steps=2, bits=3, moments=input_moments(spiking, x, steps=2))
    # An iterator: it is read for thresholds and for moments.
    parts = iter([x[:50], x[50:]])
    got = cygnet.convert(Grouped(), parts, input=PIXELS, steps=2, bits=3, rounding="compensated")
    assert got.digest == expected.digest
    assert got.digest != cygnet.convert(Grouped(), x, input=PIXELS, steps=2, bits=3).digest


def test_convert_has_nothing_to_compensate_with() -> None:
    with pytest.raises(CygnetError, match=re.escape("'compensated' needs training images")):
        cygnet.convert(Residual(), input=SPEC, rounding="compensated")
    with pytest.raises(ValueError, match=r"^rounding must be 'nearest' or 'compensated', not 'up'"):
        cygnet.convert(Residual(), input=SPEC, rounding="up")  # type: ignore[arg-type]
