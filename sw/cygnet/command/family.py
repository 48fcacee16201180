# SPDX-License-Identifier: Apache-2.0
"""What every command has without saying so: ``--quiet``, ``--verbose``, and a word on what is next.

:func:`member` wraps the function of a command; how much is said is read by
:mod:`cygnet.command.common` wherever a command remarks or shows progress.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from string import Formatter
from typing import Annotated, Any, cast, get_type_hints

import typer

from cygnet.errors import CygnetError

__all__ = ["NEXT", "SPEECH", "Speech", "member", "what_next"]

Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print the result and errors, nothing else.")
]
Verbose = Annotated[
    bool,
    typer.Option("--verbose", "-v", help="Print how long each part takes; tracebacks of errors."),
]


@dataclass
class Speech:
    """How much the running command says on the error stream.

    :param quiet: no remarks and no progress
    :param verbose: times too, and tracebacks
    :param began: when it began, of ``time.monotonic``
    """

    quiet: bool = False
    verbose: bool = False
    began: float = 0.0


SPEECH = Speech()
"""Of the command that runs: there is one in a process."""

NEXT: Mapping[str, str] = {
    "train": "cygnet convert {model!r} -w {out} --data {data[0]} -o network.cyg",
    "convert": "cygnet explain {out}; cygnet verilog {out} -o build",
    "eval": "cygnet sim {network} --data {data[0]}",
    "explain": "cygnet verilog {network} -o build",
    "image": "cygnet verilog {network} -o {out}, with the same hardware options",
    "verilog": "cygnet image {network} -o {out}, then cygnet synth {network} -o {out}/synth.json, "
    "both with the same hardware options",
    "sim": "cygnet synth {network} -o {out}/synth.json, with the same hardware options; cygnet "
    "report {out} --network {network}",
    "synth": "cygnet report {out.parent}, which shows what each layer takes",
    "build": "cygnet run --port /dev/ttyUSB0 --data DATA --network {network}, once it is on the "
    "board (docs/boards.md)",
}
"""What to do after a command, in words of its own arguments; printed after its result."""


def member(name: str, function: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of the family."""
    hints = get_type_hints(function, include_extras=True)
    own: list[inspect.Parameter] = []
    groups: dict[str, type[Any]] = {}
    for parameter in inspect.signature(function).parameters.values():
        kind = hints[parameter.name]
        if is_dataclass(kind):
            groups[parameter.name] = cast("type[Any]", kind)
            own += _options(groups[parameter.name])
        else:
            named = parameter.replace(annotation=kind, kind=inspect.Parameter.KEYWORD_ONLY)
            own.append(named)
    extra = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for key, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]

    @functools.wraps(function)
    def command(*, quiet: bool = False, verbose: bool = False, **given: Any) -> None:
        if quiet and verbose:
            raise CygnetError("--quiet and --verbose cannot both be given; leave one out")
        SPEECH.quiet, SPEECH.verbose, SPEECH.began = quiet, verbose, time.monotonic()
        whole = dict(given)
        for group, kind in groups.items():
            whole[group] = kind(**{one.name: whole.pop(one.name) for one in fields(kind)})
        function(**whole)
        said = "" if quiet or given.get("as_json") else what_next(name, given)
        if said:
            print(f"next: {said}", file=sys.stderr)

    signature = inspect.Signature([*own, *extra])
    command.__signature__ = signature  # type: ignore[attr-defined]
    command.__annotations__ = {one.name: one.annotation for one in signature.parameters.values()}
    return command


def _options(kind: type[Any]) -> list[inspect.Parameter]:
    """A parameter for each field of a group of options."""
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            one.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=one.default,
            annotation=hints[one.name],
        )
        for one in fields(kind)
    ]


def what_next(name: str, given: Mapping[str, Any]) -> str:
    """The line of :data:`NEXT` for a command with these arguments; empty where it has none, or
    where an argument that it speaks of was left out."""
    text = NEXT.get(name, "")
    named = [
        field.partition("[")[0].partition(".")[0]
        for _, field, _, _ in Formatter().parse(text)
        if field
    ]
    return "" if any(given.get(key) is None for key in named) else text.format(**given)
