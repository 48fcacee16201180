# SPDX-License-Identifier: Apache-2.0
"""The report page: complete, closed in itself, and alive in a browser."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
from collections import Counter
from dataclasses import asdict
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.doctor import BROWSERS
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import Network
from cygnet.report.activity import activity
from cygnet.report.measurements import FILE, add, read
from cygnet.report.page import find_hardware, find_network, page
from networks import random_mlp, random_residual


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


COMMANDS = {
    "accuracy": "cygnet report build --data a.npz",
    "errors": "cygnet report build --data b.npz",
    "activity": "cygnet report build --data c.npz",
    "simulation": "cygnet sim net.cyg -o build",
}


def sections(network: Network, hardware: HardwareConfig | None) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (5, *network.input.shape), dtype=np.uint8)
    shares = {str(t): 0.9 + 0.01 * t for t in (1, 2)}
    error = {"torch": 2.0, "float_error": 0.2, "quantization_error": 0.02, "integer_error": 0.21}
    clocks = {"measured": 1234.5, "predicted": 1234.5, "maximum": 2000}
    one = {"mismatches": 0, "latency": clocks, "interval": clocks, "lane_use": 0.5}
    found: dict[str, Any] = {
        "accuracy": {"images": 5, "ann": 0.93, "float": shares, "golden": shares, "rtl": shares},
        "errors": {
            "steps": 2,
            "images": 5,
            "layers": [{"name": layer.name, **error} for layer in network.layers],
        },
        "activity": json.loads(
            json.dumps(asdict(activity(network, x, steps=2, hardware=hardware)))
        ),
        "simulation": {"images": 5, "steps": {"2": one}},
    }
    return {name: {"command": COMMANDS[name], **value} for name, value in found.items()}


SYNTHESIS = {
    "target": "ecp5-85k-6", "area": 4321, "ffs": 2100, "brams": 9, "dsps": 4, "fmax_mhz": 133.7,
    "file": "synth.json",
}  # fmt: skip


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


BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

PROBE = """<script>
addEventListener("load", () => {
  const theme = document.getElementById("theme"), before = theme.getAttribute("aria-pressed");
  const back = () => getComputedStyle(document.body).backgroundColor, one = back();
  theme.click();
  const nodes = [...document.querySelectorAll("a.node")];
  nodes[0].focus();
  nodes[0].dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight", bubbles: true}));
  const focus = document.activeElement === nodes[1];
  const panel = document.getElementById(nodes[2].getAttribute("href").slice(1));
  panel.open = false;
  nodes[2].dispatchEvent(new MouseEvent("click", {bubbles: true}));
  const wide = document.documentElement.scrollWidth <= innerWidth;
  document.title = JSON.stringify(
    [before, theme.getAttribute("aria-pressed"), one !== back(), focus, panel.open, wide]);
});
</script></body>"""


@pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on the PATH (Debian: apt install chromium)"
)
def test_in_a_browser(full: str, tmp_path: Path) -> None:
    """Theme, arrow keys and links work; the page is no wider than a phone; it draws something."""
    path = tmp_path / "report.html"
    path.write_text(full.replace("</body>", PROBE))
    common = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]  # fmt: skip

    def run(*options: str) -> str:
        return subprocess.run(
            [*common, *options, path.as_uri()], capture_output=True, text=True, check=True,
            timeout=240, cwd=tmp_path,
        ).stdout  # fmt: skip

    shown = run("--dump-dom", "--window-size=500,900")
    title = re.search(r"<title>(\[.*?\])</title>", shown)
    assert title is not None
    assert json.loads(title[1]) == ["false", "true", True, True, True, True]
    path.write_text(full)
    run("--window-size=1180,900", "--screenshot=shot.png")
    picture = (tmp_path / "shot.png").read_bytes()
    assert struct.unpack(">II", picture[16:24]) == (1180, 900)
    from matplotlib import image

    pixels = image.imread(tmp_path / "shot.png")[..., :3]
    assert len(np.unique((pixels.reshape(-1, 3) * 255).astype(int), axis=0)) > 50
