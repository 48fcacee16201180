# SPDX-License-Identifier: Apache-2.0
"""``cygnet report``: a page about everything in a build folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from cygnet.command.common import (
    AsJson,
    Limit,
    Split,
    bar,
    images,
    offered,
    one_of,
    print_json,
    say,
)
from cygnet.command.invocation import invocation
from cygnet.errors import CygnetError
from cygnet.files import write_text
from cygnet.hardware import HardwareConfig
from cygnet.network import Network
from cygnet.network_file import load
from cygnet.synthesis.area import DEVICES

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
            metavar="<path>",
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
    weights: Annotated[
        Path | None, typer.Option("--weights", "-w", help="Of a factory; its state dict.")
    ] = None,
    synth: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="<path>",
            help="Report of `cygnet synth -o` that is not in the folder.",
            show_default=False,
        ),
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            help=f"Of the estimate, where no such report is: {', '.join(DEVICES)}.",
            autocompletion=offered(DEVICES),
        ),
    ] = "ecp5-85k",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help=f"Page to write; BUILD_DIR/{PAGE}.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write one HTML page about a build folder; it needs no network access and nothing beside it.

    Shows what the commands left there: the .cyg file, manifest.json of `cygnet image` or `cygnet
    sim -o`, measurements.json, reports of `cygnet synth -o`. With --data it counts spikes, events
    and clocks first, with --model (and --weights) accuracy and error too. Without a report of
    `cygnet synth` what each layer takes is estimated.

    Example: cygnet report build/mnist --data mnist.npz --limit 200
    """
    from cygnet.report.device import find_synthesis
    from cygnet.report.measurements import read
    from cygnet.report.page import find_hardware, find_network, page

    path = network or find_network(folder)
    loaded = load(path)
    configs = find_hardware(folder, loaded)
    if weights is not None and model is None:
        raise CygnetError("--weights: are of a --model; give it too")
    if model is not None and not data:
        raise CygnetError("--model: is compared on images; give --data too")
    one_of(target, "--target", tuple(DEVICES))
    if steps is not None and configs and steps not in configs:
        listed = ", ".join(map(str, configs))
        raise CygnetError(f"--steps: {steps} must be one of {listed}, as in {folder}")
    if steps is not None and not 1 <= steps <= loaded.steps:
        raise CygnetError(f"--steps: {steps} must be in 1..{loaded.steps}, the most of {path}")
    at = steps or max(configs, default=loaded.steps)
    if data:
        _measure(folder, loaded, path, data, split, limit, at, configs.get(at), quiet=as_json)
        if model is not None:
            _compare(folder, loaded, model, weights, data, split, limit, at, quiet=as_json)
    sections = read(folder, loaded)
    try:
        found = find_synthesis(folder, loaded, synth or ())
    except ValueError as error:
        raise CygnetError(f"--synth: {error}") from None
    written = out or folder / PAGE
    hardware = configs.get(sections["activity"]["steps"] if "activity" in sections else at)
    text = page(
        loaded,
        sections,
        hardware=hardware,
        synthesis=found,
        device=target,
        file=str(path),
        folder=str(folder),
        command=invocation(),
    )
    write_text(written, text)
    if as_json:
        print_json(
            {
                "file": str(written),
                "network": loaded.digest,
                "sections": sorted(sections),
                "synthesis": [one["file"] for one in found],
            }
        )
        return
    typer.echo(f"{written}: {len(text) // 1024} Kbyte, one page; open it in a browser")
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
    weights: Path | None,
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
    from cygnet.data import load as load_data
    from cygnet.golden.values import run
    from cygnet.interop.sources import read_source
    from cygnet.neurons import Imported
    from cygnet.report.errors import trace_layers
    from cygnet.report.measurements import add, read
    from cygnet.report.origin import spiking_origin
    from cygnet.training import logits

    trained = read_source(model, weights).model
    if trained is None:
        raise CygnetError(f"{model}: is an integer network already, and no trained one")
    spiking = spiking_origin(network, trained, model)
    wanted: Any = None if split is None else one_of(split, "--split", ("train", "test"))
    test = load_data(data, split=wanted, layout=network.input.layout)
    test = test if limit is None else test.take(slice(0, limit))
    with bar("spiking network, float", quiet=quiet) as progress:
        floats = float_labels(spiking, test.x, network.steps, progress)
    if any(isinstance(neurons, Imported) for neurons in spiking.neurons):
        ann = floats[-1]  # a spiking network is its own yardstick
    else:
        ann = logits(trained, test, network.input).argmax(dim=1).numpy()
    after = run(
        network, test.x.reshape(-1, *network.input.shape), steps=network.steps, each_step=True
    ).after
    assert after is not None
    before = read(folder, network)
    found = {
        "images": len(test),
        "ann": accuracy(ann, test.y),
        "float": {str(t + 1): accuracy(row, test.y) for t, row in enumerate(floats)},
        "golden": {str(t + 1): accuracy(row.argmax(1), test.y) for t, row in enumerate(after)},
        "rtl": _simulated(before.get("simulation"), len(test)),
    }
    add(folder, network, "accuracy", found, invocation())
    some = test.x[:100].copy()
    rows = trace_layers(spiking, network, some, steps)
    errors = {"steps": steps, "images": len(some), "layers": [asdict(row) for row in rows]}
    add(folder, network, "errors", errors, invocation())


def _simulated(simulation: dict[str, Any] | None, images: int) -> dict[str, float]:
    """Accuracy of `cygnet sim` by T, if it ran on as many images."""
    if simulation is None or simulation["images"] != images:
        return {}
    return {t: one["accuracy"] for t, one in simulation["steps"].items()}
