# SPDX-License-Identifier: Apache-2.0
"""A row of docs/results/boards.md from what ``cygnet build`` left:

python benchmarks/boards.py build/icebreaker/digits-icebreaker.json digits.cyg --data digits

Clocks an image are the golden model's, over all test images; the line's rate is its bits over those
of the longer of request and answer.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from cygnet.cosim.accelerator import predict
from cygnet.data import load as load_data
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.host.protocol import OVERHEAD, answer_length
from cygnet.network_file import load

COLUMNS = (
    "board | network | T | accuracy | cells | block RAMs | multipliers | clock, MHz | reaches | "
    "clocks an image | images/s, compute | images/s, line | build, s"
)
KINDS = (
    ("TRELLIS_COMB", "ICESTORM_LC"),
    ("DP16KD", "ICESTORM_RAM"),
    ("MULT18X18D", "ICESTORM_DSP"),
)
BITS = 10
"""Of a byte on the line."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("manifest", type=Path, help="beside the bitstream")
    parser.add_argument("network", type=Path, help="the .cyg file that it was built from")
    parser.add_argument("--data", nargs="+", required=True)
    options = parser.parse_args()
    manifest = json.loads(options.manifest.read_text())
    network = load(options.network)
    if manifest["network"]["sha256"] != network.digest:
        parser.error(f"{options.manifest} is not of {options.network}")
    fields = dict(manifest["hardware"])
    fields["layers"] = tuple(LayerHardware(**layer) for layer in fields["layers"])
    hardware = HardwareConfig(**fields)
    test = load_data(options.data, split="test" if options.data != ["digits"] else None)
    x = test.x.reshape(len(test), *network.input.shape)
    found = predict(network, hardware, x)
    interval = found.timing(0, len(x), back_to_back=True).interval
    values, classes = math.prod(network.input.shape), network.classes
    longer = max(values, answer_length(classes)) + OVERHEAD
    cells = manifest["cells"]
    used = [
        next((f"{cells[k]['used']} of {cells[k]['available']}" for k in kinds if k in cells), "0")
        for kinds in KINDS
    ]
    row = [
        manifest["board"],
        network.name,
        hardware.steps,
        f"{100 * float((found.labels == test.y).mean()):.2f} %",
        *used,
        f"{manifest['clock_mhz']:g}",
        f"{manifest['fmax_mhz']:.1f}",
        f"{interval:.1f}",
        f"{manifest['clock_mhz'] * 1e6 / interval:,.0f}",
        f"{manifest['baud'] / BITS / longer:,.0f}",
        f"{manifest['seconds']:.0f}",
    ]
    print(f"| {COLUMNS} |")
    print("| " + " | ".join(map(str, row)) + " |")


if __name__ == "__main__":
    main()
