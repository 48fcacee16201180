# SPDX-License-Identifier: Apache-2.0
"""Every rule of docs/numerics.md, against loops in plain Python."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import cygnet
from cygnet.conversion import to_spiking
from cygnet.errors import ConversionError, CygnetError
from cygnet.golden.values import run
from cygnet.network import (
    Identity,
    InputSpec,
    Neurons,
    Projection,
)
from cygnet.neurons import GN, SNM
from cygnet.quantization import quantize
from cygnet.quantization.scales import bits_needed, largest_reset, power_of_two

from .residual import MEAN, SPEC, STD, Residual, images, qcfs, threshold, values


@given(
    largest=st.floats(1e-6, 1e4) | st.just(0.0),
    step=st.floats(1e-6, 1e4),
    bits=st.integers(2, 8),
)
def test_search_for_k(largest: float, step: float, bits: int) -> None:
    limit = 2 ** (bits - 1) - 1
    (got,) = largest_reset(np.array([largest]), np.array([step]), limit)
    fits = [round(largest * k / step) <= limit for k in (got, got + 1)]
    assert fits[0]
    assert not fits[1] or got == 2**18 - 1
    (power,) = power_of_two(np.array([got]))
    assert power == (2 ** (int(got).bit_length() - 1) if got else 0)


def test_search_for_k_beats_the_floor() -> None:
    """floor(qmax / max) is another number for most channels."""
    rng = np.random.default_rng(0)
    largest = rng.uniform(0.001, 0.02, 200)
    step = rng.uniform(0.1, 1, 200)
    best = largest_reset(largest, step, 127)
    assert (best > np.floor(127 * step / largest)).mean() > 0.5


def test_bits_needed() -> None:
    assert bits_needed(1.4, 1.0) == 2
    assert bits_needed(1.6, 1.0) == 3
    assert bits_needed(127.4, 1.0) == 8
    assert bits_needed(128.0, 1.0) is None


def reference_dense(
    weight: np.ndarray, bias: np.ndarray, a_in: float, step: float, limit: int
) -> tuple[list[int], list[list[int]], list[int]]:
    """K, w and b of a dense layer, one Python number after another."""
    resets, weights, biases = [], [], []
    for row, b in zip(weight.tolist(), bias.tolist(), strict=True):
        k = 2**18 - 1
        while any(abs(round(w * a_in * k / step)) > limit for w in row):
            # Bisection would do; the loop is plain, the start only has to be high enough.
            k = min(k - 1, math.floor((limit + 0.6) * step / (max(map(abs, row)) * a_in)))
        resets.append(k)
        weights.append([round(w * a_in * k / step) for w in row])
        biases.append(round(b * k / step))
    return resets, weights, biases


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("kind", ["gn", "if"])
def test_dense_layer(kind: str, bits: int) -> None:
    torch.manual_seed(bits)
    model = nn.Sequential(
        nn.Linear(9, 20), qcfs(0.7), nn.Linear(20, 15), qcfs(0.3), nn.Linear(15, 3)
    )
    model = model.double()
    spec = InputSpec("pixels", (1, 1, 9), scale=1 / 16)
    network = cygnet.convert(model, input=spec, neuron=kind, tau=4, bits=bits, steps=4)  # type: ignore[arg-type]
    tau = 4 if kind == "gn" else 1
    thetas = [threshold(model[1]), threshold(model[3])]
    a_in = 1 / 16
    for number, theta in enumerate(thetas):
        layer = network.layers[number]
        linear = model[2 * number]
        resets, weights, biases = reference_dense(
            values(linear, "weight"),
            values(linear, "bias"),
            a_in,
            theta / tau,
            2 ** (bits - 1) - 1,
        )
        assert layer.neurons is not None
        assert layer.neurons.reset.tolist() == resets
        assert layer.neurons.fire.tolist() == resets
        assert layer.neurons.initial.tolist() == [k // 2 for k in resets]
        assert layer.neurons.tau == tau
        assert layer.synapses.weight.tolist() == weights
        assert layer.bias.tolist() == biases
        a_in = theta / tau
        np.testing.assert_allclose(layer.neurons.step, a_in)
    last = network.layers[-1]
    assert last.neurons is None
    assert int(np.abs(last.synapses.weight).max()) == 2 ** (bits - 1) - 1
    unit = values(model[4], "weight") * a_in / network.logit_scale
    assert np.abs(last.synapses.weight - unit).max() <= 0.5 + 1e-9


def test_pow2_thresholds() -> None:
    exact, pow2 = (
        cygnet.convert(Residual(), input=SPEC, threshold=form) for form in ("exact", "pow2")
    )
    for a, b in zip(exact.layers[:-1], pow2.layers[:-1], strict=True):
        assert a.neurons is not None
        assert b.neurons is not None
        expected = [2 ** (int(k).bit_length() - 1) for k in a.neurons.reset]
        assert b.neurons.reset.tolist() == expected


def test_zero_channels_and_biases() -> None:
    model = nn.Sequential(nn.Linear(4, 3), qcfs(0.8), nn.Linear(3, 2))
    nn.init.zeros_(model[0].weight[1:2])  # type: ignore[index]
    nn.init.constant_(model[0].bias[1:2], 0.5)  # type: ignore[index]
    spec = InputSpec("pixels", (1, 1, 4))
    (layer, _) = cygnet.convert(model, input=spec).layers
    assert layer.neurons is not None
    assert int(layer.neurons.reset[1]) == 1
    assert int(layer.neurons.initial[1]) == 0
    assert layer.synapses.weight[1].tolist() == [0] * 4
    assert int(layer.bias[1]) == round(0.5 / 0.2)


class Skip(nn.Module):
    """relu(kernel * x + x) with a kernel of one weight."""

    def __init__(self, kernel: float) -> None:
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 4)
        self.acts = nn.ModuleList([qcfs(0.5), qcfs(0.25)])
        self.out = nn.Linear(4, 2)
        nn.init.constant_(self.second.weight, kernel)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.acts[0](self.first(x))
        return self.out(self.acts[1](self.second(x) + x))  # type: ignore[no-any-return]


@pytest.mark.parametrize("kernel", [0.0, 1e-4, 0.002, 0.5])
def test_an_identity_shortcut_has_16_bits(kernel: float) -> None:
    """It never sets K, but where its own bits would overflow."""
    spec = InputSpec("pixels", (1, 1, 4))
    layer = cygnet.convert(Skip(kernel), input=spec).layers[1]
    assert isinstance(layer.shortcut, Identity)
    assert layer.neurons is not None
    (k,) = set(layer.neurons.reset.tolist())
    a_skip, step = 0.5 / 4, 0.25 / 4
    assert layer.shortcut.weight.tolist() == [round(a_skip * k / step)] * 4
    weight = float(np.float32(kernel)) * a_skip
    fits = [
        round(weight * n / step) <= 127 and round(a_skip * n / step) <= 2**15 - 1
        for n in (k, k + 1)
    ]
    assert fits == [True, False]


def test_mean_goes_into_the_bias_and_std_into_the_weights() -> None:
    model = nn.Sequential(nn.Conv2d(2, 3, 3), qcfs(0.9), nn.Flatten(), nn.Linear(108, 2)).double()
    layer = cygnet.convert(model, input=SPEC, tau=4).layers[0]
    assert layer.neurons is not None
    weight, bias = (p.detach().numpy() for p in model[0].parameters())
    for o in range(3):
        scale = int(layer.neurons.reset[o]) / (threshold(model[1]) / 4)
        moved = bias[o] * scale
        for c in range(2):
            got = layer.synapses.weight[o, :, :, c]
            expected = weight[o, c] / STD[c] / 255 * scale
            assert np.abs(got - expected).max() <= 0.5 + 1e-9
            # With the rounded weights: an image that is the mean everywhere gives the bias alone.
            moved -= int(got.sum()) * MEAN[c] * 255
        assert abs(int(layer.bias[o]) - moved) <= 0.5 + 1e-6


def test_an_image_of_the_mean_gives_the_bias() -> None:
    spec = InputSpec("pixels", (6, 6, 2), scale=1 / 255, mean=(51 / 255, 102 / 255))
    x = np.empty((1, 6, 6, 2), np.uint8)
    x[..., 0], x[..., 1] = 51, 102
    pooled = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(2, 3, 3, padding=1), nn.Flatten())
    for model in (
        nn.Sequential(nn.Flatten(), nn.Linear(72, 4)),
        nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(18, 4)),
        pooled,
    ):
        network = cygnet.convert(model, input=spec, bits=3)
        logits = run(network, x, steps=1).logits[0] * network.logit_scale
        bias = model[-1 if model is not pooled else 1].get_parameter("bias").detach().numpy()
        expected = bias if model is not pooled else np.tile(bias, 9)
        assert np.abs(logits - expected).max() <= network.logit_scale * (0.5 + 1e-6)


def test_dense_weights_follow_the_raster() -> None:
    """Dense after a map, through the golden model: a one-hot input finds its weight."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4)).double()
    for layout in ("nhwc", "nchw"):
        spec = InputSpec("pixels", (6, 6, 2), layout=layout)
        network = cygnet.convert(model, input=spec)
        weight = values(model[1], "weight") / network.logit_scale
        x = np.zeros((72, 6, 6, 2), np.uint8)
        for i in range(72):
            x[i].reshape(-1)[i] = 1
        bias = network.layers[0].bias
        got = run(network, x, steps=1).logits - bias
        planar = x.transpose(0, 3, 1, 2).reshape(72, 72)
        assert np.abs(got - planar @ weight.T).max() <= 0.5 + 1e-9


