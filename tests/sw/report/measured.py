# SPDX-License-Identifier: Apache-2.0
"""What commands leave for the report page: counted where that is quick, else by hand."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.report.activity import activity

COMMANDS = {
    "accuracy": "cygnet report build --data a.npz",
    "errors": "cygnet report build --data b.npz",
    "activity": "cygnet report build --data c.npz",
    "simulation": "cygnet sim net.cyg -o build",
}


def sections(network: Network, hardware: HardwareConfig | None) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (5, *network.input.shape), dtype=np.uint8)
    shares = {str(t): 0.9 + 0.01 * t for t in (1, 2)}
    error = {"torch": 2.0, "float_error": 0.2, "quantization_error": 0.02, "integer_error": 0.21}
    clocks = {"measured": 1234.5, "predicted": 1234.5, "maximum": 2000}
    one = {"mismatches": 0, "latency": clocks, "interval": clocks, "lane_use": 0.5}
    found: dict[str, Any] = {
        "accuracy": {"images": 5, "ann": 0.93, "float": shares, "golden": shares, "rtl": shares},
        "errors": {
            "steps": 2,
            "images": 5,
            "layers": [{"name": layer.name, **error} for layer in network.layers],
        },
        "activity": json.loads(
            json.dumps(asdict(activity(network, x, steps=2, hardware=hardware)))
        ),
        "simulation": {"images": 5, "steps": {"2": one}},
    }
    return {name: {"command": COMMANDS[name], **value} for name, value in found.items()}


SYNTHESIS = {
    "target": "ecp5-85k-6", "area": 4321, "ffs": 2100, "brams": 9, "dsps": 4, "fmax_mhz": 133.7,
    "file": "synth.json",
}  # fmt: skip
