# SPDX-License-Identifier: Apache-2.0
"""The report of a build folder: one HTML page that needs nothing beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from cygnet import __version__
from cygnet.description import LayerDescription, describe
from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig, LayerHardware
from cygnet.images import memories
from cygnet.network import INPUT, Network
from cygnet.report import charts
from cygnet.report.activity import Histogram, LayerActivity
from cygnet.report.device import ALL, Taken, estimate, measured, synth_command
from cygnet.report.energy import ASSUMPTIONS, energy
from cygnet.report.graph import graph
from cygnet.report.measurements import Section

__all__ = ["find_hardware", "find_network", "page"]

TEMPLATE = Path(__file__).with_name("page.html")


def find_network(folder: Path) -> Path:
    """The one ``.cyg`` file of a build folder.

    :raises CygnetError: there is none, or there are several
    """
    found = sorted(folder.glob("*.cyg"))
    if len(found) == 1:
        return found[0]
    if not folder.is_dir():
        raise CygnetError(f"{folder}: is no folder; give the one that other commands wrote to")
    what = "no .cyg file" if not found else f"{len(found)} .cyg files"
    raise CygnetError(f"{folder}: holds {what}; name the network with --network")


def find_hardware(folder: Path, network: Network) -> dict[int, HardwareConfig]:
    """The configurations of the manifests in a build folder and those in it, by T."""
    found = {}
    for path in sorted([*folder.glob("manifest.json"), *folder.glob("*/manifest.json")]):
        try:
            content = json.loads(path.read_text())
            if content["network"]["sha256"] != network.digest:
                continue
            options = dict(content["hardware"])
            layers = tuple(LayerHardware(**layer) for layer in options.pop("layers"))
            config = HardwareConfig(layers=layers, **options)
            config.check(network)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            raise CygnetError(
                f"{path}: is damaged, or of another version of Cygnet; write the images again with "
                "cygnet image"
            ) from None
        found[config.steps] = config
    return dict(sorted(found.items()))


def page(
    network: Network,
    sections: dict[str, Any],
    *,
    hardware: HardwareConfig | None = None,
    synthesis: Sequence[dict[str, Any]] = (),
    device: str = "ecp5-85k",
    file: str = "NETWORK.cyg",
    folder: str = "BUILD_DIR",
    command: str = "cygnet report",
) -> str:
    """The page as HTML.

    :param sections: of :func:`cygnet.report.measurements.read`
    :param hardware: for what each memory takes
    :param synthesis: reports of ``cygnet synth -o``, each with its ``file``
    :param device: what the area is estimated for where no report divides it by layer
    :param file: of the network, for commands that the page names
    :param folder: that the page is about, likewise
    :param command: what made the page
    """
    rows = describe(network)
    stored = _stored(network, hardware, len(rows))
    active = _active(sections, len(rows))
    clocks = [None if layer is None else layer.clocks for layer in active]
    known = [value for value in clocks if value is not None]
    slowest = max(known, default=0) or 1
    shares = [None if value is None else value / slowest for value in clocks]
    template = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    ).from_string(TEMPLATE.read_text())
    activity = sections.get("activity")
    taken = _taken(network, hardware, synthesis, device, file, folder)
    cells = {} if taken is None else {row.name: row for row in taken.rows}
    return template.render(
        network=network,
        version=__version__,
        file=file,
        folder=folder,
        taken=taken,
        stored=_sums(network, stored),
        command=command,
        sections={**dict.fromkeys(get_args(Section)), **sections},
        hardware=hardware,
        synthesis=synthesis,
        tiles=_tiles(sections, synthesis),
        graph=Markup(graph(network, rows, shares)),
        layers=[
            _layer(row, layer, share, held) | {"cells": cells.get(row.name)}
            for row, layer, share, held in zip(rows, active, shares, stored, strict=True)
        ],
        accuracy=_accuracy(sections.get("accuracy")),
        forms=_forms(sections.get("accuracy")),
        shown_steps=_shown_steps(sections.get("accuracy")),
        errors=_errors(sections.get("errors")),
        pipeline=None
        if activity is None or activity["pipeline"] is None
        else Markup(
            charts.timeline(
                "Which layer works on which image when",
                [row.name for row in rows],
                activity["pipeline"]["spans"],
                activity["pipeline"]["accepted"],
                activity["pipeline"]["finished"],
            )
        ),
        energy=_energy(network, active),
        assumptions=ASSUMPTIONS,
    )


def _active(sections: dict[str, Any], count: int) -> list[LayerActivity | None]:
    if "activity" not in sections:
        return [None] * count
    found: list[LayerActivity | None] = []
    for layer in sections["activity"]["layers"]:
        potentials = layer["potentials"]
        found.append(
            LayerActivity(
                **{**layer, "potentials": None if potentials is None else Histogram(**potentials)}
            )
        )
    return found


def _tiles(
    sections: dict[str, Any], synthesis: Sequence[dict[str, Any]]
) -> list[tuple[str, str, str]]:
    """(value, what it is, what made it) of the figures at the top."""
    tiles = []
    accuracy, simulation = sections.get("accuracy"), sections.get("simulation")
    if accuracy is not None:
        for key, name in (("rtl", "RTL"), ("golden", "integers"), ("float", "float spiking")):
            if accuracy.get(key):
                steps, value = max(accuracy[key].items(), key=lambda item: int(item[0]))
                tiles.append((f"{100 * value:.2f} %", f"{name}, T = {steps}", accuracy["command"]))
                break
        tiles.append((f"{100 * accuracy['ann']:.2f} %", "trained network", accuracy["command"]))
    if simulation is not None:
        wrong = sum(one["mismatches"] for one in simulation["steps"].values())
        images = simulation["images"]
        tiles.append((str(wrong), f"of {images:,} images differ in RTL", simulation["command"]))
        steps, one = max(simulation["steps"].items(), key=lambda item: int(item[0]))
        latency, interval = one["latency"]["measured"], one["interval"]["measured"]
        tiles.append((f"{latency:,.0f}", f"clocks latency, T = {steps}", simulation["command"]))
        tiles.append((f"{interval:,.0f}", "clocks between images", simulation["command"]))
    elif "activity" in sections and sections["activity"]["latency"] is not None:
        activity = sections["activity"]
        tiles.append(
            (f"{activity['latency']:,.0f}", "clocks latency, predicted", activity["command"])
        )
    for report in synthesis[:1]:
        if report["fmax_mhz"] is not None:
            made = f"cygnet synth, {report['file']}"
            tiles.append((f"{report['fmax_mhz']:.0f} MHz", f"on {report['target']}", made))
    return tiles


def _taken(
    network: Network,
    hardware: HardwareConfig | None,
    synthesis: Sequence[dict[str, Any]],
    device: str,
    file: str,
    folder: str,
) -> Taken | None:
    """The report of the very hardware where there is one, else any, else an estimate."""
    wanted = None if hardware is None else json.loads(json.dumps(asdict(hardware)))
    order = sorted(synthesis, key=lambda report: report.get("hardware") != wanted)
    best = next(filter(None, (measured(report, network) for report in order)), None)
    if best is None and hardware is not None:
        return estimate(
            network, hardware, device, synth_command(hardware, network, device, file, folder)
        )
    return best


def _stored(
    network: Network, hardware: HardwareConfig | None, count: int
) -> list[dict[str, int] | None]:
    """Bits of each layer's memories that images fill, by what they hold."""
    if hardware is None:
        return [None] * count
    found: list[dict[str, int] | None] = [{} for _ in range(count)]
    numbers = {layer.name: number for number, layer in enumerate(network.layers)}
    for memory in memories(network, hardware):
        kind = memory.name.removeprefix(f"{memory.layer}_").rstrip("0123456789")
        row = found[numbers[memory.layer]]
        assert row is not None
        row[kind] = row.get(kind, 0) + memory.width * memory.depth
    return found


