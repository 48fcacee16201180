# SPDX-License-Identifier: Apache-2.0
"""The netlist after synthesis answers like the golden model, in the same cycles."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cygnet.cosim import accelerator
from cygnet.cosim.gates import Family, netlist
from cygnet.cosim.simulator import VerilatorSimulator, recipe
from cygnet.cosim.stalls import Stall
from cygnet.errors import MismatchError
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from cygnet.network import Network
from networks import dense_frames, dense_network, maps_network

CELLS: dict[Family, tuple[str, ...]] = {
    "ecp5": ("LUT4", "TRELLIS_FF", "CCU2C", "TRELLIS_DPR16X4"),
    "ice40": ("SB_LUT4", "SB_DFF", "SB_CARRY", "SB_RAM40_4K"),
}


def dense() -> tuple[Network, HardwareConfig]:
    network = dense_network(24, (10, 7, 3), steps=2, bits=4)
    return network, HardwareConfig.uniform(network, steps=2, lanes=2, beat=4)


def maps() -> tuple[Network, HardwareConfig]:
    """Convolutions, both kinds of shortcut and pooling."""
    network = maps_network(26, channels=2, steps=1)
    return network, HardwareConfig.uniform(network, steps=1, lanes=2, beat=2)


@pytest.mark.slow
@pytest.mark.parametrize("made", [dense, maps])
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_netlist(
    family: Family, made: Callable[[], tuple[Network, HardwareConfig]], tmp_path: Path
) -> None:
    network, hardware = made()
    for memory in memories(network, hardware):
        digits = -(-memory.width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in memory.words)
        (tmp_path / f"{memory.name}.mem").write_text(text)
    top = top_name(network)
    gates = netlist(generate(network, hardware), top=top, family=family, images=tmp_path)
    for cell in CELLS[family]:
        assert re.search(rf"\b{cell}", gates), cell
    assert "readmem" not in gates
    (tmp_path / "empty").mkdir()

    def compiled(verilog: str) -> VerilatorSimulator:
        return VerilatorSimulator(
            verilog,
            top=top,
            images=tmp_path / "empty",
            classes=network.classes,
            recipe=recipe(hot="-O1"),
        )

    found = accelerator.predict(network, hardware, dense_frames(network, 100, seed=25))
    simulator = compiled(gates)
    for back_to_back in (True, False):
        accelerator.run_and_check(simulator, found, back_to_back=back_to_back)
    stall = Stall("one-in", 2)
    result = simulator.run(found.frames, back_to_back=True, source=stall, sink=stall)
    assert np.array_equal(result.logits, found.logits)

    # Synthesis of other weights must be told apart.
    image = tmp_path / f"{network.layers[0].name}_weight.mem"
    words = image.read_text().split()
    words[3] = f"{int(words[3], 16) ^ 0x11:0{len(words[3])}x}"
    image.write_text("\n".join(words) + "\n")
    if family == "ecp5":
        other = netlist(generate(network, hardware), top=top, family=family, images=tmp_path)
        with pytest.raises(MismatchError, match="expected"):
            accelerator.run_and_check(compiled(other), found, back_to_back=True)
