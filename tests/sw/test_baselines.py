# SPDX-License-Identifier: Apache-2.0
"""The papers' other methods, each against loops over single neurons."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cygnet import neurons
from cygnet.conversion import (
    FoldedNetwork,
    SpikingNetwork,
    accuracy_by_step,
    baselines,
    calibrate_potentials,
    fold,
    logits_by_step,
    to_spiking,
)
from cygnet.conversion.baselines import COS, OPI, QCFS, RMP, SRP, GroupNeuron, SignedNeuron
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import InputSpec

SPEC = InputSpec("pixels", (1, 1, 12), scale=1 / 255)
LAMBDAS = (0.75, 0.5)


def model() -> nn.Sequential:
    torch.manual_seed(2)
    result = nn.Sequential(
        *(nn.Linear(12, 16), neurons.QCFS(4, LAMBDAS[0]), nn.Linear(16, 10)),
        *(neurons.QCFS(4, LAMBDAS[1]), nn.Linear(10, 4)),
    )
    for layer in (result[0], result[2]):
        nn.init.normal_(layer.get_parameter("weight"), std=0.45)
    return result.double()


def images(count: int = 20) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 1, 1, 12), dtype=np.uint8)


def folded() -> FoldedNetwork:
    return fold(model(), SPEC)


def spikes(current: list[float], theta: float, v: float, enabled: bool = True) -> tuple:
    """An IF neuron, one step after another: outputs and what is left."""
    out = []
    for u in current:
        v += u
        fires = enabled and v >= theta
        out.append(theta if fires else 0.0)
        v -= theta if fires else 0.0
    return out, v


def loops(
    method: SRP | COS | None, x: np.ndarray, thetas: list[float], start: float, steps: int
) -> np.ndarray:
    """Logits [T, n, 4] of an IF network, one neuron after another."""
    layers = [
        (m.weight.detach().numpy(), m.bias.detach().numpy())
        for m in model()
        if isinstance(m, nn.Linear)
    ]
    result = np.zeros((steps, len(x), 4))
    for image, pixels in enumerate(x.reshape(len(x), -1) / 255):

        def forward(length: int, tune: object, pixels: np.ndarray = pixels) -> list[list]:
            """Outputs [layer][step] and residuals [layer], with v(0), mask given by ``tune``."""
            values = [pixels] * length
            kept = []
            for number, ((weight, bias), theta) in enumerate(zip(layers, thetas, strict=False)):
                currents = [weight @ value + bias for value in values]
                columns, left = [], []
                for j in range(len(bias)):
                    own = [float(current[j]) for current in currents]
                    assert callable(tune)
                    v, enabled = tune(number, j, own)
                    out, v = spikes(own, theta, v, enabled)
                    columns.append(out)
                    left.append(v)
                values = [np.array(row) for row in zip(*columns, strict=True)]
                kept.append([values, left])
            return kept

        def plain(number: int, j: int, own: list[float]) -> tuple[float, bool]:
            return start * thetas[number], True

        tune: object = plain
        if isinstance(method, SRP):
            first = forward(method.tau, plain)

            def masked(number: int, j: int, own: list, first: list = first) -> tuple:
                return start * thetas[number], first[number][1][j] > 1e-3

            tune = masked
        if isinstance(method, COS):
            shifts: dict[tuple[int, int], float] = {}

            def calibrated(number: int, j: int, own: list, shifts: dict = shifts) -> tuple:
                v = start * thetas[number]
                left = spikes(own, thetas[number], v)[1]
                v += thetas[number] * ((left >= thetas[number]) - (left < 0))
                shifts[number, j] = v
                return v, True

            forward(method.rho, calibrated)

            def shifted(number: int, j: int, own: list, shifts: dict = shifts) -> tuple:
                return shifts[number, j], True

            tune = shifted
        last = forward(steps, tune)[-1][0]
        weight, bias = layers[-1]
        total = np.zeros(4)
        for step in range(steps):
            total = total + weight @ last[step] + bias
            result[step, image] = total / (step + 1)
    return result


@pytest.mark.parametrize(
    "method", [SRP(), SRP(tau=7), COS(), COS(rho=8)], ids=["srp4", "srp7", "cos4", "cos8"]
)
def test_srp_and_cos(method: SRP | COS) -> None:
    x = images()
    network = method.prepare(folded(), x, SPEC)
    got = method.run(network, network.input(x), 6)
    expected = loops(method, x, list(LAMBDAS), 0.5, 6)
    np.testing.assert_allclose(got.numpy(), expected, atol=1e-9)
    # They do something, and leave the network as it was.
    plain = network(network.input(x), 6)
    assert not torch.allclose(got, plain)
    np.testing.assert_allclose(plain.numpy(), loops(None, x, list(LAMBDAS), 0.5, 6), atol=1e-9)
    assert method.extra_steps > 0


def test_qcfs_and_opi() -> None:
    x = images()
    largest: list[float] = []
    value = torch.from_numpy(x.reshape(len(x), -1) / 255)
    for layer in model():
        value = layer(value)
        if isinstance(layer, neurons.QCFS):
            largest.append(value.max().item())
    assert all(a <= b + 1e-12 for a, b in zip(largest, LAMBDAS, strict=True))
    for method, thetas in ((QCFS(), list(LAMBDAS)), (OPI(), largest)):
        network = method.prepare(folded(), x, SPEC)
        got = method.run(network, network.input(x), 5)
        np.testing.assert_allclose(got.numpy(), loops(None, x, thetas, 0.5, 5), atol=1e-9)


def test_rmp_balances_thresholds_by_pre_activations() -> None:
    x = images()
    largest = []
    value = torch.from_numpy(x.reshape(len(x), -1) / 255)
    for layer in model():
        value = layer(value)
        if isinstance(layer, nn.Linear):
            largest.append(value.max().item())
    network = RMP().prepare(folded(), [x[:7], x[7:]], SPEC)
    thetas = [neuron.threshold.item() for _, neuron in network.spiking()]
    assert thetas == pytest.approx(largest[:2])
    x = np.delete(x, 6, 0)  # it holds the largest pre-activation itself, a tie
    got = RMP().run(network, network.input(x), 5)
    np.testing.assert_allclose(got.numpy(), loops(None, x, thetas, 0.0, 5), atol=1e-9)


def test_rmp_refuses_a_silent_layer() -> None:
    silent = model()
    nn.init.constant_(silent[2].get_parameter("bias"), -50.0)
    with pytest.raises(ConversionError, match=r"^layer 'fc2' \(2\): nothing in it fires"):
        RMP().prepare(fold(silent, SPEC), images(), SPEC)


def test_own_methods() -> None:
    x = images()
    for method, options in (
        (GroupNeuron(tau=4), {"neuron": "gn", "tau": 4}),
        (SignedNeuron(), {"neuron": "snm"}),
    ):
        network = method.prepare(folded(), x, SPEC)
        if method.name == "SNM":
            options["normalization"] = "neuron"
        expected = to_spiking(folded(), x, input=SPEC, **options)
        assert torch.equal(method.run(network, network.input(x), 3), expected(network.input(x), 3))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gn", GroupNeuron(4)),
        ("gn12", GroupNeuron(12)),
        ("qcfs", QCFS()),
        ("rmp", RMP()),
        ("opi", OPI(100.0)),
        ("opi99.9", OPI(99.9)),
        ("srp7", SRP(tau=7)),
        ("cos8", COS(rho=8)),
        ("snm", SignedNeuron("neuron", "snm")),
        ("snm-layer", SignedNeuron("layer", "snm")),
        ("snm-half", SignedNeuron("neuron", "snm", 0.5)),
        ("if", SignedNeuron("neuron", "if")),
        ("if-layer", SignedNeuron("layer", "if")),
    ],
)
def test_names_of_methods(name: str, expected: object) -> None:
    assert baselines.method(name) == expected


@pytest.mark.parametrize("name", ["lif", "gn4x", "opi1.2.3", ""])
def test_unknown_methods(name: str) -> None:
    message = (
        f"method {name!r} must be one of gnN, qcfs, rmp, opiP, srpN, cosN, snm, snm-layer, "
        "snm-half, if, if-layer"
    )
    with pytest.raises(CygnetError, match=f"^{re.escape(message)}$"):
        baselines.method(name)


def test_evaluation() -> None:
    x = images(30)
    network = QCFS().prepare(folded(), x, SPEC)
    whole = network(network.input(x), 4)
    seen: list[tuple[int, int]] = []
    got = logits_by_step(
        network, x, 4, batch=8, progress=lambda done, all_: seen.append((done, all_))
    )
    torch.testing.assert_close(got, whole)
    assert seen == [(8, 30), (16, 30), (24, 30), (30, 30)]
    method = SRP()
    torch.testing.assert_close(
        logits_by_step(network, x, 4, batch=11, run=method.run),
        method.run(network, network.input(x), 4),
    )
    classes = whole[2].argmax(1).numpy()
    accuracy = accuracy_by_step(got, classes)
    assert accuracy[2] == 1.0
    assert accuracy[0] == pytest.approx((whole[0].argmax(1).numpy() == classes).mean())


@pytest.mark.parametrize(("size", "batch"), [(2 << 20, 500), (7 * 16 * 8, 7), (1, 1)])
def test_as_many_images_at_once_as_keep_tensors_small(
    size: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The largest tensor of an image are the 16 outputs of the first layer, in float64."""
    network = QCFS().prepare(folded(), images(), SPEC)
    monkeypatch.setattr("cygnet.conversion.evaluation.TENSOR", size)
    x = images(510)
    seen: list[int] = []
    got = logits_by_step(network, x, 2, progress=lambda done, all_: seen.append(done))
    assert seen == [*range(batch, 510, batch), 510]
    torch.testing.assert_close(got, network(network.input(x), 2))


