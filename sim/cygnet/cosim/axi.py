# SPDX-License-Identifier: Apache-2.0
"""Accelerators with AXI ports against the golden model; cocotbext-axi is the other side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.bench import log_tail, new_folder, run_module
from cygnet.cosim.case import BenchError
from cygnet.gateware.verilog import generate, top_name
from cygnet.image_files import write_images
from cygnet.images import memories
from cygnet.layer_plan import plan_layers
from cygnet.load_image import LoadLayout, load_words
from cygnet.refit import refit
from cygnet.registers import IDENTIFIER, registers_of

__all__ = ["BUFFERED", "LOADING", "SCENARIOS", "run_axi"]

SCENARIOS = (
    "constants",
    "cycles",
    "traffic",
    "lengths",
    "soft_resets",
    "hard_resets",
    "enable",
    "interrupts",
)
"""What every design is put through; names of the tests in :mod:`cygnet.cosim.benches.axi`
and ``axi_features``."""

LOADING = ("loads",)
"""What designs that load their parameters are put through besides."""

BUFFERED = ("buffered", "host")
"""The same for designs in which frames may pass through registers; the driver of the host is one of
those who do so."""


def run_axi(
    predictions: Sequence[Prediction],
    folder: Path,
    *,
    scenarios: Sequence[str] = SCENARIOS,
    buffered: bool = False,
    seed: int = 1,
    resets: int = 6,
    limit: int = 400_000,
    verilog: str | None = None,
    simulator: str = "verilator",
    cache: Path | None = None,
) -> None:
    """Put a design through scenarios.

    :param predictions: for the network that the Verilog is generated from, and, for loadable
        designs, for further networks that are loaded into it; of the same hardware and frames
    :param folder: where the simulation runs
    :param resets: how often the scenarios with resets do so
    :param limit: clocks that a scenario may take
    :param verilog: the design, where it is not that of the first prediction
    :raises BenchError: a scenario differs from what was expected
    :raises RuntimeError: the Verilog does not compile, or the simulator crashed
    """
    first = predictions[0]
    network, hardware = first.network, first.hardware
    folder = new_folder(folder)
    contents = [memories(network, hardware)]
    contents += [refit(network, each.network, hardware) for each in predictions[1:]]
    layout = LoadLayout.of(network, hardware, contents[0])
    last = plan_layers(network, hardware)[-1]
    clocks = first.timing(0, len(first.frames), back_to_back=True)
    constants = {
        "ID.id": IDENTIFIER,
        "NETWORK_HIGH.digits": int(network.digest[:8], 16),
        "NETWORK_LOW.digits": int(network.digest[8:16], 16),
        "FEATURES.loadable": int(hardware.loadable),
        "FEATURES.buffered": int(buffered),
        "FEATURES.beat": hardware.beat,
        "FEATURES.logit": last.current_width,
        "VALUES.values": first.frames.shape[1],
        "CLASSES.classes": network.classes,
        "STEPS.steps": hardware.steps,
    }
    if hardware.loadable:
        constants |= {"LAYOUT.layout": layout.checksum, "LOAD_WORDS.words": layout.words}
    present = registers_of(loadable=hardware.loadable, buffered=buffered)
    job: dict[str, Any] = {
        "scenarios": list(scenarios),
        "seed": seed,
        "resets": resets,
        "limit": limit,
        "beat": hardware.beat,
        "loadable": hardware.loadable,
        "frames": [frame.tobytes().hex() for frame in first.frames],
        "answers": [
            {"logits": each.logits.tolist(), "labels": each.labels.tolist()} for each in predictions
        ],
        "cycles": int(clocks.finished[-1]) + 1,
        "loads": [load_words(layout, each).tolist() for each in contents]
        if hardware.loadable
        else [],
        "constants": constants,
        "offsets": [found.offset for found in present],
    }
    folders = [folder / f"images{number}" for number in range(len(predictions))]
    job |= {
        "folders": [str(images) for images in folders],
        "networks": [each.network.digest for each in predictions],
        "alone": [
            each.timing(0, len(each.frames), back_to_back=False).latency.tolist()
            for each in predictions
        ],
    }
    (folder / "job.json").write_text(json.dumps(job))
    for number, each in enumerate(predictions):
        design = network if number and hardware.loadable else None
        write_images(each.network, hardware, folders[number], design=design)
    log = run_module(
        ["cygnet.cosim.benches.axi", "cygnet.cosim.benches.axi_features"],
        generate(network, hardware, bus="axi", buffered=buffered) if verilog is None else verilog,
        top=top_name(network, "axi"),
        folder=folder,
        simulator=simulator,
        images=folders[0],
        cache=cache,
    )
    failures = []
    for scenario in scenarios:
        report = folder / f"report-{scenario}.json"
        if not report.is_file():
            raise RuntimeError(
                f"scenario {scenario!r} left no report; the end of {log}:\n{log_tail(log)}"
            )
        failure = json.loads(report.read_text())["failure"]
        if failure is not None:
            failures.append(f"{scenario} (seed {seed}): {failure}")
    if failures:
        raise BenchError("\n".join(failures))
