# SPDX-License-Identifier: Apache-2.0
"""What the commands share: options, data, progress bars, tables."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cygnet.command.family import SPEECH
from cygnet.errors import CygnetError
from cygnet.hardware import BLOCK, HardwareConfig, LayerHardware
from cygnet.network import Network
from cygnet.product_plan import ARITHMETIC

__all__ = [
    "AsJson",
    "Beat",
    "Data",
    "Lanes",
    "Limit",
    "Loadable",
    "NeuronCore",
    "Split",
    "accuracy",
    "bar",
    "hardware",
    "images",
    "one_of",
    "percent",
    "print_json",
    "rendered",
    "say",
    "show",
    "step_list",
    "whole_numbers",
]

OFF_TERMINAL = 1000
"""Columns of what is printed into a file or a pipe; a table takes as many as it needs."""

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        help=".npz with x, y or x_train, y_train, x_test, y_test (uint8); or digits; "
        "several are parts of one set.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(help="train or test, of data that holds both; test where left out."),
]


def _number_or_all(text: str) -> int | None:
    """An option's number of images; None for all of them."""
    if text == "all":
        return None
    try:
        return int(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} must be a number or 'all'") from None


Limit = Annotated[
    int | None,
    typer.Option(
        "--limit",
        "--samples",
        parser=_number_or_all,
        metavar="<int>",
        help="Only the first so many images, or all.",
    ),
]
Lanes = Annotated[
    str,
    typer.Option(help="Outputs computed at once: one number, or one for each layer (16,16,10)."),
]
Beat = Annotated[
    int | None,
    typer.Option(
        help="Values that arrive in one clock; 8, or those of a pixel where a convolution reads "
        "the input.",
        show_default=False,
    ),
]
_ARITHMETIC_HELP = (
    "Products in tables of four or six inputs or in multiplier blocks: lut, lut6 or dsp, one, or "
    "one for each layer (dsp,lut,lut)."
)
Arithmetic = Annotated[str, typer.Option(help=_ARITHMETIC_HELP)]
ArithmeticChoice = Annotated[str | None, typer.Option(help=_ARITHMETIC_HELP, show_default=False)]
Cores = Annotated[
    str, typer.Option(help="Neuron cores of a layer: one number, or one for each layer (4,2,1).")
]
Loadable = Annotated[
    bool,
    typer.Option(
        "--loadable", help="Weights and thresholds come at run time, not from images (AXI only)."
    ),
]
NeuronCore = Annotated[str, typer.Option(help="fast or small.")]
Block = Annotated[
    str,
    typer.Option(
        help="Time-steps computed at once; of more, inputs are walked again for every so many: one "
        "number, or one for each layer (8,4,1)."
    ),
]


def one_of(value: str, option: str, choices: Sequence[str]) -> str:
    """The value, if it is a choice of the option."""
    if value not in choices:
        raise CygnetError(f"{option}: {value!r} must be {' or '.join(choices)}")
    return value


def whole_numbers(text: str, option: str) -> tuple[int, ...]:
    """The numbers of an option such as ``1,2,4``."""
    try:
        return tuple(int(item) for item in text.split(","))
    except ValueError:
        raise CygnetError(f"{option}: {text!r} must be whole numbers such as 1,2,4") from None


def step_list(text: str | None, network: Network, path: object) -> tuple[int, ...]:
    """The numbers of time-steps of ``--steps``; all where left out (powers of two of many)."""
    highest = network.steps
    if text is None:
        if highest <= 16:
            return tuple(range(1, highest + 1))
        powers = [1 << place for place in range(highest.bit_length())]
        return tuple(sorted({*powers, highest}))
    steps = whole_numbers(text, "--steps")
    for value in steps:
        if not 1 <= value <= highest:
            raise CygnetError(
                f"--steps: {value} must be in 1..{highest}, the most that {path} is made for; "
                "convert the network again with a larger --steps"
            )
    return tuple(sorted(set(steps)))


