# SPDX-License-Identifier: Apache-2.0
"""A trained torch network with its data and its input, as compare and trace take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from torch import nn

from cygnet.command.common import SPLITS, offered, one_of, whole_numbers
from cygnet.data import Dataset, input_spec, load, numbers
from cygnet.errors import CygnetError
from cygnet.interop.sources import Source, read_source
from cygnet.models.reference import ZOO
from cygnet.network import Bounds, InputSpec

__all__ = [
    "LAYOUTS",
    "Calibration",
    "InputScale",
    "Layout",
    "Mean",
    "Model",
    "Neuron",
    "Normalization",
    "Rounding",
    "Setup",
    "Std",
    "Tau",
    "Threshold",
    "TrainedData",
    "Weights",
    "check_choices",
    "counted_input",
    "images",
    "prepare",
    "trained_input",
]

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        autocompletion=offered(ZOO),
        help="module:factory or module:factory(name=value, ...), of the zoo without a module; or "
        "a file that holds a whole network: .onnx, .pt2 (torch.export), .nir.",
    ),
]
Weights = Annotated[
    Path | None,
    typer.Option(
        "--weights", "-w", help="Of a factory; a state dict: safetensors, or of torch.save."
    ),
]
TrainedData = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="<path>",
        help="Train images calibrate, test images judge: .npz with x, y or x_train, y_train, "
        "x_test, y_test (uint8); or digits; several are parts of one set.",
    ),
]
InputScale = Annotated[
    str | None,
    typer.Option(help="Float value of one pixel step; as trained, else 1/255 (digits 1/16)."),
]
Mean = Annotated[str | None, typer.Option(help="Per channel, after the scale; as trained, else 0.")]
Std = Annotated[str | None, typer.Option(help="Per channel, after the scale; as trained, else 1.")]
LAYOUTS = ("nhwc", "nchw")
NEURONS = ("gn", "if", "snm")
THRESHOLDS = ("exact", "pow2")
ROUNDINGS = ("nearest", "compensated")
NORMALIZATIONS = ("layer", "channel", "neuron")

Layout = Annotated[
    str, typer.Option(help="Of four axes: nhwc or nchw.", autocompletion=offered(LAYOUTS))
]
Neuron = Annotated[str, typer.Option(help="gn, if or snm.", autocompletion=offered(NEURONS))]
Tau = Annotated[int, typer.Option(help="Members of a group neuron, 1..16.")]
Threshold = Annotated[str, typer.Option(help="exact or pow2.", autocompletion=offered(THRESHOLDS))]
Rounding = Annotated[
    str,
    typer.Option(
        help="Of weights: nearest, or compensated: each by what rounding did to the others, for "
        "few bits without training.",
        autocompletion=offered(ROUNDINGS),
    ),
]
Normalization = Annotated[
    str | None,
    typer.Option(
        help="layer, channel or neuron: thresholds from data, not the trained ones.",
        autocompletion=offered(NORMALIZATIONS),
    ),
]
Calibration = Annotated[int, typer.Option(help="Train images to calibrate with.")]


def check_choices(neuron: str, threshold: str, rounding: str, normalization: str | None) -> None:
    """Refuse a value of ``--neuron``, ``--threshold``, ``--rounding`` or ``--normalization``."""
    one_of(neuron, "--neuron", NEURONS)
    one_of(threshold, "--threshold", THRESHOLDS)
    one_of(rounding, "--rounding", ROUNDINGS)
    if normalization is not None:
        one_of(normalization, "--normalization", NORMALIZATIONS)


@dataclass(frozen=True)
class Setup:
    """What the options name.

    :param train: images to calibrate with
    :param test: images to judge with
    """

    model: nn.Module
    spec: InputSpec
    train: Dataset
    test: Dataset


def prepare(
    model: str,
    weights: Path | None,
    data: list[str],
    *,
    split: str | None,
    input_scale: str | None,
    mean: str | None,
    std: str | None,
    layout: str,
) -> Setup:
    """Load a network and its data.

    :raises CygnetError: something of it is not there or does not fit
    """
    source = read_source(model, weights)
    if source.model is None:
        raise CygnetError(f"{model}: is an integer network already; convert it to a .cyg file")
    train, test = images(data, split, layout)
    spec = trained_input(train, source, input_scale, mean, std, layout)
    return Setup(source.model, spec, train, test)


def images(data: list[str], split: str | None, layout: str) -> tuple[Dataset, Dataset]:
    """Images to calibrate with, and images to judge with."""
    order = _layout(layout)
    wanted: Any = None if split is None else one_of(split, "--split", SPLITS)
    return load(data, prefer="train", layout=order), load(data, split=wanted, layout=order)


def trained_input(
    images: Dataset | None,
    source: Source,
    scale: str | None,
    mean: str | None,
    std: str | None,
    layout: str,
) -> InputSpec:
    """The input as the options say, else as the weights say that they were trained.

    :param images: None: the file says what shape they have
    """
    shape = source.shape if images is None else images
    if shape is None:
        raise CygnetError(
            "--data: is needed, for the network does not state the shape of its input; give .npz "
            "files or digits"
        )
    trained = source.notes.get("input", {})
    given = trained.get("scale") if scale is None else numbers(scale, "--input-scale")
    if isinstance(given, tuple):
        if len(given) != 1:
            raise CygnetError(f"--input-scale: {scale!r} must be one number")
        given = given[0]
    return input_spec(
        shape,
        scale=given,
        mean=trained.get("mean", ()) if mean is None else numbers(mean, "--mean"),
        std=trained.get("std", ()) if std is None else numbers(std, "--std"),
        layout=_layout(layout),
    )


def counted_input(source: Source, bounds: str, layout: str) -> InputSpec:
    """An input of counts, of the shape that the file states."""
    if source.shape is None:
        raise CygnetError("--input: the network does not state the shape of its input")
    limits = whole_numbers(bounds, "--input-bounds")
    if len(limits) != 2 or not limits[0] <= 0 <= limits[1] or max(map(abs, limits)) >= 2**15:
        raise CygnetError(f"--input-bounds: {bounds!r} must be two of 16 bits with 0 between")
    return InputSpec(
        "counts", source.shape, bounds=Bounds(limits[0], limits[1]), layout=_layout(layout)
    )


def _layout(text: str) -> Literal["nhwc", "nchw"]:
    one_of(text, "--layout", LAYOUTS)
    return "nchw" if text == "nchw" else "nhwc"
