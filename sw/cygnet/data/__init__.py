# SPDX-License-Identifier: Apache-2.0
"""Labelled images: what networks are trained, calibrated and judged on."""

from __future__ import annotations

from cygnet.data.dataset import Dataset, Split, load
from cygnet.data.digits import digits
from cygnet.data.pixels import input_spec, numbers, tensor

__all__ = ["Dataset", "Split", "digits", "input_spec", "load", "numbers", "tensor"]