def test_vectors_have_the_order_of_the_layout() -> None:
    model = nn.Sequential(nn.Linear(18, 4)).double()
    for layout in ("nhwc", "nchw"):
        spec = InputSpec("pixels", (3, 3, 2), mean=MEAN, std=STD, layout=layout)
        network = cygnet.convert(model, input=spec)
        spiking = to_spiking(model, None, input=spec)
        x = np.random.default_rng(2).integers(0, 256, (50, 3, 3, 2), dtype=np.uint8)
        got = run(network, x, steps=1).logits * network.logit_scale
        expected = spiking(spiking.input(x), 1)[0].numpy()
        # 18 weights half a step of 1/127 off, and the values reach 255 / 0.2.
        assert np.abs(got - expected).max() < 18 * 1275 * network.logit_scale


def test_shortcuts() -> None:
    model = Residual().double()
    network = cygnet.convert(model, input=SPEC, tau=4)
    identity, projection = network.layers[1].shortcut, network.layers[2].shortcut
    assert isinstance(identity, Identity)
    assert identity.source == 0
    neurons = network.layers[1].neurons
    assert neurons is not None
    thetas = [threshold(act) for act in model.acts]
    expected = [round(thetas[0] / 4 * int(k) / (thetas[1] / 4)) for k in neurons.reset]
    assert identity.weight.tolist() == expected
    assert isinstance(projection, Projection)
    assert projection.stride == (2, 2)
    neurons = network.layers[2].neurons
    assert neurons is not None
    for o in range(6):
        scale = int(neurons.reset[o]) / (thetas[2] / 4)
        unit = thetas[1] / 4
        skip = values(model.skip, "weight")[o, :, 0, 0] * unit * scale
        main = values(model.b, "weight")[o] * unit * scale
        assert np.abs(projection.weight[o] - skip).max() <= 0.5 + 1e-9
        # The projection is inside the maximum that K is searched for.
        assert max(np.abs(projection.weight[o]).max(), np.abs(np.rint(main)).max()) == 127
        bias = (values(model.b, "bias")[o] + values(model.skip, "bias")[o]) * scale
        assert int(network.layers[2].bias[o]) == round(bias)


