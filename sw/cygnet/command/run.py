# SPDX-License-Identifier: Apache-2.0
"""``cygnet run``: images through a board."""

from __future__ import annotations

import os
import time
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from cygnet.command.common import (
    AsJson,
    Data,
    Limit,
    Split,
    accuracy,
    bar,
    images,
    one_of,
    percent,
    print_json,
    say,
    show,
)
from cygnet.command.options import Beat, HardwareOptions, Lanes
from cygnet.errors import CygnetError, MismatchError
from cygnet.host.device import Device, expect
from cygnet.network_file import load

if TYPE_CHECKING:
    from cygnet.network import Network

__all__ = ["run"]

SIMULATION = "simulation"
AXI = "axi:"


def run(
    port: Annotated[
        str,
        typer.Option(
            help="Serial port of the board, such as /dev/ttyUSB0; axi:/dev/uio0 or "
            "axi:/dev/mem@0x43C00000 for registers of this machine; or simulation."
        ),
    ],
    data: Data,
    split: Split = None,
    limit: Limit = None,
    network: Annotated[
        Path | None,
        typer.Option(
            "--network",
            help="The .cyg file that the board must hold; each answer is compared with the "
            "golden model.",
        ),
    ] = None,
    baud: Annotated[
        int | None,
        typer.Option(help="Of the serial line; the usual ones are tried where left out."),
    ] = None,
    parameters: Annotated[
        Path | None,
        typer.Option(
            help="Folder of cygnet image --loadable, for a loadable accelerator behind axi:..."
        ),
    ] = None,
    timeout: Annotated[
        float, typer.Option(help="Seconds without an answer until images are sent again.")
    ] = 0.5,
    steps: Annotated[int, typer.Option(help="Time-steps of a simulation.")] = 1,
    lanes: Lanes = "16",
    beat: Beat = None,
    as_json: AsJson = False,
) -> None:
    """Classify images on a board: accuracy, and latency by the board's own count of clocks.

    Frames are checked both ways: what is lost or spoilt on the line is sent again, a bounded number
    of times.

    Example: cygnet run --port /dev/ttyUSB0 --data digits --network digits.cyg
    """
    expected = None if network is None else load(network)
    if not timeout > 0:
        raise CygnetError(f"--timeout: {timeout:g} must be above 0")
    if parameters is not None and not port.startswith(AXI):
        raise CygnetError(f"--parameters: only a --port that begins with {AXI} takes them")
    if expected is None:
        if port == SIMULATION:
            raise CygnetError("--port: a simulation needs the --network that it is to run")
    else:
        x, y = images(data, split, limit, expected, network)
    with ExitStack() as stack:
        device: Device
        if expected is not None and port == SIMULATION:
            from cygnet.host.simulation import SimulationDevice

            config = HardwareOptions(lanes=lanes, beat=beat).config(expected, steps)
            say("compiling the Verilog", quiet=as_json)
            workers = os.cpu_count() or 1
            device = stack.enter_context(SimulationDevice(expected, config, workers=workers))
        elif port.startswith(AXI):
            from cygnet.host.memory_map import MemoryMapDevice

            place = port.removeprefix(AXI)
            mapped = MemoryMapDevice.open(place, parameters=parameters, timeout=timeout)
            device = stack.enter_context(mapped)
        else:
            from cygnet.host.serial_link import SerialDevice

            device = stack.enter_context(SerialDevice(port, baud=baud, timeout=timeout))
        if expected is None:
            x, y = _unknown(device, data, split, limit)
        else:
            expect(device.identity, expected, port)
        began = time.monotonic()
        with bar("images", quiet=as_json) as progress:
            answers = device.classify(x.reshape(len(x), -1), progress=progress)
        seconds = time.monotonic() - began
        identity = device.identity
    known = answers.cycles[answers.cycles >= 0]
    clocks = {"mean": float(known.mean()), "longest": int(known.max())} if len(known) else None
    result = {
        "port": port,
        "network": identity.network,
        "steps": identity.steps,
        "clock_hz": identity.clock_hz,
        "images": len(x),
        "accuracy": accuracy(answers.labels, y),
        "clocks": clocks,
        "seconds": seconds,
        "images_per_second": len(x) / seconds,
        "sent_again": answers.retries,
        "differ": None
        if expected is None
        else _differ(expected, x, identity.steps, answers.logits),
    }
    if as_json:
        print_json(result)
    else:
        rows: list[list[object]] = [
            ["network", identity.network[:12]],
            ["images", len(x)],
            ["accuracy", percent(accuracy(answers.labels, y))],
            ["images a second", f"{len(x) / seconds:.0f}"],
            ["sent again", answers.retries],
        ]
        if clocks is not None:
            rows.append(["clocks, mean", f"{clocks['mean']:.1f}"])
            rows.append(["clocks, longest", clocks["longest"]])
            if identity.clock_hz:
                mean = 1e6 * clocks["mean"] / identity.clock_hz
                rows.append(["latency on the board", f"{mean:.1f} us"])
        if expected is not None:
            rows.append(["differ from the golden model", result["differ"]])
        show(f"{port}: the network as it runs", ["", "value"], rows)
    if result["differ"]:
        raise MismatchError(
            f"{port}: {result['differ']} of {len(x)} answers differ from the golden model; the "
            "board is not what its checksum says, or its timing is not met"
        )


def _unknown(
    device: Device, data: list[str], split: str | None, limit: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images for a board of which no more is known than it says itself."""
    from cygnet.data import load as load_data

    if split is not None:
        one_of(split, "--split", ("train", "test"))
    if limit is not None and limit < 1:
        raise CygnetError(f"--limit: {limit} must be at least 1")
    found = load_data(
        data, split=None if split is None else "train" if split == "train" else "test"
    )
    values, classes = device.identity.values, device.identity.classes
    if found.x[0].size != values or found.classes > classes:
        raise CygnetError(
            f"{found.name}: images of {found.x[0].size} values and {found.classes} classes are not "
            f"for this board, which takes {values} and gives {classes}; give its network's data"
        )
    return found.x[:limit], found.y[:limit]


def _differ(network: Network, x: NDArray[np.uint8], steps: int, logits: NDArray[np.int64]) -> int:
    from cygnet.golden.values import run as golden

    return int(
        (golden(network, x, steps=steps or network.steps).logits != logits).any(axis=1).sum()
    )
