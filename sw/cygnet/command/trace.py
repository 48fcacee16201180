# SPDX-License-Identifier: Apache-2.0
"""``cygnet trace``: one image through every form of a network, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal, cast

import torch
import typer

from cygnet.command.common import AsJson, Split, print_json, show, whole_numbers
from cygnet.command.setup import (
    Calibration,
    InputScale,
    Layout,
    Mean,
    Model,
    Neuron,
    Normalization,
    Rounding,
    Std,
    Tau,
    Threshold,
    TrainedData,
    Weights,
    check_choices,
    prepare,
)
from cygnet.conversion import to_spiking
from cygnet.errors import CygnetError
from cygnet.golden.values import run
from cygnet.quantization import input_moments, quantize
from cygnet.report.errors import trace_layers

__all__ = ["trace"]


def trace(
    model: Model,
    data: TrainedData,
    weights: Weights = None,
    index: Annotated[int, typer.Option(help="Number of the image, from 0.")] = 0,
    split: Split = None,
    input_scale: InputScale = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "nhwc",
    neuron: Neuron = "gn",
    tau: Tau = 4,
    steps: Annotated[int, typer.Option(help="Time-steps, T.")] = 4,
    bits: Annotated[str, typer.Option(help="Of a weight, 2..8.")] = "8",
    threshold: Threshold = "exact",
    rounding: Rounding = "nearest",
    normalization: Normalization = None,
    calibration: Calibration = 1000,
    as_json: AsJson = False,
) -> None:
    """One image through the torch network, the float spiking network and the integer network.

    Prints, layer by layer, how far the mean output over T steps is from the torch network's.

    Example: cygnet trace mlp -w mlp.safetensors --data mnist.npz --index 3 --steps 4
    """
    check_choices(neuron, threshold, rounding, normalization)
    (width,) = whole_numbers(bits, "--bits")[:1]
    for value, option, low, high in (
        (width, "--bits", 2, 8),
        (tau, "--tau", 1, 16),
        (steps, "--steps", 1, 4096),
    ):
        if not low <= value <= high:
            raise CygnetError(f"{option}: {value} must be in {low}..{high}")
    setup = prepare(
        model,
        weights,
        data,
        split=split,
        input_scale=input_scale,
        mean=mean,
        std=std,
        layout=layout,
    )
    if not 0 <= index < len(setup.test):
        raise CygnetError(f"--index: {index} must be in 0..{len(setup.test) - 1}")
    spiking = to_spiking(
        setup.model,
        setup.train.x[:calibration],
        input=setup.spec,
        neuron=cast(Literal["gn", "if", "snm"], neuron),
        tau=tau,
        normalization=cast(Any, normalization),
    )
    moments = None
    if rounding == "compensated":
        moments = input_moments(spiking, setup.train.x[:calibration], steps=min(steps, 4))
    integers = quantize(
        spiking,
        steps=steps,
        bits=width,
        threshold=cast(Literal["exact", "pow2"], threshold),
        moments=moments,
    )
    image = setup.test.x[index]
    rows = trace_layers(spiking, integers, image[None], steps)
    with torch.no_grad():
        own = setup.model(spiking.input(image[None]).float())[0]
    result = run(integers, image.reshape(1, *integers.input.shape), steps=steps)
    found = {
        "index": index,
        "steps": steps,
        "class": int(setup.test.y[index]),
        "torch": int(own.argmax()),
        "float": int(spiking(spiking.input(image[None]), steps)[-1].argmax()),
        "integer": int(result.labels[0]),
        "layers": [asdict(row) for row in rows],
    }
    if as_json:
        print_json(found)
        return
    show(
        f"image {index}, class {found['class']}: torch {found['torch']}, "
        f"float spiking {found['float']}, integer {found['integer']}; T = {steps}",
        ["layer", "neurons", "torch rms", "float off", "integer off", "between", "counts", "rate"],
        [
            [
                row.name,
                row.neurons,
                f"{row.torch:.4f}",
                f"{row.float_error:.4f}",
                f"{row.integer_error:.4f}",
                f"{row.quantization_error:.4f}",
                f"{100 * row.differ:.1f} %",
                f"{row.rate:.3f}",
            ]
            for row in rows
        ],
    )