def test_pooling_divides_the_weights_that_follow() -> None:
    model = Residual().double()
    network = cygnet.convert(model, input=SPEC, tau=4)
    layer = network.layers[3]
    assert layer.pool is not None
    assert layer.pool.kernel == (2, 2)
    assert layer.neurons is not None
    unit = threshold(model.acts[2]) / 4 / 4
    step = threshold(model.acts[3]) / 4
    weight = values(model.hidden, "weight").reshape(7, 6, 2, 2).transpose(0, 2, 3, 1)
    scaled = weight.reshape(7, -1) * unit * layer.neurons.reset[:, None] / step
    assert layer.synapses.weight.tolist() == np.rint(scaled).tolist()


def test_neuron_wise_amplitudes() -> None:
    torch.manual_seed(4)
    model = nn.Sequential(
        *(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5), nn.ReLU()),
        nn.Linear(5, 3),
    ).double()
    x = images(60)
    spiking = to_spiking(model, x, input=SPEC, neuron="snm")
    network = quantize(spiking, steps=64)
    gains = []
    unit = 1.0
    for number, previous in ((0, None), (1, 0)):
        layer = network.layers[number]
        neurons = layer.neurons
        assert neurons is not None
        assert neurons.amplitude is not None
        theta = spiking.neuron(number).threshold.numpy().transpose(1, 2, 0)
        fired = np.ones(theta.shape, bool) if neurons.enabled is None else neurons.enabled
        gain = 255 / theta[fired].max()
        gains.append(gain)
        amplitude = [max(1, round(gain * t)) for t in theta[fired]]
        assert neurons.amplitude[fired].tolist() == amplitude
        weight = values(model[0 if number == 0 else 3], "weight")
        unit = 1 / 255 if previous is None else 1 / gains[previous] / 4
        for o in range(theta.shape[2]):
            here = fired[:, :, o]
            largest = theta[:, :, o][here].max()
            scale = int(neurons.reset[:, :, o][here].max()) / largest
            expected = [max(1, round(t * scale)) for t in theta[:, :, o][here]]
            assert neurons.reset[:, :, o][here].tolist() == expected
            w = weight[o] * unit * scale
            if previous is None:
                w = w / np.array(STD)[:, None, None]
            assert np.abs(layer.synapses.weight[o] - w.transpose(1, 2, 0)).max() <= 0.5 + 1e-9
            # h is maximal for the width: one more unit of the largest K overflows.
            more = np.rint(w * (scale + 1 / largest) / scale)
            assert np.abs(np.rint(w)).max() <= 127 < np.abs(more).max() + 1
    assert network.layers[2].neurons is not None
    assert network.layers[2].neurons.amplitude is None
    expected = spiking(spiking.input(x), 64)[-1].numpy()
    got = run(network, x, steps=64).logits * network.logit_scale / 64
    assert np.sqrt(((got - expected) ** 2).mean()) < 0.2 * expected.std()


