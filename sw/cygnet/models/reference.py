# SPDX-License-Identifier: Apache-2.0
"""``module:factory`` on a command line: finding and making a user's model."""

from __future__ import annotations

import ast
import importlib
import os
import re
import sys
from typing import Any

from torch import nn

from cygnet.errors import CygnetError

__all__ = ["ZOO", "build"]

ZOO = ("mlp", "lenet5", "vgg16", "resnet18", "resnet20", "resnet34")
"""Factories of :mod:`cygnet.models`."""

_FORM = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)(\(.*\))?", re.DOTALL)


def build(reference: str) -> nn.Module:
    """The model that ``module:factory`` or ``module:factory(name=value, ...)`` makes.

    Values are Python literals. Modules are looked for in the working directory too. A bare
    factory of the zoo may leave out its module: ``resnet20(levels=8)``.

    :raises CygnetError: no such module or factory, or it refuses the arguments, or what it gives
        is no ``torch.nn.Module``
    """
    whole = reference if ":" in reference.partition("(")[0] else f"cygnet.models:{reference}"
    match = _FORM.fullmatch(whole.strip())
    if match is None:
        raise CygnetError(
            f"{reference}: is not a model; write module:factory or module:factory(name=value)"
        )
    module_name, factory_name, arguments = match.groups()
    values = _arguments(reference, arguments or "()")
    factory = getattr(_module(reference, module_name), factory_name, None)
    if not callable(factory):
        there = f"it has {', '.join(ZOO)}" if module_name == "cygnet.models" else "check the name"
        raise CygnetError(
            f"{reference}: module {module_name} has no factory {factory_name}; {there}"
        )
    try:
        model = factory(**values)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CygnetError(f"{reference}: {reason}; check the factory's arguments") from None
    if not isinstance(model, nn.Module):
        raise CygnetError(
            f"{reference}: gives a {type(model).__name__}, not a torch.nn.Module; "
            "return the model from the factory"
        )
    return model


def _module(reference: str, name: str) -> Any:
    here = os.getcwd()
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise CygnetError(
            f"{reference}: there is no module {error.name}; install it or check the name"
        ) from None


def _arguments(reference: str, text: str) -> dict[str, Any]:
    try:
        call = ast.parse(f"f{text}", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not isinstance(call.func, ast.Name):
            raise ValueError
        return {_name(item.arg): ast.literal_eval(item.value) for item in call.keywords}
    except (SyntaxError, ValueError):
        raise CygnetError(
            f"{reference}: arguments must be written as name=value with plain values; "
            "mend the part in parentheses"
        ) from None


def _name(name: str | None) -> str:
    if name is None:
        raise ValueError
    return name
