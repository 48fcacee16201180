# SPDX-License-Identifier: Apache-2.0
"""The fast road for data sets: the Verilog as a compiled model, whole frames in and out.

A model is compiled once for each Verilog text; the memory images are read when it starts, from the
folder that it runs in, so other weights need no new model.
"""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.compile import Recipe, compile_model
from cygnet.cosim.stalls import FREE, Stall
from cygnet.errors import CygnetError, MismatchError

__all__ = ["SimulationResult", "Simulator", "VerilatorSimulator", "recipe"]

HARNESS = Path(__file__).with_name("harness.cpp")
VERILATE = ("-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "--no-timing")


def recipe(
    hot: str = "-O3",
    *verilate: str,
    defines: tuple[str, ...] = (),
    include: tuple[Path, ...] = (),
) -> Recipe:
    """How the harness is compiled.

    :param hot: optimisation of the compiler; ``-O1`` for large models that run briefly
    :param verilate: further options of Verilator
    :param defines: further macros
    :param include: folders with headers
    """
    return Recipe(
        HARNESS,
        (*VERILATE, *verilate),
        ("VL_TIME_CONTEXT", *defines),
        include=include,
        hot=hot,
        ports=True,
    )


DEFAULT = recipe()

Progress = Callable[[int, int], None]
"""Called with the frames done and the frames in all."""


@dataclass(frozen=True)
class SimulationResult:
    """What the accelerator answered, and when.

    :param logits: int64[n, classes]
    :param labels: int64[n]
    :param accepted: int64[n], the clock cycle in which the first beat of each frame was taken
    :param finished: int64[n], the clock cycle in which its last logit was taken
    :param starts: int64[k], the frames before which the accelerator was reset and cycles began
        again at 0: frames from one start to the next went through one pipeline, in order
    """

    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    accepted: NDArray[np.int64]
    finished: NDArray[np.int64]
    starts: NDArray[np.int64]

    @property
    def latency(self) -> NDArray[np.int64]:
        """int64[n], clocks from the first beat of each frame to its last logit.

        It is the latency of an idle pipeline where the frames were not sent back to back.
        """
        return self.finished - self.accepted

    @property
    def intervals(self) -> NDArray[np.int64]:
        """int64[n - k], clocks between the last logits of neighbours in one pipeline."""
        gaps = np.diff(self.finished)
        return np.delete(gaps, self.starts[1:] - 1)


class Simulator(Protocol):
    """Anything that runs frames through an accelerator."""

    def run(self, frames: NDArray[np.uint8], *, back_to_back: bool) -> SimulationResult:
        """Logits and cycles of each frame.

        :param frames: uint8[n, values], raster order
        :param back_to_back: each frame follows the one before at once; otherwise it waits until
            the pipeline is empty
        """


class VerilatorSimulator:
    """A :class:`Simulator` that runs generated Verilog under Verilator, on several cores.

    :param verilog: with the ports of docs/architecture.md on module ``top``
    :param images: folder with the ``.mem`` files that it reads
    :param classes: logits per frame
    :param workers: processes; each gets a share of the frames
    :param cache: folder for compiled models
    :param recipe: how it is compiled
    :raises CygnetError: a tool is missing
    :raises RuntimeError: the Verilog does not compile
    """

    def __init__(
        self,
        verilog: str,
        *,
        top: str,
        images: Path,
        classes: int,
        workers: int = 2,
        cache: Path | None = None,
        recipe: Recipe = DEFAULT,
    ) -> None:
        if workers < 1:
            raise ValueError(f"workers must be at least 1, not {workers!r}")
        self.classes = classes
        self.images = images.absolute()
        self.workers = workers
        self.program = compile_model(verilog, top, recipe, cache=cache)

    def run(
        self,
        frames: NDArray[np.uint8],
        *,
        back_to_back: bool,
        source: Stall = FREE,
        sink: Stall = FREE,
        seed: int = 1,
        progress: Progress | None = None,
        expected: NDArray[np.int64] | None = None,
        options: tuple[str, ...] = (),
    ) -> SimulationResult:
        """Logits and cycles of each frame, in order.

        :param frames: uint8[n, values], raster order
        :param back_to_back: each frame follows the one before at once; otherwise it waits until
            the pipeline is empty
        :param source: when the source holds back
        :param sink: when the sink holds back
        :param seed: of the stalls
        :param progress: called now and then from another thread
        :param expected: int64[n, classes]; the first logit that differs ends the run
        :param options: further options of the harness
        :raises MismatchError: the accelerator breaks the rules of its streams, stops, or gives a
            logit that is not the expected one
        :raises CygnetError: a memory image is missing
        """
        if frames.ndim != 2 or frames.dtype != np.uint8:
            raise ValueError(f"frames must be uint8[n, values], not {frames.dtype}{frames.shape}")
        total = len(frames)
        if total == 0:
            none = np.zeros(0, np.int64)
            return SimulationResult(np.zeros((0, self.classes), np.int64), none, none, none, none)
        workers = min(self.workers, total)
        starts = np.array([total * worker // workers for worker in range(workers)], np.int64)
        counts = np.diff(starts, append=total)
        common = [
            f"values={frames.shape[1]}",
            f"classes={self.classes}",
            f"stream={int(back_to_back)}",
            f"seed={seed}",
            *_stall("source", source),
            *_stall("sink", sink),
            *options,
        ]
        with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
            file = Path(scratch) / "frames"
            np.ascontiguousarray(frames).tofile(file)
            if expected is not None:
                np.ascontiguousarray(expected, np.int64).tofile(f"{scratch}/expected")
                common.append(f"expect={scratch}/expected")
            commands = [
                [
                    str(self.program),
                    f"frames={file}",
                    f"out={scratch}/{start}",
                    f"first={start}",
                    f"count={count}",
                    *common,
                ]
                for start, count in zip(starts, counts, strict=True)
            ]
            _run_all(commands, self.images, total, progress)
            rows = np.concatenate(
                [np.fromfile(f"{scratch}/{start}", np.int64) for start in starts]
            ).reshape(total, 3 + self.classes)
        if expected is not None and not np.array_equal(rows[:, 3:], expected):
            raise MismatchError("RTL: a logit is not the expected one")
        return SimulationResult(
            logits=rows[:, 3:].copy(),
            labels=rows[:, 2].copy(),
            accepted=rows[:, 0].copy(),
            finished=rows[:, 1].copy(),
            starts=starts,
        )


def _stall(name: str, stall: Stall) -> list[str]:
    kind = ("none", "bursty", "one-in", "alternating").index(stall.kind)
    return [f"{name}={kind}", f"{name}_length={stall.length}"]


def _run_all(
    commands: list[list[str]], folder: Path, total: int, progress: Progress | None
) -> None:
    """Run the commands side by side; what one of them objects to ends them all."""
    done = [0] * len(commands)
    errors = [""] * len(commands)

    def follow(number: int, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if not line.strip().isdigit():
                errors[number] += line
                continue
            done[number] = int(line)
            if progress is not None:
                progress(sum(done), total)

    with _processes(commands, folder) as processes:
        threads = [
            threading.Thread(target=follow, args=(number, process), daemon=True)
            for number, process in enumerate(processes)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        codes = [process.wait() for process in processes]
    for code, said in zip(codes, errors, strict=True):
        if "$readmem" in said:
            raise CygnetError(
                f"{folder}: a memory image is missing or wrong ({said.splitlines()[0].strip()}); "
                "write the images again"
            )
        if code == 3:
            raise MismatchError(f"RTL: {said.strip()}")
        if code != 0:
            raise RuntimeError(f"the compiled model ended with {code}: {said.strip()}")


@contextmanager
def _processes(commands: list[list[str]], folder: Path) -> Iterator[list[subprocess.Popen[str]]]:
    processes: list[subprocess.Popen[str]] = []
    try:
        for command in commands:
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=folder,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
        yield processes
    finally:
        for process in processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
