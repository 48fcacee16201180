# SPDX-License-Identifier: Apache-2.0
"""Cells by module, flattened or not, and critical paths in the design's own names."""

from __future__ import annotations

import json

import pytest

from cygnet.synthesis.hierarchy import cell_use, module_use
from cygnet.synthesis.report import named_path


@pytest.mark.parametrize(
    ("kind", "use"),
    [
        ("LUT4", ("luts", 1)),
        ("LUT6", ("luts", 1)),
        ("RAM64M", ("ram", 1)),
        ("RAMB18E1", ("brams", 1)),
        ("RAMB36E1", ("brams", 2)),
        ("SB_DFFESR", ("ffs", 1)),
        ("FDRE", ("ffs", 1)),
        ("MULT18X18D", ("dsps", 1)),
        ("$scopeinfo", None),
        ("PFUMX", None),
    ],
)
def test_cells(kind: str, use: tuple[str, int] | None) -> None:
    assert cell_use(kind) == use


def _design(modules: dict[str, dict[str, str]]) -> str:
    content = {
        name: {
            "attributes": {"top": "1"} if name == "top" else {},
            "cells": {cell: {"type": kind} for cell, kind in cells.items()},
        }
        for name, cells in modules.items()
    }
    content["LUT4"] = {"attributes": {"blackbox": "1"}, "cells": {}}
    return json.dumps({"modules": content})


def test_modules_flattened_or_not_are_the_same() -> None:
    whole = {"top": {"fc": "layer", "q": "LUT4"}, "layer": {"engine": "sums"}}
    whole |= {"sums": {"a.0.1": "TRELLIS_FF", "b": "LUT4", "c": "CCU2C"}}
    flat = {"fc": "$scopeinfo", "fc.engine": "$scopeinfo", "q": "LUT4", "fc.engine.b": "LUT4"}
    flat |= {"fc.engine.a.0.1": "TRELLIS_FF", "fc.engine.c": "CCU2C"}
    found = module_use(_design(whole))
    assert found == module_use(_design({"top": flat}))
    assert list(found) == ["", "fc", "fc.engine"]
    assert found[""]["luts"] == 1
    assert not any(found["fc"].values())
    assert found["fc.engine"] == dict.fromkeys(found[""], 0) | {"luts": 1, "ffs": 1, "carries": 1}


def test_path_in_names() -> None:
    path = [
        "0.52 clk-to-q fc.walker.mask_0_TRELLIS_FF_Q_3.Q",
        "1.63 routing fc.walker.mask_0_TRELLIS_FF_Q_3.Q",
        "0.45 logic fc.walker.mask_0_TRELLIS_FF_Q_6_DI_LUT4_Z_CCU2C_S0$CCU2_COMB1.A",
        "0.24 logic fc.main.pixel_LUT4_C_Z.D",
    ]
    assert named_path(path) == [("fc.walker.mask_0", 2.6), ("fc.main.pixel", 0.24)]
