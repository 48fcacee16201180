# SPDX-License-Identifier: Apache-2.0
"""The netlist after synthesis answers like the golden model, in the same cycles."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cygnet.cosim import accelerator, ecp5_cells
from cygnet.cosim.gates import Family, netlist, prepared_netlist
from cygnet.cosim.simulator import VerilatorSimulator, recipe
from cygnet.cosim.stalls import Stall
from cygnet.errors import MismatchError
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.images import memories
from cygnet.network import Network
from cygnet.synthesis.netlist import Netlist
from cygnet.synthesis.run import map_design
from cygnet.synthesis.targets import target
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


def write_images(network: Network, hardware: HardwareConfig, folder: Path) -> None:
    for memory in memories(network, hardware):
        digits = -(-memory.width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in memory.words)
        (folder / f"{memory.name}.mem").write_text(text)


@pytest.mark.slow
@pytest.mark.parametrize("made", [dense, maps])
@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_netlist(
    family: Family, made: Callable[[], tuple[Network, HardwareConfig]], tmp_path: Path
) -> None:
    network, hardware = made()
    write_images(network, hardware, tmp_path)
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


def deep_dense() -> tuple[Network, HardwareConfig]:
    """Weights in several block memories, one behind the other; multipliers, two steps in one."""
    network = dense_network(24, (1200, 8, 7, 3), steps=2)
    layers = (
        LayerHardware(8, arithmetic="dsp"),
        LayerHardware(2),
        LayerHardware(1, arithmetic="dsp"),
    )
    return network, HardwareConfig(steps=2, beat=8, layers=layers)


def deep_maps() -> tuple[Network, HardwareConfig]:
    """Rows of maps in several block memories, behind registers with an enable."""
    network = maps_network(26, size=64, channels=16, steps=2)
    layers = (
        LayerHardware(8, cores=2, arithmetic="dsp"),
        LayerHardware(16, cores=2, arithmetic="dsp"),
        LayerHardware(16, cores=2, arithmetic="dsp"),
        LayerHardware(1),
    )
    return network, HardwareConfig(steps=2, beat=2, layers=layers)


@pytest.mark.slow
@pytest.mark.parametrize(("made", "count"), [(deep_dense, 100), (deep_maps, 2)])
def test_what_nextpnr_gets(
    made: Callable[[], tuple[Network, HardwareConfig]], count: int, tmp_path: Path
) -> None:
    """With block memories, multipliers and the steps between Yosys and nextpnr."""
    network, hardware = made()
    write_images(network, hardware, tmp_path)
    top, cache = top_name(network), tmp_path / "cache"
    verilog = generate(network, hardware)
    gates = prepared_netlist(verilog, top=top, images=tmp_path, cache=cache)
    contents = {path.name: path.read_text() for path in sorted(tmp_path.glob("*.mem"))}
    mapped = map_design(verilog, top, target("ecp5-85k"), contents, True, cache)
    cells = Netlist(mapped["netlist"])
    blocks = cells.of_type("DP16KD")
    for block, port in itertools.product(blocks, "AB"):
        bits = [cells.bit(block, f"DO{port}{n}") for n in range(18)]
        if any(isinstance(bit, int) and cells.readers[bit] for bit in bits):
            # What is read comes out of the memory's own registers.
            assert cells.cells[block]["parameters"][f"REGMODE_{port}"] == "OUTREG", block
    assert len(blocks) > 8
    assert cells.of_type("MULT18X18D")
    (tmp_path / "empty").mkdir()
    simulator = VerilatorSimulator(
        gates,
        top=top,
        images=tmp_path / "empty",
        classes=network.classes,
        recipe=recipe(hot="-O1"),
    )
    found = accelerator.predict(network, hardware, dense_frames(network, count, seed=25))
    for back_to_back in (True, False):
        accelerator.run_and_check(simulator, found, back_to_back=back_to_back)


def test_pins_that_the_models_leave_out() -> None:
    block = {
        "type": "DP16KD",
        "parameters": {},
        "connections": {"RSTA": ["0"], "CSB1": [7]},
        "port_directions": {"RSTA": "input", "CSB1": "input"},
    }
    top = {"attributes": {"top": "1"}, "ports": {}, "cells": {"block": block}, "netnames": {}}
    text = json.dumps({"modules": {"top": top}})
    with pytest.raises(ValueError, match=r"^block.CSB1 must be 0, not 7$"):
        ecp5_cells.check(Netlist(text))
