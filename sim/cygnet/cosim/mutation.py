# SPDX-License-Identifier: Apache-2.0
"""Would the checks notice? Faults are put into the netlist, one at a time, and must be caught.

Yosys' ``mutate`` inverts a bit of a cell's port, ties it to 0 or 1, or mixes it with another bit.
All mutants are in one netlist, each switched on by its number at the port ``mutant``, so that one
compiled model serves for all of them.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cygnet.cosim import tools
from cygnet.cosim.accelerator import Prediction, check
from cygnet.cosim.simulator import VerilatorSimulator, recipe
from cygnet.cosim.stalls import Stall
from cygnet.errors import MismatchError

__all__ = ["Mutant", "killed_by", "mutants", "simulator"]

WIDTH = 16


@dataclass(frozen=True)
class Mutant:
    """One fault.

    :param number: switches it on; 0 is the netlist without a fault
    :param part: name of the part of the design that it is in
    :param mode: ``inv``, ``const0``, ``const1``, ``cnot0`` or ``cnot1``
    :param cell: that it is in
    :param port: of the cell, with its bit
    :param wire: that is driven or read there, with its bit; empty where it has no name
    """

    number: int
    part: str
    mode: str
    cell: str
    port: str
    wire: str


def mutants(
    verilog: str,
    *,
    top: str,
    images: Path,
    parts: Mapping[str, tuple[str, int]],
    seed: int = 1,
) -> tuple[str, list[Mutant]]:
    """The netlist with its mutants.

    :param verilog: of the whole design
    :param images: folder with the ``.mem`` files that it reads; they become part of the netlist
    :param parts: by name, a Yosys pattern of cell names in the flattened design and how many
        mutants to make there, spread evenly by Yosys
    :param seed: of the choice
    :raises RuntimeError: Yosys fails
    """
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        folder = Path(scratch)
        for image in images.glob("*.mem"):
            shutil.copyfile(image, folder / image.name)
        (folder / "source.v").write_text(verilog)
        script = [
            "read_verilog source.v",
            f"hierarchy -check -top {top}",
            "proc",
            "flatten",
            # Bits that nothing can see would make mutants that nothing can kill.
            "opt -full",
            "wreduce",
            "opt -full",
            "opt_clean -purge",
            "write_rtlil flat.il",
        ]
        first = 1
        for number, (pattern, count) in enumerate(parts.values()):
            script.append(
                f"mutate -list {count} -seed {seed} -o list{number}.txt "
                f"-ctrl mutant {WIDTH} {first} c:{pattern} t:$mem* %d"
            )
            first += count
        _yosys(folder, script)
        made: list[Mutant] = []
        script = ["read_rtlil flat.il"]
        for number, part in enumerate(parts):
            lines = (folder / f"list{number}.txt").read_text().splitlines()
            script += lines
            made += [_mutant(line, part) for line in lines]
        script += ["opt_clean", "write_verilog -noattr mutants.v"]
        _yosys(folder, script)
        return (folder / "mutants.v").read_text(), made


def _yosys(folder: Path, script: list[str]) -> None:
    (folder / "script.ys").write_text("\n".join(script) + "\n")
    yosys = tools.yosys()
    done = yosys.run(["-q", "script.ys"], cwd=folder)
    if done.returncode != 0:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise RuntimeError(f"{yosys} failed:\n{tail}")


def _mutant(line: str, part: str) -> Mutant:
    def option(name: str) -> str:
        found = re.search(rf" -{name} (\S+)", line)
        return "" if found is None else found[1]

    number = re.search(r" -ctrl mutant \d+ (\d+)", line)
    assert number is not None
    wire = option("wire")
    return Mutant(
        number=int(number[1]),
        part=part,
        mode=option("mode"),
        cell=option("cell"),
        port=f"{option('port')}[{option('portbit')}]",
        wire=wire and f"{wire}[{option('wirebit')}]",
    )


def simulator(
    netlist: str, *, top: str, classes: int, folder: Path, cache: Path | None = None
) -> VerilatorSimulator:
    """The compiled netlist of :func:`mutants`.

    :param folder: to run in
    """
    return VerilatorSimulator(
        netlist,
        top=top,
        images=folder,
        classes=classes,
        workers=1,
        cache=cache,
        recipe=recipe("-O1"),
    )


def killed_by(compiled: VerilatorSimulator, prediction: Prediction, number: int) -> str:
    """Name of the first check that notices mutant ``number``; empty where none does.

    The checks are those of any accelerator: values and cycles back to back, and of single frames;
    values with stalls on both streams, and with frames of a wrong length between.
    """
    options = (f"mutant={number}", "patience=3000")

    def values(**how: object) -> Callable[[], None]:
        def run() -> None:
            result = compiled.run(
                prediction.frames,
                back_to_back=True,
                options=(*options, *(("junk=1",) if how.get("junk") else ())),
                source=Stall("bursty", 6),
                sink=Stall("bursty", 40) if how.get("slow") else Stall("one-in", 3),
                seed=7,
            )
            if not (
                np.array_equal(result.logits, prediction.logits)
                and np.array_equal(result.labels, prediction.labels)
            ):
                raise MismatchError("values differ")

        return run

    def cycles(back_to_back: bool) -> Callable[[], None]:
        def run() -> None:
            result = compiled.run(prediction.frames, back_to_back=back_to_back, options=options)
            check(prediction, result, back_to_back=back_to_back)

        return run

    checks: dict[str, Callable[[], None]] = {
        "back to back": cycles(True),
        "single frames": cycles(False),
        "stalls": values(),
        "slow sink": values(slow=True),
        "frames of a wrong length": values(junk=True),
    }
    for name, run in checks.items():
        try:
            run()
        except MismatchError:
            return name
    return ""
