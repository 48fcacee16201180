# SPDX-License-Identifier: Apache-2.0
"""``cygnet sim``: the generated Verilog under Verilator, against the golden model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from cygnet.command.common import (
    AsJson,
    Data,
    Jobs,
    Limit,
    Split,
    accuracy,
    bar,
    images,
    jobs,
    percent,
    print_json,
    say,
    show,
    step_list,
)
from cygnet.command.invocation import invocation
from cygnet.command.options import USUAL, HardwareOptions
from cygnet.command.results import simulation
from cygnet.errors import CygnetError, MismatchError
from cygnet.image_files import check_images
from cygnet.network_file import load
from cygnet.report.measurements import add

__all__ = ["sim"]


def sim(
    network: Annotated[Path, typer.Argument(metavar="NETWORK", help="The .cyg file.")],
    data: Data,
    split: Split = None,
    steps: Annotated[
        str, typer.Option(help="Time-steps; of several, such as 1,2,4, each is its own hardware.")
    ] = "1",
    chosen: HardwareOptions = USUAL,
    limit: Limit = None,
    workers: Jobs = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder to keep Verilog, images and results in; a run that was interrupted "
            "goes on there.",
        ),
    ] = None,
    waves: Annotated[
        Path | None,
        typer.Option(
            help="Waveform of the first three images to write (.fst), with views for GTKWave "
            "(.gtkw) and Surfer (.sucl) beside it; for one T."
        ),
    ] = None,
    given: Annotated[
        Path | None,
        typer.Option(
            "--images",
            help="Folder of cygnet image to take the memories from, for one T; else written anew.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the Verilog on images; every logit, label and cycle must equal the golden model's.

    Each image is sent twice: from an idle pipeline, which gives the latency, and back to back,
    which gives the interval. Exit code 1 where anything differs: the message names the first
    neuron that does, and a waveform of the clocks around it is left in --out, or here.

    Example: cygnet sim mnist.cyg --data mnist.npz --steps 1 --lanes 16 --beat 8
    """
    from cygnet.cosim.accelerator import predict
    from cygnet.cosim.resume import Resumable
    from cygnet.cosim.simulator import VerilatorSimulator
    from cygnet.cosim.verify import verify, write_accelerator
    from cygnet.gateware.verilog import generate, top_name

    loaded = load(network)
    processes = jobs(workers)
    x, y = images(data, split, limit, loaded, network)
    wanted = step_list(steps, loaded, network)
    if waves is not None and len(wanted) > 1:
        raise CygnetError(f"--waves: of one T, not of {steps}; give --steps one number")
    if given is not None and len(wanted) > 1:
        raise CygnetError(f"--images: of one T, not of {steps}; give --steps one number")
    found = {}
    wrong = ""
    with tempfile.TemporaryDirectory(prefix="cygnet-") as scratch:
        for t in wanted:
            config = chosen.config(loaded, t)
            folder = (out or Path(scratch)) / f"t{t}"
            say(f"T = {t}: compiling the Verilog", quiet=as_json)
            if given is None:
                text = write_accelerator(loaded, config, folder)
            else:
                check_images(loaded, config, given)
                text = generate(loaded, config)
            compiled = VerilatorSimulator(
                text,
                top=top_name(loaded),
                images=given or folder,
                classes=loaded.classes,
                workers=processes,
            )
            with bar(f"T = {t}: golden model", quiet=as_json) as progress:
                prediction = predict(loaded, config, x, progress=progress)
            with bar(f"T = {t}: RTL", quiet=as_json) as progress:
                kept = compiled if out is None else Resumable(compiled, folder / "parts")
                found[t] = verify(kept, prediction, progress=progress)
            if waves is not None:
                from cygnet.cosim.waves import record

                say("writing the waveform", quiet=as_json)
                record(loaded, config, text, given or folder, prediction.frames[:3], waves)
            image = found[t].image
            if image is not None and not wrong:
                from cygnet.cosim.diagnose import diagnose

                say(f"T = {t}: looking for the first neuron that differs", quiet=as_json)
                where = (out or Path()) / f"mismatch-t{t}.fst"
                wrong = diagnose(prediction, text, given or folder, image, where)
    result = simulation(found, y)
    if out is not None:
        add(out, loaded, "simulation", result, invocation())
    if as_json:
        print_json({"network": loaded.digest, **result})
    else:
        show(
            f"{network}: {len(x)} images in RTL; clock cycles an image",
            [
                "T",
                "accuracy",
                "differ",
                "latency",
                "longest",
                "interval",
                "predicted",
                "lanes busy",
            ],
            [
                [
                    t,
                    percent(accuracy(one.labels, y)),
                    one.mismatches,
                    f"{one.latency:.1f}",
                    one.latency_max,
                    f"{one.interval:.1f}",
                    f"{one.latency_predicted:.1f}, {one.interval_predicted:.1f}",
                    percent(one.lane_use),
                ]
                for t, one in found.items()
            ],
        )
    for t, one in found.items():
        if one.mismatches:
            raise MismatchError(
                f"T = {t}: RTL and golden model differ in {one.mismatches} of {len(x)} images, "
                f"first in the {one.first}: {wrong}"
            )
