# SPDX-License-Identifier: Apache-2.0
"""Mutants of each core and of the parts of a layer, and how many of them the checks notice.

Example: python benchmarks/mutate.py --count 300 --out docs/results/data/mutation.json
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim import accelerator
from cygnet.cosim.core_frames import TOP, core_frames
from cygnet.cosim.mutation import (
    Check,
    Mutant,
    accelerator_checks,
    checks,
    killed_by,
    mutants,
    simulator,
)
from cygnet.errors import CygnetError
from cygnet.files import write_text
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import (
    INPUT,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    SumPool,
)
from cygnet.neuron_core import NeuronCoreConfig

CHANNELS = 16
FRAMES = 800
SEED = 1

Found = tuple[list[Mutant], Mapping[str, Check]]


def core(
    kind: Literal["gn", "if", "snm"], variant: Literal["fast", "small"], count: int, folder: Path
) -> Found:
    """A core alone; its membrane is as wide as all steps of the largest currents need."""
    rng = np.random.default_rng(SEED)
    reset = rng.integers(1, 2**9, CHANNELS, dtype=np.int32)
    snm = kind == "snm"
    neurons = Neurons(
        kind,
        reset,
        reset,
        np.zeros_like(reset) if snm else reset >> 1,
        np.ones(CHANNELS),
        tau=4 if kind == "gn" else 1,
    )
    config = NeuronCoreConfig(
        kind=kind,
        tau=neurons.tau,
        membrane_width=16 if snm else 15,
        current_width=13,
        threshold_width=9,
        depth=CHANNELS,
        channels=CHANNELS,
        memory_width=2 if snm else 0,
        initial_level="zero" if snm else "half",
        variant=variant,
    )
    # What a signed neuron remembers takes longer to show.
    steps, frames = (4, 600) if snm else (3, 150)
    made = core_frames(config, neurons, steps=steps, count=frames, seed=SEED)
    netlist, listed = mutants(
        made.verilog, top=TOP, images=folder, parts={"core": ("*dut*", count)}, seed=SEED
    )
    compiled = simulator(netlist, top=TOP, classes=made.logits.shape[1], folder=folder)
    return listed, checks(compiled, made.frames, made.logits, made.clocks, junk=False)


def part(make: Callable[[], Network], pattern: str, frames: int, count: int, folder: Path) -> Found:
    """One part of an accelerator, by the names of its cells."""
    network = make()
    hardware = HardwareConfig.uniform(network, steps=network.steps, lanes=2, beat=2)
    write_images(network, hardware, folder)
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 256, (frames, *network.input.shape))
    x[rng.random(x.shape) < 0.2] = 255
    x[rng.random(x.shape) < rng.random((frames, 1, 1, 1))] = 0
    prediction = accelerator.predict(network, hardware, x.astype(np.uint8))
    top = top_name(network)
    netlist, listed = mutants(
        generate(network, hardware),
        top=top,
        images=folder,
        parts={"part": (pattern, count)},
        seed=SEED,
    )
    compiled = simulator(netlist, top=top, classes=network.classes, folder=folder)
    return listed, accelerator_checks(compiled, prediction)


def _neurons(rng: np.random.Generator, inputs: int, high: int, outputs: int) -> Neurons:
    spread = 7 * inputs * high
    reset = rng.integers(1, max(2, spread // 10), outputs, dtype=np.int32)
    return Neurons("gn", reset, reset, reset >> 1, np.ones(outputs), tau=4)


def _bias(rng: np.random.Generator, inputs: int, high: int, outputs: int) -> NDArray[np.int64]:
    spread = 7 * inputs * high
    return rng.integers(-spread // 8, spread // 8 + 1, outputs)


def dense() -> Network:
    """Small, with weights of both extremes, so that sums reach their bounds."""
    rng = np.random.default_rng(SEED)
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise((10, 7, 6, 3))):
        weight = rng.integers(-7, 8, (outputs, inputs), dtype=np.int8)
        weight[0], weight[1] = 7, -7
        high = 255 if number == 0 else 4
        neurons = _neurons(rng, inputs, high, outputs)
        bias = _bias(rng, inputs, high, outputs)
        synapses = Dense(weight, 4)
        last = number == 2
        layers.append(
            Layer(f"layer{number + 1}", synapses, bias, None if last else neurons, number - 1)
        )
    return Network("mutated", InputSpec("pixels", (1, 1, 10)), tuple(layers), 3)


def maps() -> Network:
    """Convolutions with padding and strides, both kinds of shortcut, and pooling."""
    rng = np.random.default_rng(SEED)

    def weight(*shape: int) -> NDArray[np.int8]:
        return rng.integers(-7, 8, shape, dtype=np.int8)

    layers = (
        Layer(
            "conv1",
            Convolution(weight(4, 3, 3, 2), padding=(1, 1), bits=4),
            _bias(rng, 18, 255, 4),
            _neurons(rng, 18, 255, 4),
            INPUT,
        ),
        Layer(
            "conv2",
            Convolution(weight(4, 3, 3, 4), padding=(1, 1), bits=4),
            _bias(rng, 36, 4, 4),
            _neurons(rng, 36, 4, 4),
            0,
            shortcut=Identity(0, rng.integers(-40, 41, 4, dtype=np.int16)),
        ),
        Layer(
            "conv3",
            Convolution(weight(3, 2, 3, 4), (2, 1), (0, 1), bits=4),
            _bias(rng, 24, 4, 3),
            _neurons(rng, 24, 4, 3),
            1,
            shortcut=Projection(1, weight(3, 4), (2, 1), bits=4),
        ),
        Layer(
            "out",
            Dense(weight(3, 9), 4),
            _bias(rng, 9, 24, 3),
            None,
            2,
            SumPool((3, 2), (3, 2)),
        ),
    )
    return Network("mutated", InputSpec("pixels", (6, 6, 2)), layers, 2)


SUITES: dict[str, Callable[[int, Path], Found]] = {
    "GN core, fast": partial(core, "gn", "fast"),
    "GN core, small": partial(core, "gn", "small"),
    "IF core, fast": partial(core, "if", "fast"),
    "SNM core, fast": partial(core, "snm", "fast"),
    "engine on pixels": partial(part, dense, "*layer1.*engine*", 800),
    "engine on spikes": partial(part, dense, "*layer2.*engine*", 800),
    "drain of a dense layer": partial(part, dense, "*layer2.*drain*", 800),
    "walkers": partial(part, maps, "*walker.*", 50),
    "line buffers": partial(part, maps, "*conv?.*main.*", 50),
    "shortcut buffer": partial(part, maps, "*conv2.*skip.*", 50),
    "input": partial(part, maps, "*pixels.*", 50),
    "engines of convolutions": partial(part, maps, "*conv?.*engine.*", 50),
}


def main() -> None:
    """Print a row per design and write survivors to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="mutants of each design")
    parser.add_argument(
        "--only", action="append", choices=list(SUITES), help="one design; --out keeps the others"
    )
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        for name, make in SUITES.items():
            if options.only and name not in options.only:
                continue
            listed, every = make(options.count, Path(scratch))
            began = time.perf_counter()
            if noticed := killed_by(every, 0):
                sys.exit(f"{name}: the netlist without a mutation fails {noticed!r}")
            by: Counter[str] = Counter()
            survivors = []
            for mutant in listed:
                by[killer := killed_by(every, mutant.number)] += 1
                if not killer:
                    survivors.append(mutant)
            killed = len(listed) - len(survivors)
            results.append(
                {
                    "design": name,
                    "mutants": len(listed),
                    "killed": killed,
                    "by": {key: value for key, value in by.items() if key},
                    "survivors": [asdict(mutant) for mutant in survivors],
                }
            )
            seconds = time.perf_counter() - began
            share = 100 * killed / len(listed)
            print(f"{name}: {killed} of {len(listed)} killed ({share:.1f} %), {seconds:.0f} s")
            for mutant in survivors:
                place = mutant.wire or mutant.cell
                print(f"  {mutant.number} {mutant.mode} {mutant.port} {place}")
            sys.stdout.flush()
    if options.out is not None:
        if options.only and options.out.exists():
            before = json.loads(options.out.read_text())["results"]
            rows = {row["design"]: row for row in (*before, *results)}
            results = [rows[name] for name in SUITES if name in rows]
        found = {"seed": SEED, "count": options.count, "results": results}
        write_text(options.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except CygnetError as error:
        sys.exit(f"benchmarks/mutate.py: {error}")
