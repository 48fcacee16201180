# SPDX-License-Identifier: Apache-2.0
"""What each layer takes of a device: as ``cygnet synth`` counted it, or as it is estimated."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cygnet.hardware import BLOCK, HardwareConfig, default_beat
from cygnet.layer_plan import plan_layers
from cygnet.network import Network
from cygnet.synthesis.area import DEVICES, layer_area, total
from cygnet.synthesis.hierarchy import KINDS

__all__ = [
    "ALL",
    "Row",
    "Taken",
    "by_layer",
    "estimate",
    "find_synthesis",
    "measured",
    "synth_command",
]

REST = "input, readout"
ALL = "in all"
CORE = "accelerator."
"""Where the layers are in a design with more around them: AXI registers, a board's serial line."""
_WANTED = frozenset(("target", "area", "ffs", "brams", "dsps", "fmax_mhz"))


@dataclass(frozen=True)
class Row:
    """One layer, or everything that belongs to none, or the sum.

    :param cells: as many as there are columns
    :param share: of the first column's largest layer, 0..1; None in the other rows
    """

    name: str
    cells: tuple[int, ...]
    share: float | None = None


@dataclass(frozen=True)
class Taken:
    """A table: layers, the rest, the sum.

    :param target: device
    :param columns: what is counted
    :param measured: whether it was synthesised
    :param command: what made it; of an estimate, what would measure it
    :param source: file of the report, relative to the folder; empty of an estimate
    """

    target: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    measured: bool
    command: str
    source: str = ""


def find_synthesis(
    folder: Path, network: Network, more: Sequence[Path] = ()
) -> list[dict[str, Any]]:
    """Reports of ``cygnet synth -o`` in a folder and those in it, each with its ``file``.

    Those that say that they are of another network are left out.

    :param more: files anywhere, which must be such reports
    :raises ValueError: one of ``more`` is none, or is of another network
    """
    found = []
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")]):
        content = _report(path)
        if content is not None and content.get("network") in (None, network.digest):
            found.append({**content, "file": str(path.relative_to(folder))})
    for path in more:
        content = _report(path)
        if content is None:
            raise ValueError(f"{path}: is no report of cygnet synth; write one with -o")
        if content.get("network") not in (None, network.digest):
            raise ValueError(f"{path}: is of another network; run cygnet synth on this one")
        found.append({**content, "file": str(path)})
    return found


def _report(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError):
        return None
    whole = isinstance(content, dict) and set(content) >= _WANTED
    return content if whole else None


def measured(report: Mapping[str, Any], network: Network) -> Taken | None:
    """The table of a report of ``cygnet synth``; None where it does not name the modules of this
    network's layers."""
    found = by_layer(report.get("modules") or {}, [layer.name for layer in network.layers])
    if found is None:
        return None
    rows = _rows([(name, tuple(use[kind] for kind in KINDS)) for name, use in found.items()])
    columns = ("LUT", "carry", "flip-flops", "RAM cells", "block RAM", "DSP")
    command = report.get("command") or f"cygnet synth -o {report['file']}"
    return Taken(str(report["target"]), columns, rows, True, command, report["file"])


def by_layer(
    modules: Mapping[str, Mapping[str, int]], names: Sequence[str]
) -> dict[str, dict[str, int]] | None:
    """Cells of each layer by its name, with its neurons and the way of its spikes to the layers
    that read it; what belongs to no layer is under :data:`REST`. None where a layer is missing.

    :param modules: of :class:`cygnet.synthesis.report.Report`
    :param names: of the layers
    """
    found = {name: dict.fromkeys(KINDS, 0) for name in (*names, REST)}
    seen = set()
    for place, use in modules.items():
        owner = _owner(place.removeprefix(CORE).partition(".")[0], names)
        seen.add(owner)
        for kind in KINDS:
            found[owner][kind] += use.get(kind, 0)
    return found if seen >= set(names) else None


def _owner(module: str, names: Sequence[str]) -> str:
    if module in names:
        return module
    belonging = [
        name for name in names if module == f"{name}_neurons" or module.startswith(f"{name}_to_")
    ]
    return max(belonging, key=len, default=REST)


def estimate(network: Network, hardware: HardwareConfig, device: str, command: str) -> Taken:
    """The table of the area model (docs/results/accelerator.md says how far it is off).

    :param device: one of :data:`cygnet.synthesis.area.DEVICES`
    :param command: what measures it, see :func:`synth_command`
    """
    there = DEVICES[device]
    plans = plan_layers(network, hardware)
    areas = [layer_area(plan, there) for plan in plans]
    whole = total(areas, there)
    tables = whole.tables - sum(area.tables for area in areas)
    named = [(plan.name, _cells(area)) for plan, area in zip(plans, areas, strict=True)]
    rows = _rows([*named, (REST, (tables, 0, 0))])
    columns = ("LUT", "block RAM", "DSP")
    return Taken(device, columns, rows, False, command)


def _cells(area: Any) -> tuple[int, int, int]:
    return area.tables, area.rams, area.dsps


def _rows(named: Sequence[tuple[str, tuple[int, ...]]]) -> tuple[Row, ...]:
    most = max((cells[0] for name, cells in named if name != REST), default=0) or 1
    rows = [Row(name, cells, None if name == REST else cells[0] / most) for name, cells in named]
    sums = tuple(sum(column) for column in zip(*(cells for _, cells in named), strict=True))
    return (*rows, Row(ALL, sums))


def synth_command(
    hardware: HardwareConfig, network: Network, device: str, file: str, folder: str
) -> str:
    """The command that synthesises this configuration.

    :param file: of the network
    :param folder: where its report goes
    """
    layers = [asdict(layer) for layer in hardware.layers]
    words = ["cygnet", "synth", file, "--steps", str(hardware.steps)]
    words += ["--lanes", ",".join(str(layer["lanes"]) for layer in layers)]
    if hardware.beat != default_beat(network):
        words += ["--beat", str(hardware.beat)]
    if layers[0]["neuron"] != "fast":
        words += ["--neuron-core", layers[0]["neuron"]]
    for key, usual in (("cores", 1), ("arithmetic", "lut"), ("block", BLOCK)):
        values = [layer[key] for layer in layers]
        if any(value != usual for value in values):
            words += [f"--{key}", ",".join(map(str, values))]
    target = "xilinx7" if DEVICES[device].family == "xilinx" else device
    return shlex.join([*words, "--target", target, "-o", f"{folder}/synth.json"])
