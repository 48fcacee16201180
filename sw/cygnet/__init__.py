# SPDX-License-Identifier: Apache-2.0
"""Cygnet: from a trained torch network to a spiking accelerator, bit for bit."""

from __future__ import annotations

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
