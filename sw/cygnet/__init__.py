# SPDX-License-Identifier: Apache-2.0
"""Cygnet: from a trained torch network to a spiking accelerator, bit for bit."""

from __future__ import annotations

from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
__all__ = ["__version__", "convert"]

if TYPE_CHECKING:
    from cygnet.quantization.convert import convert


def __getattr__(name: str) -> Any:
    # torch takes a second to import, and most of the package does without it.
    if name == "convert":
        from cygnet.quantization.convert import convert

        return convert
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
