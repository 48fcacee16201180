# SPDX-License-Identifier: Apache-2.0
"""Whole networks through Verilator, every logit, label and cycle against the golden model.

``python benchmarks/networks.py lenet5 signed --mnist mnist.npz``

Each workload is converted from its trained weights, compiled, and sent the first test images, one
by one from an idle pipeline and then back to back. Rows are added to the file, or replace those of
the same workload and T. It ends with 1 where anything differs.
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

import cygnet
from cygnet.command.common import accuracy
from cygnet.command.setup import Setup, prepare
from cygnet.conversion import to_spiking
from cygnet.cosim.accelerator import predict
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.cosim.verify import verify, write_accelerator
from cygnet.files import write_text
from cygnet.gateware.verilog import top_name
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.network import Dense, Layer, Network, SumPool
from cygnet.quantization import quantize

WEIGHTS = Path(__file__).parents[1] / "experiments" / "weights"


@dataclass(frozen=True)
class Workload:
    """A network and how it is run.

    :param data: ``"mnist"`` or ``"cifar"``
    :param lanes: of each layer
    :param front: only so many layers, and the spikes of each of their channels as logits
    """

    model: str
    weights: str
    data: Literal["mnist", "cifar"]
    steps: tuple[int, ...]
    lanes: tuple[int, ...]
    images: int
    neuron: Literal["gn", "snm"] = "gn"
    block: int = 8
    front: int | None = None


LENET = (6, 16, 30, 28, 10)
WORKLOADS = {
    "lenet5": Workload(
        "lenet5(levels=4)", "mnist_lenet5.safetensors", "mnist", (1, 2, 4, 8), LENET, 100
    ),
    "signed": Workload(
        "lenet5(activation='relu')",
        "mnist_lenet5_relu.safetensors",
        "mnist",
        (32,),
        (6, 8, 15, 14, 10),
        10,
        neuron="snm",
        block=4,
    ),
    "residual": Workload(
        "cygnet.models.resnet:ResNet(widths=(8, 16), blocks=(1, 1), channels=1)",
        "mnist_resnet6.safetensors",
        "mnist",
        (1, 2),
        (8, 8, 8, 16, 16, 10),
        50,
    ),
    "resnet20": Workload(
        "resnet20(levels=4)",
        "cifar10_resnet20_l4.safetensors",
        "cifar",
        (2,),
        (16,) * 7 + (32,) * 12 + (10,),
        20,
    ),
    "vgg16": Workload(
        "vgg16(levels=4)", "cifar10_vgg16_l4.safetensors", "cifar", (1,), (32,) * 5, 2, front=4
    ),
}


def cut(network: Network, count: int) -> Network:
    """The first layers, and the sum of each channel's spikes over the last map as a logit."""
    height, width, channels = network.shape(count - 1)
    synapses = Dense(np.eye(channels, dtype=np.int8), 2)
    pool = SumPool((height, width), (height, width))
    end = Layer("sums", synapses, np.zeros(channels, np.int64), None, count - 1, pool)
    return replace(network, layers=(*network.layers[:count], end))


def convert(name: str, one: Workload, setup: Setup) -> Network:
    """The integer network, thresholds as trained, or for each neuron from training images."""
    spiking = to_spiking(
        setup.model,
        setup.train.x[:1000].copy() if one.neuron == "snm" else None,
        input=setup.spec,
        neuron=one.neuron,
        tau=4 if one.neuron == "gn" else 1,
        normalization="neuron" if one.neuron == "snm" else None,
    )
    network = quantize(spiking, steps=max(one.steps), name=name)
    return network if one.front is None else cut(network, one.front)


def measure(network: Network, one: Workload, steps: int, x: Any, y: Any) -> dict[str, Any]:
    """One row: T of a network on the images."""
    layers = tuple(LayerHardware(lanes, block=one.block) for lanes in one.lanes)
    beat = network.input.shape[2]
    hardware = HardwareConfig(steps, beat, layers)
    hardware.check(network)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        began = time.perf_counter()
        compiled = VerilatorSimulator(
            write_accelerator(network, hardware, folder),
            top=top_name(network),
            images=folder,
            classes=network.classes,
            workers=1,
        )
        built = time.perf_counter() - began
        found = verify(compiled, predict(network, hardware, x))
    return {
        "network": network.digest,
        "weights": sum(math.prod(layer.synapses.weight.shape) for layer in network.layers),
        "T": steps,
        "block": one.block,
        "lanes": list(one.lanes),
        "images": found.images,
        "differ": found.mismatches,
        "first": found.first,
        "accuracy": None if one.front else accuracy(found.labels, y),
        "latency": found.latency,
        "latency_longest": found.latency_max,
        "interval": found.interval,
        "predicted": [found.latency_predicted, found.interval_predicted],
        "lane_use": found.lane_use,
        "seconds": {"build": round(built, 1), "simulate": round(found.seconds, 1)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("workloads", nargs="+", choices=sorted(WORKLOADS))
    parser.add_argument("--mnist", help=".npz of MNIST")
    parser.add_argument("--cifar", help=".npz of CIFAR-10")
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="folder of trained weights")
    parser.add_argument("--images", type=int, default=None)
    parser.add_argument("--steps", type=int, action="append", help="only this T")
    parser.add_argument("--out", type=Path, default=Path("build/bench/networks.json"))
    options = parser.parse_args()
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    wrong = 0
    for name in options.workloads:
        one = WORKLOADS[name]
        path = getattr(options, one.data)
        if path is None:
            parser.error(f"{name} needs --{one.data}")
        setup = prepare(
            one.model,
            options.weights / one.weights,
            [path],
            split=None,
            input_scale=None,
            mean=None,
            std=None,
            layout="nhwc",
        )
        network = convert(name, one, setup)
        count = options.images or one.images
        test = setup.test
        x = test.x[:count].reshape(-1, *network.input.shape)
        for steps in one.steps:
            if options.steps and steps not in options.steps:
                continue
            row = {"workload": name, "model": one.model, "neuron": one.neuron}
            row |= measure(network, one, steps, x, test.y[:count])
            row |= {"commit": commit, "cygnet": cygnet.__version__}
            print(json.dumps(row), flush=True)
            wrong += row["differ"]
            rows = [old for old in rows if (old["workload"], old["T"]) != (name, steps)]
            rows = sorted([*rows, row], key=lambda old: (old["workload"], old["T"]))
            write_text(options.out, json.dumps({"rows": rows}, indent=1) + "\n")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
