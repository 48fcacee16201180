# SPDX-License-Identifier: Apache-2.0
"""What synthesis makes of the receiver's phase."""

from __future__ import annotations

import json
from pathlib import Path

from amaranth.back import verilog

from cygnet.cosim.tools import yosys
from cygnet.gateware.link.uart import PHASE, Receiver, increment


def test_the_phase_is_one_carry_chain(tmp_path: Path) -> None:
    """Logic cells of one chain share a set or reset; bits with different ones break it, and every
    break costs 4 ns on a UP5K: 13 MHz instead of 68."""
    receiver = Receiver(increment(24_000_000, 1_000_000))
    ports = [receiver.rx, receiver.o.payload, receiver.o.valid, receiver.error]
    text = verilog.convert(receiver, name="receiver", ports=ports, emit_src=False)
    (tmp_path / "receiver.v").write_text(text)
    script = "read_verilog receiver.v; synth_ice40 -top receiver; write_json receiver.json"
    done = yosys().run(["-q", "-p", script], cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    module = json.loads((tmp_path / "receiver.json").read_text())["modules"]["receiver"]
    phase = set(module["netnames"]["phase"]["bits"])
    controls = [
        (cell["connections"].get("R", []) + cell["connections"].get("S", []))
        for cell in module["cells"].values()
        if cell["type"].startswith("SB_DFF") and cell["connections"]["Q"][0] in phase
    ]
    assert PHASE - 2 <= len(controls) <= PHASE
    assert all(control == controls[0] for control in controls)
