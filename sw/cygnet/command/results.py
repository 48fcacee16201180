# SPDX-License-Identifier: Apache-2.0
"""The result of a simulation as JSON, for ``cygnet sim --json`` and measurements.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cygnet.command.common import accuracy

if TYPE_CHECKING:
    from cygnet.cosim.verify import Verification

__all__ = ["simulation"]


def simulation(found: Mapping[int, Verification], classes: NDArray[np.int64]) -> dict[str, Any]:
    """Accuracy, differences and clocks for each T."""
    return {
        "images": len(classes),
        "steps": {
            str(t): {
                "accuracy": accuracy(one.labels, classes),
                "mismatches": one.mismatches,
                "latency": {
                    "measured": one.latency,
                    "predicted": one.latency_predicted,
                    "maximum": one.latency_max,
                },
                "interval": {
                    "measured": one.interval,
                    "predicted": one.interval_predicted,
                },
                "lane_use": one.lane_use,
                "seconds": one.seconds,
            }
            for t, one in found.items()
        },
    }
