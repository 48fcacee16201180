# SPDX-License-Identifier: Apache-2.0
"""The documents: snippets run, links lead somewhere, every page is in the site."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])


def fences(page: Path, kind: str) -> list[str]:
    """The fenced blocks of one kind in a page, in order."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", page.read_text(), re.DOTALL | re.MULTILINE)


EXECUTED = [page for page in PAGES if fences(page, "python") or fences(page, "console")]


def test_some_pages_are_executed() -> None:
    assert DOCS / "tutorial.md" in EXECUTED


@pytest.mark.parametrize("page", EXECUTED, ids=lambda page: page.stem)
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    """Python blocks as one program, then the commands of console blocks, in an empty folder."""
    path = os.pathsep.join(entry for entry in sys.path if entry)
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}

    def run(*command: str) -> None:
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"

    program = "\n".join(fences(page, "python"))
    if program:
        if page.name == "tutorial.md":
            program += "\nassert right > 0.92 and accuracy[4] > 0.9 and found.mismatches == 0\n"
        (tmp_path / "program.py").write_text(program)
        run("program.py")
    for line in "".join(fences(page, "console")).splitlines():
        assert line.startswith("$ cygnet "), line
        run("-m", "cygnet.command.main", *shlex.split(line)[2:])
    if page.name == "tutorial.md":
        assert (tmp_path / "build" / "digits" / "report.html").is_file()


def anchors(text: str) -> set[str]:
    """What headings of a page can be linked by."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"https?://|mailto:", target):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text()), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_headings_are_linked_alike_on_the_site_and_elsewhere(page: Path) -> None:
    """MkDocs makes one hyphen of several, and forges do not."""
    for anchor in anchors(page.read_text()):
        assert "--" not in anchor.strip("-"), anchor


def test_the_site_names_pages_that_are_there() -> None:
    """Pages that it does not name are put under "More" by docs/hooks.py."""
    listed = re.findall(r"[\w./-]+\.md", (ROOT / "mkdocs.yml").read_text())
    assert len(listed) == len(set(listed)) > 20
    for name in listed:
        assert (DOCS / name).is_file(), name


@pytest.mark.parametrize("name", ["flow", "layer"])
def test_figures_are_as_their_programs_draw_them(name: str, tmp_path: Path) -> None:
    program = tmp_path / f"{name}.py"
    program.write_text((DOCS / "figures" / program.name).read_text())
    subprocess.run([sys.executable, str(program)], check=True)
    drawn = (tmp_path / f"{name}.svg").read_text()
    assert drawn == (DOCS / "figures" / f"{name}.svg").read_text()
