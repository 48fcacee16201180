# SPDX-License-Identifier: Apache-2.0
"""The view of inner streams, what it says about a mismatch, and what it puts into waveforms."""

from __future__ import annotations

import dataclasses
import re
import shutil
import subprocess
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray

from cygnet.cosim.explain import explain
from cygnet.cosim.lint import lint
from cygnet.cosim.view import TOP, signals, view
from cygnet.cosim.waves import record
from cygnet.gateware.verilog import generate
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from cygnet.network import Network
from networks import dense_frames, dense_network


def write_images(folder: Path, network: Network, hardware: HardwareConfig) -> None:
    for memory in memories(network, hardware):
        digits = -(-memory.width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in memory.words)
        (folder / f"{memory.name}.mem").write_text(text)


def flat(network: Network, count: int, seed: int) -> NDArray[np.uint8]:
    return dense_frames(network, count, seed=seed).reshape(count, -1)


@pytest.mark.parametrize("neuron", ["fast", "small"])
@pytest.mark.parametrize("kind", ["gn", "if"])
def test_the_view_fits_every_core(
    kind: Literal["gn", "if"], neuron: Literal["fast", "small"]
) -> None:
    network = dense_network(6, (13, 9, 6, 4), kind=kind, steps=2)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4, beat=4, neuron=neuron)
    assert lint(generate(network, hardware) + view(network, hardware), top=TOP) == []


def test_a_changed_parameter_is_traced_to_its_neuron(tmp_path: Path) -> None:
    network = dense_network(21, (29, 14, 9, 5), steps=3)
    hardware = HardwareConfig.uniform(network, steps=3, lanes=4, beat=4)
    write_images(tmp_path, network, hardware)
    verilog = generate(network, hardware)
    frames = flat(network, 12, seed=4)
    assert explain(network, hardware, verilog, tmp_path, frames) is None

    # As if neuron 6 of the second layer had another bias.
    bias = network.layers[1].bias.copy()
    bias[6] -= 64
    layers = (
        network.layers[0],
        dataclasses.replace(network.layers[1], bias=bias),
        network.layers[2],
    )
    changed = dataclasses.replace(network, layers=layers)
    found = explain(changed, hardware, verilog, tmp_path, frames)
    assert found is not None
    assert (found.layer, found.neuron) == ("layer2", 6)
    assert re.fullmatch(
        r"image \d+, layer layer2, neuron 6, step [123], cycle \d+: expected \d, got \d", str(found)
    )


@pytest.mark.slow
def test_waves(tmp_path: Path) -> None:
    network = dense_network(22, (16, 6, 3), steps=2)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=3, beat=4)
    write_images(tmp_path, network, hardware)
    out = tmp_path / "run" / "waves.fst"
    record(network, hardware, generate(network, hardware), tmp_path, flat(network, 2, 1), out)

    names = hierarchy(out.read_bytes())
    for scope, widths in signals(network, hardware).items():
        for name in widths:
            assert name in names
            assert (
                f"variable_add TOP.{TOP}.{scope}.{name}\n" in out.with_suffix(".sucl").read_text()
            )
        assert f"-{scope}\n" in out.with_suffix(".gtkw").read_text()
    reader = shutil.which("fst2vcd")
    if reader is None:
        return
    shown = subprocess.run([reader, str(out)], capture_output=True, text=True, check=True).stdout
    known = set()
    scopes: list[str] = []
    for line in shown.splitlines():
        if match := re.match(r"\$scope \w+ (\S+) \$end", line):
            scopes.append(match[1])
        elif line.startswith("$upscope"):
            scopes.pop()
        elif match := re.match(r"\$var \w+ \d+ \S+ (\S+)(?: (\[\S+\]))? \$end", line):
            known.add(".".join([*scopes, match[1] + (match[2] or "")]))
    wanted = re.findall(r"^TOP\..*$", out.with_suffix(".gtkw").read_text(), re.MULTILINE)
    assert set(wanted) <= known
    assert re.search(r"^#\d+$", shown, re.MULTILINE)


def hierarchy(fst: bytes) -> set[str]:
    """Names in the hierarchy block (type 6: LZ4) of an FST file of stored literals."""
    place = 0
    while place < len(fst):
        kind, size = fst[place], int.from_bytes(fst[place + 1 : place + 9], "big")
        if kind == 6:
            block = fst[place + 17 : place + 1 + size]
            assert block[0] == 0xF0
            start = 1
            while block[start] == 255:
                start += 1
            return {
                part.decode() for part in re.findall(rb"[A-Za-z_]\w*(?=[ \0])", block[start + 1 :])
            }
        place += 1 + size
    raise AssertionError("the FST file has no hierarchy")
