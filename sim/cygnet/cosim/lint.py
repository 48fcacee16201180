# SPDX-License-Identifier: Apache-2.0
"""``verilator --lint-only -Wall`` on generated Verilog, with the waivers of ``waivers.vlt``."""

from __future__ import annotations

import tempfile
from pathlib import Path

from cygnet.cosim import tools

__all__ = ["WAIVERS", "lint"]

WAIVERS = Path(__file__).with_name("waivers.vlt")


def lint(verilog: str, *, top: str) -> list[str]:
    """The warnings and errors that no waiver covers, each in one line; none where it is clean.

    :param verilog: text of every module
    :raises CygnetError: Verilator is missing
    """
    verilator = tools.verilator()
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        source = Path(scratch) / f"{top}.v"
        source.write_text(verilog)
        done = verilator.run(
            ["--lint-only", "-Wall", "-Wno-fatal", "--top-module", top, str(WAIVERS), str(source)]
        )
        said = done.stdout.replace(f"{scratch}/", "")
    found = [line for line in said.splitlines() if line.startswith(("%Warning", "%Error"))]
    if done.returncode != 0 and not found:
        raise RuntimeError(f"{verilator} ended with {done.returncode}:\n{said}")
    return found
