# SPDX-License-Identifier: Apache-2.0
"""How much of a difference in accuracy is chance.

The float group-neuron network with every weight off by a small random share, for several seeds; and
integer networks of 8 bits that make up for rounding by other training images each. What rounding
costs is the difference of the means; what one network shows is that and one draw. Also the share of
spike counts that are others after one step, layer by layer.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
from common import options, prepare, report, whole_numbers

from cygnet.conversion import (
    SpikingNetwork,
    Stage,
    accuracy_by_step,
    logits_by_step,
    to_spiking,
)
from cygnet.data import load
from cygnet.golden.values import run
from cygnet.quantization import input_moments, quantize


def perturbed(spiking: SpikingNetwork, share: float, seed: int) -> SpikingNetwork:
    """A copy whose weights are times 1 + share * N(0, 1)."""
    other = copy.deepcopy(spiking)
    noise = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for stage in other.folded:
            weight = stage.synapses.weight
            weight.mul_(1 + share * torch.randn(weight.shape, generator=noise, dtype=weight.dtype))
    return other


def counts(spiking: SpikingNetwork, x: torch.Tensor) -> list[torch.Tensor]:
    """Spike counts of every layer that has neurons, after one step."""
    found: list[torch.Tensor] = []

    def see(step: int, number: int, stage: Stage, value: torch.Tensor) -> None:
        if stage.activation is not None:
            found.append((value / spiking.neuron(number).step).round())

    with torch.no_grad():
        spiking(x, 1, see=see)
    return found


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--tau", type=int, default=4)
    parser.add_argument("--steps", default="1,2,4")
    parser.add_argument("--shares", default="0.001", help="of a weight, with commas between")
    parser.add_argument("--small", default="1e-3,1e-4,1e-5", help="shares that counts differ for")
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--bits", type=int, default=8)
    arguments = parser.parse_args()
    began = time.monotonic()
    setup = prepare(arguments)
    steps = whole_numbers(arguments.steps)
    spiking = to_spiking(setup.folded, None, input=setup.spec, tau=arguments.tau)
    rows: list[dict[str, Any]] = []

    def add(name: str, seed: int, after: torch.Tensor) -> None:
        accuracy = accuracy_by_step(after, setup.images.y)
        rows.append({"network": name, "seed": seed, "accuracy": [accuracy[t - 1] for t in steps]})
        print(rows[-1], flush=True)

    few = spiking.input(setup.images.x[:100])
    own = counts(spiking, few)
    differ = {}
    for share in map(float, arguments.small.split(",")):
        others = counts(perturbed(spiking, share, 0), few)
        pairs = zip(own, others, strict=True)
        differ[share] = [float((one != other).double().mean()) for one, other in pairs]
        print(share, [f"{value:.4f}" for value in differ[share]], flush=True)
    training = load(arguments.train, prefer="train")
    for seed in range(arguments.draws):
        _, images = training.divide(arguments.calibrate, seed)
        moments = input_moments(spiking, images.x, seed=seed)
        network = quantize(spiking, steps=max(steps), bits=arguments.bits, moments=moments)
        after = run(network, setup.images.x, steps=max(steps), each_step=True).after
        assert after is not None
        add(f"{arguments.bits} bits, compensated", seed, torch.from_numpy(after))
        for share in map(float, arguments.shares.split(",")):
            other = perturbed(spiking, share, seed).to(getattr(torch, arguments.dtype))
            floats = logits_by_step(other, setup.images.x, max(steps), batch=arguments.batch)
            add(f"float, weights off by {share:g}", seed, floats)
    report(setup, began, {"tau": arguments.tau, "steps": steps, "differ": differ, "rows": rows})


if __name__ == "__main__":
    main()
