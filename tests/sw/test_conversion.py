# SPDX-License-Identifier: Apache-2.0
"""Folding keeps what a network computes; spiking it at T = 1 keeps it too (claim a)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from cygnet.conversion import PASSES, FoldedNetwork, fold, to_spiking
from cygnet.conversion.graph import trace
from cygnet.models import lenet5, mlp, resnet20
from cygnet.network import INPUT, InputSpec
from cygnet.neurons import QCFS


def qcfs(threshold: float = 1.3) -> QCFS:
    return QCFS(4, threshold)


class Functional(nn.Module):
    """Everything written as calls in forward."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 6, 3, padding="same", bias=False)
        self.bn = nn.BatchNorm2d(6)
        self.wide = nn.Conv2d(6, 4, 3, dilation=2, padding=2)
        self.fc1 = nn.Linear(4 * 2 * 2, 8)
        self.bn1 = nn.BatchNorm1d(8)
        self.fc2 = nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = functional.dropout(torch.relu(self.bn(self.conv(x))), 0.3, self.training)
        x = functional.avg_pool2d(x, 2)
        x = self.wide(x).clamp(0, 6)
        x = functional.adaptive_avg_pool2d(x, (2, 2))
        x = x.view(x.size(0), -1)
        x = functional.relu6(self.bn1(self.fc1(x)))
        return self.fc2(x)  # type: ignore[no-any-return]


