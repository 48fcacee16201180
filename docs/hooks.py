# SPDX-License-Identifier: Apache-2.0
"""What the site adds to the pages: help texts of the commands, pages that the navigation leaves
out, and plain text for links that lead out of docs/."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
MARK = "<!-- commands -->"


def on_startup(**_: Any) -> None:
    """Before the reader of docstrings looks which of its folders exist."""
    _merge()


def on_config(config: Any) -> Any:
    """Put every page that the navigation does not name under its last section."""
    docs = Path(config["docs_dir"])
    named = set(re.findall(r"[\w./-]+\.md", repr(config["nav"])))
    left = sorted(str(path.relative_to(docs)) for path in docs.rglob("*.md"))
    more = [name for name in left if name not in named]
    if more:
        config["nav"].append({"More": more})
    return config


def _merge() -> None:
    """One folder with the package's three roots, for the reader of docstrings, which knows neither
    of packages in several places nor of folders without an ``__init__.py``."""
    folder = ROOT / "build" / "docs-source"
    shutil.rmtree(folder, ignore_errors=True)
    for source in ("hw", "sim", "sw"):
        for path in (ROOT / source / "cygnet").rglob("*.py"):
            there = folder / path.relative_to(ROOT / source)
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
    for inner in [path for path in folder.rglob("*") if path.is_dir()]:
        (inner / "__init__.py").touch()


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:
    """Help texts, and links."""
    if MARK in markdown:
        markdown = markdown.replace(MARK, _commands())
    folder = (ROOT / "docs" / page.file.src_path).parent

    def link(match: re.Match[str]) -> str:
        target = match[2].partition("#")[0]
        inside = not target or "://" in target or _inside(folder / target)
        return match[0] if inside else match[1]

    return re.sub(r"(?<!!)\[([^\]]+)\]\(([^)\s]+)\)", link, markdown)


def _inside(path: Path) -> bool:
    full = path.resolve()
    return full.is_relative_to(ROOT / "docs") and full.is_file()


def _commands() -> str:
    sys.path[:0] = [str(ROOT / source) for source in ("hw", "sim", "sw")]
    from cygnet.command.main import COMMANDS

    return "\n".join(f"## {name}\n\n```text\n{_help(name)}```\n" for name in COMMANDS)


def _help(name: str) -> str:
    path = os.pathsep.join(str(ROOT / source) for source in ("hw", "sim", "sw"))
    return subprocess.run(
        [sys.executable, "-m", "cygnet.command.main", name, "--help"],
        env={**os.environ, "PYTHONPATH": path, "COLUMNS": "92"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
