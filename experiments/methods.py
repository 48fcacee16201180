# SPDX-License-Identifier: Apache-2.0
"""Accuracy and output error against the number of time-steps, for every method.

What ``cygnet compare`` does, with results that say where they come from, one device for all, and
the training images that calibrate drawn with a seed. Names are those of ``cygnet compare``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from common import Setup, options, prepare, report, whole_numbers
from torch import Tensor

from cygnet.conversion import SpikingNetwork, calibrate_potentials, logits_by_step, method
from cygnet.training import logits


@dataclass
class Prepared:
    """A method made ready: its network on the device, and how it runs a batch."""

    network: SpikingNetwork
    run: Callable[[SpikingNetwork, Tensor, int], Tensor]


def make(name: str, setup: Setup) -> Prepared:
    """The method of a name.

    :raises CygnetError: no such method
    """
    base, _, calibrated = name.partition("+cal")
    chosen = method(base)
    network = chosen.prepare(setup.folded, setup.calibration, setup.spec)
    if calibrated:
        calibrate_potentials(network, setup.calibration, steps=int(calibrated))
    network.to(setup.device, getattr(torch, setup.arguments.dtype))
    return Prepared(network, chosen.run)


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--methods", required=True, help="names with commas between")
    parser.add_argument("--steps", default="1,2,4,8,16,32")
    arguments = parser.parse_args()
    began = time.monotonic()
    setup = prepare(arguments)
    steps = whole_numbers(arguments.steps)
    truth = torch.from_numpy(setup.images.y)
    source = logits(setup.model.to(setup.device), setup.images, setup.spec, device=setup.device)
    setup.model.cpu()
    results: dict[str, Any] = {
        "ann": float((source.argmax(1) == truth).double().mean()),
        "steps": steps,
        "methods": {},
    }
    for name in arguments.methods.split(","):
        start = time.monotonic()
        ready = make(name, setup)
        found = logits_by_step(
            ready.network, setup.images.x, max(steps), batch=arguments.batch, run=ready.run
        )[[step - 1 for step in steps]]
        setup.folded.cpu().double()
        right = (found.argmax(2) == truth).double().mean(1)
        error = (found.double() - source.double()).square().mean((1, 2))
        results["methods"][name] = {"accuracy": right.tolist(), "mse": error.tolist()}
        shown = "  ".join(f"{100 * value:.2f}" for value in right.tolist())
        print(f"{name:12s} {shown}  ({time.monotonic() - start:.0f} s)", flush=True)
        report(setup, began, results)


if __name__ == "__main__":
    main()
