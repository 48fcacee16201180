# SPDX-License-Identifier: Apache-2.0
"""Configurations chosen for a device: they fit, they are balanced, or the refusal has numbers."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace

import pytest

from cygnet.errors import CygnetError
from cygnet.hardware import LayerHardware
from cygnet.layer_plan import plan_layers
from cygnet.network import Network
from cygnet.synthesis.area import DEVICES, block_rams, layer_area, total
from cygnet.synthesis.budget import FILL, RAM_FILL, balance, expected_clocks
from networks import dense_network


@pytest.fixture(scope="module")
def network() -> Network:
    return dense_network(1)


@pytest.mark.parametrize(
    ("rows", "bits", "family", "blocks"),
    [
        (6272, 128, "ecp5", 49),  # Yosys takes 50
        (2400, 160, "ecp5", 23),  # as Yosys maps them
        (840, 96, "ecp5", 6),
        (25, 48, "ecp5", 0),
        (16384, 1, "ecp5", 1),
        (512, 36, "ecp5", 1),
        (513, 36, "ecp5", 2),
        (256, 16, "ice40", 1),
        (257, 16, "ice40", 2),
    ],
)
def test_block_rams(rows: int, bits: int, family: str, blocks: int) -> None:
    assert block_rams(rows, bits, family) == blocks


def test_as_many_as_fit(network: Network) -> None:
    budget = balance(network, DEVICES["ecp5-85k"], steps=1)
    lanes = [layer.lanes for layer in budget.hardware.layers]
    slowest = max(range(len(lanes)), key=budget.clocks.__getitem__)
    # The slowest layer has all the lanes that are of use to it.
    assert lanes[slowest] == network.shape(slowest)[2]
    assert budget.whole.dsps <= 156


@pytest.mark.parametrize("tables", [2600, 3000, 3400, 4000])
def test_nothing_that_fits_is_faster(network: Network, tables: int) -> None:
    device = replace(DEVICES["ecp5-85k"], tables=tables, dsps=0)
    found = balance(network, device, steps=2, arithmetic=["lut"] * len(network.layers))
    outputs = [network.shape(n)[2] for n in range(len(network.layers))]
    fastest = None
    for lanes in itertools.product(*(range(1, count + 1) for count in outputs)):
        hardware = replace(
            found.hardware, layers=tuple(LayerHardware(each, arithmetic="lut") for each in lanes)
        )
        plans = plan_layers(network, hardware)
        area = total([layer_area(plan, device) for plan in plans], device)
        if area.tables <= FILL * tables and area.rams <= RAM_FILL * device.rams:
            clocks = max(map(expected_clocks, plans))
            fastest = clocks if fastest is None else min(fastest, clocks)
    assert fastest is not None
    assert max(found.clocks) <= fastest
    assert found.whole.tables <= FILL * tables


def test_a_rate_takes_no_more_than_it_needs(network: Network) -> None:
    device = DEVICES["ecp5-85k"]
    most = balance(network, device, steps=1)
    least = balance(network, device, steps=1, fps=1)
    some = balance(network, device, steps=1, fps=most.fps(100) / 2)
    assert [layer.lanes for layer in least.hardware.layers] == [1] * len(network.layers)
    assert most.fps(100) / 2 <= some.fps(100)
    assert least.whole.tables < some.whole.tables <= most.whole.tables


def test_given_arithmetic_stays(network: Network) -> None:
    kinds = ["lut"] * len(network.layers)
    budget = balance(network, DEVICES["ecp5-85k"], steps=1, arithmetic=kinds)  # type: ignore[arg-type]
    assert [layer.arithmetic for layer in budget.hardware.layers] == kinds
    assert budget.whole.dsps == 0


def test_a_rate_out_of_reach_is_refused(network: Network) -> None:
    with pytest.raises(CygnetError, match=r"frames/s at 100 MHz need .* clocks a frame, and ecp5"):
        balance(network, DEVICES["ecp5-85k"], steps=1, fps=1e9)


def test_a_device_that_is_too_small_is_refused_with_both_numbers(network: Network) -> None:
    small = DEVICES["ice40-up5k"]
    device = type(small)(small.name, small.family, 100, 0, 0)
    with pytest.raises(CygnetError) as refused:
        balance(network, device, steps=1)
    assert re.search(r"needs [\d,]+ block RAMs .* and [\d,]+ tables .* has 0 and 100", str(refused))


def test_multipliers_save_tables(network: Network) -> None:
    device = DEVICES["ecp5-85k"]
    hardware = balance(
        network, device, steps=1, fps=1, arithmetic=["lut"] * len(network.layers)
    ).hardware
    many = balance(
        network, device, steps=1, fps=1, arithmetic=["dsp"] * len(network.layers)
    ).hardware
    for plain, block in zip(
        plan_layers(network, hardware), plan_layers(network, many), strict=True
    ):
        assert layer_area(block, device).dsps == block.lanes
        assert layer_area(block, device).tables < layer_area(plain, device).tables
        assert expected_clocks(block) == expected_clocks(plain)
