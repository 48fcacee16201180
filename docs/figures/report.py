# SPDX-License-Identifier: Apache-2.0
"""Draws report.png: parts of a report page, as Chromium shows them.

After ``make demo`` and ``cygnet synth build/demo/digits.cyg --steps 4 --lanes 16 --beat 8 --target
ecp5-25k --seeds 1 -o build/demo/synth.json``, then ``cygnet report build/demo``.
"""

from __future__ import annotations

import io
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

PARTS = ("network", "pipeline")
HIDE = """parts => {
  let shown = true;
  for (const one of document.querySelector("main").children) {
    if (one.tagName === "H2") shown = parts.includes(one.id);
    const clocks = one.matches(".scroll") && one.textContent.includes("Clocks of the RTL");
    if (!shown || clocks || one.matches("p")) one.style.display = "none";
  }
  for (const one of document.querySelectorAll("nav, footer, figcaption")) {
    one.style.display = "none";
  }
}"""


def main() -> None:
    page = Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo/report.html").absolute()
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        shown = browser.new_page(viewport={"width": 1120, "height": 900})
        shown.goto(page.as_uri())
        shown.evaluate(HIDE, list(PARTS))
        picture = Image.open(io.BytesIO(shown.screenshot(full_page=True)))
        browser.close()
    # 96 colours are all that it has but for the edges of letters.
    picture.quantize(96).save(Path(__file__).with_name("report.png"), optimize=True)


if __name__ == "__main__":
    main()
