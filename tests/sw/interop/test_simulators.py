# SPDX-License-Identifier: Apache-2.0
"""Spike trains of SpikingJelly and snnTorch, run by those packages, against ours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import cygnet
from cygnet.conversion import to_spiking
from cygnet.errors import ConversionError
from cygnet.golden.values import run
from cygnet.network import Bounds, InputSpec, Network
from cygnet.network_file import decode, encode

STEPS = 8
COUNTS = InputSpec("counts", (6, 6, 2), bounds=Bounds(-2, 3))


@pytest.fixture
def jelly() -> Any:
    return pytest.importorskip(
        "spikingjelly.activation_based.neuron",
        reason="SpikingJelly asks for torchvision, whose wheels go with other builds of torch "
        "than the CPU's; install it by pip install --no-deps spikingjelly",
    )


@pytest.fixture
def snn() -> Any:
    return pytest.importorskip("snntorch", reason="pip install snntorch")


Neuron = Callable[[float], nn.Module]


def whole_numbers(model: nn.Module, seed: int) -> nn.Module:
    """Weights that 8 bits hold, times a power of two for each layer."""
    generator = torch.Generator().manual_seed(seed)
    for number, layer in enumerate(model.modules()):
        if isinstance(layer, (nn.Linear, nn.Conv2d)):
            unit = 2.0 ** -(number % 5 + 4)
            shape = layer.weight.shape
            layer.weight.data = torch.randint(-100, 101, shape, generator=generator) * unit
            assert layer.bias is not None
            layer.bias.data = torch.randint(-90, 91, shape[:1], generator=generator) * unit
    return model


def convolutional(neuron: Neuron) -> nn.Module:
    """Three spiking layers with pooling; the last one's spikes are the output."""
    torch.manual_seed(2)
    return nn.Sequential(
        *(nn.Conv2d(2, 5, 3, padding=1), neuron(1.0), nn.AvgPool2d(2)),
        *(nn.Conv2d(5, 4, 2), neuron(0.75), nn.Flatten()),
        *(nn.Linear(16, 3), neuron(1.5)),
    )


class Residual(nn.Module):
    """An identity shortcut and a 1x1 convolution."""

    def __init__(self, neuron: Neuron) -> None:
        super().__init__()
        self.first, self.one = nn.Conv2d(2, 4, 3, padding=1), neuron(1.0)
        self.second, self.two = nn.Conv2d(4, 4, 3, padding=1), neuron(1.25)
        self.third, self.skip, self.three = (
            nn.Conv2d(4, 3, 3, 2),
            nn.Conv2d(4, 3, 1, 2),
            neuron(2.0),
        )
        self.last = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        a = self.one(self.first(x))
        b = self.two(self.second(a) + a)
        c = self.three(self.third(b) + self.skip(b)[:, :, :2, :2])
        return self.last(c.flatten(1))  # type: ignore[no-any-return]


def inputs(count: int = 5) -> NDArray[np.int64]:
    rng = np.random.default_rng(8)
    return rng.integers(-2, 4, (count, STEPS, *COUNTS.shape))


def theirs(model: nn.Module, kind: type, x: NDArray) -> tuple[list[NDArray], NDArray]:
    """Spikes of each neuron layer, [n, T, ...] in torch's order, and the output of all steps."""
    spikes: dict[str, list[Tensor]] = {}
    for name, module in model.named_modules():
        if isinstance(module, kind):

            def keep(_: Any, __: Any, out: Any, name: str = name) -> Tensor:
                spikes.setdefault(name, []).append(out.double())
                return out.double()  # type: ignore[no-any-return]  # snnTorch gives float32

            module.register_forward_hook(keep)
    outputs = []
    model = model.double()
    with torch.no_grad():
        for t in range(x.shape[1]):
            step = torch.from_numpy(x[:, t]).double().permute(0, 3, 1, 2)
            outputs.append(model(step))
    whole = [torch.stack(values, 1).numpy() for values in spikes.values()]
    return whole, torch.stack(outputs, 1).numpy()


def ours(network: Network, x: NDArray) -> list[NDArray]:
    """Counts of each layer, [n, T, ...] in torch's order."""
    result = run(network, x, steps=x.shape[1], record=True)
    return [
        np.moveaxis(counts, 0, 1).transpose(0, 1, 4, 2, 3)
        for counts in result.counts
        if counts is not None
    ]


def compare(model: nn.Module, kind: type, *, spiking_end: bool) -> Network:
    """The integer network's spikes are the package's own, every one."""
    network = cygnet.convert(model, input=COUNTS, steps=STEPS)
    assert encode(decode(encode(network))) == encode(network)
    x = inputs()
    wanted, out = theirs(model, kind, x)
    found = ours(network, x)
    assert len(wanted) == len(found)
    for got, spikes in zip(found, wanted, strict=True):
        assert 0.02 < np.mean(spikes != 0) < 0.98
        assert np.array_equal(got.reshape(spikes.shape), spikes)
    logits = run(network, x, steps=STEPS).logits * network.logit_scale
    assert np.array_equal(logits, out.sum(1))
    assert (network.layers[-1].neurons is not None) == spiking_end
    return network


