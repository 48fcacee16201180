# SPDX-License-Identifier: Apache-2.0
"""``cygnet convert``: a trained torch network to an integer spiking network."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import numpy as np
import typer
from numpy.typing import NDArray

from cygnet.command.common import (
    SPLITS,
    AsJson,
    accuracy,
    bar,
    offered,
    one_of,
    percent,
    print_json,
    say,
    show,
    whole_numbers,
)
from cygnet.command.setup import (
    LAYOUTS,
    Calibration,
    InputScale,
    Layout,
    Mean,
    Model,
    Neuron,
    Normalization,
    Rounding,
    Std,
    Tau,
    Threshold,
    Weights,
    check_choices,
    counted_input,
    images,
    trained_input,
)
from cygnet.errors import CygnetError
from cygnet.interop.sources import read_source
from cygnet.network import Network
from cygnet.network_file import save

if TYPE_CHECKING:
    from cygnet.conversion import SpikingNetwork
    from cygnet.data import Dataset

INPUTS = ("pixels", "counts")
__all__ = ["convert", "falls", "float_labels"]


def convert(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .cyg file to write.")],
    weights: Weights = None,
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            metavar="<path>",
            help="Train images calibrate where thresholds are not trained, test images judge: "
            ".npz with x, y or x_train, y_train, x_test, y_test (uint8); or digits. A file that "
            "states its input, with trained thresholds, needs none.",
            show_default=False,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="train or test: what accuracy is printed for.", autocompletion=offered(SPLITS)
        ),
    ] = None,
    input_scale: InputScale = None,
    mean: Mean = None,
    std: Std = None,
    layout: Layout = "nhwc",
    input_kind: Annotated[
        str | None,
        typer.Option(
            "--input",
            autocompletion=offered(INPUTS),
            help="pixels, the same at every time-step, or counts, new at each; pixels where left "
            "out, counts of a NIR graph.",
            show_default=False,
        ),
    ] = None,
    input_bounds: Annotated[
        str, typer.Option(help="The least and the most of an input of counts.")
    ] = "0,1",
    reset: Annotated[
        str | None,
        typer.Option(help="subtract: of a NIR graph that does not say so.", show_default=False),
    ] = None,
    neuron: Neuron = "gn",
    tau: Tau = 4,
    steps: Annotated[int, typer.Option(help="The most time-steps that the file is made for.")] = 8,
    bits: Annotated[
        str, typer.Option(help="Of a weight, 2..8: one number, or by layer (8,fc2=4).")
    ] = "8",
    threshold: Threshold = "exact",
    rounding: Rounding = "nearest",
    normalization: Normalization = None,
    percentile: Annotated[
        float, typer.Option(help="Of the activations, where thresholds come from data.")
    ] = 100.0,
    calibration: Calibration = 1000,
    potentials: Annotated[
        int,
        typer.Option(help="Calibrate initial potentials for so many time-steps; 0: leave them."),
    ] = 0,
    finetune: Annotated[
        int,
        typer.Option(help="Epochs of training for few bits, on the train images; 0: none."),
    ] = 0,
    finetune_lr: Annotated[
        float, typer.Option(help="With --finetune: learning rate at the start; 2 bits want 1e-3.")
    ] = 2e-4,
    finetune_events: Annotated[
        int | None,
        typer.Option(
            help="With --finetune: the most events that a layer's windows may hold in a frame; "
            "fewer make frames faster (cygnet verilog --budget prints a layer's clocks).",
            show_default=False,
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Of the network, in Verilog; from --out where left out.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Convert a trained network and write the integer spiking network as one .cyg file.

    MODEL is a factory with its weights, an ONNX file or one of torch.export; the three give the
    same file. Networks that spike already (NIR, SpikingJelly, snnTorch) keep their neurons. Prints
    the accuracy of the torch network, of the spiking network in floats and of the integer one for
    each number of time-steps, and warns where more steps lose accuracy.

    Example: cygnet convert mlp -w mlp.safetensors --data mnist.npz --tau 4 --steps 4 -o mnist.cyg
    """
    check_choices(neuron, threshold, rounding, normalization)
    one_of(layout, "--layout", LAYOUTS)
    if not 0 < percentile <= 100:
        raise CygnetError(f"--percentile: {percentile} must be in 0 < . <= 100")
    if calibration < 1:
        raise CygnetError(f"--calibration: {calibration} must be at least 1")
    if not 1 <= steps <= 4096:
        raise CygnetError(f"--steps: {steps} must be in 1..4096")
    if not 1 <= tau <= 16:
        raise CygnetError(f"--tau: {tau} must be in 1..16")
    if not 0 <= potentials <= 4096:
        raise CygnetError(f"--potentials: {potentials} must be in 0..4096")
    if not 0 <= finetune <= 1000:
        raise CygnetError(f"--finetune: {finetune} must be in 0..1000")
    if not 0 < finetune_lr <= 1:
        raise CygnetError(f"--finetune-lr: {finetune_lr} must be in 0 < . <= 1")
    if finetune_events is not None and (finetune_events < 1 or not finetune):
        raise CygnetError(
            f"--finetune-events: {finetune_events} must be at least 1, and goes with --finetune"
        )
    if finetune and rounding == "compensated":
        raise CygnetError(
            "--rounding: after --finetune weights want to be rounded as they were in training, to "
            "the nearest integer; give one of the two"
        )
    if input_kind is not None:
        one_of(input_kind, "--input", INPUTS)
    if reset is not None:
        one_of(reset, "--reset", ("subtract",))
    plain, named = _widths(bits)
    called = _name(name, out)

    from cygnet.conversion import calibrate_potentials, to_spiking
    from cygnet.neurons import Imported
    from cygnet.quantization import Finetuning, input_moments, quantize
    from cygnet.quantization import finetune as tune
    from cygnet.quantization.finetune import trained_steps
    from cygnet.quantization.quantize import bit_widths
    from cygnet.training import logits

    source = read_source(model, weights, reset=reset)
    if source.network is not None:
        save(source.network, out)
        _report(source.network, out, as_json)
        return
    assert source.model is not None
    train, test = images(data, split, layout) if data else (None, None)
    if train is None and (finetune or potentials or rounding == "compensated"):
        raise CygnetError(
            "--finetune, --potentials and --rounding compensated need train images; give --data"
        )
    if (input_kind or source.usual) == "counts":
        if test is not None:
            raise CygnetError("--data: holds pixels, and the input is counts; give --input pixels")
        spec = counted_input(source, input_bounds, layout)
    else:
        spec = trained_input(train, source, input_scale, mean, std, layout)
    say("converting", quiet=as_json)
    spiking = to_spiking(
        source.model,
        # A copy: torch warns of arrays that it may not write to.
        None if train is None else train.x[:calibration].copy(),
        input=spec,
        neuron=cast(Literal["gn", "if", "snm"], neuron),
        tau=tau,
        normalization=cast(Any, normalization),
        percentile=percentile,
    )
    widths = {stage.name: plain for stage in spiking.folded} | named
    try:
        bit_widths(spiking.folded, widths)
    except CygnetError as error:
        raise CygnetError(f"--{error}") from None
    form = cast(Literal["exact", "pow2"], threshold)
    if train is not None and finetune:
        with bar("fine-tune", quiet=as_json) as progress:
            spiking = tune(
                spiking,
                train.x,
                bits=widths,
                threshold=form,
                options=Finetuning(
                    epochs=finetune,
                    learning_rate=finetune_lr,
                    steps=trained_steps(steps),
                    events=finetune_events,
                ),
                progress=lambda done, total, loss: progress(done, total),
            )
    if train is not None and potentials:
        calibrate_potentials(spiking, train.x[:calibration], steps=potentials)
    moments = None
    if train is not None and rounding == "compensated":
        moments = input_moments(spiking, train.x[:calibration].copy(), steps=min(steps, 4))
    integers = quantize(
        spiking, steps=steps, name=called, bits=widths, threshold=form, moments=moments
    )
    save(integers, out)
    if test is None:
        _report(integers, out, as_json)
        return
    if any(isinstance(neurons, Imported) for neurons in spiking.neurons):
        ann = float_labels(spiking, test.x, steps)[-1]  # a spiking network is its own yardstick
    else:
        with bar("torch network", quiet=as_json) as progress:
            ann = logits(source.model, test, spec, progress=progress).argmax(dim=1).numpy()
    found = _accuracies(integers, spiking, test, ann, steps, as_json)
    warnings = falls([row["golden"] for row in found["steps"].values()])
    if as_json:
        print_json({"out": str(out), "network": integers.digest, **found, "warnings": warnings})
        return
    show(
        f"{out}: {len(test)} test images, torch network {percent(found['ann'])}",
        ["T", "spiking, float", "integers", "class as torch's"],
        [
            [t, percent(row["float"]), percent(row["golden"]), percent(row["agreement"])]
            for t, row in found["steps"].items()
        ],
    )
    for warning in warnings:
        say(f"warning: {warning}")