def _sums(network: Network, stored: Sequence[Mapping[str, int] | None]) -> dict[str, int]:
    """Bits by the name of the layer, and in all."""
    named = zip((layer.name for layer in network.layers), stored, strict=True)
    found = {name: sum(kinds.values()) for name, kinds in named if kinds is not None}
    return {**found, ALL: sum(found.values())}


def _layer(
    row: LayerDescription,
    active: LayerActivity | None,
    share: float | None,
    stored: dict[str, int] | None,
) -> dict[str, Any]:
    drawings = []
    if active is not None and active.potentials is not None:
        accumulates = row.reset is None
        label = "sum, as a float logit" if accumulates else "potential after firing, in units of K"
        drawings.append(
            charts.histogram(f"Potentials of {row.name}", active.potentials, x_label=label)
        )
    if active is not None and active.counts:
        drawings.append(charts.counts(f"Spike counts of {row.name}", active.counts))
    return {
        **asdict(row),
        "active": active,
        "share": share,
        "stored": stored,
        "drawings": [Markup(drawing) for drawing in drawings],
    }


def _forms(found: dict[str, Any] | None) -> dict[str, str]:
    """Names of the forms of the network whose accuracy is known, by their keys."""
    names = {"float": "spiking, float", "golden": "integers", "rtl": "RTL"}
    return {key: name for key, name in names.items() if found is not None and found.get(key)}


