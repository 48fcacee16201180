# SPDX-License-Identifier: Apache-2.0
"""Waveforms of an accelerator: an FST file, and what GTKWave and Surfer need to open it well."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.cosim.simulator import SimulationResult, VerilatorSimulator, recipe
from cygnet.cosim.view import TOP, signals, view
from cygnet.files import write_bytes, write_text
from cygnet.hardware import HardwareConfig
from cygnet.network import Network

__all__ = ["record"]

SHIMS = Path(__file__).with_name("fst")

SCOPE = f"TOP.{TOP}"

RESET_CLOCKS = 4
"""Of the harness, before cycle 0; two units of time are a clock."""


def record(
    network: Network,
    hardware: HardwareConfig,
    verilog: str,
    images: Path,
    frames: NDArray[np.uint8],
    out: Path,
    *,
    first: int = 0,
    last: int | None = None,
    cache: Path | None = None,
) -> SimulationResult:
    """Run frames back to back and write ``out`` (FST), ``.gtkw`` and ``.sucl`` beside it.

    Each layer has a scope of its own name with the image, the step, the neuron and the count of
    every spike; the whole design is below ``dut``. Cycle c begins at time ``2 * (c + 4)``.

    :param verilog: of the accelerator
    :param images: folder with its memory images
    :param frames: uint8[n, values]
    :param first: first cycle to record
    :param last: last cycle to record; None: to the end
    """
    simulator = VerilatorSimulator(
        verilog + view(network, hardware),
        top=TOP,
        images=images,
        classes=network.classes,
        workers=1,
        cache=cache,
        recipe=recipe(
            "-O1", "--trace-fst", defines=("VM_TRACE=1", "VM_TRACE_FST=1"), include=(SHIMS,)
        ),
    )
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        file = Path(scratch) / "waves.fst"
        options = [f"waves={file}", f"waves_first={first}"]
        if last is not None:
            options.append(f"waves_last={last}")
        result = simulator.run(
            frames.reshape(len(frames), -1), back_to_back=True, options=tuple(options)
        )
        write_bytes(out, file.read_bytes())
    shown = signals(network, hardware)
    write_text(out.with_suffix(".gtkw"), _gtkwave(out, shown, first))
    write_text(out.with_suffix(".sucl"), _surfer(shown))
    return result


def _gtkwave(out: Path, shown: dict[str, dict[str, int]], first: int) -> str:
    # Formats: 28 binary, 24 decimal, 420 signed decimal, 200 a line of text.
    lines = [f'[dumpfile] "{out.name}"', f"[timestart] {2 * (first + RESET_CLOCKS)}"]
    lines += ["@28", f"{SCOPE}.clk", f"{SCOPE}.rst", "@24", f"{SCOPE}.cycle[63:0]"]
    for scope, widths in shown.items():
        lines += ["@200", f"-{scope}"]
        for name, width in widths.items():
            kind = "420" if name == "logit" else "22" if name == "data" else "24"
            bits = "" if width == 1 else f"[{width - 1}:0]"
            lines += [f"@{kind if width > 1 else 28}", f"{SCOPE}.{scope}.{name}{bits}"]
    return "\n".join(lines) + "\n"


def _surfer(shown: dict[str, dict[str, int]]) -> str:
    lines = [f"variable_add {SCOPE}.{name}" for name in ("clk", "rst", "cycle")]
    for scope, widths in shown.items():
        lines.append(f"divider_add {scope}")
        lines += [f"variable_add {SCOPE}.{scope}.{name}" for name in widths]
    lines.append("zoom_fit")
    return "\n".join(lines) + "\n"
