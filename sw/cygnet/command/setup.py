# SPDX-License-Identifier: Apache-2.0
"""A trained torch network with its data and its input, as compare and trace take them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer
from torch import nn

from cygnet.command.common import one_of
from cygnet.command.convert import trained_input
from cygnet.data import Dataset, load
from cygnet.models import build, load_weights
from cygnet.models.weights import read_notes
from cygnet.network import InputSpec

__all__ = [
    "InputScale",
    "Layout",
    "Mean",
    "Model",
    "Setup",
    "Std",
    "TrainedData",
    "Weights",
    "prepare",
]

Model = Annotated[
    str,
    typer.Argument(
        help="module:factory or module:factory(name=value, ...); without a module, of the zoo."
    ),
]
Weights = Annotated[
    Path, typer.Option("--weights", "-w", help="State dict: safetensors, or of torch.save.")
]
TrainedData = Annotated[
    list[str],
    typer.Option(
        "--data",
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
Layout = Annotated[str, typer.Option(help="Of four axes: nhwc or nchw.")]


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
    weights: Path,
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
    one_of(layout, "--layout", ("nhwc", "nchw"))
    order = cast(Literal["nhwc", "nchw"], layout)
    wanted: Any = None if split is None else one_of(split, "--split", ("train", "test"))
    network = build(model)
    load_weights(network, weights)
    train = load(data, prefer="train", layout=order)
    test = load(data, split=wanted, layout=order)
    spec = trained_input(train, read_notes(weights), input_scale, mean, std, layout)
    return Setup(network.eval(), spec, train, test)
