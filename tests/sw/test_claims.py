# SPDX-License-Identifier: Apache-2.0
"""What may be claimed equal to what (docs/numerics.md), and the edges of a network."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import nn

import cygnet
from cygnet.conversion import to_spiking
from cygnet.errors import CygnetError
from cygnet.golden.values import run
from cygnet.network import (
    INPUT,
    Bounds,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Network,
    Projection,
)
from cygnet.quantization import quantize

from .residual import SPEC, Residual, images, qcfs


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("levels", [3, 4, 8])
def test_integer_gn_at_one_step_equals_qcfs_in_integers(levels: int, bits: int) -> None:
    """Claim (b): QCFS on the same w, b, K, in exact rational arithmetic, equals golden."""
    network = cygnet.convert(Residual(levels), input=SPEC, tau=levels, bits=bits)
    x = images(12)
    result = run(network, x, steps=1, record=True)
    padded = np.array(SPEC.padding)
    for image in range(3):
        values: dict[int, np.ndarray] = {INPUT: x[image].astype(object)}
        for number, layer in enumerate(network.layers):
            current = currents(network, number, values, padded)
            if layer.neurons is None:
                assert result.logits[image].tolist() == current.reshape(-1).tolist()
                continue
            levels_of = np.empty(current.shape, dtype=object)
            for place in np.ndindex(current.shape):
                k = int(layer.neurons.reset[place[2]])
                # floor(x L / lambda + 1/2) with lambda / L = K; an odd K rounds the half down.
                half = Fraction(k // 2, k)
                level = math.floor(Fraction(int(current[place]), k) + half)
                levels_of[place] = min(max(level, 0), levels)
            counts = result.counts[number]
            assert counts is not None
            assert counts[0, image].tolist() == levels_of.tolist()
            values[number] = levels_of
    assert all(counts is None or counts.any() for counts in result.counts)


def currents(
    network: Network, number: int, values: dict[int, np.ndarray], padded: np.ndarray
) -> np.ndarray:
    """One layer's u with Python integers, one output after another."""
    layer = network.layers[number]
    x = values[layer.source]
    if layer.pool is not None:
        (kh, kw), (sh, sw) = layer.pool.kernel, layer.pool.stride
        height, width, _ = network.pooled_shape(number)
        x = np.array(
            [
                [
                    x[y * sh : y * sh + kh, z * sw : z * sw + kw].sum(axis=(0, 1))
                    for z in range(width)
                ]
                for y in range(height)
            ],
            dtype=object,
        )
    height, width, channels = network.shape(number)
    u = np.empty((height, width, channels), dtype=object)
    synapses = layer.synapses
    for place in np.ndindex(u.shape):
        row, column, o = place
        total = int(layer.bias[o])
        if isinstance(synapses, Dense):
            total += sum(
                int(w) * int(s) for w, s in zip(synapses.weight[o], x.reshape(-1), strict=True)
            )
        else:
            assert isinstance(synapses, Convolution)
            for dy, dx, i in np.ndindex(synapses.weight.shape[1:]):
                y = row * synapses.stride[0] + dy - synapses.padding[0]
                z = column * synapses.stride[1] + dx - synapses.padding[1]
                inside = 0 <= y < x.shape[0] and 0 <= z < x.shape[1]
                outside = int(padded[i]) if layer.source == INPUT else 0
                total += int(synapses.weight[o, dy, dx, i]) * int(x[y, z, i] if inside else outside)
        if isinstance(layer.shortcut, Identity):
            total += int(layer.shortcut.weight[o]) * int(values[layer.shortcut.source][place])
        elif isinstance(layer.shortcut, Projection):
            sy, sx = layer.shortcut.stride
            source = values[layer.shortcut.source][row * sy, column * sx]
            total += sum(
                int(w) * int(s) for w, s in zip(layer.shortcut.weight[o], source, strict=True)
            )
        u[place] = total
    return u


def test_8_bit_network_follows_the_users_own() -> None:
    """Claim (c) in small: classes of the fp32 model and of the integers agree but for near ties."""
    model = Residual()
    network = cygnet.convert(model, input=SPEC, tau=4)
    x = images(300)
    spiking = to_spiking(model, None, input=SPEC, tau=4)
    with torch.no_grad():
        logits = model(spiking.input(x).float()).numpy()
    result = run(network, x, steps=1)
    top = np.sort(logits, axis=1)
    clear = top[:, -1] - top[:, -2] > 0.02 * np.abs(logits).max()
    assert clear.sum() > 150
    assert (result.labels[clear] == logits.argmax(1)[clear]).mean() > 0.98


@pytest.mark.parametrize("kind", ["gn", "if", "snm"])
@pytest.mark.parametrize("normalization", ["layer", "channel"])
def test_integers_follow_the_float_network(kind: str, normalization: str) -> None:
    model = Residual()
    x = images(40)
    spiking = to_spiking(
        model,
        x,
        input=SPEC,
        neuron=kind,  # type: ignore[arg-type]
        normalization=normalization,  # type: ignore[arg-type]
    )
    network = quantize(spiking, steps=16)
    expected = spiking(spiking.input(x), 16)[-1].numpy()
    got = run(network, x, steps=16).logits * network.logit_scale / 16
    spread = expected.std(axis=0).mean()
    assert np.sqrt(((got - expected) ** 2).mean()) < 0.35 * spread


@pytest.mark.parametrize("kind", ["gn", "snm"])
def test_ending_in_neurons(kind: str) -> None:
    """The published SNM network ends in neurons: logits are what they send."""
    model = Residual()
    x = images(60)
    spiking = to_spiking(model, x, input=SPEC, neuron=kind, spiking_output=True)  # type: ignore[arg-type]
    network = quantize(spiking, steps=12)
    neurons = network.layers[-1].neurons
    assert neurons is not None
    assert len(set(neurons.step.tolist())) == 1
    with torch.no_grad():
        wanted = spiking.folded(spiking.input(x)).clamp_min(0)
    floats = spiking(spiking.input(x), 12)[-1]
    assert float(floats.min()) >= 0
    assert float((floats - wanted).abs().mean()) < 0.2 * float(wanted.abs().mean())
    got = run(network, x, steps=12).logits * network.logit_scale / 12
    assert np.abs(got - floats.numpy()).mean() < 0.2 * float(wanted.abs().mean())


@pytest.mark.parametrize("layout", ["nhwc", "nchw"])
def test_counts(layout: str) -> None:
    """Counts: a new input at every step; the first layer runs every step."""
    spec = InputSpec(
        "counts",
        (4, 4, 2),
        scale=0.25,
        bounds=Bounds(-3, 3),
        layout=layout,  # type: ignore[arg-type]
    )
    torch.manual_seed(0)
    for model in (
        nn.Sequential(nn.Conv2d(2, 5, 3), qcfs(), nn.Flatten(), nn.Linear(20, 3)),
        nn.Sequential(nn.Linear(32, 5), qcfs(), nn.Linear(5, 3)),
    ):
        spiking = to_spiking(model, None, input=spec)
        network = quantize(spiking, steps=6)
        x = np.random.default_rng(1).integers(-3, 4, (30, 6, 4, 4, 2)).astype(np.int8)
        floats = spiking(spiking.input(x), 6)[-1].numpy()
        got = run(network, x, steps=6).logits * network.logit_scale / 6
        assert np.sqrt(np.square(got - floats).mean()) < 0.1 * floats.std()
    with pytest.raises(CygnetError, match=r"^the data has shape \(3, 4, 4, 2\), but counts are "):
        spiking.input(np.zeros((3, 4, 4, 2), np.int8))
