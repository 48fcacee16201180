# SPDX-License-Identifier: Apache-2.0
"""Accuracy and output error against the number of time-steps, for every method.

A method is a name: gnN (group neurons, tau = N), qcfs, opi, opiP (P-th percentile), rmp, srpN (N
steps before the T that count), cosN, snm (neuron-wise), snm-layer, if (neuron-wise), if-layer; and
any of them with +calK (initial potentials calibrated for T = K).
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from common import Setup, options, prepare, report, whole_numbers
from torch import Tensor

from cygnet.conversion import Method, SpikingNetwork, calibrate_potentials, logits_by_step
from cygnet.conversion.baselines import COS, OPI, QCFS, RMP, SRP, GroupNeuron, SignedNeuron
from cygnet.training import logits

_NAMES: dict[str, Callable[[str], Method]] = {
    r"gn(\d+)": lambda n: GroupNeuron(int(n)),
    r"qcfs()": lambda _: QCFS(),
    r"opi([\d.]*)": lambda p: OPI(float(p or 100)),
    r"rmp()": lambda _: RMP(),
    r"srp(\d+)": lambda n: SRP(int(n)),
    r"cos(\d+)": lambda n: COS(int(n)),
    r"snm()": lambda _: SignedNeuron("neuron", "snm"),
    r"snm-layer()": lambda _: SignedNeuron("layer", "snm"),
    r"if()": lambda _: SignedNeuron("neuron", "if"),
    r"if-layer()": lambda _: SignedNeuron("layer", "if"),
}


@dataclass
class Prepared:
    """A method made ready: its network on the device, and how it runs a batch."""

    network: SpikingNetwork
    run: Callable[[SpikingNetwork, Tensor, int], Tensor]


def make(name: str, setup: Setup) -> Prepared:
    """The method of a name.

    :raises ValueError: no such method
    """
    base, _, calibrated = name.partition("+cal")
    for pattern, factory in _NAMES.items():
        match = re.fullmatch(pattern, base)
        if match:
            method = factory(match.group(1))
            network = method.prepare(setup.folded, setup.calibration, setup.spec)
            if calibrated:
                calibrate_potentials(network, setup.calibration, steps=int(calibrated))
            network.to(setup.device, getattr(torch, setup.arguments.dtype))
            return Prepared(network, method.run)
    raise ValueError(f"method must be one of {', '.join(_NAMES)}, not {name!r}")


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
