# SPDX-License-Identifier: Apache-2.0
"""The command that is running, as it was typed: figures say what made them."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

__all__ = ["invocation", "remember"]

_given: list[str] = []


def remember(arguments: Sequence[str]) -> None:
    """Called once, with what followed ``cygnet``."""
    _given[:] = arguments


def invocation() -> str:
    """For example ``cygnet demo -o build/demo``; from Python, where no command runs, ``cygnet``."""
    return shlex.join(["cygnet", *_given])
