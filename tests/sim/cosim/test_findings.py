# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

import pytest

from cygnet.cosim.findings import Findings
from cygnet.errors import CygnetError


def test_what_was_kept_is_found_again(tmp_path: Path) -> None:
    findings = Findings(tmp_path)
    assert findings.get("a", 1) is None
    findings.keep(False, "a", 1)
    findings.keep("stalls", "a", [1])
    assert Findings(tmp_path).get("a", 1) is False
    assert Findings(tmp_path).get("a", [1]) == "stalls"
    assert findings.get("a", 2) is None
    assert findings.get("a") is None


@pytest.mark.parametrize("damaged", ["", '{"fou', "[]", "{}", "\0"])
def test_a_damaged_file_is_none(tmp_path: Path, damaged: str) -> None:
    findings = Findings(tmp_path)
    findings.keep(True, "a")
    (file,) = tmp_path.rglob("*.json")
    file.write_text(damaged)
    assert findings.get("a") is None
    findings.keep(True, "a")
    assert findings.get("a") is True


def test_the_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYGNET_CACHE", str(tmp_path / "cache"))
    Findings().keep(True, "a")
    assert list((tmp_path / "cache" / "findings").rglob("*.json"))
    (tmp_path / "file").write_text("")
    with pytest.raises(CygnetError, match="cannot be written"):
        Findings(tmp_path / "file").keep(True, "a")