def test_other_initial_potentials() -> None:
    network = cygnet.convert(Residual(), input=SPEC, neuron="if", initial=0.0)
    for layer in network.layers[:-1]:
        assert layer.neurons is not None
        assert not layer.neurons.initial.any()
    spiking = to_spiking(Residual(), None, input=SPEC, tau=4)
    neuron = spiking.neuron(0)
    fraction = torch.linspace(-1, 2, 256, dtype=torch.float64).reshape(4, 8, 8)
    neuron.initial = fraction
    first = quantize(spiking, steps=2).layers[0].neurons
    assert first is not None
    for place in np.ndindex(8, 8, 4):
        y, x, c = place
        assert int(first.initial[place]) == round(float(fraction[c, y, x]) * int(first.reset[c]))


def test_bits_per_layer() -> None:
    network = cygnet.convert(Residual(), input=SPEC, bits={"a": 4, "fc5": 3})
    got = {layer.name: layer.synapses.bits for layer in network.layers}
    assert got == {"conv1": 8, "conv2": 4, "conv3": 8, "fc4": 8, "fc5": 3}


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"bits": {"c": 4}},
            CygnetError,
            "bits: there is no layer 'c'; layers are conv1, conv2, conv3, fc4, fc5",
        ),
        ({"bits": 9}, ValueError, "bits must be an integer in 2..8, not 9"),
        ({"bits": {"a": 2.0}}, TypeError, "bits must be an integer, not 2.0"),
        ({"threshold": "near"}, ValueError, "threshold must be 'exact' or 'pow2', not 'near'"),
        ({"tau": 0}, ValueError, "tau must be an integer in 1..16, not 0"),
        (
            {"steps": 5000},
            ConversionError,
            "the integer network is not valid: steps must be an integer in 1..4096, not 5000",
        ),
    ],
)
def test_options_are_checked(options: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        cygnet.convert(Residual(), input=SPEC, **options)


def huge(factor: float, theta: float) -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), qcfs(theta, 1), nn.Linear(2, 2), qcfs(1.0, 1))
    model.append(nn.Linear(2, 2))
    with torch.no_grad():
        nn.init.constant_(model[2].get_parameter("weight"), factor)
        nn.init.zeros_(model[2].get_parameter("bias"))
    return model