def _shown_steps(found: dict[str, Any] | None) -> list[str]:
    """The T of a table that is not too long: of many, powers of two and what ran in RTL."""
    steps = {t for key in _forms(found) for t in (found or {})[key]}
    if len(steps) > 8:
        ran = (found or {}).get("rtl", {})
        steps = {t for t in steps if t in ran or int(t).bit_count() == 1}
    return sorted(steps, key=int)


def _accuracy(found: dict[str, Any] | None) -> Markup | None:
    if found is None:
        return None
    series = {
        name: {int(t): 100 * value for t, value in found[key].items()}
        for key, name in _forms(found).items()
    }
    return Markup(
        charts.lines(
            "Accuracy against the number of time-steps",
            series,
            x_label="time-steps T",
            y_label="accuracy, %",
            level=("trained network", 100 * found["ann"]),
        )
    )


def _errors(found: dict[str, Any] | None) -> Markup | None:
    if found is None:
        return None
    groups = {
        row["name"]: {
            "spiking, float": 100 * row["float_error"] / (row["torch"] or 1),
            "integers against float": 100 * row["quantization_error"] / (row["torch"] or 1),
            "integers": 100 * row["integer_error"] / (row["torch"] or 1),
        }
        for row in found["layers"]
    }
    return Markup(charts.bars("Error of each layer", groups, unit=" %"))


def _energy(network: Network, active: list[LayerActivity | None]) -> dict[str, Any] | None:
    layers = [layer for layer in active if layer is not None]
    if len(layers) != len(active):
        return None
    found = energy(
        layers,
        [layer.source == INPUT and network.input.kind == "pixels" for layer in network.layers],
        [layer.synapses.bits for layer in network.layers],
    )
    trained = {"floats, 32 bits": found.ann_float, "integers, 8 bits": found.ann_integer}
    spiking = {"floats, 32 bits": found.snn_float, "integers, 8 bits": found.snn_integer}
    groups = {
        name: {"trained network": trained[name], "spiking network": spiking[name]}
        for name in trained
    }
    if found.snn_memory is not None:
        groups["weights read"] = {
            "trained network": found.ann_memory,
            "spiking network": found.snn_memory,
        }
    return {
        **asdict(found),
        "chart": Markup(charts.bars("Energy of an image by counting", groups, unit=" nJ")),
    }
