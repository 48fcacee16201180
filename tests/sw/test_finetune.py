# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.conversion import to_spiking
from cygnet.errors import ConversionError
from cygnet.golden.timing import count_events
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.network import InputSpec, Network
from cygnet.neurons import QCFS
from cygnet.quantization import Finetuning, ThresholdForm, finetune, quantize
from cygnet.quantization.finetune import QuantizedTraining, trained_steps, window_events

SPEC = InputSpec("pixels", (8, 8, 2), scale=1 / 255, mean=(0.0, 0.2), std=(0.5, 0.4))


class Residual(nn.Module):
    """Identity and projection shortcuts, pooling, a grouped first layer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(9)
        self.stem = nn.Conv2d(2, 4, 3, groups=2)
        self.a = nn.Conv2d(4, 4, 3, padding=1)
        self.b = nn.Conv2d(4, 6, 3, 2, padding=1)
        self.skip = nn.Conv2d(4, 6, 1, 2)
        self.acts = nn.ModuleList(QCFS(4, 0.5 + 0.2 * i) for i in range(3))
        self.pool = nn.AvgPool2d(3)
        self.out = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.acts[0](self.stem(x))
        x = self.acts[1](self.a(x) + x)
        x = self.acts[2](self.skip(x) + self.b(x))
        return self.out(self.pool(x).flatten(1))  # type: ignore[no-any-return]


def images(count: int) -> np.ndarray:
    """Smooth images, so that a network has something to tell apart."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 256, (count, 2, 2, 2))
    return coarse.repeat(4, axis=1).repeat(4, axis=2).astype(np.uint8)


@pytest.mark.parametrize("threshold", ["exact", "pow2"])
@pytest.mark.parametrize("bits", [8, 4, {"conv1": 8, "conv2": 3, "conv3": 4, "fc4": 6}])
def test_the_training_network_is_the_integer_network(
    bits: int | dict[str, int], threshold: ThresholdForm
) -> None:
    spiking = to_spiking(Residual(), None, input=SPEC)
    training = QuantizedTraining(spiking, bits=bits, threshold=threshold).double()
    x = images(40)
    network = quantize(spiking, steps=1, bits=bits, threshold=threshold)
    expected = run(network, x, steps=1).logits * network.logit_scale
    got = training(spiking.input(x)).detach().numpy()
    # The first layer has no padding here, so that nothing but ties may differ.
    near = np.isclose(got, expected, atol=1e-9).all(axis=1)
    assert near.mean() >= 0.95
    plain = spiking(spiking.input(x), 1)[0].numpy()
    assert not np.allclose(plain, expected, atol=1e-3)