def images(
    data: list[str], split: str | None, limit: int | None, network: Network, path: object
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images in raster order and their classes, checked against the network that they are for."""
    from cygnet.data import load

    if network.input.kind != "pixels":
        raise CygnetError(
            f"{path}: takes counts, not pixels, and .npz files of images hold pixels; "
            "use cygnet.golden.values from Python"
        )
    found = load(data, split=_split(split), layout=network.input.layout)
    x = found.x
    shape = network.input.shape
    if found.shape != shape:
        if found.shape[:2] != (1, 1) or x[0].size != np.prod(shape):
            raise CygnetError(
                f"{found.name}: images of {found.shape} are not of {shape} as {path} takes them; "
                "give the data that the network was trained for"
            )
        x = x.reshape(-1, *shape)
    if found.classes > network.classes:
        raise CygnetError(
            f"{found.name}: has {found.classes} classes and {path} gives {network.classes}; "
            "give the data that the network was trained for"
        )
    if limit is not None:
        if limit < 1:
            raise CygnetError(f"--limit: {limit} must be at least 1")
        x, found = x[:limit], found.take(slice(0, limit))
    return x, found.y


def _split(text: str | None) -> Literal["train", "test"] | None:
    if text is None:
        return None
    one_of(text, "--split", ("train", "test"))
    return "train" if text == "train" else "test"


def hardware(
    network: Network,
    *,
    steps: int,
    lanes: str = "16",
    beat: int | None = None,
    neuron: str = "fast",
    cores: str = "1",
    arithmetic: str = "lut",
    block: str = str(BLOCK),
) -> HardwareConfig:
    """The configuration of ``--steps``, ``--lanes``, ``--beat``, ``--neuron-core``, ``--cores``,
    ``--arithmetic`` and ``--block``."""
    core: Literal["fast", "small"] = "small" if neuron == "small" else "fast"
    one_of(neuron, "--neuron-core", ("fast", "small"))
    count = len(network.layers)
    by_option = {"--lanes": lanes, "--cores": cores, "--block": block}
    numbers = {option: whole_numbers(text, option) for option, text in by_option.items()}
    for option, found in numbers.items():
        if len(found) not in (1, count):
            raise CygnetError(
                f"{option}: {by_option[option]!r} must be one number, or one for each of the "
                f"{count} layers"
            )
    named = [one_of(text, "--arithmetic", ARITHMETIC) for text in arithmetic.split(",")]
    kinds = [kind for text in named for kind in ARITHMETIC if kind == text]
    if len(kinds) not in (1, count):
        raise CygnetError(
            f"--arithmetic: {arithmetic!r} must be one of {', '.join(ARITHMETIC)}, or one for each "
            f"of the {count} layers"
        )
    try:
        config = HardwareConfig.uniform(
            network,
            steps=steps,
            lanes=numbers["--lanes"][0],
            beat=beat,
            neuron=core,
            cores=numbers["--cores"][0],
        )
        layers = list(config.layers)
        if len(numbers["--lanes"]) > 1:
            layers = [LayerHardware(number, core) for number in numbers["--lanes"]]
        if len(numbers["--cores"]) > 1:
            each = zip(layers, numbers["--cores"], strict=True)
            layers = [replace(layer, cores=number) for layer, number in each]
        blocks = numbers["--block"]
        layers = [
            replace(
                layer,
                arithmetic=kinds[number % len(kinds)],
                block=blocks[number % len(blocks)],
            )
            for number, layer in enumerate(layers)
        ]
        config = replace(config, layers=tuple(layers))
        config.check(network)
    except (TypeError, ValueError) as error:
        raise CygnetError(f"{error}; mend --steps, --lanes, --cores, --block or --beat") from None
    return config


def accuracy(labels: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    """The share of labels that are the class."""
    return float((labels == classes).mean())


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


@contextlib.contextmanager
def bar(title: str, *, quiet: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A progress bar with the time left while the block runs: call it with (done, in all).

    On the error stream; where that is no terminal, the title is printed once instead.
    """
    quiet = quiet or SPEECH.quiet
    began = time.monotonic()
    console = Console(stderr=True, quiet=quiet)
    if not console.is_terminal:
        say(title, quiet=quiet)
        yield lambda done, total: None
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=console, transient=True) as progress:
            task = progress.add_task(title, total=None)
            yield lambda done, total: progress.update(task, completed=done, total=total)
    if SPEECH.verbose:
        say(f"{title}: {time.monotonic() - began:.1f} s", quiet=quiet)


def say(text: str, *, quiet: bool = False) -> None:
    """A remark on the error stream, with the time since the start where the command is verbose."""
    if not (quiet or SPEECH.quiet):
        passed = f"[{time.monotonic() - SPEECH.began:6.1f} s] " if SPEECH.verbose else ""
        typer.echo(passed + text, err=True)


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table on the output."""
    # Off a terminal, nothing may depend on where it runs, and nothing is cut off.
    console = Console(width=None if sys.stdout.isatty() else OFF_TERMINAL)
    console.print(Text(title, "bold"), soft_wrap=True)
    console.print(_table(columns, rows))


def rendered(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """The same as text, without colours and as wide as it needs to be."""
    buffer = io.StringIO()
    Console(file=buffer, width=OFF_TERMINAL, color_system=None).print(_table(columns, rows))
    return "\n".join([title, *(line.rstrip() for line in buffer.getvalue().splitlines())]) + "\n"


def _table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """Numbers to the right, words to the left."""
    table = Table(box=SIMPLE_HEAD)
    texts = [[str(cell) for cell in row] for row in rows]
    for number, column in enumerate(columns):
        words = any(row[number][:1].isalpha() or row[number][:1] == "/" for row in texts)
        table.add_column(column, justify="left" if number == 0 or words else "right")
    for row in texts:
        table.add_row(*(Text(cell) for cell in row))
    return table


def print_json(value: dict[str, Any]) -> None:
    typer.echo(json.dumps(value))
