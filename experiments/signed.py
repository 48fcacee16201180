# SPDX-License-Identifier: Apache-2.0
"""Signed neurons with memory: firing rates, energy and information loss (Wang et al., IJCAI 2022).

Firing rate: spikes of either sign for each neuron and step (their Fig. 5). Energy (eq. 15): the
additions that spikes cause at 0.9 pJ, and the first layer's products at 4.6 pJ, counted once as its
input is the same at every step, against the products of the network that was trained. Additions
are counted spike by spike, at the borders of the image too. Information loss (eq. 12 and 13): what
of the first layer's activations is too small for T steps, or too large for alpha * lambda.
"""

from __future__ import annotations

import time
from typing import Any

import torch
from common import Setup, options, prepare, report, whole_numbers
from methods import make
from torch import Tensor, nn
from torch.nn import functional

from cygnet.conversion import (
    Normalization,
    SpikingNetwork,
    Stage,
    observed_thresholds,
    to_model,
)
from cygnet.network import INPUT

ADD, MULTIPLY = 0.9, 4.6


def additions(layer: nn.Linear | nn.Conv2d, spikes: Tensor) -> Tensor:
    """Additions that spikes [n, ...] cause in a layer: each meets the weights that read it."""
    if isinstance(layer, nn.Linear):
        return spikes.sum() * layer.out_features
    channels = layer.in_channels // layer.groups
    ones = spikes.new_ones(layer.groups, channels, *layer.kernel_size)
    met = functional.conv2d(
        spikes, ones, stride=layer.stride, padding=layer.padding, groups=layer.groups
    )
    return met.sum() * (layer.out_channels // layer.groups)


def products(stage: Stage) -> int:
    """Multiply-adds of a stage for one image."""
    total = 0
    shortcut = stage.shortcut.projection if stage.shortcut is not None else None
    for layer in (stage.synapses, shortcut):
        if layer is not None:
            places = 1 if isinstance(layer, nn.Linear) else stage.outgoing[1] * stage.outgoing[2]
            total += layer.weight.numel() * places
    return total


class Counter:
    """Counts spikes and the additions they cause; an addition for an identity shortcut too."""

    def __init__(self, network: SpikingNetwork) -> None:
        self.network = network
        self.spikes = [0.0] * len(network.folded)
        self.additions = 0.0
        self._readers: dict[int, list[Stage]] = {}
        self._skips: dict[int, list[Stage]] = {}
        for stage in network.folded:
            self._readers.setdefault(stage.source, []).append(stage)
            if stage.shortcut is not None:
                self._skips.setdefault(stage.shortcut.source, []).append(stage)

    def __call__(self, step: int, number: int, stage: Stage, value: Tensor) -> None:
        if stage.activation is None:
            return
        spikes = (value / self.network.neuron(number).step).abs().round()
        self.spikes[number] += float(spikes.sum())
        for reader in self._readers.get(number, []):
            given = spikes
            if reader.pool is not None:
                size = reader.pool.kernel_size
                area = size * size if isinstance(size, int) else size[0] * size[1]
                given = reader.pool(spikes) * area
            if isinstance(reader.synapses, nn.Linear):
                given = given.flatten(1)
            self.additions += float(additions(reader.synapses, given))
        for reader in self._skips.get(number, []):
            assert reader.shortcut is not None
            way = reader.shortcut.projection
            self.additions += float(spikes.sum() if way is None else additions(way, spikes))


def rates(setup: Setup, name: str, steps: int, images: int) -> dict[str, Any]:
    """Firing rate of each layer, and the energy against the network that was trained."""
    network = make(name, setup).network
    counter = Counter(network)
    with torch.no_grad():
        for begin in range(0, images, setup.arguments.batch):
            pixels = setup.images.x[begin : min(begin + setup.arguments.batch, images)]
            network(network.input(pixels).to(setup.device), steps, see=counter)
    setup.folded.cpu().double()
    stages = list(network.folded)
    names, found, neurons = [], [], 0
    for stage, spikes in zip(stages, counter.spikes, strict=True):
        if stage.activation is not None:
            size = torch.Size(stage.outgoing).numel()
            neurons += size
            names.append(stage.name)
            found.append(spikes / (images * steps * size))
    a = sum(products(stage) for stage in stages)
    c = sum(products(stage) for stage in stages if stage.source == INPUT)
    added = counter.additions / images
    return {
        "steps": steps,
        "images": images,
        "layers": names,
        "rates": found,
        "mean_rate": sum(counter.spikes) / (images * steps * neurons),
        "products_of_ann": a,
        "additions": added,
        "energy_ratio": (c * MULTIPLY + added * ADD) / (a * MULTIPLY),
    }


def loss(setup: Setup, steps: list[int], alphas: list[float], images: int) -> dict[str, Any]:
    """Equation 12 for the first layer, the mean over the test images.

    What lies above alpha * lambda counts by how far; the thresholds are of the training images.
    """
    folded = setup.folded
    tops: dict[Normalization, Tensor] = {}
    kinds: tuple[Normalization, ...] = ("layer", "neuron")
    for kind in kinds:
        threshold = observed_thresholds(folded, setup.calibration, setup.spec, normalization=kind)[
            0
        ]
        assert threshold is not None
        tops[kind] = threshold.value
    sums = {kind: torch.zeros(len(alphas), len(steps), dtype=torch.float64) for kind in kinds}
    for begin in range(0, images, 100):
        pixels = setup.images.x[begin : min(begin + 100, images)]
        x = to_model(pixels, setup.spec, folded.shape)
        with torch.no_grad():
            first = functional.relu(folded.stage(0).current([x]))
        for kind in kinds:
            for row, alpha in enumerate(alphas):
                limit = alpha * tops[kind]
                large = (first - limit).clamp_min(0.0).sum()
                for column, step in enumerate(steps):
                    small = torch.where(first < limit / step, first, 0.0).sum()
                    sums[kind][row, column] += (small + large) / images
    return {"steps": steps, "alphas": alphas, **{k: v.tolist() for k, v in sums.items()}}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--steps", default="8,16,32,64", help="of the rates")
    parser.add_argument("--images", type=int, default=500, help="test images of the rates")
    parser.add_argument("--methods", default="snm,snm-layer,if,if-layer")
    arguments = parser.parse_args()
    began = time.monotonic()
    setup = prepare(arguments)
    images = min(arguments.images, len(setup.images))
    results: dict[str, Any] = {"rates": {}}
    for name in arguments.methods.split(","):
        runs = []
        for step in whole_numbers(arguments.steps):
            runs.append(rates(setup, name, step, images))
            print(
                f"{name} T = {step}: mean rate {runs[-1]['mean_rate']:.4f}, "
                f"energy {runs[-1]['energy_ratio']:.2%}",
                flush=True,
            )
        results["rates"][name] = runs
    steps = [2**power for power in range(2, 11)]
    results["loss"] = loss(setup, steps, [tenth / 10 for tenth in range(1, 11)], images)
    report(setup, began, results)


if __name__ == "__main__":
    main()
