# SPDX-License-Identifier: Apache-2.0
"""A device that is not there: the accelerator's Verilog under Verilator."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.closing import Closing
from cygnet.hardware import HardwareConfig
from cygnet.host.device import Answers, Identity, Progress, check_frames
from cygnet.input_stream import frame_bytes
from cygnet.network import Network

__all__ = ["SimulationDevice"]


class SimulationDevice(Closing):
    """A :class:`~cygnet.host.device.Device`: no board, no serial line, the same answers and clocks.

    :param workers: processes
    :raises CygnetError: a tool is missing, or the accelerator cannot be built
    """

    def __init__(self, network: Network, hardware: HardwareConfig, *, workers: int = 1) -> None:
        from cygnet.cosim.simulator import VerilatorSimulator
        from cygnet.cosim.verify import write_accelerator
        from cygnet.gateware.verilog import top_name

        self._folder = tempfile.TemporaryDirectory(prefix="cygnet-")
        try:
            folder = Path(self._folder.name)
            self._simulator = VerilatorSimulator(
                write_accelerator(network, hardware, folder),
                top=top_name(network),
                images=folder,
                classes=network.classes,
                workers=workers,
            )
        except BaseException:
            self._folder.cleanup()
            raise
        values = frame_bytes(network, hardware)
        self._identity = Identity(network.digest, values, network.classes, hardware.steps)

    @property
    def identity(self) -> Identity:
        return self._identity

    def classify(self, frames: NDArray[np.uint8], *, progress: Progress | None = None) -> Answers:
        check_frames(frames, self._identity)
        began = time.monotonic()
        result = self._simulator.run(frames, back_to_back=False, progress=progress)
        seconds = np.full(len(frames), (time.monotonic() - began) / max(1, len(frames)))
        return Answers(result.logits, result.labels, result.latency, seconds)

    def close(self) -> None:
        self._folder.cleanup()
