# SPDX-License-Identifier: Apache-2.0
"""The report page in a headless Chromium, worked by real keys; and its colours by arithmetic."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.doctor import BROWSERS
from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.report.page import TEMPLATE, page
from networks import maps_network, random_mlp, random_residual

from .measured import SYNTHESIS, sections

BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
chromium = pytest.mark.skipif(
    BROWSER is None, reason="no Chromium on the PATH (Debian: apt install chromium)"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Rights of its own to make a sandbox are more than a test should need.
        found = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield found
        found.close()


def _networks() -> dict[str, tuple[Network, HardwareConfig | None]]:
    mlp = random_mlp(np.random.default_rng(0), steps=2)
    residual = random_residual(np.random.default_rng(0))
    maps = maps_network(1)
    return {
        "mlp": (mlp, HardwareConfig.uniform(mlp, steps=2, lanes=4)),
        "maps": (maps, HardwareConfig.uniform(maps, steps=2, lanes=2)),
        "residual": (residual, None),
        "without": (residual, None),
    }


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = {}
    for name, (network, hardware) in _networks().items():
        found = {} if name == "without" else sections(network, hardware)
        paths[name] = folder / f"{name}.html"
        paths[name].write_text(
            page(network, found, hardware=hardware, synthesis=[SYNTHESIS] if hardware else [])
        )
    return paths


def opened(browser: Any, path: Path, *, width: int = 1180, scheme: str = "light") -> Any:
    """The page, with errors of its script collected."""
    shown = browser.new_page(
        viewport={"width": width, "height": 900},
        color_scheme=scheme,
        reduced_motion="reduce",  # it scrolls at once
    )
    shown.faults = []
    shown.on("pageerror", lambda fault: shown.faults.append(str(fault)))
    shown.on("console", lambda line: shown.faults.append(line.text))
    shown.goto(path.as_uri())
    return shown


FOCUS = """() => {
  const at = document.activeElement;
  return at.id || at.getAttribute("href") || at.getAttribute("aria-label")
    || (at.tagName === "SUMMARY" ? "summary of " + at.parentElement.id : at.tagName);
}"""


def press(shown: Any, *keys: str) -> str:
    """What has the focus after these keys."""
    for key in keys:
        shown.keyboard.press(key)
    # The page answers some keys in a task of its own.
    shown.wait_for_timeout(50)
    return str(shown.evaluate(FOCUS))


def to(shown: Any, wanted: str) -> None:
    """Tab until something has the focus, which must come."""
    for _ in range(60):
        if press(shown, "Tab") == wanted:
            return
    raise AssertionError(f"Tab never comes to {wanted}")


@chromium
def test_first_tab_offers_to_skip(browser: Any, pages: dict[str, Path]) -> None:
    shown = opened(browser, pages["mlp"])
    skip = shown.locator("a.skip")
    assert skip.bounding_box()["x"] < 0
    assert press(shown, "Tab") == "#network"
    assert skip.bounding_box()["x"] >= 0
    press(shown, "Enter")
    assert shown.evaluate("location.hash") == "#network"
    # From there on Tab is behind the header.
    assert press(shown, "Tab").startswith("Graph of the network")
    assert skip.bounding_box()["x"] < 0
    assert shown.faults == []


@chromium
def test_theme_by_key(browser: Any, pages: dict[str, Path]) -> None:
    back = "() => getComputedStyle(document.body).backgroundColor"
    seen = {}
    for scheme in ("light", "dark"):
        shown = opened(browser, pages["mlp"], scheme=scheme)
        button = shown.locator("#theme")
        to(shown, "theme")
        before = shown.evaluate(back)
        assert button.get_attribute("aria-pressed") == str(scheme == "dark").lower()
        press(shown, "Enter")
        assert button.get_attribute("aria-pressed") == str(scheme == "light").lower()
        seen[scheme] = before, shown.evaluate(back)
        press(shown, "Space")
        assert shown.evaluate(back) == before
        assert shown.faults == []
    assert seen["light"] == seen["dark"][::-1]


@chromium
def test_through_the_graph_to_a_layer_and_back(browser: Any, pages: dict[str, Path]) -> None:
    shown = opened(browser, pages["mlp"])
    network = _networks()["mlp"][0]
    links = [f"#layer-{layer.name}" for layer in network.layers]
    to(shown, links[0])
    assert press(shown, "ArrowLeft") == links[0]
    assert press(shown, "ArrowRight") == links[1]
    assert press(shown, "End") == links[-1]
    assert press(shown, "ArrowRight") == links[-1]
    assert press(shown, "Home") == links[0]
    assert press(shown, "ArrowRight") == links[1]
    name = links[1][1:]
    panel = shown.locator(f"#{name}")
    shown.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    assert not panel.evaluate("one => one.open")
    assert press(shown, "Enter") == f"summary of {name}"
    assert panel.evaluate("one => one.open")
    assert panel.locator("dl").is_visible()
    assert 0 <= panel.locator("summary").bounding_box()["y"] < 900
    # A fold is shut and opened by its own key, and Escape leads back to the box.
    press(shown, "Enter")
    assert not panel.locator("dl").is_visible()
    assert press(shown, "Escape") == links[1]
    # The address is the same already.
    assert press(shown, "Enter") == f"summary of {name}"
    assert panel.locator("dl").is_visible()
    assert shown.faults == []


@chromium
def test_an_address_with_a_layer_opens_it(browser: Any, pages: dict[str, Path]) -> None:
    network = _networks()["residual"][0]
    name = f"layer-{network.layers[-1].name}"
    shown = opened(browser, pages["residual"])
    shown.evaluate("for (const one of document.querySelectorAll('details')) one.open = false")
    shown.evaluate(f"location.hash = '#{name}'")
    shown.wait_for_timeout(50)
    assert shown.evaluate(FOCUS) == f"summary of {name}"
    assert shown.locator(f"#{name} dl").is_visible()


@chromium
@pytest.mark.parametrize("name", ["mlp", "maps", "residual", "without"])
def test_everything_with_focus_is_seen_and_nothing_traps_it(
    browser: Any, pages: dict[str, Path], name: str
) -> None:
    """Tab from the top to the end: each stop is on the screen, with a ring around it."""
    shown = opened(browser, pages[name])
    stops = []
    for _ in range(200):
        at = press(shown, "Tab")
        if at == "BODY":
            break
        stops.append(at)
        box, ring = shown.evaluate(
            """() => { const at = document.activeElement, box = at.getBoundingClientRect();
            return [[box.top, box.bottom, box.width], getComputedStyle(at).outlineStyle]; }"""
        )
        assert box[2] > 0
        assert box[0] < 900
        assert box[1] > 0
        assert ring != "none"
    else:
        raise AssertionError("Tab does not come to the end")
    assert len(stops) > 8 + len(_networks()[name][0].layers)


TEXTS = """() => [...document.querySelectorAll("svg")].map(svg => {
  const frame = svg.getBoundingClientRect();
  return [svg.getAttribute("aria-label"), [frame.left, frame.top, frame.right, frame.bottom],
    [...svg.querySelectorAll("text")].map(text => {
      const box = text.getBoundingClientRect();
      return [text.textContent, box.left, box.top, box.right, box.bottom];
    })];
})"""


@chromium
@pytest.mark.parametrize("name", ["mlp", "maps", "residual"])
def test_no_label_is_cut_or_covers_another(browser: Any, pages: dict[str, Path], name: str) -> None:
    shown = opened(browser, pages[name])
    drawings = shown.evaluate(TEXTS)
    assert len(drawings) >= 5
    for title, frame, texts in drawings:
        assert texts, title
        for place, (word, left, top, right, bottom) in enumerate(texts):
            assert left >= frame[0] - 1, (title, word)
            assert right <= frame[2] + 1, (title, word)
            assert top >= frame[1] - 3, (title, word)
            assert bottom <= frame[3] + 3, (title, word)
            for other, a, b, c, d in texts[:place]:
                # Boxes of lines hold room over and under the letters.
                apart = right <= a + 1 or c <= left + 1 or bottom <= b + 5 or d <= top + 5
                assert apart, (title, word, other)


@chromium
@pytest.mark.parametrize("width", [360, 768, 1180])
@pytest.mark.parametrize("name", ["mlp", "maps", "residual", "without"])
def test_page_is_no_wider_than_the_screen(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    shown = opened(browser, pages[name], width=width)
    assert shown.evaluate("document.documentElement.scrollWidth") <= width


@chromium
def test_picture(browser: Any, pages: dict[str, Path]) -> None:
    """It is drawn, in the light and in the dark."""
    from matplotlib import image

    means = {}
    for scheme in ("light", "dark"):
        shown = opened(browser, pages["mlp"], scheme=scheme)
        pixels = image.imread(io.BytesIO(shown.screenshot()))[..., :3]
        assert pixels.shape == (900, 1180, 3)
        assert len(np.unique((pixels.reshape(-1, 3) * 255).astype(int), axis=0)) > 50
        means[scheme] = float(pixels.mean())
    assert means["dark"] < 0.3
    assert means["light"] > 0.8


def _luminance(colour: str) -> float:
    """Of WCAG 2.2, out of #rrggbb."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast() -> None:
    """Of text 4.5 to 1, of what is drawn 3 to 1 (WCAG 2.2 AA), in both sets of colours."""
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    style = TEMPLATE.read_text()
    blocks = re.findall(r"\{([^{}]*--back:[^{}]*)\}", style)
    sets = [dict(re.findall(r"--([a-z0-9]+): (#[0-9a-f]{6});", block)) for block in blocks]
    assert len(sets) == 3
    assert sets[1] == sets[2]
    for colours in sets:
        for text in ("ink", "muted", "accent"):
            for back in ("back", "panel"):
                assert contrast(colours[text], colours[back]) >= 4.5, (text, back)
        for text in ("ink", "muted"):
            for back in ("fill", "slowest"):
                assert contrast(colours[text], colours[back]) >= 4.5, (text, back)
        for number in range(6):
            colour = colours[f"s{number}"]
            assert contrast(colour, colours["panel"]) >= 3, number
            # Numbers of images within bars, and names of lines.
            assert contrast(colours["panel"], colour) >= 4.5, number
        assert contrast(colours["pale"], colours["panel"]) >= 3
