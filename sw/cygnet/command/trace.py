# SPDX-License-Identifier: Apache-2.0
"""``cygnet trace``: one image through every form of a network, layer by layer."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, cast

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from torch import Tensor

from cygnet.command.common import AsJson, Split, one_of, print_json, show, whole_numbers
from cygnet.command.setup import (
    InputScale,
    Layout,
    Mean,
    Model,
    Std,
    TrainedData,
    Weights,
    prepare,
)
from cygnet.conversion import SpikingNetwork, Stage, to_spiking
from cygnet.errors import CygnetError
from cygnet.golden.values import run
from cygnet.network import Network
from cygnet.quantization import quantize

__all__ = ["LayerTrace", "trace", "trace_layers"]


@dataclass(frozen=True)
class LayerTrace:
    """One layer for one image; errors are root mean squares over its neurons, in float units.

    :param name: of the layer
    :param neurons: of it
    :param torch: root mean square of the torch network's activations
    :param float_error: of the float spiking network's mean output against the torch network's
    :param integer_error: of the integer network's mean output against the torch network's
    :param quantization_error: of the integer network's against the float spiking network's
    :param differ: share of its neurons whose total count is another in integers than in floats;
        0 for the last layer, which has no counts
    :param rate: spikes of either sign for each neuron and step, in integers
    """

    name: str
    neurons: int
    torch: float
    float_error: float
    integer_error: float
    quantization_error: float
    differ: float
    rate: float


def trace_layers(
    spiking: SpikingNetwork, integers: Network, image: NDArray[np.uint8], steps: int
) -> list[LayerTrace]:
    """Every layer of the three networks for one image.

    :param spiking: the float spiking network; its folded network stands for the torch network
    :param integers: what :func:`cygnet.quantization.quantize` made of it
    :param image: uint8[height, width, channels]
    :param steps: T
    """
    x = spiking.input(image[None])
    trained: list[NDArray] = []
    spiking.folded.observe(x, lambda number, stage, value: trained.append(_raster(value)))
    floats: list[NDArray] = [np.zeros(value.shape) for value in trained]

    def see(step: int, number: int, stage: Stage, value: Tensor) -> None:
        floats[number] = floats[number] + _raster(value) / steps

    with torch.no_grad():
        spiking(x, steps, see=see)
    result = run(integers, image.reshape(1, *integers.input.shape), steps=steps, record=True)
    rows = []
    for number, layer in enumerate(integers.layers):
        counts = result.counts[number]
        differ = rate = 0.0
        if layer.neurons is None or counts is None:
            value = result.logits.reshape(-1) * integers.logit_scale / steps
        else:
            shape = integers.shape(number)
            amplitude = layer.neurons.per_neuron("amplitude", shape)
            totals = counts[:, 0].sum(axis=0, dtype=np.int64) // amplitude
            unit = layer.neurons.per_neuron("step", shape)
            value = (totals * unit / steps).reshape(-1)
            differ = float(
                (np.rint(floats[number] * steps / unit.reshape(-1)) != totals.reshape(-1)).mean()
            )
            rate = float(np.abs(counts // amplitude).mean())
        rows.append(
            LayerTrace(
                name=layer.name,
                neurons=value.size,
                torch=_rms(trained[number]),
                float_error=_rms(floats[number] - trained[number]),
                integer_error=_rms(value - trained[number]),
                quantization_error=_rms(value - floats[number]),
                differ=differ,
                rate=rate,
            )
        )
    return rows


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
    neuron: Annotated[str, typer.Option(help="gn, if or snm.")] = "gn",
    tau: Annotated[int, typer.Option(help="Members of a group neuron, 1..16.")] = 4,
    steps: Annotated[int, typer.Option(help="Time-steps, T.")] = 4,
    bits: Annotated[str, typer.Option(help="Of a weight, 2..8.")] = "8",
    threshold: Annotated[str, typer.Option(help="exact or pow2.")] = "exact",
    normalization: Annotated[
        str | None,
        typer.Option(help="layer, channel or neuron: thresholds from data, not the trained ones."),
    ] = None,
    calibration: Annotated[int, typer.Option(help="Train images to calibrate with.")] = 1000,
    as_json: AsJson = False,
) -> None:
    """One image through the torch network, the float spiking network and the integer network.

    Prints, layer by layer, how far the mean output over T steps is from the torch network's.

    Example: cygnet trace mlp -w mlp.safetensors --data mnist.npz --index 3 --steps 4
    """
    one_of(neuron, "--neuron", ("gn", "if", "snm"))
    one_of(threshold, "--threshold", ("exact", "pow2"))
    if normalization is not None:
        one_of(normalization, "--normalization", ("layer", "channel", "neuron"))
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
    integers = quantize(
        spiking, steps=steps, bits=width, threshold=cast(Literal["exact", "pow2"], threshold)
    )
    image = setup.test.x[index]
    rows = trace_layers(spiking, integers, image, steps)
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


def _raster(value: Tensor) -> NDArray:
    """A layer's values for one image in the order of the integer network."""
    sample = value[0].detach().double().cpu()
    if sample.ndim == 3:
        sample = sample.permute(1, 2, 0)
    return np.asarray(sample.reshape(-1).numpy())


def _rms(values: NDArray) -> float:
    return float(np.sqrt(np.square(values).mean()))
