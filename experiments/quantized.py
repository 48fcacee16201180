# SPDX-License-Identifier: Apache-2.0
"""Accuracy of the integer network against the float one, at several widths of a weight.

For each width, with exact thresholds and with powers of two: the integer group-neuron network as
it is quantised, and where asked for after a short fine-tune on training images without labels.
Also the share of test images whose class is that of the torch network in float32.
"""

from __future__ import annotations

import copy
import time
from pathlib import Path
from typing import Any

import torch
from common import Setup, options, prepare, report, whole_numbers

from cygnet.conversion import SpikingNetwork, accuracy_by_step, logits_by_step, to_spiking
from cygnet.data import load
from cygnet.errors import ConversionError
from cygnet.golden.values import run
from cygnet.network import Network
from cygnet.network_file import save
from cygnet.quantization import (
    Finetuning,
    Moments,
    ThresholdForm,
    finetune,
    input_moments,
    quantize,
)
from cygnet.quantization.integer_module import integer_logits
from cygnet.training import logits


def whole_logits(setup: Setup, network: Network, steps: int) -> torch.Tensor:
    """int64[T, n, classes]: by the golden model, or by its twin on a GPU."""
    if setup.device.type == "cpu":
        after = run(network, setup.images.x, steps=steps, each_step=True).after
        assert after is not None
        return torch.from_numpy(after)
    return integer_logits(
        network,
        setup.images.x,
        steps=steps,
        device=setup.device,
        batch=setup.arguments.batch,
    )


def judge(
    setup: Setup,
    spiking: SpikingNetwork,
    classes: torch.Tensor,
    *,
    bits: int,
    form: ThresholdForm,
    steps: list[int],
    moments: Moments | None = None,
    keep: Path | None = None,
) -> dict[str, Any]:
    """Accuracy at each T, and agreement with the torch network's classes at T = 1.

    :param keep: .cyg to write the integer network to
    """
    try:
        network = quantize(spiking, steps=max(steps), bits=bits, threshold=form, moments=moments)
    except ConversionError as error:
        return {"refused": str(error)}
    if keep is not None:
        save(network, keep)
    found = whole_logits(setup, network, max(steps))
    accuracy = accuracy_by_step(found, setup.images.y)
    agree = (found[0].argmax(1) == classes).double().mean()
    return {"accuracy": [accuracy[step - 1] for step in steps], "agree": float(agree)}


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--tau", type=int, default=4)
    parser.add_argument("--steps", default="1,2,4,8")
    parser.add_argument("--bits", default="8,6,4,3")
    parser.add_argument("--finetune", default="4,3", help="widths that are fine-tuned too")
    parser.add_argument("--thresholds", default="exact,pow2")
    parser.add_argument("--rounding", default="nearest", help="nearest,compensated")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--tune-images", type=int, default=None, help="training images; all")
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--tune-steps", default="1", help="T of one batch after the other, in turn")
    parser.add_argument("--events", type=int, help="in the windows of a layer, at most")
    parser.add_argument("--save", type=Path, help="folder for what fine-tuning gives, .cyg")
    parser.add_argument("--augment", default="", help="as for cygnet train, with commas between")
    arguments = parser.parse_args()
    began = time.monotonic()
    if arguments.save is not None:
        arguments.save.mkdir(parents=True, exist_ok=True)
    setup = prepare(arguments)
    steps = whole_numbers(arguments.steps)
    source = logits(setup.model.to(setup.device), setup.images, setup.spec, device=setup.device)
    setup.model.cpu()
    classes = source.argmax(1)
    spiking = to_spiking(setup.folded, None, input=setup.spec, tau=arguments.tau)
    double = copy.deepcopy(spiking)
    spiking.to(setup.device, getattr(torch, arguments.dtype))
    floats = logits_by_step(spiking, setup.images.x, max(steps), batch=arguments.batch)
    spiking = double
    accuracy = accuracy_by_step(floats, setup.images.y)
    truth = torch.from_numpy(setup.images.y)
    results: dict[str, Any] = {
        "tau": arguments.tau,
        "steps": steps,
        "ann": float((classes == truth).double().mean()),
        "float": [accuracy[step - 1] for step in steps],
        "float_agrees": float((floats[0].argmax(1) == classes).double().mean()),
        "integer": [],
    }
    print("ann", results["ann"], "float", results["float"], results["float_agrees"], flush=True)
    training = None
    moments: dict[str, Moments | None] = {"nearest": None}
    if "compensated" in arguments.rounding.split(","):
        moments["compensated"] = input_moments(spiking, setup.calibration)
    tuned_widths = whole_numbers(arguments.finetune) if arguments.finetune else []
    for bits in whole_numbers(arguments.bits):
        forms: tuple[ThresholdForm, ...] = ("exact", "pow2")
        for form in forms:
            if form not in arguments.thresholds.split(","):
                continue
            for rounding in arguments.rounding.split(","):
                row = {"bits": bits, "threshold": form, "rounding": rounding, "finetuned": False}
                row |= judge(
                    setup,
                    spiking,
                    classes,
                    bits=bits,
                    form=form,
                    steps=steps,
                    moments=moments[rounding],
                )
                results["integer"].append(row)
                print(row, flush=True)
            if bits not in tuned_widths:
                continue
            if training is None:
                training = load(arguments.train, prefer="train").x[: arguments.tune_images]
            tuned = finetune(
                spiking,
                training,
                bits=bits,
                threshold=form,
                options=Finetuning(
                    epochs=arguments.epochs,
                    learning_rate=arguments.learning_rate,
                    steps=whole_numbers(arguments.tune_steps),
                    events=arguments.events,
                    augment=[name for name in arguments.augment.split(",") if name],
                    seed=arguments.seed,
                ),
                device=setup.device,
            )
            row = {"bits": bits, "threshold": form, "rounding": "nearest", "finetuned": True}
            keep = None if arguments.save is None else arguments.save / f"{bits}-{form}.cyg"
            row |= judge(setup, tuned, classes, bits=bits, form=form, steps=steps, keep=keep)
            results["integer"].append(row)
            print(row, flush=True)
    report(setup, began, results)


if __name__ == "__main__":
    main()
