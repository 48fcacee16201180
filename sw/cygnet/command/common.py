# SPDX-License-Identifier: Apache-2.0
"""What the commands share: options, data, progress bars, tables."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
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
from cygnet.network import Network

__all__ = [
    "SPLITS",
    "AsJson",
    "Data",
    "Jobs",
    "Limit",
    "Split",
    "accuracy",
    "bar",
    "images",
    "jobs",
    "offered",
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


def offered(names: Iterable[str] | Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """What a shell completes the value of an option with, also the last of several with commas.

    :param names: choices, or what gives them where that takes an import
    """

    def complete(incomplete: str) -> list[str]:
        head, comma, last = incomplete.rpartition(",")
        choices = names() if callable(names) else names
        return [f"{head}{comma}{name}" for name in choices if name.startswith(last)]

    return complete


SPLITS = ("train", "test")
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="<path>",
        help=".npz with x, y or x_train, y_train, x_test, y_test (uint8); or digits; "
        "several are parts of one set.",
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="train or test, of data that holds both; test where left out.",
        autocompletion=offered(SPLITS),
    ),
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
Jobs = Annotated[
    int, typer.Option("--jobs", "-j", "--workers", help="Processes; all cores where 0.")
]


def one_of(value: str, option: str, choices: Sequence[str]) -> str:
    """The value, if it is a choice of the option."""
    if value not in choices:
        few = len(choices) <= 3
        wanted = " or ".join(choices) if few else f"one of {', '.join(choices)}"
        raise CygnetError(f"{option}: {value!r} must be {wanted}")
    return value


def jobs(number: int) -> int:
    """Processes of ``--jobs``."""
    if number < 0:
        raise CygnetError(f"--jobs: {number} must be at least 0")
    return number or os.cpu_count() or 1


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
    one_of(text, "--split", SPLITS)
    return "train" if text == "train" else "test"


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