def _report(network: Network, out: Path, as_json: bool) -> None:
    if as_json:
        print_json({"out": str(out), "network": network.digest})
    else:
        show(out.name, ["layer", "neurons", "bits"], _layers(network))


def _layers(network: Network) -> list[list[object]]:
    rows: list[list[object]] = []
    for number, layer in enumerate(network.layers):
        kind = "accumulates" if layer.neurons is None else layer.neurons.kind
        size = "x".join(str(value) for value in network.shape(number))
        rows.append([layer.name, f"{kind} {size}", layer.synapses.bits])
    return rows


def _accuracies(
    integers: Network,
    spiking: SpikingNetwork,
    test: Dataset,
    ann: NDArray[np.int64],
    steps: int,
    quiet: bool,
) -> dict[str, Any]:
    from cygnet.golden.values import run

    with bar("spiking network, float", quiet=quiet) as progress:
        floats = float_labels(spiking, test.x, steps, progress)
    with bar("integers", quiet=quiet) as progress:
        golden = run(
            integers,
            test.x.reshape(-1, *integers.input.shape),
            steps=steps,
            each_step=True,
            progress=lambda done: progress(done, len(test)),
        )
    assert golden.after is not None
    labels = golden.after.argmax(axis=2)
    return {
        "images": len(test),
        "ann": accuracy(ann, test.y),
        "steps": {
            str(t + 1): {
                "float": accuracy(floats[t], test.y),
                "golden": accuracy(labels[t], test.y),
                "agreement": accuracy(labels[t], ann),
            }
            for t in range(steps)
        },
    }


