# SPDX-License-Identifier: Apache-2.0
"""``cygnet compare``: the papers' methods on one trained network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from cygnet.command.common import (
    AsJson,
    Limit,
    Split,
    bar,
    percent,
    print_json,
    show,
    whole_numbers,
)
from cygnet.command.setup import (
    Calibration,
    InputScale,
    Layout,
    Mean,
    Model,
    Setup,
    Std,
    TrainedData,
    Weights,
    prepare,
)
from cygnet.conversion import (
    accuracy_by_step,
    calibrate_potentials,
    fold,
    logits_by_step,
    method,
)
from cygnet.errors import CygnetError
from cygnet.files import write_text
from cygnet.training import logits

__all__ = ["compare", "compare_methods"]


def compare_methods(
    setup: Setup,
    names: list[str],
    steps: list[int],
    *,
    calibration: int = 1000,
    batch: int | None = None,
    device: str = "cpu",
    quiet: bool = False,
) -> dict[str, Any]:
    """Accuracy of each method and the mean squared error of its logits against the torch network's
    (GN paper, Table 1).

    :param names: as :func:`cygnet.conversion.method` takes them, or with ``+calT`` behind: initial
        potentials calibrated for T steps
    :param steps: the T to report
    :returns: ``{"ann": a, "steps": [...], "methods": {name: {"accuracy": [...], "mse": [...],
        "extra_steps": n}}}``
    """
    source = logits(setup.model, setup.test, setup.spec)
    truth = torch.from_numpy(setup.test.y)
    found: dict[str, Any] = {
        "ann": float((source.argmax(1) == truth).double().mean()),
        "images": len(setup.test),
        "steps": steps,
        "methods": {},
    }
    images = setup.train.x[:calibration]
    for name in names:
        base, _, potentials = name.partition("+cal")
        chosen = method(base)
        folded = fold(setup.model, setup.spec)
        network = chosen.prepare(folded, images, setup.spec)
        if potentials:
            (length,) = whole_numbers(potentials, "--methods")
            calibrate_potentials(network, images, steps=length)
        network.to(device).float()
        with bar(name, quiet=quiet) as progress:
            result = logits_by_step(
                network, setup.test.x, max(steps), batch=batch, run=chosen.run, progress=progress
            )
        accuracy = accuracy_by_step(result, truth)
        error = (result - source).double().square().mean((1, 2))
        found["methods"][name] = {
            "accuracy": [accuracy[step - 1] for step in steps],
            "mse": [float(error[step - 1]) for step in steps],
            "extra_steps": chosen.extra_steps,
        }
    return found


def compare(
    model: Model,
    data: TrainedData,
    weights: Weights = None,
    methods: Annotated[
        str,
        typer.Option(
            help="Names with commas between: gnN (N members), qcfs, rmp, opiP (P-th percentile), "
            "srpN, cosN (N steps before those that count), snm, if (neuron-wise), snm-layer, "
            "if-layer, snm-half (v(0) = theta/2); any with +calT (initial potentials calibrated "
            "for T steps)."
        ),
    ] = "gn4,qcfs,srp4,cos4,rmp",
    steps: Annotated[str, typer.Option(help="Time-steps to report.")] = "1,2,4,8,16,32",
    split: Split = None,
    limit: Limit = None,
    input_scale: InputScale = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "nhwc",
    calibration: Calibration = 1000,
    batch: Annotated[
        int | None, typer.Option(help="Images at once; as suits the device where left out.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, ...")] = "cpu",
    plot: Annotated[
        Path | None, typer.Option(help="An .svg of accuracy and error against T to write.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Accuracy and output error of the papers' methods against the number of time-steps.

    Example: cygnet compare mlp -w mlp.safetensors --data mnist.npz --methods gn4,qcfs,snm
    """
    wanted = sorted(set(whole_numbers(steps, "--steps")))
    if not 1 <= wanted[0] <= wanted[-1] <= 4096:
        raise CygnetError(f"--steps: {steps} must be in 1..4096")
    if calibration < 1 or (batch is not None and batch < 1):
        raise CygnetError("--calibration and --batch must be at least 1")
    names = [name.strip() for name in methods.split(",")]
    for name in names:
        try:
            method(name.partition("+cal")[0])
        except CygnetError as error:
            raise CygnetError(f"--methods: {error}") from None
    setup = prepare(
        model,
        weights,
        data,
        split=split,
        input_scale=input_scale,
        mean=mean,
        std=std,
        layout=layout,
    )
    if limit is not None:
        if limit < 1:
            raise CygnetError(f"--limit: {limit} must be at least 1")
        setup = Setup(setup.model, setup.spec, setup.train, setup.test.take(slice(0, limit)))
    found = compare_methods(
        setup, names, wanted, calibration=calibration, batch=batch, device=device, quiet=as_json
    )
    if plot is not None:
        write_text(plot, _svg(found))
    if as_json:
        print_json(found)
        return
    columns = [f"T = {step}" for step in wanted]
    title = f"{len(setup.test)} test images, torch network {percent(found['ann'])}"
    show(
        title,
        ["accuracy", *columns],
        [
            [name, *(percent(share) for share in row["accuracy"])]
            for name, row in found["methods"].items()
        ],
    )
    show(
        "mean squared error of the logits",
        ["error", *columns],
        [
            [name, *(f"{value:.4g}" for value in row["mse"])]
            for name, row in found["methods"].items()
        ],
    )


def _svg(found: dict[str, Any]) -> str:
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    steps = found["steps"]
    for name, row in found["methods"].items():
        left.plot(steps, [100 * share for share in row["accuracy"]], marker="o", label=name)
        right.plot(steps, row["mse"], marker="o", label=name)
    left.axhline(100 * found["ann"], color="black", linestyle=":", label="torch network")
    left.set(xscale="log", xlabel="time-steps", ylabel="accuracy, %")
    right.set(xscale="log", yscale="log", xlabel="time-steps", ylabel="squared error of logits")
    for axes in (left, right):
        axes.set_xscale("log", base=2)
        axes.set_xticks(steps, [str(step) for step in steps])
        axes.grid(alpha=0.3)
    left.legend(fontsize="small")
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None})
    return text.getvalue()