def test_spikingjelly_with_weights_that_fit(jelly: Any) -> None:
    model = whole_numbers(convolutional(lambda t: jelly.IFNode(v_threshold=t, v_reset=None)), 1)
    network = compare(model, jelly.IFNode, spiking_end=True)
    neurons = network.layers[0].neurons
    assert neurons is not None
    assert np.array_equal(neurons.fire, neurons.reset)
    assert not neurons.initial.any()


def test_spikingjelly_residual(jelly: Any) -> None:
    class Small(Residual):
        def forward(self, x: Tensor) -> Tensor:
            a = self.one(self.first(x))
            b = self.two(self.second(a) + a)
            return self.last(b.flatten(1))  # type: ignore[no-any-return]

    model = Small(lambda t: jelly.IFNode(v_threshold=t, v_reset=None))
    model.last = nn.Linear(144, 5)
    network = compare(whole_numbers(model, 3), jelly.IFNode, spiking_end=False)
    assert network.layers[1].shortcut is not None


def test_snntorch_with_weights_that_fit(snn: Any) -> None:
    model = whole_numbers(
        convolutional(lambda t: snn.Leaky(beta=1.0, threshold=t, init_hidden=True)), 4
    )
    network = compare(model, snn.Leaky, spiking_end=True)
    for layer in network.layers:
        assert layer.neurons is not None
        assert np.array_equal(layer.neurons.fire, layer.neurons.reset + 1)


