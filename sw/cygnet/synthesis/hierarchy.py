# SPDX-License-Identifier: Apache-2.0
"""What each module of a mapped design takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["KINDS", "cell_use", "module_use"]

KINDS = ("luts", "carries", "ffs", "ram", "brams", "dsps")
"""Lookup tables, carry cells, flip-flops, cells of distributed RAM, block RAMs (those of 36 kbit
count twice), multipliers."""

_PREFIXES = {
    "TRELLIS_DPR16X4": "ram",
    "RAM": "ram",
    "SRL": "ram",
    "LUT": "luts",
    "SB_LUT": "luts",
    "CCU2C": "carries",
    "SB_CARRY": "carries",
    "CARRY": "carries",
    "TRELLIS_FF": "ffs",
    "SB_DFF": "ffs",
    "FD": "ffs",
    "DP16KD": "brams",
    "SB_RAM40": "brams",
    "RAMB": "brams",
    "MULT18": "dsps",
    "SB_MAC16": "dsps",
    "DSP48": "dsps",
}


def cell_use(kind: str) -> tuple[str, int] | None:
    """(one of :data:`KINDS`, how many) of a cell, by the longest prefix of its type."""
    for length in range(len(kind), 0, -1):
        found = _PREFIXES.get(kind[:length])
        if found is not None:
            return found, 2 if kind.startswith("RAMB36") else 1
    return None


def module_use(text: str) -> dict[str, dict[str, int]]:
    """Cells of each module by its place, ``""`` for the top; a module counts what lies in it and in
    none of its own modules.

    :param text: JSON of Yosys, flattened or not
    """
    modules: dict[str, Any] = json.loads(text)["modules"]
    (top,) = (
        name
        for name, module in modules.items()
        if int(module.get("attributes", {}).get("top", "0"), 2)
    )
    found: dict[str, dict[str, int]] = {}
    _count(modules, top, "", found)
    return dict(sorted(found.items()))


def _count(
    modules: Mapping[str, Any], name: str, place: str, found: dict[str, dict[str, int]]
) -> None:
    cells: dict[str, Any] = modules[name]["cells"]
    # A flattened design says where its modules were.
    inner = sorted(
        (cell for cell, content in cells.items() if content["type"] == "$scopeinfo"),
        key=len,
        reverse=True,
    )
    found.setdefault(place, dict.fromkeys(KINDS, 0))
    for scope in inner:
        found.setdefault(_join(place, scope), dict.fromkeys(KINDS, 0))
    scopes = set(inner)
    for cell, content in cells.items():
        kind = content["type"]
        if kind in modules and not _blackbox(modules[kind]):
            _count(modules, kind, _join(place, cell), found)
            continue
        use = cell_use(kind)
        if use is None:
            continue
        words = cell.split(".")
        at = next((n for n in range(len(words) - 1, 0, -1) if ".".join(words[:n]) in scopes), 0)
        found[_join(place, ".".join(words[:at]))][use[0]] += use[1]


def _join(place: str, name: str) -> str:
    return ".".join(part for part in (place, name) if part)


def _blackbox(module: Mapping[str, Any]) -> bool:
    attributes = module.get("attributes", {})
    return any(int(str(attributes.get(name, "0")), 2) for name in ("blackbox", "whitebox"))
