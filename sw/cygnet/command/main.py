# SPDX-License-Identifier: Apache-2.0
"""The command ``cygnet``: exit code 0, 1 (a mismatch or a failed check), 2 (bad input) or 130."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from cygnet import __version__
from cygnet.command.family import SPEECH, member
from cygnet.command.invocation import remember
from cygnet.errors import CygnetError, MismatchError
from cygnet.files import fault

__all__ = ["app", "main"]

COMMANDS = {
    "demo": "The whole way on scikit-learn's digits, in two minutes.",
    "doctor": "Whether the tools are there, and how to mend what is missing.",
    "train": "Train a network and write its weights.",
    "convert": "A trained network to an integer spiking network, one .cyg file.",
    "compare": "Accuracy of the papers' methods on one trained network.",
    "trace": "One image through every form of a network, layer by layer.",
    "eval": "Accuracy of a .cyg file for each number of time-steps.",
    "explain": "What a .cyg file holds, layer by layer.",
    "diff": "In what two .cyg files differ.",
    "export": "A .cyg file for other programs: NIR, safetensors, .npz.",
    "verilog": "Verilog of an accelerator.",
    "image": "Memory images of an accelerator, and their manifest.",
    "sim": "Run the Verilog on a data set and compare every value and cycle.",
    "synth": "Area and speed of an accelerator on a device.",
    "build": "A bitstream for a board.",
    "run": "Images through a board, and its answers.",
    "report": "A page about everything in a build folder.",
}
"""Each is the function of that name in a module of that name, imported when it is called:
torch alone takes longer to import than most commands to run."""

_MODULES = {"eval": "evaluate"}
_TRACEBACK = "CYGNET_TRACEBACK"
_USAGE: Any = typer.BadParameter.__bases__[0]
"""The base of all errors of usage, which typer does not name."""
INTERRUPTED = 130
"""What a shell gives a program that was stopped by Ctrl-C."""
_INTERRUPTED = "interrupted; what was written is whole"


def app(arguments: Sequence[str]) -> typer.Typer:
    """The command line; only the command that the arguments name is imported."""
    whole = typer.Typer(
        name="cygnet",
        help="From a trained torch network to a spiking FPGA accelerator, bit for bit.\n\n"
        "Example: cygnet demo",
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        rich_markup_mode=None,
    )
    whole.callback(invoke_without_command=True)(_whole)
    wanted = next((argument for argument in arguments if not argument.startswith("-")), None)
    wanted = wanted or _completed()
    for name, summary in COMMANDS.items():
        if name == wanted:
            module = _MODULES.get(name, name)
            function = getattr(importlib.import_module(f"cygnet.command.{module}"), module)
            whole.command(name)(member(name, function))
        else:
            whole.command(name, help=summary)(_unused)
    return whole


def _completed() -> str | None:
    """The command in the line that a shell wants completed; its options have to be known."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS") or ""
    words = line.split()[1:] if "_CYGNET_COMPLETE" in os.environ else []
    return next((word for word in words if not word.startswith("-")), None)


def _whole(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Print the version and leave."),
) -> None:
    if version:
        typer.echo(f"cygnet {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())
    else:
        return
    raise typer.Exit


def _unused() -> None:
    raise AssertionError("only the command that was named is ever called")


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command and leave with its exit code.

    What goes wrong is told in one sentence on the error stream; with CYGNET_TRACEBACK set, with
    Python's traceback before it.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    remember(given)
    SPEECH.quiet = SPEECH.verbose = False
    try:
        code = app(given)(given, prog_name="cygnet", standalone_mode=False)
    except _USAGE as error:
        context = getattr(error, "ctx", None)
        named = "cygnet" if context is None else context.command_path
        message = " ".join(error.format_message().split()).rstrip(".")
        _leave(2, f"{message}; see '{named} --help'")
    except (typer.Abort, KeyboardInterrupt):
        _leave(INTERRUPTED, _INTERRUPTED)
    except MismatchError as error:
        _leave(1, str(error))
    except CygnetError as error:
        _leave(2, str(error))
    except OSError as error:
        _leave(2, str(fault(error)))
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())
        _leave(1, f"a fault in Cygnet: {text} (set {_TRACEBACK}=1 to see where, and report it)")
    if code == INTERRUPTED:
        _leave(INTERRUPTED, _INTERRUPTED)
    sys.exit(code or 0)


def _leave(code: int, sentence: str) -> NoReturn:
    if os.environ.get(_TRACEBACK) or SPEECH.verbose:
        import traceback

        traceback.print_exc()
    print(f"cygnet: {sentence}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
