# SPDX-License-Identifier: Apache-2.0
"""The report page: complete and closed in itself; test_browser.py opens it."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import Network
from cygnet.report.measurements import FILE, add, read
from cygnet.report.page import find_hardware, find_network, page
from networks import random_mlp, random_residual

from .measured import COMMANDS, SYNTHESIS, sections


class Reader(HTMLParser):
    """Tags, attributes and text of a page; every tag must be closed in order."""

    VOID = frozenset({"meta", "link", "br", "path", "rect", "line", "circle"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag
        elif tag in self.open:
            self.open.remove(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [str(attrs[name]) for _, attrs in self.tags if name in attrs]


@pytest.fixture(scope="module")
def mlp() -> tuple[Network, HardwareConfig]:
    network = random_mlp(np.random.default_rng(0), steps=2)
    return network, HardwareConfig.uniform(network, steps=2, lanes=4)


@pytest.fixture(scope="module")
def full(mlp: tuple[Network, HardwareConfig]) -> str:
    network, hardware = mlp
    return page(
        network, sections(network, hardware), hardware=hardware, synthesis=[SYNTHESIS],
        command="cygnet report <build>",
    )  # fmt: skip


def test_page_holds_what_was_measured(full: str, mlp: tuple[Network, HardwareConfig]) -> None:
    network, hardware = mlp
    text = Reader(full).text
    rows = sections(network, hardware)["activity"]["layers"]
    for layer, row in zip(network.layers, rows, strict=True):
        assert layer.name in text
        assert f"{row['clocks']:,.0f}" in text
        if layer.neurons is not None:
            assert f"{row['rate']:.3f}" in text
            assert f"{layer.neurons.reset.min()} to {layer.neurons.reset.max()}" in text
    for figure in ("1,234.5", "92.00 %", "93.00 %", "4,321", "133.7 MHz", network.digest):
        assert figure in text
    for command in COMMANDS.values():
        assert f"From {command}" in text
    assert "cygnet report <build>" in text


def test_every_figure_says_which_command_made_it(full: str) -> None:
    figures = re.findall(r"<figure>.*?</figure>", full, re.DOTALL)
    assert len(figures) == 5
    for figure in figures[1:]:
        assert re.search(r"From <code>cygnet [^<]+</code>", figure)
    assert re.search(r"<caption>Layers.*From <code>cygnet", full)


def test_page_is_closed_in_itself(full: str) -> None:
    found = Reader(full)
    assert "default-src 'none'" in full
    for name in ("href", "src"):
        for value in found.values(name):
            assert value.startswith(("#", "data:"))
    assert not re.search(r"https?://|@import|url\((?!#)", full)
    ids = Counter(found.values("id"))
    assert max(ids.values()) == 1
    for value in found.values("href"):
        assert value == "data:," or value[1:] in ids


def test_page_can_be_used_by_keyboard_and_by_ear(full: str) -> None:
    found = Reader(full)
    for tag, attrs in found.tags:
        if attrs.get("class") == "scroll":
            assert attrs["tabindex"] == "0"
            assert attrs["aria-label"]
        if tag == "svg":
            assert attrs["aria-label"]
        assert "onclick" not in attrs
    assert (found.tags[[tag for tag, _ in found.tags].index("html")][1])["lang"] == "en"
    headings = [int(tag[1]) for tag, _ in found.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}


def test_page_without_measurements_says_how_to_get_them() -> None:
    network = random_residual(np.random.default_rng(0))
    text = " ".join(Reader(page(network, {})).text.split())
    assert "cygnet report BUILD_DIR --data DATA, then cygnet report again" in text
    assert "cygnet image NETWORK.cyg -o BUILD_DIR, then" in text
    assert "cygnet synth NETWORK.cyg -o BUILD_DIR/synth.json, then" in text
    assert text.count("Not measured") == 3


def test_shortcuts_are_arcs() -> None:
    network = random_residual(np.random.default_rng(0))
    text = page(network, sections(network, None))
    for layer in network.layers:
        if layer.shortcut is not None:
            kind = type(layer.shortcut).__name__.lower()
            source = network.layers[layer.shortcut.source].name
            assert f"<title>{kind} from {source} to {layer.name}</title>" in text


def test_measurements_of_another_network_are_dropped(tmp_path: Path) -> None:
    first, second = (random_mlp(np.random.default_rng(seed)) for seed in (0, 1))
    add(tmp_path, first, "accuracy", {"ann": 1.0}, "cygnet one")
    add(tmp_path, first, "errors", {"steps": 1}, "cygnet two")
    assert read(tmp_path, first) == {
        "accuracy": {"command": "cygnet one", "ann": 1.0},
        "errors": {"command": "cygnet two", "steps": 1},
    }
    assert read(tmp_path, second) == {}
    add(tmp_path, second, "errors", {"steps": 3}, "cygnet three")
    assert read(tmp_path, first) == {}
    assert list(read(tmp_path, second)) == ["errors"]


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"format": "cygnet-measurements"}'])
def test_damaged_measurements(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(CygnetError, match=r"measurements.json: is damaged; remove it, and run"):
        read(tmp_path, random_mlp(np.random.default_rng(0)))


def test_what_lies_in_a_folder(tmp_path: Path, mlp: tuple[Network, HardwareConfig]) -> None:
    network, hardware = mlp
    with pytest.raises(CygnetError, match=r"holds no .cyg file; name the network with --network"):
        find_network(tmp_path)
    (tmp_path / "a.cyg").touch()
    assert find_network(tmp_path) == tmp_path / "a.cyg"
    (tmp_path / "b.cyg").touch()
    with pytest.raises(CygnetError, match=r"holds 2 .cyg files; name the network"):
        find_network(tmp_path)
    with pytest.raises(CygnetError, match=r"is no folder; give"):
        find_network(tmp_path / "none")
    write_images(network, hardware, tmp_path / "t2")
    write_images(random_mlp(np.random.default_rng(9)), HardwareConfig.uniform(
        random_mlp(np.random.default_rng(9)), steps=1), tmp_path / "other")  # fmt: skip
    assert find_hardware(tmp_path, network) == {2: hardware}
    (tmp_path / "t2" / "manifest.json").write_text("{}")
    with pytest.raises(CygnetError, match="is damaged, or of another version of Cygnet"):
        find_hardware(tmp_path, network)
