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


def test_what_amaranth_numbered_goes_by_its_module() -> None:
    path = [
        "1.39 clk-to-q fc2.walker.cursor_SB_DFFE_Q_10_D_SB_LUT4_O_LC.O",
        "1.23 logic fc2.walker._73_SB_LUT4_I3_LC.I1",
        "1.76 routing fc2.walker._signal_19_SB_LUT4_I3_O_SB_LUT4_I3_LC.O",
        "0.87 logic fc2.walker.restart_SB_DFFE_Q_D_SB_LUT4_O_I3_SB_LUT4_O_LC.I3",
    ]
    assert named_path(path) == [
        ("fc2.walker.cursor", 1.39),
        ("fc2.walker", 2.99),
        ("fc2.walker.restart", 0.87),
    ]
