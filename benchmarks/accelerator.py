# SPDX-License-Identifier: Apache-2.0
"""Whole accelerators: accuracy and cycles on a test set, area and speed on a device.

Writes build/bench/accelerator.json. Run by ``make bench-accelerator NETWORKS=folder
DATA=mnist.npz CIFAR=cifar10-test.npz``; the folder has ``mlp.cyg`` and ``lenet.cyg``
(docs/results/accelerator.md says how they are made). Without CIFAR-10 its rows are left out.
Results of synthesis are kept by content; ``--full`` makes them anew. Cycles are those of the golden
timing model, which the RTL is compared with by ==.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.command.options import HardwareOptions
from cygnet.command.synth import accelerator_source
from cygnet.data import load as load_data
from cygnet.files import write_text
from cygnet.golden.timing import count_events, lane_use, predict
from cygnet.golden.values import run
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network_file import load
from cygnet.synthesis import synthesize, target
from cygnet.synthesis.area import accelerator_area, family_device


@dataclass(frozen=True)
class Case:
    """One accelerator on one target.

    :param network: file without its ``.cyg``; those of CIFAR-10 are in ``experiments/weights``
    :param mhz: that the router goes on for until it is met
    """

    network: str
    where: str
    lanes: str
    cores: str = "1"
    beat: int | None = None
    arithmetic: str = "lut"
    mhz: int = 100
    steps: int = 1
    data: Literal["mnist", "cifar"] = "mnist"


CASES = {
    "mlp-16": Case("mlp", "ecp5-85k-6", "16,5", beat=8, mhz=125),
    "mlp-16-lut6": Case("mlp", "xilinx7", "16,10", beat=8, arithmetic="lut6"),
    "mlp-16-dsp": Case("mlp", "xilinx7", "16,4", beat=8, arithmetic="dsp"),
    "mlp-128": Case("mlp", "ecp5-85k-6", "128,10", "2,1", beat=16, arithmetic="dsp,lut", mhz=110),
    "lenet": Case("lenet", "ecp5-85k-6", "6,16,20,12,5", "3,4,1,1,1", mhz=122),
    "resnet20": Case(
        "cifar10_resnet20_l4_8bit_73000_events",
        "ecp5-85k-6",
        "8,16,16,16,16,16,8,12,16,16,8,16,4,10,16,10,8,10,8,1",
        "4,4,4,4,4,4,4,4,4,4,4,4,4,2,4,1,4,1,4,1",
        beat=3,
        arithmetic="dsp,dsp,dsp,dsp,lut,dsp" + 14 * ",lut",
        mhz=105,
        steps=2,
        data="cifar",
    ),
}
WEIGHTS = Path(__file__).parents[1] / "experiments" / "weights"
ROUTER = ("--router", "router2", "--tmg-ripup")
"""nextpnr's, with another try for every wire that is late: without it neighbours may be joined by
wires of 3 to 6 ns."""
IMAGES = {"mnist": 1000, "cifar": 100}
"""Of which events are counted, alone and back to back; accuracy takes all."""


def ceiling(plans: Sequence[LayerPlan], events: Sequence[NDArray[np.int64]]) -> float:
    """Clocks of a frame in the slowest layer if its lanes never rested: events in windows x outputs
    / lanes, the mean over images."""
    each = zip(plans, events, strict=True)
    return max(float(found.sum(axis=1).mean()) * plan.outputs / plan.lanes for plan, found in each)


def measure(
    name: str, case: Case, folder: Path, data: str, seeds: int, full: bool
) -> dict[str, Any]:
    """One row."""
    kept = WEIGHTS if case.data == "cifar" else folder
    network = load(kept / f"{case.network}.cyg")
    config = HardwareOptions(
        lanes=case.lanes, cores=case.cores, beat=case.beat, arithmetic=case.arithmetic
    ).config(network, steps=case.steps)
    images = load_data([data], prefer="test", layout=network.input.layout)
    x = images.x.reshape(-1, *network.input.shape)
    labels = run(network, x, steps=case.steps).labels
    few = x[: IMAGES[case.data]]
    counts = run(network, few, steps=case.steps, record=True).counts
    events = count_events(network, config, few, counts)
    alone = predict(network, config, events, back_to_back=False)
    chain = predict(network, config, events)
    text, top, contents = accelerator_source(network, config)
    with tempfile.TemporaryDirectory(dir=".") as fresh:
        report = synthesize(
            text,
            top=top,
            target=target(case.where),
            images=contents,
            seeds=range(1, seeds + 1),
            mhz=case.mhz,
            stages=[layer.name for layer in network.layers],
            options=ROUTER,
            cache=Path(fresh) if full else None,
        )
    device = family_device(target(case.where).family)
    expected = accelerator_area(network, config, device)
    fmax = report.fmax_mhz
    return {
        "case": name,
        "target": report.target,
        "accuracy": float((labels == images.y).mean()),
        "latency": float(alone.latency.mean()),
        "interval": chain.interval,
        "ceiling": ceiling(plan_layers(network, config), events),
        "lane_use": lane_use(network, config, events, chain),
        "area": report.area,
        "ffs": report.ffs,
        "brams": report.brams,
        "dsps": report.dsps,
        "fmax_mhz": fmax,
        "images_per_second": None if fmax is None else fmax * 1e6 / chain.interval,
        "seeds": seeds,
        "expected": {"area": expected.tables, "brams": expected.rams, "dsps": expected.dsps},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", type=Path, required=True, help="folder of the .cyg files")
    parser.add_argument("--data", required=True, help="MNIST as .npz")
    parser.add_argument("--cifar", help="CIFAR-10 as .npz")
    parser.add_argument("--case", action="append", choices=CASES, help="only this one")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--full", action="store_true", help="make kept results anew")
    parser.add_argument("--output", type=Path, default=Path("build/bench/accelerator.json"))
    options = parser.parse_args()
    rows = []
    data = {"mnist": options.data, "cifar": options.cifar}
    for name in options.case or CASES:
        case = CASES[name]
        if data[case.data] is None:
            print(f"{name}: left out, as its data are not given")
            continue
        row = measure(name, case, options.networks, data[case.data], options.seeds, options.full)
        rows.append(row)
        print(json.dumps(row), flush=True)
        write_text(options.output, json.dumps({"rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
