# SPDX-License-Identifier: Apache-2.0
"""Mutants of each core and of the parts of a layer, and how many of them the checks notice.

What each mutant's runs and proofs find is kept in the cache's folder, so that the same command goes
on where it was interrupted.

Example: python benchmarks/mutate.py --count 300 --out docs/results/data/mutation.json
"""

from __future__ import annotations

import argparse
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

from cygnet.cosim import accelerator
from cygnet.cosim.core_frames import TOP, core_frames
from cygnet.cosim.equivalence import equivalent
from cygnet.cosim.exercise import dense_network, maps_network, pictures
from cygnet.cosim.findings import Findings
from cygnet.cosim.mutation import (
    Check,
    Mutant,
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
from cygnet.network import Network, Neurons
from cygnet.neuron_core import NeuronCoreConfig

CHANNELS = 16
SEED = 1
MORE = 1000
"""Frames of the last check of accelerators."""


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

    def run(
        self, count: int, only: Collection[str], jobs: int, seconds: float, findings: Findings
    ) -> Iterator[dict[str, Any]]:
        """A row for each part, printed as well, as soon as it is there.

        :param seconds: to prove a mutant that survives to be the design, as for :func:`equivalent`
        :param findings: what each mutant's runs and proofs have found, which are not run again
        """
        parts = {name: (what, count) for name, what in self.parts.items() if name in only}
        began = time.perf_counter()
        made = mutants(self.verilog, top=self.top, images=self.folder, parts=parts, seed=SEED)
        compiled = simulator(made.verilog, top=self.top, classes=self.classes, folder=self.folder)
        every = self.check(compiled)
        if noticed := killed_by(every, 0):
            sys.exit(f"{self.top}: the netlist without a mutation fails {noticed!r}")
        print(f"{', '.join(parts)}: compiled in {time.perf_counter() - began:.0f} s", flush=True)

        def killer(one: Mutant) -> tuple[int, str]:
            return one.number, killed_by(every, one.number, findings, made.key(one.number))

        for name in parts:
            here = [one for one in made.mutants if one.part == name]
            with ThreadPoolExecutor(jobs) as pool:
                killers = dict(pool.map(killer, here))
            left = [one for one in here if not killers[one.number]]
            spent = f"{time.perf_counter() - began:.0f} s"
            print(f"{name}: {len(left)} of {len(here)} left after {spent}", flush=True)
            equal = equivalent(
                made, left, top=self.top, seconds=seconds, jobs=jobs, findings=findings
            )
            by = Counter(killers[one.number] for one in here if killers[one.number])
            survivors = [one for one in left if one.number not in equal]
            row = {
                "design": name,
                "mutants": len(here),
                "killed": by.total(),
                "by": dict(by.most_common()),
                "equivalent": [asdict(one) for one in left if one.number in equal],
                "survivors": [asdict(one) for one in survivors],
            }
            print(f"{name}: {told(row)}, {time.perf_counter() - began:.0f} s")
            for mutant in survivors:
                place = mutant.wire or mutant.cell
                print(f"  {mutant.number} {mutant.mode} {mutant.port} {place}")
            sys.stdout.flush()
            yield row


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
    # In four steps of the largest currents a membrane uses all of its bits.
    steps = 4
    # What a signed neuron remembers takes longer to show.
    frames = 600 if snm else 150
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
    prediction = accelerator.predict(network, hardware, pictures(network, frames, SEED))
    more = accelerator.predict(network, hardware, pictures(network, MORE, SEED + 1))
    return Design(
        generate(network, hardware),
        top_name(network),
        network.classes,
        folder,
        parts,
        lambda compiled: accelerator_checks(compiled, prediction, frames // 3, more),
    )


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
        yield accelerated(dense_network, 800, 2, DENSE, _made(folder / "dense"))
    if any(name in only for name in MAPS):
        yield accelerated(maps_network, 120, 1, MAPS, _made(folder / "maps"))


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
    parser.add_argument(
        "--seconds",
        type=float,
        default=90,
        help="to prove a mutant that survives to be the design itself, in each of three ways, and "
        "a third of them in the whole design",
    )
    parser.add_argument("--out", type=Path, help="JSON to write")
    options = parser.parse_args()
    only = options.only or NAMES
    rows: dict[str, dict[str, Any]] = {}
    if options.only and options.out is not None and options.out.exists():
        rows = {row["design"]: row for row in json.loads(options.out.read_text())["results"]}
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        for design in designs(only, Path(scratch)):
            for row in design.run(options.count, only, options.jobs, options.seconds, Findings()):
                rows[row["design"]] = row
                if options.out is not None:
                    ordered = [rows[name] for name in NAMES if name in rows]
                    found = {"seed": SEED, "count": options.count, "results": ordered}
                    write_text(options.out, json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    try:
        main()
    except CygnetError as error:
        sys.exit(f"benchmarks/mutate.py: {error}")
