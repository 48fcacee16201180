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
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim import accelerator
from cygnet.cosim.core_frames import TOP, core_frames
from cygnet.cosim.equivalence import equivalent
from cygnet.cosim.mutation import (
    Check,
    accelerator_checks,
    checks,
    killed_by,
    mutants,
    simulator,
)
from cygnet.cosim.simulator import VerilatorSimulator
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


@dataclass(frozen=True)
class Design:
    """What mutants are made of, and what must come out.

    :param parts: Yosys patterns of cells, by the name of the part in the results
    :param check: given the compiled mutants: the checks
    """

    verilog: str
    top: str
    classes: int
    folder: Path
    parts: Mapping[str, str]
    check: Callable[[VerilatorSimulator], Mapping[str, Check]]

    def run(self, count: int, only: Collection[str], jobs: int) -> list[dict[str, Any]]:
        """A row for each part, printed as well."""
        parts = {name: (what, count) for name, what in self.parts.items() if name in only}
        began = time.perf_counter()
        made = mutants(self.verilog, top=self.top, images=self.folder, parts=parts, seed=SEED)
        compiled = simulator(made.verilog, top=self.top, classes=self.classes, folder=self.folder)
        every = self.check(compiled)
        if noticed := killed_by(every, 0):
            sys.exit(f"{self.top}: the netlist without a mutation fails {noticed!r}")
        print(f"{', '.join(parts)}: compiled in {time.perf_counter() - began:.0f} s", flush=True)
        with ThreadPoolExecutor(jobs) as pool:
            found = pool.map(lambda one: killed_by(every, one.number), made.mutants)
            killers = {one.number: by for one, by in zip(made.mutants, found, strict=True)}
        left = [one for one in made.mutants if not killers[one.number]]
        print(f"  {len(left)} left after {time.perf_counter() - began:.0f} s", flush=True)
        equal = equivalent(made, left, top=self.top)
        rows = []
        for name in parts:
            here = [one for one in made.mutants if one.part == name]
            by = Counter(killers[one.number] for one in here if killers[one.number])
            survivors = [one for one in here if not killers[one.number] and one.number not in equal]
            rows.append(
                {
                    "design": name,
                    "mutants": len(here),
                    "killed": by.total(),
                    "by": dict(by.most_common()),
                    "equivalent": [asdict(one) for one in here if one.number in equal],
                    "survivors": [asdict(one) for one in survivors],
                }
            )
            print(f"{name}: {told(rows[-1])}, {time.perf_counter() - began:.0f} s")
            for mutant in survivors:
                place = mutant.wire or mutant.cell
                print(f"  {mutant.number} {mutant.mode} {mutant.port} {place}")
            sys.stdout.flush()
        return rows


def told(row: Mapping[str, Any]) -> str:
    """One row in words."""
    real = row["mutants"] - len(row["equivalent"])
    return (
        f"{row['mutants']} mutants, {len(row['equivalent'])} proved equivalent, {row['killed']} of "
        f"the other {real} killed ({100 * row['killed'] / real:.1f} %)"
    )


def core(
    name: str, kind: Literal["gn", "if", "snm"], variant: Literal["fast", "small"], folder: Path
) -> Design:
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
    return Design(
        made.verilog,
        TOP,
        made.logits.shape[1],
        folder,
        {name: "*dut*"},
        lambda compiled: checks(
            compiled, made.frames, made.logits, made.clocks, options=made.options, junk=False
        ),
    )


