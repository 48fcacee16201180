# SPDX-License-Identifier: Apache-2.0
"""``cygnet train``: a network out of labelled images."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from torch import nn

import cygnet
from cygnet.command.common import AsJson, offered
from cygnet.command.family import SPEECH
from cygnet.command.setup import Layout
from cygnet.data import Dataset, input_spec, load, numbers
from cygnet.data.npz import Archive
from cygnet.errors import CygnetError
from cygnet.models import build, save_weights
from cygnet.models.reference import ZOO
from cygnet.network import InputSpec
from cygnet.training import Recipe, accuracy, logits
from cygnet.training import train as run
from cygnet.training.loop import Progress as Step

__all__ = ["train"]

_INTERRUPTED = 130


def train(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            autocompletion=offered(ZOO),
            help="module:factory or module:factory(name=value, ...); without a module, of the zoo: "
            f"{', '.join(ZOO)}",
        ),
    ],
    data: Annotated[
        list[str],
        typer.Option(
            metavar="<path>",
            help=".npz with x, y or x_train, y_train; or digits; several are parts.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Weights to write (safetensors).")],
    test: Annotated[
        str | None,
        typer.Option(
            help=".npz to test on, once, at the end; the test split of --data if it has one."
        ),
    ] = None,
    input_scale: Annotated[
        str | None, typer.Option(help="Float value of one pixel step (1/255; digits 1/16).")
    ] = None,
    mean: Annotated[str, typer.Option(help="Per channel, after the scale.")] = "0",
    std: Annotated[str, typer.Option(help="Per channel, after the scale.")] = "1",
    layout: Layout = "nhwc",
    epochs: Annotated[int, typer.Option(help="Passes over the training images.")] = Recipe.epochs,
    batch: Annotated[int, typer.Option(help="Images a step.")] = Recipe.batch,
    learning_rate: Annotated[
        float, typer.Option("--learning-rate", "--lr", help="Of SGD, at its highest.")
    ] = Recipe.learning_rate,
    momentum: Annotated[float, typer.Option(help="Of SGD.")] = Recipe.momentum,
    weight_decay: Annotated[float, typer.Option(help="On thresholds too.")] = Recipe.weight_decay,
    warmup: Annotated[float, typer.Option(help="Epochs of rising rate.")] = Recipe.warmup,
    augment: Annotated[
        str,
        typer.Option(
            help="Of crop, shift, flip, cutout, colour.",
            autocompletion=offered(("crop", "shift", "flip", "cutout", "colour")),
        ),
    ] = "",
    smoothing: Annotated[float, typer.Option(help="Of labels.")] = Recipe.smoothing,
    validation: Annotated[
        float, typer.Option(help="Share of the training images that chooses the epoch.")
    ] = Recipe.validation,
    seed: Annotated[int, typer.Option(help="Of everything random.")] = Recipe.seed,
    precision: Annotated[
        str,
        typer.Option(help="float32 or bfloat16.", autocompletion=offered(("float32", "bfloat16"))),
    ] = Recipe.precision,
    device: Annotated[
        str,
        typer.Option(
            help="auto, cpu, cuda or cuda:N.", autocompletion=offered(("auto", "cpu", "cuda"))
        ),
    ] = "auto",
    compiled: Annotated[bool, typer.Option("--compile", help="Through torch.compile.")] = False,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Where an interrupted run is kept; OUT.checkpoint.")
    ] = None,
    interval: Annotated[float, typer.Option(help="Seconds between checkpoints.")] = 30.0,
    as_json: AsJson = False,
) -> None:
    """Train a network with the published recipe and write its weights.

    SGD with momentum, cosine rate, weight decay. A share of the training images chooses the epoch;
    the test images are looked at once, at the end. An interrupted run goes on when the same
    command is given again, and ends as if it had not been interrupted.

    Example: cygnet train "mlp(levels=4)" --data mnist.npz --augment shift -o mlp.safetensors
    """
    began = time.monotonic()
    recipe = _recipe(
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        momentum=momentum,
        weight_decay=weight_decay,
        warmup=warmup,
        augment=tuple(item.strip() for item in augment.split(",") if item.strip()),
        smoothing=smoothing,
        validation=validation,
        seed=seed,
        precision=precision,
    )
    order = _layout(layout)
    images = load(data, split="train" if _divided(data) else None, layout=order)
    spec = input_spec(
        images,
        scale=_scale(input_scale),
        mean=numbers(mean, "--mean"),
        std=numbers(std, "--std"),
        layout=order,
    )
    place = _device(device)
    torch.manual_seed(seed)
    network = build(model)
    _fits(network, model, images, spec)
    kept = checkpoint or out.with_name(out.name + ".checkpoint")
    try:
        with _bar(recipe, as_json) as progress:
            outcome = run(
                network,
                images,
                spec,
                recipe,
                device=place,
                checkpoint=kept,
                interval=interval,
                compiled=compiled,
                progress=progress,
            )
    except KeyboardInterrupt:
        Console(stderr=True).print(f"interrupted; the same command goes on from {kept}")
        raise typer.Exit(_INTERRUPTED) from None
    held_out = _test_images(data, test, order, images)
    tested = None if held_out is None else accuracy(network, held_out, spec)
    notes = {
        "model": model,
        "recipe": recipe.as_json(),
        "input": {"scale": spec.scale, "mean": list(spec.mean), "std": list(spec.std)},
        "data": {"images": list(outcome.images), "sha256": images.sha256},
        "best_epoch": outcome.best_epoch,
        "validation_accuracy": outcome.validation,
        "test_accuracy": tested,
        "versions": {"cygnet": cygnet.__version__, "torch": torch.__version__},
    }
    save_weights(out, network.state_dict(), notes)
    kept.unlink(missing_ok=True)
    notes |= {
        "out": str(out),
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seconds": round(time.monotonic() - began, 1),
        "history": [vars(epoch) for epoch in outcome.history],
    }
    if as_json:
        typer.echo(json.dumps(notes))
        return
    typer.echo(f"{model}: {notes['parameters']} parameters, {notes['seconds']} s")
    typer.echo(f"validation {outcome.validation:.2%} in epoch {outcome.best_epoch} of {epochs}")
    if tested is not None:
        typer.echo(f"test       {tested:.2%}")
    typer.echo(f"wrote {out}")


def _recipe(**values: Any) -> Recipe:
    try:
        return Recipe(**values)
    except (TypeError, ValueError) as error:
        raise CygnetError(f"{error}; mend the option of that name") from None


def _layout(text: str) -> Literal["nhwc", "nchw"]:
    if text == "nhwc":
        return "nhwc"
    if text == "nchw":
        return "nchw"
    raise CygnetError(f"--layout: {text!r} must be nhwc or nchw")


def _scale(text: str | None) -> float | None:
    if text is None:
        return None
    values = numbers(text, "--input-scale")
    if len(values) != 1:
        raise CygnetError(f"--input-scale: {text!r} must be one number")
    return values[0]


def _device(text: str) -> torch.device:
    if text == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(text)
    except RuntimeError:
        raise CygnetError(f"--device: {text!r} must be auto, cpu, cuda or cuda:N") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise CygnetError("--device: this torch sees no CUDA GPU; use --device cpu")
    if device.type not in ("cpu", "cuda"):
        raise CygnetError(f"--device: {text!r} must be auto, cpu, cuda or cuda:N")
    return device


def _divided(paths: list[str]) -> bool:
    """Whether the first of the files holds a division into train and test."""
    if not paths or paths[0] == "digits":
        return True
    with Archive(paths[0]) as archive:
        return "x" not in archive.names


def _test_images(
    data: list[str], test: str | None, layout: Literal["nhwc", "nchw"], images: Dataset
) -> Dataset | None:
    if test is None and not _divided(data):
        return None
    if test is None and data != ["digits"]:
        with Archive(data[0]) as archive:
            if "x_test" not in archive.names:
                return None
    found = load(data if test is None else test, layout=layout)
    if found.shape != images.shape:
        raise CygnetError(
            f"{found.name}: images of {found.shape} are not of {images.shape} as in training; "
            "give the test set of the same data"
        )
    return found


def _fits(model: nn.Module, reference: str, images: Dataset, spec: InputSpec) -> None:
    """Two images through the model: a wrong one is refused before anything is trained."""
    try:
        given = logits(model, images.take(slice(0, 2)), spec).shape
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise CygnetError(
            f"{reference}: does not take images of {images.shape}: {reason}; "
            "give the factory the size of the data"
        ) from None
    if len(given) != 2 or given[1] < images.classes:
        raise CygnetError(
            f"{reference}: gives {tuple(given[1:])} values an image for {images.classes} classes; "
            "give the factory as many classes as the data has"
        )


@contextlib.contextmanager
def _bar(recipe: Recipe, quiet: bool) -> Iterator[Callable[[Step], None]]:
    """A progress bar on the error stream, and a line for each epoch above it."""
    console = Console(stderr=True, quiet=quiet or SPEECH.quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("training", total=recipe.epochs)

        def step(at: Step) -> None:
            bar.update(
                task,
                completed=at.epoch - 1 + at.step / at.steps,
                description=f"epoch {at.epoch}/{at.epochs}",
            )
            if at.finished is not None:
                console.print(
                    f"epoch {at.epoch:4d}  loss {at.finished.loss:.4f}  "
                    f"training {at.finished.accuracy:.2%}  validation {at.finished.validation:.2%}"
                )

        yield step


if __name__ == "__main__":
    typer.run(train)