@pytest.mark.parametrize(
    ("model", "bits", "message"),
    [
        (
            lambda: huge(6.0, 1.0),
            3,
            "layer 'fc2' (2): weights of channel 0 are too large for its threshold in 3 bits; "
            "use 4 bits",
        ),
        (
            lambda: huge(600.0, 1.0),
            8,
            "layer 'fc2' (2): weights of channel 0 are too large for its threshold in 8 bits; "
            "no width up to 8 bits does; train it again",
        ),
    ],
)
def test_too_large_weights_are_refused(
    model: Callable[[], nn.Module], bits: int, message: str
) -> None:
    spec = InputSpec("pixels", (1, 1, 2), scale=1 / 255)
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}$"):
        cygnet.convert(model(), input=spec, tau=1, bits=bits)


def test_place_dependent_thresholds_need_snm_and_exact() -> None:
    model = nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64, 3)),
    )
    with pytest.raises(
        ConversionError,
        match=r"^layer 'conv2' \(2\): its convolution reads neurons whose thresholds differ from "
        r"place to place, which only SNM has amplitudes for; use neuron 'snm', or channel-wise "
        r"normalization$",
    ):
        cygnet.convert(model, images(50), input=SPEC, normalization="neuron")
    with pytest.raises(
        ConversionError,
        match=r"^layer 'conv1' \(0\): thresholds of one channel differ from place to place and "
        r"cannot all be powers of two; use threshold 'exact', or channel-wise normalization$",
    ):
        cygnet.convert(model, images(50), input=SPEC, neuron="snm", threshold="pow2")


def test_neuron_kinds_arrive() -> None:
    spiking = to_spiking(Residual(), None, input=SPEC, neuron="gn", tau=3)
    assert isinstance(spiking.neuron(0), GN)
    first = quantize(spiking, steps=1).layers[0].neurons
    assert isinstance(first, Neurons)
    assert (first.kind, first.tau, first.membrane_width) == ("gn", 3, None)
    model = Residual()
    network = cygnet.convert(
        model, images(20), input=SPEC, neuron="snm", normalization="layer", membrane_width=24
    )
    first = network.layers[0].neurons
    assert first is not None
    assert (first.kind, first.tau, first.membrane_width) == ("snm", 1, 24)
    assert not first.initial.any()
    assert isinstance(to_spiking(model, images(9), input=SPEC, neuron="snm").neuron(0), SNM)


def test_import_is_cheap() -> None:
    import subprocess
    import sys

    code = (
        "import cygnet, sys; assert 'torch' not in sys.modules; cygnet.convert; "
        "assert 'torch' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())


def environment() -> dict[str, str]:
    import os
    from pathlib import Path

    roots = [str(Path(path).parent) for path in cygnet.__path__]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(roots)}


def test_unknown_attribute() -> None:
    with pytest.raises(AttributeError, match=r"^module 'cygnet' has no attribute 'nothing'$"):
        cygnet.nothing  # noqa: B018
