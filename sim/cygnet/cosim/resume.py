# SPDX-License-Identifier: Apache-2.0
"""Long simulations that go on where they were interrupted."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.simulator import Progress, SimulationResult, VerilatorSimulator
from cygnet.files import write_bytes

__all__ = ["Resumable"]


class Resumable:
    """A :class:`~.simulator.Simulator` that keeps the results of every so many frames in a folder.

    A part is found again by what made it: the model, the memory images, the frames and the way
    they were sent. Each part starts from reset.

    :param compiled: what simulates
    :param folder: for the results; it may be deleted at any time
    :param part: frames in one file
    """

    def __init__(self, compiled: VerilatorSimulator, folder: Path, *, part: int = 2000) -> None:
        if part < 1:
            raise ValueError(f"part must be at least 1, not {part!r}")
        self.compiled = compiled
        self.folder = folder
        self.part = part

    def run(
        self,
        frames: NDArray[np.uint8],
        *,
        back_to_back: bool,
        progress: Progress | None = None,
    ) -> SimulationResult:
        """As :meth:`VerilatorSimulator.run`, without stalls."""
        total = len(frames)
        parts = []
        starts = []
        # Read again each time: other images are another accelerator.
        base = hashlib.sha256(self.compiled.program.parent.name.encode())
        base.update(f"{back_to_back} {self.compiled.workers} {self.compiled.classes}".encode())
        for image in sorted(self.compiled.images.glob("*.mem")):
            base.update(image.name.encode() + image.read_bytes())
        for start in range(0, max(total, 1), self.part):
            chosen = np.ascontiguousarray(frames[start : start + self.part])
            key = base.copy()
            key.update(str(chosen.shape).encode() + chosen.tobytes())
            file = self.folder / f"{key.hexdigest()[:32]}.npz"
            found = _read(file, len(chosen))
            if found is None:
                found = self.compiled.run(
                    chosen, back_to_back=back_to_back, progress=_shifted(progress, start, total)
                )
                _write(file, found)
            if progress is not None:
                progress(min(start + self.part, total), total)
            parts.append(found)
            starts.append(found.starts + start)
        return SimulationResult(
            logits=np.concatenate([found.logits for found in parts]),
            labels=np.concatenate([found.labels for found in parts]),
            accepted=np.concatenate([found.accepted for found in parts]),
            finished=np.concatenate([found.finished for found in parts]),
            starts=np.concatenate(starts),
        )


def _shifted(progress: Progress | None, start: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(start + done, total)


def _write(file: Path, result: SimulationResult) -> None:
    data = io.BytesIO()
    np.savez(data, **vars(result))
    write_bytes(file, data.getvalue())


def _read(file: Path, count: int) -> SimulationResult | None:
    """None where there is no such file, or it is not whole."""
    try:
        with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as found:
            result = SimulationResult(**{name: found[name] for name in found.files})
    except Exception:  # what damaged archives raise is of many kinds; all mean: run it again
        return None
    whole = result.logits.ndim == 2 and result.labels.shape == (count,)
    return result if whole and len(result.logits) == count else None