class Shallow(nn.Module):
    """One hidden layer on pixels, whose currents are therefore the same in every step."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(2)
        self.hidden = nn.Conv2d(2, 5, 3, groups=1)
        self.act = QCFS(4, 0.6)
        self.out = nn.Linear(180, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.out(self.act(self.hidden(x)).flatten(1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_the_training_network_of_several_steps_is_their_mean(steps: int) -> None:
    spiking = to_spiking(Shallow(), None, input=SPEC)
    training = QuantizedTraining(spiking, bits=4).double()
    x = images(40)
    network = quantize(spiking, steps=steps, bits=4)
    after = run(network, x, steps=steps).logits * network.logit_scale / steps
    got = training(spiking.input(x), steps).detach().numpy()
    assert np.isclose(got, after, atol=1e-9).all(axis=1).mean() >= 0.95
    other = training(spiking.input(x), steps + 1).detach().numpy()
    assert not np.allclose(other, after, atol=1e-3)


def test_finetuning_for_several_steps_leaves_the_levels_alone() -> None:
    spiking = to_spiking(Residual(), None, input=SPEC)
    options = Finetuning(epochs=1, batch=50, steps=(1, 2, 4))
    tuned = finetune(spiking, images(100), bits=4, options=options)
    for network in (spiking, tuned):
        assert {stage.activation.levels for stage in network.folded if stage.activation} == {4}
        assert {neuron.members for _, neuron in network.spiking()} == {4}


@pytest.mark.parametrize(
    ("runs", "expected"), [(1, (1,)), (2, (1, 2)), (3, (1, 2)), (4, (1, 2, 4)), (32, (1, 2, 4))]
)
def test_the_steps_to_train_for(runs: int, expected: tuple[int, ...]) -> None:
    assert trained_steps(runs) == expected


@pytest.mark.parametrize("steps", [(), (0,), (1, 2.0), (True,)])
def test_steps_that_are_none(steps: tuple) -> None:
    with pytest.raises(ValueError, match=r"^steps must be integers of at least 1, not "):
        Finetuning(steps=steps)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("inf"), float("nan")])
def test_rates_that_are_none(rate: float) -> None:
    with pytest.raises(ValueError, match=r"^learning_rate must be above 0, not "):
        Finetuning(learning_rate=rate)


def expected_events(network: Network, x: np.ndarray, steps: int) -> list[float]:
    """Of each layer, from the golden model: what the hardware takes a clock for."""
    hardware = HardwareConfig(
        steps=steps, beat=2, layers=tuple(LayerHardware(1) for _ in network.layers)
    )
    counts = run(network, x, steps=steps, record=True).counts
    return [float(e.sum(1).mean()) for e in count_events(network, hardware, x, counts)]


@pytest.mark.parametrize(("model", "steps"), [(Residual, 1), (Shallow, 1), (Shallow, 3)])
def test_events_are_those_of_the_hardware(model: type[nn.Module], steps: int) -> None:
    spiking = to_spiking(model(), None, input=SPEC)
    training = QuantizedTraining(spiking, bits=8).double()
    x = images(40)
    fired: dict[int, torch.Tensor] = {}
    training(spiking.input(x), within=steps, fired=fired)
    got = window_events(spiking.folded, fired)
    expected = expected_events(quantize(spiking, steps=steps), x, steps)
    assert got[0] == 0  # the network's input is not counted
    assert got[1:].tolist() == pytest.approx(expected[1:], rel=0.01)
    assert all(value > 0 for value in expected)
    got.sum().backward()
    assert training.folded.stage(0).synapses.weight.grad.abs().sum() > 0


def test_finetuning_keeps_events_within_a_limit() -> None:
    spiking = to_spiking(Residual(), None, input=SPEC)
    x = images(600)
    before = expected_events(quantize(spiking, steps=2, bits=6), x[500:], 2)
    limit = round(0.7 * max(before[1:]))
    found = {}
    for events in (None, limit):
        options = Finetuning(epochs=4, batch=50, learning_rate=3e-3, steps=(1, 2), events=events)
        tuned = quantize(finetune(spiking, x[:500], bits=6, options=options), steps=2, bits=6)
        found[events] = max(expected_events(tuned, x[500:], 2)[1:])
    assert found[None] > 1.2 * limit
    assert found[limit] < 1.05 * limit


def test_a_limit_that_is_none() -> None:
    with pytest.raises(ValueError, match=r"^events must be at least 1, not 0$"):
        Finetuning(events=0)


def test_finetuning_mends_few_bits_and_leaves_the_network_alone() -> None:
    spiking = to_spiking(Residual(), None, input=SPEC)
    x = images(600)
    train, test = x[:500], x[500:]
    wanted = spiking(spiking.input(test), 1)[0]
    before = [parameter.clone() for parameter in spiking.folded.parameters()]

    def error(network: object) -> float:
        integer = quantize(network, steps=1, bits=3)  # type: ignore[arg-type]
        logits = torch.from_numpy(run(integer, test, steps=1).logits) * integer.logit_scale
        return float((logits.softmax(1) - wanted.softmax(1)).square().mean())

    seen: list[tuple[int, int]] = []
    tuned = finetune(
        spiking,
        train,
        bits=3,
        options=Finetuning(epochs=4, batch=50, learning_rate=3e-3),
        progress=lambda done, total, loss: seen.append((done, total)),
    )
    assert error(tuned) < 0.75 * error(spiking)
    assert seen[-1] == (40, 40)
    assert all(torch.equal(a, b) for a, b in zip(before, spiking.folded.parameters(), strict=True))


def test_the_seed_settles_it() -> None:
    spiking = to_spiking(Residual(), None, input=SPEC)
    options = Finetuning(epochs=1, batch=8, augment=("shift", "flip"), seed=5)
    one, two = (finetune(spiking, images(24), bits=4, options=options) for _ in range(2))
    for a, b in zip(one.folded.parameters(), two.folded.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"neuron": "if"},
            "layer 'conv1' (stem): a fine-tune needs group neurons with one threshold a layer; use "
            "neuron 'gn' and layer-wise normalization",
        ),
        (
            {"tau": 8},
            "layer 'conv1' (stem): has 4 levels but 8 members; convert with tau equal to L",
        ),
    ],
)
def test_refusals(options: dict, message: str) -> None:
    spiking = to_spiking(Residual(), None, input=SPEC, **options)
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}$"):
        finetune(spiking, images(8), bits=4)
