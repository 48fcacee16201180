# SPDX-License-Identifier: Apache-2.0
"""Images a second of the golden model and of the float spiking network in torch, side by side.

At T = 4, both batched, on all cores: ``python benchmarks/golden.py``, or with ``--data mnist.npz
--weights mlp.safetensors``; ``--network vgg16`` for the large one. Without data and weights both
are random: of the images' pixels 81 % are 0 as in MNIST for the perceptron, none for VGG-16. Each
is measured in turn, several times, and the best counts: what else the machine does can only make it
slower. Where it does much else, ``--clock cpu`` with OMP_NUM_THREADS=1 measures seconds of one core
instead of seconds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cygnet.conversion import SpikingNetwork, to_spiking
from cygnet.data import load
from cygnet.golden.values import run
from cygnet.models import build, load_weights
from cygnet.network import InputSpec
from cygnet.quantization import quantize

STEPS = 4
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Workload:
    """:param blank: share of the random images' pixels that are 0"""

    model: str
    shape: tuple[int, int, int]
    images: int
    blank: float
    batches: tuple[int, ...]
    rounds: int


WORKLOADS = {
    "mlp": Workload("mlp(levels=4)", (28, 28, 1), 10000, 0.81, (250, 1000, 2500), 5),
    "vgg16": Workload("vgg16(levels=4)", (32, 32, 3), 128, 0.0, (16, 32, 128), 3),
}


def images(workload: Workload, data: Path | None) -> NDArray[np.uint8]:
    if data is not None:
        return load(data, split="test").x[: workload.images].copy()
    rng = np.random.default_rng(0)
    x = rng.integers(1, 256, (workload.images, *workload.shape)).astype(np.uint8)
    x[rng.random(x.shape) < workload.blank] = 0
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", choices=list(WORKLOADS), default="mlp")
    parser.add_argument("--data", type=Path, help=".npz of test images")
    parser.add_argument("--weights", type=Path, help="of the network, with four levels")
    parser.add_argument("--clock", choices=list(CLOCKS), default="wall")
    options = parser.parse_args()
    workload, clock = WORKLOADS[options.network], CLOCKS[options.clock]
    x = images(workload, options.data)
    spec = InputSpec("pixels", workload.shape, scale=1 / 255)
    torch.manual_seed(0)
    model = build(workload.model).eval()
    if options.weights is not None:
        load_weights(model, options.weights)
    double = to_spiking(model, None, input=spec, tau=4)
    network = quantize(double, steps=STEPS)
    single = to_spiking(model, None, input=spec, tau=4).float()

    def torch_run(spiking: SpikingNetwork, pixels: torch.Tensor, batch: int) -> None:
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                spiking.layerwise(pixels[start : start + batch], STEPS)

    floats, doubles = single.input(x), double.input(x)
    runners: dict[str, Callable[[], object]] = {"golden": lambda: run(network, x, steps=STEPS)}
    for batch in workload.batches:
        runners[f"torch float32, batch {batch}"] = partial(torch_run, single, floats, batch)
        if options.network == "mlp":
            runners[f"torch float64, batch {batch}"] = partial(torch_run, double, doubles, batch)
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(workload.rounds):
        for name, runner in runners.items():
            began = clock()
            runner()
            best[name] = min(best[name], clock() - began)
    rates = {name: len(x) / seconds for name, seconds in best.items()}
    print(
        f"{workload.model}, {len(x)} images, T = {STEPS}, {os.cpu_count()} cores, images a second"
    )
    for name, rate in rates.items():
        print(f"  {name:28} {rate:12,.1f}")
    for dtype in ("float32", "float64"):
        peers = [rate for name, rate in rates.items() if dtype in name]
        if peers:
            print(f"golden / torch {dtype}: {rates['golden'] / max(peers):.2f}")


if __name__ == "__main__":
    main()