def mean_outputs(network: SpikingNetwork, x: Tensor, steps: int) -> list[Tensor]:
    sums: dict[int, Tensor] = {}

    def see(_: int, number: int, __: object, value: Tensor) -> None:
        sums[number] = sums.get(number, torch.zeros(())) + value / steps

    network(x, steps, see=see)
    return [sums[number] for number, _ in network.spiking()]


@pytest.mark.parametrize("unit", ["channel", "neuron"])
def test_calibrated_potentials_bring_layers_nearer(unit: str) -> None:
    """v(0) = 0 makes every layer fire too little; calibration mends the means."""
    torch.manual_seed(0)
    spec = InputSpec("pixels", (6, 6, 2), scale=1 / 255)
    network = nn.Sequential(
        *(nn.Conv2d(2, 5, 3), neurons.QCFS(8, 0.5), nn.Conv2d(5, 6, 3), neurons.QCFS(8, 0.2)),
        *(nn.Flatten(), nn.Linear(24, 3)),
    ).double()
    x = np.random.default_rng(0).integers(0, 256, (300, 6, 6, 2), dtype=np.uint8)
    spiking = to_spiking(network, None, input=spec, neuron="if", initial=0.0)
    wanted: list[Tensor] = []
    batch = spiking.input(x[:150])
    spiking.folded.observe(spiking.input(x[150:]), lambda n, s, v: wanted.append(v))

    def lack() -> list[float]:
        other = spiking.input(x[150:])
        sent = mean_outputs(spiking, other, 4)
        return [abs((w - s).mean().item()) for w, s in zip(wanted, sent, strict=False)]

    before = lack()
    calibrate_potentials(spiking, batch, steps=4, unit=unit)  # type: ignore[arg-type]
    after = lack()
    assert all(b < a / 2 for a, b in zip(before, after, strict=True))
    shape = spiking.neuron(0).initial.shape
    assert shape == ((5, 1, 1) if unit == "channel" else (5, 4, 4))
    assert math.isfinite(float(spiking.neuron(0).initial.sum()))
