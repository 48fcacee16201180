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
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

from cygnet.errors import CygnetError

__all__ = ["NEXT", "SPEECH", "Speech", "member"]

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
    "verilog": "cygnet image {network} -o {out}, with the same hardware options",
    "sim": "cygnet verilog {network} -o build, with the same hardware options",
}
"""What to do after a command, in words of its own arguments; printed after its result."""


def member(name: str, function: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of the family."""
    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name])
        for parameter in inspect.signature(function).parameters.values()
    ]
    extra = [
        inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for key, kind in (("quiet", Quiet), ("verbose", Verbose))
    ]

    @functools.wraps(function)
    def command(*args: Any, quiet: bool = False, verbose: bool = False, **given: Any) -> None:
        if quiet and verbose:
            raise CygnetError("--quiet and --verbose cannot both be given; leave one out")
        SPEECH.quiet, SPEECH.verbose, SPEECH.began = quiet, verbose, time.monotonic()
        function(*args, **given)
        if name in NEXT and not quiet and not given.get("as_json"):
            said = NEXT[name].format(**given)
            print(f"next: {said}", file=sys.stderr)

    command.__signature__ = inspect.Signature([*own, *extra])  # type: ignore[attr-defined]
    command.__annotations__ = {**hints, "quiet": Quiet, "verbose": Verbose}
    return command