def float_labels(
    spiking: SpikingNetwork, x: NDArray[np.uint8], steps: int, progress: Any = None
) -> NDArray[np.int64]:
    """int64[T, n]: the class that the spiking network in floats gives after each time-step."""
    from cygnet.conversion import logits_by_step

    found = logits_by_step(spiking, x, steps, progress=progress).argmax(2).numpy()
    return np.asarray(found, dtype=np.int64)


def falls(shares: list[float]) -> list[str]:
    """A sentence for each number of time-steps that does worse than one step fewer."""
    return [
        f"accuracy falls from {percent(before)} at T = {t} to {percent(after)} at T = {t + 1}; "
        f"more steps are not always better"
        for t, (before, after) in enumerate(pairwise(shares), start=1)
        if after < before
    ]


def _widths(text: str) -> tuple[int, dict[str, int]]:
    """``8``, or ``8,fc2=4``: the width of all layers, and those of the layers that are named."""
    named: dict[str, int] = {}
    plain = 8
    for item in text.split(","):
        layer, equals, width = item.rpartition("=")
        (number,) = whole_numbers(width, "--bits")
        if not 2 <= number <= 8:
            raise CygnetError(f"--bits: {number} must be in 2..8")
        if equals:
            named[layer.strip()] = number
        else:
            plain = number
    return plain, named


def _name(name: str | None, out: Path) -> str:
    """A name for Verilog, out of the file's where none is given."""
    if name is None:
        name = re.sub(r"[^a-z0-9]+", "_", out.stem.lower()).strip("_")[:40]
        name = name if name[:1].isalpha() else f"network_{name}"[:40].rstrip("_")
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        raise CygnetError(
            f"--name: {name!r} must be lower-case letters, digits and underscores, "
            "at most 40, a letter first"
        )
    return name
