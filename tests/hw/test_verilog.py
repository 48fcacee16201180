# SPDX-License-Identifier: Apache-2.0
"""The Verilog as a product: its names, its header, its images, the same text every time."""

from __future__ import annotations

import dataclasses
import re

import pytest

from cygnet.cosim.lint import lint
from cygnet.gateware.line_buffer import LineBuffer
from cygnet.gateware.verilog import convert, generate, top_name
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.images import memories
from cygnet.layer_plan import plan_layers
from networks import dense_network


@pytest.fixture(scope="module")
def text() -> str:
    network = dense_network(1)
    return generate(network, HardwareConfig.uniform(network, steps=2, lanes=4, beat=4))


def test_header_tells_configuration_and_checksum(text: str) -> None:
    network = dense_network(1)
    header = text[: text.index("module ")]
    assert all(line.startswith("//") for line in header.strip().splitlines())
    assert f"checksum   {network.digest}" in header
    assert "time-steps 2" in header
    assert "layer1: 12 -> 10, 8-bit weights, 4 lanes lut, gn, tau 4, membrane " in header
    assert ", cores 1 fast\n" in header


def test_header_tells_what_differs_from_layer_to_layer() -> None:
    network = dense_network(1, steps=4)
    layers = (
        LayerHardware(10, cores=2, arithmetic="dsp"),
        LayerHardware(7, neuron="small", block=2),
        LayerHardware(1),
    )
    header = generate(network, HardwareConfig(steps=4, beat=4, layers=layers))
    assert "10 lanes dsp, gn" in header
    assert "cores 2 fast\n" in header
    assert "7 lanes lut, blocks of 2 steps, gn" in header
    assert "cores 1 small\n" in header
    assert "1 lanes lut, accumulates\n" in header


def test_every_memory_with_an_image_reads_it_once(text: str) -> None:
    network = dense_network(1)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4, beat=4)
    read = re.findall(r'\$readmemh\("(\w+)\.mem", (\w+)\);', text)
    assert sorted(name for name, _ in read) == sorted(
        memory.name for memory in memories(network, hardware)
    )


def test_geometry_of_the_memories(text: str) -> None:
    network = dense_network(1)
    hardware = HardwareConfig.uniform(network, steps=2, lanes=4, beat=4)
    for memory in memories(network, hardware):
        declared = re.search(
            rf'reg \[(\d+):0\] (\w+) \[(\d+):0\];\n  initial \$readmemh\("{memory.name}\.mem"', text
        )
        assert declared is not None
        assert (int(declared[1]) + 1, int(declared[3]) + 1) == (memory.width, memory.depth)


def test_names_need_no_escape_and_tell_the_place(text: str) -> None:
    assert "\\" not in text
    assert "$" not in text.replace("$readmemh", "").replace("$signed", "").replace("$unsigned", "")
    modules = re.findall(r"^module (\w+)", text, re.MULTILINE)
    assert modules[0] == top_name(dense_network(1)) == "cygnet_random"
    assert "cygnet_random__layer1__engine" in modules


def test_same_text_every_time(text: str) -> None:
    network = dense_network(1)
    assert text == generate(network, HardwareConfig.uniform(network, steps=2, lanes=4, beat=4))


def test_no_path_of_the_machine(text: str) -> None:
    assert not re.search(r"/\w+/|\.py", text)


def test_an_image_for_no_memory_is_refused() -> None:
    network = dense_network(1)
    plan = plan_layers(network, HardwareConfig.uniform(network, steps=1, lanes=4, beat=4))[0]
    with pytest.raises(
        ValueError, match=r"^images must name memories of lines, not \['nothing'\]$"
    ):
        convert(LineBuffer(plan.main), "lines", images={"nothing": "x"}, header="")


@pytest.mark.parametrize("name", ["output", "inside", "always", "logic"])
def test_layers_may_have_the_names_of_keywords(name: str) -> None:
    network = dense_network(1)
    first = dataclasses.replace(network.layers[0], name=name)
    network = dataclasses.replace(network, layers=(first, *network.layers[1:]))
    text = generate(network, HardwareConfig.uniform(network, steps=1, lanes=4))
    assert lint(text, top=top_name(network)) == []
