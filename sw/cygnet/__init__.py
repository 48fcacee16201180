# SPDX-License-Identifier: Apache-2.0
"""Cygnet: from a trained torch network to a spiking accelerator, bit for bit.

net = cygnet.convert(model, images, neuron="gn", tau=4, steps=2)
net.evaluate(test_images, test_classes)
net.verilog("build/")
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import extend_path
from typing import TYPE_CHECKING, Any

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
__all__ = [
    "CygnetError",
    "HardwareConfig",
    "InputSpec",
    "MismatchError",
    "Network",
    "__version__",
    "convert",
    "load",
]

if TYPE_CHECKING:
    from cygnet.errors import CygnetError, MismatchError
    from cygnet.hardware import HardwareConfig
    from cygnet.interface import Network, load
    from cygnet.network import InputSpec
    from cygnet.quantization.convert import convert

_PLACES = {
    "CygnetError": "cygnet.errors",
    "HardwareConfig": "cygnet.hardware",
    "InputSpec": "cygnet.network",
    "MismatchError": "cygnet.errors",
    "Network": "cygnet.interface",
    "convert": "cygnet.quantization.convert",
    "load": "cygnet.interface",
}


def __getattr__(name: str) -> Any:
    # torch takes a second to import, and most of the package does without it.
    if name in _PLACES:
        return getattr(import_module(_PLACES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_PLACES})
