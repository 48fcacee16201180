# SPDX-License-Identifier: Apache-2.0
"""Parameters as one row of words, and those of one network in the design of another."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.images import memories
from cygnet.layer_plan import plan_layers
from cygnet.load_image import LoadLayout, load_words
from cygnet.network import Dense, Network
from cygnet.neuron_core import LOAD_ROOM
from cygnet.refit import refit
from networks import dense_network
from random_networks import draw

SIZES = (13, 6, 5)


def config(network: Network, *, lanes: int = 6, steps: int = 2) -> HardwareConfig:
    return replace(HardwareConfig.uniform(network, steps=steps, lanes=lanes, beat=4), loadable=True)


def network(seed: int = 1) -> Network:
    return dense_network(seed, SIZES, steps=2)


def changed(change: Callable[[Network], dict[str, object]]) -> Network:
    """The network with other members in its first layer."""
    given = network()
    first = replace(given.layers[0], **change(given))  # type: ignore[arg-type]
    return replace(given, name="other", layers=(first, *given.layers[1:]))


def test_words_are_layout_rows_and_checksum() -> None:
    """Cut apart again by somebody else: struct, zlib."""
    given = network()
    hardware = config(given)
    contents = memories(given, hardware)
    layout = LoadLayout.of(given, hardware, contents)
    words = load_words(layout, contents)
    assert words.dtype == np.uint32
    assert len(words) == layout.words
    data = words.astype("<u4").tobytes()
    assert zlib.crc32(data[:-4]) == int(words[-1])
    assert int(words[0]) == layout.checksum
    at = 4
    for memory in contents:
        size = -(-memory.width // 32)
        for word in memory.words:
            parts = struct.unpack_from(f"<{size}I", data, at)
            assert sum(part << 32 * place for place, part in enumerate(parts)) == word
            at += 4 * size
    assert at == len(data) - 4
    # Rows of 48 bits take two words.
    assert contents[0].width == 48
    with pytest.raises(ValueError, match=r"^memories must have the geometry of the layout$"):
        load_words(layout, contents[:-1])


def test_the_layout_is_that_of_the_design_not_of_its_parameters() -> None:
    """Equal for other weights of the same ranges, another for anything that changes the Verilog."""
    given = network()

    def checksum(chosen: Network, hardware: HardwareConfig) -> int:
        return LoadLayout.of(chosen, hardware, memories(chosen, hardware)).checksum

    first = given.layers[0]
    weight = first.synapses.weight[:, ::-1]
    reset = np.roll(first.neurons.reset, 1)
    shuffled = replace(
        given,
        layers=(
            replace(
                first,
                synapses=Dense(weight, 8),
                neurons=replace(first.neurons, reset=reset, fire=reset, initial=reset >> 1),
            ),
            *given.layers[1:],
        ),
    )
    assert shuffled.digest != given.digest
    assert checksum(shuffled, config(given)) == checksum(given, config(given))
    others = {
        checksum(given, config(given)),
        checksum(given, config(given, lanes=3)),
        checksum(given, config(given, steps=1)),
        checksum(given, replace(config(given), beat=2)),
        checksum(dense_network(1, SIZES, steps=2, tau=3), config(given)),
        checksum(dense_network(1, SIZES, steps=2, bits=6), config(given)),
    }
    assert len(others) == 6


def test_every_threshold_is_in_a_memory_and_widths_have_room() -> None:
    given = dense_network(1, (13, 1, 5), steps=2)  # one neuron: its threshold is a constant
    fixed = HardwareConfig.uniform(given, steps=2, lanes=1, beat=4)
    hardware = replace(fixed, loadable=True)
    plain, loadable = plan_layers(given, fixed)[0], plan_layers(given, hardware)[0]
    assert plain.core is not None
    assert loadable.core is not None
    assert plain.core.row_width == 0
    assert loadable.core.threshold == "memory"
    assert loadable.core.membrane_width == plain.core.membrane_width + LOAD_ROOM
    for name in ("accumulator_width", "current_width", "bias_width"):
        assert getattr(loadable, name) == getattr(plain, name) + LOAD_ROOM


def test_refit_of_itself_changes_nothing() -> None:
    for seed in range(4):
        given, hardware, _ = draw(seed)
        hardware = replace(hardware, loadable=True)
        assert refit(given, given, hardware) == memories(given, hardware)


def test_another_network_has_the_geometry_of_the_design() -> None:
    design, other = network(1), network(2)
    hardware = config(design)
    found, own = refit(design, other, hardware), memories(other, hardware)
    wanted = memories(design, hardware)
    assert [(m.name, m.width, m.depth) for m in found] == [
        (m.name, m.width, m.depth) for m in wanted
    ]
    # Weights are as wide in both, so their rows are those of the other network.
    assert found[0].words == own[0].words != wanted[0].words


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: dense_network(2, (14, 6, 5), steps=2),
            r"^random: has another input than random; generate a design for it$",
        ),
        (
            lambda: dense_network(2, (13, 6, 6, 5), steps=2),
            r"^random: has 3 layers and random has 2; generate a design for it$",
        ),
        (
            lambda: dense_network(2, (13, 7, 5), steps=2),
            r"^random: layer 'layer1' has shape \(1, 1, 7\) and the design \(1, 1, 6\); generate",
        ),
        (
            lambda: dense_network(2, SIZES, steps=1),
            r"^random: is made for 1 time-steps and the design runs 2; convert it again with",
        ),
        (
            lambda: dense_network(2, SIZES, steps=2, kind="if"),
            r"^random: layer 'layer1' has neurons of kind if and the design gn; generate",
        ),
        (
            lambda: changed(lambda n: {"bias": n.layers[0].bias * 64}),
            r"^other: layer 'layer1' has bits of a bias \d+ and the design \d+; generate a design",
        ),
        (
            lambda: changed(
                lambda n: {
                    "neurons": replace(n.layers[0].neurons, initial=n.layers[0].neurons.reset >> 2)
                }
            ),
            r"^other: layer 'layer1' has initial potentials memory and the design half; generate",
        ),
        (
            lambda: changed(
                lambda n: {
                    "neurons": replace(
                        n.layers[0].neurons,
                        reset=n.layers[0].neurons.reset * 8,
                        fire=n.layers[0].neurons.reset * 8,
                        initial=n.layers[0].neurons.reset * 4,
                    )
                }
            ),
            r"^other: .*; generate a design for it$",
        ),
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], Network], message: str) -> None:
    design = network()
    with pytest.raises(CygnetError, match=message):
        refit(design, make(), config(design))


def test_the_file_and_its_manifest(tmp_path: Path) -> None:
    design, other = network(1), network(2)
    hardware = config(design)
    write_images(other, hardware, tmp_path, design=design)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    data = (tmp_path / "load.bin").read_bytes()
    load = manifest["load"]
    layout = LoadLayout.of(design, hardware, memories(design, hardware))
    assert data == load_words(layout, refit(design, other, hardware)).astype("<u4").tobytes()
    assert len(data) == 4 * load["words"]
    assert load["checksum"] == f"{zlib.crc32(data[:-4]):08x}"
    assert load["layout"] == f"{layout.checksum:08x}"
    assert manifest["network"]["sha256"] == other.digest
    assert load["design"] == {"name": design.name, "sha256": design.digest}
