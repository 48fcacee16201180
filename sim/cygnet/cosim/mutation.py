# SPDX-License-Identifier: Apache-2.0
"""Would the checks notice? Faults are put into the netlist, one at a time, and must be caught.

Yosys' ``mutate`` inverts a bit of a cell's port, ties it to 0 or 1, or mixes it with another bit.
All mutants are in one netlist, each switched on by its number at the port ``mutant``, so that one
compiled model serves for all of them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.cache import content_key
from cygnet.cosim import tools
from cygnet.cosim.accelerator import Prediction
from cygnet.cosim.findings import Findings
from cygnet.cosim.simulator import HARNESS, SimulationResult, VerilatorSimulator, recipe
from cygnet.cosim.stalls import Stall
from cygnet.errors import MismatchError

__all__ = [
    "Check",
    "Mutant",
    "Mutated",
    "accelerator_checks",
    "checks",
    "killed_by",
    "mutants",
    "simulator",
]

WIDTH = 16
_PATIENCE = "patience=3000"
_STALL_SEED = 7


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


@dataclass(frozen=True)
class Mutated:
    """A netlist with all mutants, chosen by the input ``mutant``.

    :param verilog: to simulate
    :param design: without mutants, as RTLIL
    :param commands: of Yosys, that put each of them in
    """

    verilog: str
    design: str
    mutants: list[Mutant]
    commands: Mapping[int, str]

    def key(self, number: int) -> str:
        """Of the netlist and its one fault, whatever its number, and whichever the others are."""
        return content_key(self._digest, re.sub(r" -ctrl \S+ \d+ \d+", "", self.commands[number]))

    @cached_property
    def _digest(self) -> str:
        return content_key(self.design)


def mutants(
    verilog: str,
    *,
    top: str,
    images: Path,
    parts: Mapping[str, tuple[str, int]],
    seed: int = 1,
) -> Mutated:
    """The netlist with its mutants.

    :param verilog: of the whole design
    :param images: folder with the ``.mem`` files that it reads; they become part of the netlist
    :param parts: by name, a Yosys pattern of cell names in the flattened design and how many
        mutants to make there, spread evenly by Yosys; those whose bit is read by nothing are left
        out
    :param seed: of the choice
    :raises RuntimeError: Yosys fails
    """
    with tools.source_folder(verilog, images) as folder:
        script = [
            "read_verilog source.v",
            f"hierarchy -check -top {top}",
            "proc",
            "flatten",
            # Bits that nothing can see would make mutants that nothing can kill.
            "opt -full",
            "wreduce",
            "opt -full -fine",
            "opt_clean -purge",
            "write_rtlil flat.il",
        ]
        first = 1
        for number, (pattern, count) in enumerate(parts.values()):
            more = count + count // 2
            script.append(
                f"mutate -list {more} -seed {seed} -o list{number}.txt "
                f"-ctrl mutant {WIDTH} {first} c:{pattern} t:$mem* %d"
            )
            first += more
        tools.run_yosys(folder, script)
        made: list[Mutant] = []
        commands: dict[int, str] = {}
        script = ["read_rtlil flat.il"]
        for number, part in enumerate(parts):
            lines = (folder / f"list{number}.txt").read_text().splitlines()
            found = [_mutant(line, part) for line in lines]
            commands |= {one.number: line for one, line in zip(found, lines, strict=True)}
            made += found
        script += commands.values()
        script += ["opt_clean", "write_verilog -noattr mutants.v"]
        tools.run_yosys(folder, script)
        text = (folder / "mutants.v").read_text()
        design = (folder / "flat.il").read_text()
    # Where nothing reads the changed bit, Yosys takes the fault out again: it is none.
    there = {int(value, 16) for value in re.findall(rf"== {WIDTH}'h([0-9a-f]+);", text)}
    chosen = []
    for part, (_, count) in parts.items():
        chosen += [one for one in made if one.part == part and one.number in there][:count]
    return Mutated(text, design, chosen, {one.number: commands[one.number] for one in chosen})


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


@dataclass(frozen=True)
class Check:
    """Does everything come out as predicted?

    :param passes: given the number of a mutant; it may raise MismatchError instead
    :param key: of what is sent and of what is compared
    """

    passes: Callable[[int], bool]
    key: str

    def notices(self, number: int) -> bool:
        """Mutant ``number``."""
        try:
            return not self.passes(number)
        except MismatchError:
            return True


def killed_by(
    checks: Mapping[str, Check], number: int, findings: Findings | None = None, mutant: str = ""
) -> str:
    """Name of the first check that notices mutant ``number``; empty where none does.

    :param findings: where what each check says is kept, and looked for before it runs
    :param mutant: the key under which it is kept, of :meth:`Mutated.key`
    """
    for name, check in checks.items():
        noticed = None if findings is None else findings.get("check", mutant, check.key)
        if noticed is None:
            noticed = check.notices(number)
            if findings is not None:
                findings.keep(noticed, "check", mutant, check.key)
        if noticed:
            return name
    return ""


def checks(
    compiled: VerilatorSimulator,
    frames: NDArray[np.uint8],
    logits: NDArray[np.int64],
    clocks: Callable[[bool], NDArray[np.int64]],
    *,
    labels: NDArray[np.int64] | None = None,
    accepted: NDArray[np.int64] | None = None,
    options: tuple[str, ...] = (),
    few: int | None = None,
    junk: bool,
) -> dict[str, Check]:
    """Those of any module with one stream in and one out: values and cycles back to back, of single
    frames, and after a reset amid noise; values with stalls on both streams, and with frames of a
    wrong length between.

    :param logits: int64[n, classes], predicted
    :param clocks: given whether frames come back to back, the predicted cycle of each frame's last
        logit, from the first beat of the first frame or of its own
    :param labels: int64[n], predicted, where the module gives any
    :param accepted: int64[n], the predicted cycle of each frame's first beat, back to back
    :param options: further options of the harness, in every check
    :param few: frames of the checks of other clocks than back to back; all of them where it is None
    :param junk: the module drops frames of a wrong length
    """

    def run(number: int, *more: str, count: int | None = few, **how: Any) -> SimulationResult:
        return compiled.run(
            frames[:count],
            expected=logits[:count],
            options=(f"mutant={number}", _PATIENCE, *options, *more),
            **how,
        )

    base = [str(tools.verilator()), HARNESS.read_text(), _PATIENCE, options]

    def made(
        passes: Callable[[int], bool], how: object, count: int | None, *arrays: NDArray[Any]
    ) -> Check:
        every: list[NDArray[Any]] = [frames, logits, *arrays]
        content = [_digest(array[:count]) for array in every]
        return Check(passes, content_key(base, how, content))

    def taken_in_time() -> Check:
        assert accepted is not None

        def passes(number: int) -> bool:
            found = run(number, back_to_back=True, count=None).accepted
            return np.array_equal(found - found[0], accepted - accepted[0])

        return made(passes, ["first beats"], None, accepted)

    def free(back_to_back: bool, *more: str, count: int | None = few) -> Check:
        expected = clocks(back_to_back)[:count]

        def passes(number: int) -> bool:
            result = run(number, *more, back_to_back=back_to_back, count=count)
            taken = result.finished - result.accepted[0] if back_to_back else result.latency
            told = labels is None or np.array_equal(result.labels, labels[:count])
            return told and np.array_equal(taken, expected)

        compared = [expected] if labels is None else [expected, labels]
        return made(passes, ["free", back_to_back, more], count, *compared)

    def stalled(source: str, sink: str, *more: str, count: int | None = few) -> Check:
        how: dict[str, Any] = {
            "source": Stall.parse(source),
            "sink": Stall.parse(sink),
            "seed": _STALL_SEED,
        }

        def passes(number: int) -> bool:
            run(number, *more, back_to_back=True, count=count, **how)
            return True

        return made(passes, ["stalled", source, sink, _STALL_SEED, more], count)

    found = {
        "back to back": free(True, count=None),
        "single frames": free(False),
        "stalls": stalled("bursty-6", "one-in-3"),
        "slow sink": stalled("none", "bursty-40"),
        "slow source": stalled("bursty-40", "none"),
    }
    for before in (97, 1009):
        found[f"after a reset in clock {before}"] = free(True, f"before={before}")
    if accepted is not None:
        found["first beats"] = taken_in_time()
    if junk:
        found["frames of a wrong length"] = stalled("one-in-5", "one-in-5", "junk=1", count=None)
        found["sink that rests for long"] = stalled(
            "none", "bursty-8000", "patience=20000", count=None
        )
    return found


def _digest(array: NDArray[Any]) -> str:
    whole = np.ascontiguousarray(array)
    return hashlib.sha256(f"{whole.dtype}{whole.shape}".encode() + whole.tobytes()).hexdigest()


def accelerator_checks(
    compiled: VerilatorSimulator, prediction: Prediction, few: int | None, more: Prediction
) -> dict[str, Check]:
    """:func:`checks` of a whole accelerator, labels included, with a sink that rests until all
    buffers are full, too; once more with frames of about as many values in a row, so that the layer
    that is the slowest for them stays so until the buffers before it are full; and other frames.

    :param more: many, to be sent back to back
    """

    def every(one: Prediction, few: int | None) -> dict[str, Check]:
        def clocks(back_to_back: bool) -> NDArray[np.int64]:
            found = one.timing(0, len(one.frames), back_to_back=back_to_back)
            return found.finished if back_to_back else found.latency

        return checks(
            compiled,
            one.frames,
            one.logits,
            clocks,
            labels=one.labels,
            accepted=one.timing(0, len(one.frames), back_to_back=True).accepted,
            few=few,
            junk=True,
        )

    order = np.argsort(np.count_nonzero(prediction.frames, axis=1), kind="stable")
    alike = every(
        replace(
            prediction,
            frames=prediction.frames[order],
            logits=prediction.logits[order],
            labels=prediction.labels[order],
            events=tuple(layer[order] for layer in prediction.events),
        ),
        None,
    )
    found = every(prediction, few)
    for name in ("back to back", "slow sink", "sink that rests for long"):
        found[f"frames in order, {name}"] = alike[name]
    found["other frames"] = every(more, None)["back to back"]
    return found
