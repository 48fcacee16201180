# SPDX-License-Identifier: Apache-2.0
"""What Yosys, nextpnr and the packers object to, in one sentence."""

from __future__ import annotations

import re
import subprocess

from cygnet.errors import CygnetError

__all__ = ["TooBigError", "check_done", "check_placed"]

_KINDS = {
    "TRELLIS_COMB": "lookup tables",
    "TRELLIS_FF": "flip-flops",
    "TRELLIS_IO": "pins",
    "DP16KD": "block RAMs",
    "MULT18X18D": "multipliers",
    "ICESTORM_LC": "logic cells",
    "ICESTORM_RAM": "block RAMs",
    "ICESTORM_DSP": "multipliers",
    "ICESTORM_SPRAM": "large RAMs",
    "SB_IO": "pins",
}


class TooBigError(CygnetError):
    """A design that does not fit its device."""


def check_done(done: subprocess.CompletedProcess[str], tool: str, what: str) -> None:
    """Tell in one sentence what a tool objected to (CygnetError)."""
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        # The first says why; those after it, that there was one.
        shown = (errors or done.stdout.strip().splitlines()[-1:] or ["no message"])[0].strip()
        raise CygnetError(f"{what}: {tool} refuses the design: {shown}")


def check_placed(done: subprocess.CompletedProcess[str], target: str, larger: str) -> None:
    """Tell in one sentence what a device has too few of (TooBigError), or what else nextpnr
    objected to (CygnetError).

    :param done: nextpnr, without ``--quiet``
    :param larger: what to take where the device is too small, such as ``"a larger board"``
    """
    log = done.stdout
    over = [
        f"{used} {_KINDS.get(kind, kind)} of {available}"
        for kind, used, available in re.findall(r"(\w+):\s+(\d+)/\s*(\d+)\s", log)
        if int(used) > int(available)
    ]
    full = "no BELs remaining" in log or "Unable to find legal placement" in log
    if done.returncode and (over or full):
        what = " and ".join(over) if over else "more cells than can be placed"
        raise TooBigError(
            f"{target}: the design is too big: it takes {what}; give fewer --lanes, weights of "
            f"fewer bits, or {larger}"
        )
    check_done(done, "nextpnr", target)
