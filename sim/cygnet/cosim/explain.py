# SPDX-License-Identifier: Apache-2.0
"""Where an accelerator first leaves the golden model: image, layer, neuron, step, cycle."""

from __future__ import annotations

import dataclasses
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.compile import compile_model
from cygnet.cosim.simulator import recipe
from cygnet.cosim.view import SPIKES, TOP, view
from cygnet.golden import values
from cygnet.hardware import HardwareConfig
from cygnet.input_stream import from_stream
from cygnet.network import Network

__all__ = ["Difference", "explain"]


@dataclass(frozen=True)
class Difference:
    """The first spike count that is not the golden model's.

    :param image: number of the frame among those that ran
    :param layer: name
    :param neuron: number in the layer
    :param step: time-step, 1..T
    :param cycle: clocks since reset
    :param expected: event value of the golden model
    :param got: event value of the accelerator
    """

    image: int
    layer: str
    neuron: int
    step: int
    cycle: int
    expected: int
    got: int

    def shifted(self, first: int) -> Difference:
        """The same where the frames that ran began with number ``first``."""
        return dataclasses.replace(self, image=self.image + first)

    def __str__(self) -> str:
        return (
            f"image {self.image}, layer {self.layer}, neuron {self.neuron}, step {self.step}, "
            f"cycle {self.cycle}: expected {self.expected}, got {self.got}"
        )


def explain(
    network: Network,
    hardware: HardwareConfig,
    verilog: str,
    images: Path,
    frames: NDArray[np.uint8],
    *,
    cache: Path | None = None,
) -> Difference | None:
    """Run frames back to back and compare what every neuron sends; None where all is equal.

    The difference of the earliest clock is returned: an error in a layer also changes those after
    it.

    :param verilog: of the accelerator, which may have been changed
    :param images: folder with its memory images
    :param frames: uint8[n, bytes] as they are sent
    """
    program = compile_model(
        verilog + view(network, hardware),
        TOP,
        recipe("-O1", f"-D{SPIKES}"),
        cache=cache,
    )
    golden = values.run(
        network,
        from_stream(network, hardware, frames),
        steps=hardware.steps,
        record=True,
    )
    counts = [
        None if count is None else count.reshape(*count.shape[:2], -1) for count in golden.counts
    ]
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        file = Path(scratch) / "frames"
        np.ascontiguousarray(frames).tofile(file)
        process = subprocess.Popen(
            [
                str(program),
                f"frames={file}",
                f"out={scratch}/out",
                f"count={len(frames)}",
                f"values={frames.reshape(len(frames), -1).shape[1]}",
                f"classes={network.classes}",
            ],
            cwd=images,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if not line.startswith("spike "):
                    continue
                number, cycle, image, step, neuron, got = map(int, line.split()[1:])
                layer = counts[number]
                if layer is None or image >= len(frames):
                    continue
                expected = int(layer[step, image, neuron])
                if got != expected:
                    name = network.layers[number].name
                    return Difference(image, name, neuron, step + 1, cycle, expected, got)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()
    return None