def test_snntorch_where_potentials_meet_the_threshold(snn: Any) -> None:
    """At p = theta it does not fire, and the hardware must not either."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(72, 4), snn.Leaky(beta=1.0, init_hidden=True))
    linear = model[1]
    assert isinstance(linear, nn.Linear)
    with torch.no_grad():
        linear.weight.zero_()
        linear.weight[torch.arange(4), torch.arange(4)] = 0.25
        linear.bias.copy_(torch.tensor([0.25, 0.5, 0.0, 1.0]))
    compare(model, snn.Leaky, spiking_end=True)


@pytest.mark.parametrize("package", ["jelly", "snn"])
def test_random_floats(package: str, request: pytest.FixtureRequest) -> None:
    """The spiking network in floats fires as the package does."""
    module = request.getfixturevalue(package)
    kind = module.IFNode if package == "jelly" else module.Leaky

    def neuron(threshold: float) -> nn.Module:
        if package == "jelly":
            return module.IFNode(v_threshold=threshold, v_reset=None)
        return module.Leaky(beta=1.0, threshold=threshold, init_hidden=True)

    model = convolutional(neuron)
    spiking = to_spiking(model, None, input=COUNTS)
    x = inputs()
    found: list[list[Tensor]] = [[] for _ in spiking.folded]
    spiking(spiking.input(x), STEPS, see=lambda t, number, stage, out: found[number].append(out))
    wanted, _ = theirs(model, kind, x)
    for got, spikes in zip(found, wanted, strict=True):
        assert np.array_equal(torch.stack(got, 1).numpy(), spikes)


def test_the_integers_in_snntorch(snn: Any) -> None:
    """Random floats rounded to integers: the package with those integers in it fires the same."""
    model = convolutional(lambda t: snn.Leaky(beta=1.0, threshold=t, init_hidden=True))
    network = cygnet.convert(model, input=COUNTS, steps=STEPS)
    thresholds = []
    for integer in network.layers:
        assert integer.neurons is not None
        reset = torch.from_numpy(integer.neurons.reset.astype(np.float64))
        thresholds.append(reset.reshape(-1, *[1] * (2 if len(thresholds) < 2 else 0)))
    again = convolutional(
        lambda t: snn.Leaky(beta=1.0, threshold=thresholds.pop(0), init_hidden=True)
    )
    layers = [layer for layer in again if isinstance(layer, (nn.Linear, nn.Conv2d))]
    for layer, integer in zip(layers, network.layers, strict=True):
        weight = torch.from_numpy(integer.synapses.weight.astype(np.float64))
        if isinstance(layer, nn.Conv2d):
            weight = weight.permute(0, 3, 1, 2) * (4 if integer.pool else 1)
        else:
            weight = weight.reshape(3, 2, 2, 4).permute(0, 3, 1, 2).reshape(3, 16)
        layer.weight.data = weight
        assert layer.bias is not None
        layer.bias.data = torch.from_numpy(integer.bias.astype(np.float64))
    x = inputs()
    wanted, _ = theirs(again, snn.Leaky, x)
    for counts, spikes in zip(ours(network, x), wanted, strict=True):
        assert np.array_equal(counts.reshape(spikes.shape), spikes)


def test_a_network_that_spikingjelly_converted(jelly: Any) -> None:
    """ann2snn: scalers around IFNodes become thresholds; layer- and channel-wise."""
    ann2snn = pytest.importorskip("spikingjelly.activation_based.ann2snn")
    torch.manual_seed(6)
    model = nn.Sequential(
        *(nn.Conv2d(2, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.AvgPool2d(2)),
        *(nn.Conv2d(4, 5, 2), nn.ReLU(), nn.Flatten(), nn.Linear(5, 3)),
    ).eval()  # fmt: skip
    for number in (4, 7):
        nn.init.constant_(model[number].get_parameter("bias"), 0.2)  # every channel fires
    nn.init.constant_(model[1].get_parameter("bias"), 0.2)
    data = [(torch.rand(16, 2, 6, 6), torch.zeros(16)) for _ in range(3)]
    spec = InputSpec("pixels", (6, 6, 2), scale=1 / 255)
    for channel_wise in (False, True):
        seen: list[list[Tensor]] = [[], [], []]

        def see(t: int, number: int, stage: Any, out: Tensor, seen: Any = seen) -> None:
            seen[number].append(out)

        recipe = ann2snn.RateCodingRecipe(data, mode="Max", channel_wise=channel_wise)
        converted = ann2snn.FXConverter(recipe).convert(model)
        spiking = to_spiking(converted, None, input=spec)
        images = np.random.default_rng(1).integers(0, 256, (6, 6, 6, 2), dtype=np.uint8)
        x = spiking.input(images)
        logits = spiking(x, STEPS, see=see)
        frames = np.repeat(x.permute(0, 2, 3, 1).numpy()[:, None], STEPS, 1)
        wanted, out = theirs(converted, jelly.IFNode, frames)
        assert len(wanted) == 2
        for number, spikes in enumerate(wanted):
            value = spiking.neuron(number).carried.numpy()
            assert np.array_equal(torch.stack(seen[number], 1).numpy() / value, spikes)
        np.testing.assert_allclose(logits[-1].numpy(), out.mean(1), rtol=1e-9)
        network = cygnet.convert(converted, input=spec, steps=STEPS)
        integers = run(network, images, steps=STEPS)
        scaled = integers.logits * network.logit_scale / STEPS
        assert np.abs(scaled - out.mean(1)).mean() < 0.02 * np.abs(out.mean(1)).max()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda jelly, snn: jelly.IFNode(),
            r"layer '1' \(IFNode\): resets to a value, and the hardware resets by subtraction; use",
        ),
        (
            lambda jelly, snn: jelly.LIFNode(),
            r"layer '1' \(LIFNode\): of SpikingJelly's neurons only IFNode is supported; use IFN",
        ),
        (
            lambda jelly, snn: snn.Leaky(beta=0.9, init_hidden=True),
            r"layer '1' \(Leaky\): its potential leaks, and the hardware integrates; use beta=1 ",
        ),
        (
            lambda jelly, snn: snn.Leaky(beta=1.0, init_hidden=True, reset_mechanism="zero"),
            r"layer '1' \(Leaky\): its reset is 'zero', not by subtraction; use reset_mechanism=",
        ),
        (
            lambda jelly, snn: snn.Leaky(beta=1.0),
            r"layer '1' \(Leaky\): takes its potential from outside, step by step; build it with",
        ),
        (
            lambda jelly, snn: snn.Leaky(beta=1.0, init_hidden=True, inhibition=True),
            r"layer '1' \(Leaky\): inhibits or quantises its state; switch that off",
        ),
        (
            lambda jelly, snn: snn.Leaky(beta=1.0, init_hidden=True, threshold=-1.0),
            r"layer '1' \(Leaky\): threshold must be finite and > 0, not tensor",
        ),
        (
            lambda jelly, snn: snn.Synaptic(alpha=0.5, beta=1.0, init_hidden=True),
            r"layer '1' \(Synaptic\): of snnTorch's neurons only Leaky is supported; use Leaky",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_neurons_that_are_others(
    make: Callable[[Any, Any], nn.Module], message: str, jelly: Any, snn: Any
) -> None:
    model = nn.Sequential(nn.Linear(72, 4), make(jelly, snn), nn.Linear(4, 2))
    with pytest.raises(ConversionError, match=message):
        cygnet.convert(model, input=COUNTS)


def test_spiking_and_other_activations_do_not_mix(snn: Any) -> None:
    model = nn.Sequential(
        *(nn.Linear(72, 4), snn.Leaky(beta=1.0, init_hidden=True)),
        *(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)),
    )
    with pytest.raises(ConversionError, match=r"layer 'fc2' \(2\): has an activation, and other"):
        cygnet.convert(model, input=COUNTS)