class Block(nn.Module):
    """An identity shortcut, a projection, and a global average."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 4, 3, padding=1)
        self.a = nn.Conv2d(4, 4, 3, padding=1, bias=False)
        self.a_bn = nn.BatchNorm2d(4)
        self.b = nn.Conv2d(4, 6, 3, 2, padding=1)
        self.b_bn = nn.BatchNorm2d(6)
        self.skip = nn.Sequential(nn.Conv2d(4, 6, 1, 2), nn.BatchNorm2d(6))
        self.acts = nn.ModuleList(qcfs(0.4 + 0.2 * i) for i in range(3))
        self.out = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.acts[0](self.stem(x))
        x = self.acts[1](self.a_bn(self.a(x)) + x)
        y = self.skip(x)
        y += self.b_bn(self.b(x))
        return self.out(self.acts[2](y).mean((2, 3)))  # type: ignore[no-any-return]


def composed() -> nn.Module:
    """Linear maps in a row, depthwise separable, pooling before the activation, pools in a row."""
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 1, bias=False), nn.Conv2d(4, 4, 3, padding=1), nn.AvgPool2d(2), qcfs()),
        *(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.Conv2d(4, 8, 1), qcfs(), nn.ReLU()),
        *(nn.AvgPool2d(2), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout()),
        *(nn.Linear(8, 6), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3)),
    )


def batch_norm_first() -> nn.Module:
    """Batch norm of the input and of activations, which can only go into what follows."""
    return nn.Sequential(
        *(nn.BatchNorm2d(2), nn.Conv2d(2, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.AvgPool2d(2)),
        *(nn.Flatten(), nn.Linear(36, 5), nn.BatchNorm1d(5, affine=False), nn.ReLU()),
        nn.Linear(5, 3),
    )


def flattened_early() -> nn.Module:
    return nn.Sequential(nn.Conv2d(2, 3, 3, 2), nn.Flatten(), nn.ReLU(), nn.Linear(27, 3))


def grouped() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(2, 4, 3, groups=2), nn.BatchNorm2d(4), nn.ReLU6()),
        *(nn.Conv2d(4, 8, (3, 1), (2, 1), (1, 0), groups=2), nn.ReLU()),
        *(nn.AvgPool2d((3, 6)), nn.Flatten(), nn.Linear(8, 3)),
    )


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "functional": Functional,
    "block": Block,
    "composed": composed,
    "batch_norm_first": batch_norm_first,
    "flattened_early": flattened_early,
    "grouped": grouped,
}
SPEC = InputSpec("pixels", (8, 8, 2), scale=1 / 255, mean=(0.5, 0.4), std=(0.3, 0.2))


def trained(make: Callable[[], nn.Module], shape: tuple[int, ...] = (2, 8, 8)) -> nn.Module:
    """A network whose batch norms have seen data and are not trivial."""
    torch.manual_seed(7)
    model = make()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)) and module.affine:
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.3, 0.3)
    for _ in range(3):
        model(torch.randn(32, *shape))
    return model.eval()


def images(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, *SPEC.shape), dtype=np.uint8)


@pytest.mark.parametrize("name", NETWORKS)
def test_folding_keeps_the_function(name: str) -> None:
    model = trained(NETWORKS[name])
    x = torch.randn(16, 2, 8, 8, dtype=torch.float64)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded = fold(model, SPEC)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    torch.testing.assert_close(folded(x), model.double()(x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_pass_keeps_the_function(name: str) -> None:
    model = trained(NETWORKS[name])
    x = torch.randn(16, 2, 8, 8, dtype=torch.float64)
    graph = trace(model, (2, 8, 8))
    expected = graph.module(x)
    for step, transform in PASSES:
        transform(graph)
        assert torch.allclose(graph.module(x), expected, rtol=1e-10, atol=1e-10), step


def test_structure_of_a_residual_network() -> None:
    folded = fold(resnet20(), (3, 32, 32))
    assert len(folded) == 20
    shortcuts = [stage.shortcut for stage in folded if stage.shortcut is not None]
    assert len(shortcuts) == 9
    assert [s.projection is not None for s in shortcuts].count(True) == 2
    for number, stage in enumerate(folded):
        assert stage.source < number
    first, *_, last = folded
    assert (first.name, first.source, first.shape) == ("conv1", INPUT, (32, 32, 16))
    assert last.pool is not None
    assert last.activation is None
    assert last.shape == (1, 1, 10)


def test_names_say_kind_and_position() -> None:
    model = nn.ModuleDict({"Conv.A".replace(".", "_"): nn.Linear(4, 4)})

    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.Layer = nn.Linear(4, 4)
            self.layer = nn.Linear(4, 4)
            self.inner = model

        def forward(self, x: Tensor) -> Tensor:
            x = torch.relu(self.Layer(x))
            x = torch.relu(self.layer(x))
            return self.inner["Conv_A"](x)  # type: ignore[no-any-return]

    stages = list(fold(Two(), (4,)))
    assert [stage.name for stage in stages] == ["fc1", "fc2", "fc3"]
    assert [stage.label for stage in stages] == [
        "'fc1' (Layer)",
        "'fc2' (layer)",
        "'fc3' (inner.Conv_A)",
    ]


def test_a_network_that_takes_vectors() -> None:
    spec = InputSpec("pixels", (8, 8, 1), scale=1 / 16)
    model = nn.Sequential(nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 3))
    folded = fold(model, spec)
    assert folded.shape == (64,)


@pytest.mark.parametrize("levels", [4, 6, 8])
@pytest.mark.parametrize(
    ("make", "shape"),
    [
        (lambda levels: mlp(64, (24, 24), levels=levels, start=0.7), (1, 8, 8)),
        (lambda levels: lenet5(size=16, levels=levels, start=0.3), (1, 16, 16)),
        (lambda levels: resnet20(levels=levels, start=1.5), (3, 16, 16)),
    ],
    ids=["mlp", "lenet5", "resnet20"],
)
def test_float_gn_at_one_step_equals_its_qcfs_network(
    make: Callable[[int], nn.Module], shape: tuple[int, ...], levels: int
) -> None:
    """Claim (a): equal in float64 with the same folded weights, ties aside."""
    model = trained(lambda: make(levels), shape)
    spec = InputSpec("pixels", (shape[1], shape[2], shape[0]))
    spiking = to_spiking(model, None, input=spec, tau=levels)
    x = torch.randn(20, *shape, dtype=torch.float64)
    logits = spiking(x, 1)[0]
    folded = spiking.folded(x)
    # Random numbers do not fall on ties, so that no image may differ, not in the last bit.
    assert torch.equal(logits, folded)
    assert float(logits.std()) > 0


def test_spiking_network_accumulates_and_starts_afresh() -> None:
    model = trained(Block)
    spiking = to_spiking(model, None, input=SPEC, neuron="if")
    x = spiking.input(images(6))
    first = spiking(x, 5)
    assert torch.equal(spiking(x, 5), first)
    assert torch.equal(spiking(x, 3), first[:3])
    seen: list[tuple[int, int]] = []
    currents: list[Tensor] = []

    def see(step: int, number: int, _: object, value: Tensor) -> None:
        seen.append((step, number))
        if number == len(spiking.folded) - 1:
            currents.append(value)

    spiking(x, 2, see=see)
    assert seen == [(step, number) for step in range(2) for number in range(4)]
    torch.testing.assert_close(first[1], (currents[0] + currents[1]) / 2)
    # The same input given anew at each step changes nothing.
    repeated = spiking(x[:, None].expand(-1, 5, -1, -1, -1), 5)
    assert torch.equal(repeated, first)


@pytest.mark.parametrize("name", NETWORKS)
def test_layer_by_layer_gives_the_same(name: str) -> None:
    spiking = to_spiking(trained(NETWORKS[name]), images(40), input=SPEC, neuron="snm")
    x = spiking.input(images(5, seed=1))
    torch.testing.assert_close(spiking.layerwise(x, 7), spiking(x, 7), rtol=0, atol=1e-9)


def test_a_parallel_network_is_unwrapped() -> None:
    assert len(fold(nn.DataParallel(nn.Linear(4, 2)), (4,))) == 1


@pytest.mark.parametrize("kind", ["gn", "if", "snm"])
def test_many_steps_come_near_the_clipped_network(kind: str) -> None:
    """The mean over T tends to the network with ReLU clipped at the thresholds."""
    model = trained(lambda: mlp(128, (20, 20), activation="relu"), (2, 8, 8))
    spiking = to_spiking(model, images(50), input=SPEC, neuron=kind)  # type: ignore[arg-type]
    x = spiking.input(images(10))
    logits = spiking(x, 400)
    expected = spiking.folded(x)
    early = (logits[3] - expected).abs().max()
    late = (logits[-1] - expected).abs().max()
    assert late < 0.02 * float(expected.abs().max())
    assert late < early / 10


def test_one_stage_is_enough() -> None:
    folded: FoldedNetwork = fold(nn.Linear(4, 2), (4,))
    x = torch.randn(3, 4, dtype=torch.float64)
    assert len(folded) == 1
    spiking = to_spiking(folded, None, input=InputSpec("pixels", (1, 1, 4)))
    torch.testing.assert_close(spiking(x, 3)[2], folded(x))