def accelerated(
    make: Callable[[], Network], frames: int, lanes: int, parts: Mapping[str, str], folder: Path
) -> Design:
    """Parts of an accelerator, by the names of their cells."""
    network = make()
    hardware = HardwareConfig.uniform(network, steps=network.steps, lanes=lanes, beat=2)
    write_images(network, hardware, folder)
    prediction = accelerator.predict(network, hardware, pictures(network, frames))
    return Design(
        generate(network, hardware),
        top_name(network),
        network.classes,
        folder,
        parts,
        lambda compiled: accelerator_checks(compiled, prediction, few=frames // 3),
    )


def pictures(network: Network, count: int) -> NDArray[np.uint8]:
    """From a single event to nearly all, as likely on every scale; one of nothing, one full."""
    rng = np.random.default_rng(SEED)
    x = rng.integers(0, 256, (count, *network.input.shape))
    x[rng.random(x.shape) < 0.3] = 255
    share = 2.0 ** -rng.uniform(0, 5, (count, 1, 1, 1))
    share[::4] = 1 - share[::4]
    x[rng.random(x.shape) > share] = 0
    x[1], x[2] = 0, 255
    return x.astype(np.uint8)


def dense() -> Network:
    """Small, with weights of both extremes, so that sums reach their bounds.

    Biases and thresholds were fitted to each neuron's currents, so that each gives all its counts
    about as often: what a silent or a full neuron reads cannot be seen.
    """
    rng = np.random.default_rng(112)
    biases = (
        (-936, 7992, 1274, 1702, 202, -141, 986),
        (-68, 106, 16, 2, -29, 10),
        (-54, 90, 33),
    )
    resets = ((2217, 2125, 831, 594, 532, 710, 1049), (8, 12, 4, 10, 8, 8), None)
    layers = []
    for number, (inputs, outputs) in enumerate(itertools.pairwise((10, 7, 6, 3))):
        weight = rng.integers(-7, 8, (outputs, inputs), dtype=np.int8)
        weight[0], weight[1] = 7, -7
        reset = resets[number]
        neurons = None if reset is None else _neurons(np.array(reset, np.int32))
        bias = np.array(biases[number])
        layers.append(Layer(f"layer{number + 1}", Dense(weight, 4), bias, neurons, number - 1))
    return Network("mutated", InputSpec("pixels", (1, 1, 10)), tuple(layers), 3)


def maps() -> Network:
    """Convolutions with padding and strides, both kinds of shortcut, and pooling.

    Seed, weights and thresholds are the best of 16,973 that were drawn: lines of every layer have
    from no event to all of them, each about as often, and 9 in 10 frames give other logits when one
    of their events is taken away.
    """
    rng = np.random.default_rng(148929576)

    def weight(low: int, *shape: int) -> NDArray[np.int8]:
        return rng.integers(low, 8, shape, dtype=np.int8)

    def neurons(high: int) -> Neurons:
        return _neurons(rng.integers(max(1, high // 2), high + 1, 2, dtype=np.int32))

    def bias(neurons: Neurons, most: int) -> NDArray[np.int64]:
        return -(neurons.reset.astype(np.int64) * rng.integers(0, most + 1, 2) // 8)

    first, second, third = neurons(535), neurons(42), neurons(30)
    layers = (
        Layer(
            "conv1",
            Convolution(weight(-4, 2, 3, 3, 2), padding=(1, 1), bits=4),
            bias(first, 1),
            first,
            INPUT,
        ),
        Layer(
            "conv2",
            Convolution(weight(-6, 2, 3, 3, 2), padding=(1, 1), bits=4),
            bias(second, 4),
            second,
            0,
            shortcut=Identity(0, rng.integers(-20, 21, 2, dtype=np.int16)),
        ),
        Layer(
            "conv3",
            Convolution(weight(-6, 2, 2, 3, 2), (2, 1), (0, 1), bits=4),
            bias(third, 0),
            third,
            1,
            shortcut=Projection(0, weight(-7, 2, 2), (2, 1), bits=4),
        ),
        Layer(
            "out",
            Dense(weight(-7, 3, 4), 4),
            rng.integers(-50, 51, 3),
            None,
            2,
            SumPool((2, 2), (2, 2)),
        ),
    )
    return Network("mutated", InputSpec("pixels", (4, 4, 2)), layers, 2)


def _neurons(reset: NDArray[np.int32]) -> Neurons:
    return Neurons("gn", reset, reset, reset >> 1, np.ones(len(reset)), tau=4)


CORES: dict[str, tuple[Literal["gn", "if", "snm"], Literal["fast", "small"]]] = {
    "GN core, fast": ("gn", "fast"),
    "GN core, small": ("gn", "small"),
    "IF core, fast": ("if", "fast"),
    "SNM core, fast": ("snm", "fast"),
}
DENSE = {
    "engine on pixels": "*layer1.*engine*",
    "engine on spikes": "*layer2.*engine*",
    "drain of a dense layer": "*layer2.*drain*",
}
MAPS = {
    "walkers": "*walker.*",
    "line buffers": "*conv?.*main.*",
    "shortcut buffer": "*conv2.*skip.*",
    "input": "*pixels.*",
    "engines of convolutions": "*conv?.*engine.*",
}
NAMES = (*CORES, *DENSE, *MAPS)


def designs(only: Collection[str], folder: Path) -> Iterator[Design]:
    """Those that have a chosen part; each has its own folder."""
    for number, (name, (kind, variant)) in enumerate(CORES.items()):
        if name in only:
            yield core(name, kind, variant, _made(folder / str(number)))
    if any(name in only for name in DENSE):
        yield accelerated(dense, 800, 2, DENSE, _made(folder / "dense"))
    if any(name in only for name in MAPS):
        yield accelerated(maps, 120, 1, MAPS, _made(folder / "maps"))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def main() -> None:
    """Print a row per design and write all of them to ``--out``."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="mutants of each design")
    parser.add_argument(
        "--only", action="append", choices=NAMES, help="one design; --out keeps the others"
    )
    parser.add_argument("--jobs", type=int, default=2, help="simulations and proofs side by side")
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    only = options.only or NAMES
    rows: dict[str, dict[str, Any]] = {}
    if options.only and options.out is not None and options.out.exists():
        rows = {row["design"]: row for row in json.loads(options.out.read_text())["results"]}
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        for design in designs(only, Path(scratch)):
            rows |= {row["design"]: row for row in design.run(options.count, only, options.jobs)}
            if options.out is not None:
                ordered = [rows[name] for name in NAMES if name in rows]
                found = {"seed": SEED, "count": options.count, "results": ordered}
                write_text(options.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except CygnetError as error:
        sys.exit(f"benchmarks/mutate.py: {error}")
