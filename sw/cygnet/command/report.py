# SPDX-License-Identifier: Apache-2.0
"""``cygnet report``: a page about everything in a build folder."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.command.common import AsJson, Limit, Split, bar, images, one_of, print_json, say
from cygnet.command.invocation import invocation
from cygnet.errors import CygnetError
from cygnet.files import write_text
from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.network_file import load

__all__ = ["report"]

PAGE = "report.html"


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="BUILD_DIR", help="Folder that other commands wrote to.")
    ],
    network: Annotated[
        Path | None, typer.Option(help="The .cyg file; the one in the folder where left out.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            help=".npz with x, y or x_train, y_train, x_test, y_test (uint8); or digits: "
            "images to count spikes, events and clocks with.",
        ),
    ] = None,
    split: Split = None,
    limit: Limit = None,
    steps: Annotated[
        int | None,
        typer.Option(help="Time-steps; the most that the folder has hardware for."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(help="The trained network, for accuracy and error; as `cygnet convert`."),
    ] = None,
    weights: Annotated[Path | None, typer.Option("--weights", "-w", help="Its state dict.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=f"Page to write; BUILD_DIR/{PAGE}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a build folder; it needs no network access and nothing beside it.

    Shows what the commands left there: the .cyg file, manifest.json of `cygnet image` or `cygnet
    sim -o`, measurements.json, reports of `cygnet synth -o`. With --data it counts spikes, events
    and clocks first, with --model and --weights accuracy and error too.

    Example: cygnet report build/mnist --data mnist.npz --limit 200
    """
    from cygnet.report.measurements import read
    from cygnet.report.page import find_hardware, find_network, page

    path = network or find_network(folder)
    loaded = load(path)
    configs = find_hardware(folder, loaded)
    if (model is None) != (weights is None) or (model is not None and not data):
        raise CygnetError("--model: go with --weights and --data; give all three")
    if steps is not None and configs and steps not in configs:
        listed = ", ".join(map(str, configs))
        raise CygnetError(f"--steps: {steps} must be one of {listed}, as in {folder}")
    if steps is not None and not 1 <= steps <= loaded.steps:
        raise CygnetError(f"--steps: {steps} must be in 1..{loaded.steps}, the most of {path}")
    at = steps or max(configs, default=loaded.steps)
    if data:
        _measure(folder, loaded, path, data, split, limit, at, configs.get(at), quiet=as_json)
        if model is not None and weights is not None:
            _compare(folder, loaded, model, weights, data, split, limit, at, quiet=as_json)
    sections = read(folder, loaded)
    found = _synthesis(folder)
    target = out or folder / PAGE
    hardware = configs.get(sections["activity"]["steps"] if "activity" in sections else at)
    text = page(loaded, sections, hardware=hardware, synthesis=found, command=invocation())
    write_text(target, text)
    if as_json:
        print_json(
            {
                "file": str(target),
                "network": loaded.digest,
                "sections": sorted(sections),
                "synthesis": [one["file"] for one in found],
            }
        )
        return
    typer.echo(f"{target}: {len(text) // 1024} Kbyte, one page; open it in a browser")
    if "activity" not in sections:
        say("spikes, events and clocks are missing: give --data")


def _measure(
    folder: Path,
    network: Network,
    path: Path,
    data: list[str],
    split: str | None,
    limit: int | None,
    steps: int,
    hardware: HardwareConfig | None,
    *,
    quiet: bool,
) -> None:
    from cygnet.report.activity import activity
    from cygnet.report.measurements import add

    x, _ = images(data, split, limit, network, path)
    with bar("golden model", quiet=quiet) as progress:
        found = activity(network, x, steps=steps, hardware=hardware, progress=progress)
    add(folder, network, "activity", asdict(found), invocation())


def _compare(
    folder: Path,
    network: Network,
    model: str,
    weights: Path,
    data: list[str],
    split: str | None,
    limit: int | None,
    steps: int,
    *,
    quiet: bool,
) -> None:
    """Accuracy and error against the trained network."""
    from cygnet.command.common import accuracy
    from cygnet.command.convert import float_labels
    from cygnet.conversion import to_spiking
    from cygnet.data import load as load_data
    from cygnet.golden.values import run
    from cygnet.models import build, load_weights
    from cygnet.report.errors import trace_layers
    from cygnet.report.measurements import add
    from cygnet.training import logits

    trained = build(model)
    load_weights(trained, weights)
    neurons = network.layers[0].neurons
    assert neurons is not None
    layout = network.input.layout
    wanted: Any = None if split is None else one_of(split, "--split", ("train", "test"))
    train = load_data(data, prefer="train", layout=layout)
    test = load_data(data, split=wanted, layout=layout)
    test = test if limit is None else test.take(slice(0, limit))
    spiking = to_spiking(
        trained, train.x[:1000].copy(), input=network.input, neuron=neurons.kind, tau=neurons.tau
    )
    names = [stage.name for stage in spiking.folded]
    if names != [layer.name for layer in network.layers]:
        raise CygnetError(
            f"{model}: has layers {', '.join(names)}, and the network "
            f"{', '.join(layer.name for layer in network.layers)}; give the model it was made from"
        )
    ann = logits(trained, test, network.input).argmax(dim=1).numpy()
    with bar("spiking network, float", quiet=quiet) as progress:
        floats = float_labels(spiking, test.x, network.steps, progress)
    after = run(
        network, test.x.reshape(-1, *network.input.shape), steps=network.steps, each_step=True
    ).after
    assert after is not None
    found = {
        "images": len(test),
        "ann": accuracy(ann, test.y),
        "float": {str(t + 1): accuracy(row, test.y) for t, row in enumerate(floats)},
        "golden": {str(t + 1): accuracy(row.argmax(1), test.y) for t, row in enumerate(after)},
        "rtl": {},
    }
    add(folder, network, "accuracy", found, invocation())
    some = test.x[:100].copy()
    rows = trace_layers(spiking, network, some, steps)
    errors = {"steps": steps, "images": len(some), "layers": [asdict(row) for row in rows]}
    add(folder, network, "errors", errors, invocation())


def _synthesis(folder: Path) -> list[dict[str, Any]]:
    """Reports of ``cygnet synth -o`` in the folder and those in it."""
    found = []
    for path in sorted([*folder.glob("*.json"), *folder.glob("*/*.json")]):
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError):
            continue
        wanted = {"target", "area", "ffs", "brams", "dsps", "fmax_mhz"}
        if isinstance(content, dict) and wanted <= set(content):
            found.append({**content, "file": str(path.relative_to(folder))})
    return found
