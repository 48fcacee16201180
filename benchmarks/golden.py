# SPDX-License-Identifier: Apache-2.0
"""Images a second of the golden model and of the float spiking network in torch, side by side.

A 784-128-128-10 network at T = 4, both batched, on all cores: ``python benchmarks/golden.py``, or
with ``--data mnist.npz --weights mlp.safetensors``. Without them weights are random and so are the
images, of which 81 % of the pixels are 0 as in MNIST. Each is measured in turn, several times, and
the best counts: what else the machine does can only make it slower.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cygnet.conversion import to_spiking
from cygnet.data import load
from cygnet.golden.values import run
from cygnet.models import load_weights, mlp
from cygnet.network import InputSpec
from cygnet.quantization import quantize

STEPS = 4
ROUNDS = 5


def images(data: Path | None) -> NDArray[np.uint8]:
    if data is not None:
        return load(data, split="test").x.copy()
    rng = np.random.default_rng(0)
    x = rng.integers(1, 256, (10000, 28, 28, 1)).astype(np.uint8)
    x[rng.random(x.shape) < 0.81] = 0
    return x


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help=".npz of 28 x 28 images")
    parser.add_argument("--weights", type=Path, help='of the model "mlp(levels=4)"')
    options = parser.parse_args()
    x = images(options.data)
    spec = InputSpec("pixels", (28, 28, 1), scale=1 / 255)
    torch.manual_seed(0)
    model = mlp(levels=4)
    if options.weights is not None:
        load_weights(model, options.weights)
    double = to_spiking(model, None, input=spec, tau=4)
    network = quantize(double, steps=STEPS)
    single = to_spiking(model, None, input=spec, tau=4).float()

    def torch_run(spiking: torch.nn.Module, pixels: torch.Tensor, batch: int) -> None:
        with torch.inference_mode():
            for start in range(0, len(pixels), batch):
                spiking(pixels[start : start + batch], STEPS)

    floats, doubles = single.input(x), double.input(x)
    runners: dict[str, Callable[[], object]] = {"golden": lambda: run(network, x, steps=STEPS)}
    for batch in (250, 1000, 2500):
        runners[f"torch float32, batch {batch}"] = partial(torch_run, single, floats, batch)
        runners[f"torch float64, batch {batch}"] = partial(torch_run, double, doubles, batch)
    best = dict.fromkeys(runners, float("inf"))
    for _ in range(ROUNDS):
        for name, runner in runners.items():
            began = time.perf_counter()
            runner()
            best[name] = min(best[name], time.perf_counter() - began)
    rates = {name: len(x) / seconds for name, seconds in best.items()}
    print(f"{len(x)} images, T = {STEPS}, {os.cpu_count()} cores, images a second")
    for name, rate in rates.items():
        print(f"  {name:28} {rate:12,.0f}")
    for dtype in ("float32", "float64"):
        torch_rate = max(rate for name, rate in rates.items() if dtype in name)
        print(f"golden / torch {dtype}: {rates['golden'] / torch_rate:.2f}")


if __name__ == "__main__":
    main()
