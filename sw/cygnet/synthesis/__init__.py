# SPDX-License-Identifier: Apache-2.0
"""Synthesis: Verilog to area and speed on real devices, with open tools."""

from __future__ import annotations

from cygnet.synthesis.report import Report, Route
from cygnet.synthesis.run import SEEDS, default_cache, synthesize
from cygnet.synthesis.targets import TARGETS, Target, target

__all__ = [
    "SEEDS",
    "TARGETS",
    "Report",
    "Route",
    "Target",
    "default_cache",
    "synthesize",
    "target",
]
