# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.cache import content_key, default_cache
from cygnet.synthesis import default_cache as synthesis_cache


@pytest.mark.parametrize("said", [None, ""])
def test_without_a_word_the_cache_lies_in_build(
    said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if said is None:
        monkeypatch.delenv("CYGNET_CACHE", raising=False)
    else:
        monkeypatch.setenv("CYGNET_CACHE", said)
    assert default_cache() == tmp_path / "build" / "cache"
    assert synthesis_cache() == tmp_path / "build" / "cache" / "synthesis"


def test_the_environment_names_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CYGNET_CACHE", "there")
    assert default_cache() == tmp_path / "there"
    assert synthesis_cache() == tmp_path / "there" / "synthesis"


def test_a_key_is_of_the_content_and_its_order() -> None:
    key = content_key("netlist", {"a": 1, "b": 2}, 3)
    assert key == content_key("netlist", {"b": 2, "a": 1}, 3)
    others = [("netlist", {"a": 1, "b": 2}), ({"a": 1, "b": 2}, "netlist", 3), ("netlist", 3)]
    assert key not in {content_key(*parts) for parts in others}
