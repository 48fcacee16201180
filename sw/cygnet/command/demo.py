# SPDX-License-Identifier: Apache-2.0
"""``cygnet demo``: the whole way, from training to RTL, on scikit-learn's digits."""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from cygnet.command.common import AsJson, accuracy, bar, percent, print_json, say, show
from cygnet.command.invocation import invocation
from cygnet.command.report import PAGE
from cygnet.command.results import simulation
from cygnet.errors import MismatchError
from cygnet.files import write_bytes, write_text

if TYPE_CHECKING:
    from torch import Tensor, nn

    from cygnet.conversion import SpikingNetwork
    from cygnet.cosim.verify import Verification
    from cygnet.data import Dataset
    from cygnet.network import Network

__all__ = ["demo", "trained"]

STEPS = (1, 2, 4)
"""T of the RTL."""
PLOTTED = 16
"""The most time-steps of the plot."""
TAU = 4
LANES = 16
BEAT = 8


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to leave everything in.")] = Path(
        "build/demo"
    ),
    seed: Annotated[int, typer.Option(help="Of the training.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Train on scikit-learn's digits, convert, quantise, and run the RTL over all test images.

    Prints one table, and leaves the network, its memory images and Verilog for T = 1, 2 and 4, a
    summary, a plot and a report page in the folder. Exit code 1 where RTL and golden model differ
    in anything.

    Example: cygnet demo -o build/demo
    """
    import torch

    from cygnet.conversion import to_spiking
    from cygnet.data import digits, input_spec
    from cygnet.golden.values import run
    from cygnet.models import save_weights
    from cygnet.network_file import save
    from cygnet.quantization import quantize
    from cygnet.training import logits

    # Layers this small gain nothing from more threads, and lose much where others compute too.
    torch.set_num_threads(1)
    began = time.monotonic()
    test = digits("test")
    spec = input_spec(test)
    model = trained(seed, quiet=as_json)
    save_weights(out / "digits.safetensors", model.state_dict())
    ann = logits(model, test, spec)

    group = to_spiking(model, None, input=spec, neuron="gn", tau=TAU)
    single = to_spiking(model, None, input=spec, neuron="if")
    curves = {"GN, tau = 4": _outputs(group, test), "IF": _outputs(single, test)}
    write_bytes(out / "steps.png", _plot(curves, ann, test))

    network = quantize(group, steps=max(STEPS), name="digits")
    save(network, out / "digits.cyg")
    golden = run(network, test.x, steps=max(STEPS), each_step=True).after
    assert golden is not None
    found = _rtl(network, test.x, out, as_json)

    table = _Table(
        ann=accuracy(ann.argmax(dim=1).numpy(), test.y),
        floats={t: accuracy(curves["GN, tau = 4"][t - 1].argmax(axis=1), test.y) for t in STEPS},
        golden={t: accuracy(golden[t - 1].argmax(axis=1), test.y) for t in STEPS},
        rtl={t: accuracy(one.labels, test.y) for t, one in found.items()},
        found=found,
    )
    summary = table.summary()
    write_text(out / "summary.json", json.dumps(summary, indent=2) + "\n")
    floats = {
        t: accuracy(logits.argmax(axis=1), test.y)
        for t, logits in enumerate(curves["GN, tau = 4"], start=1)
    }
    _report(network, group, test, table, floats, golden, out)
    if as_json:
        print_json(summary)
    else:
        table.show(len(test))
        typer.echo(f"{out}: everything that was made, in {time.monotonic() - began:.0f} s")
        typer.echo(f"next: open {out / PAGE} in a browser")
    for t, one in found.items():
        if one.mismatches:
            raise MismatchError(
                f"T = {t}: RTL and golden model differ in {one.mismatches} of {len(test)} images, "
                f"first in the {one.first}"
            )


def trained(seed: int = 0, *, quiet: bool = False) -> nn.Module:
    """A 64-64-64-10 QCFS network, trained on the digits in seconds."""
    import torch

    from cygnet.data import digits, input_spec
    from cygnet.models import mlp
    from cygnet.training import Recipe
    from cygnet.training import train as run
    from cygnet.training.loop import Progress

    train = digits("train")
    recipe = Recipe(epochs=100, batch=32, learning_rate=0.05, validation=0.1, seed=seed)
    torch.manual_seed(seed)
    model = mlp(inputs=64, hidden=(64, 64), levels=TAU)
    with bar("training, epochs", quiet=quiet) as progress:

        def step(at: Progress) -> None:
            progress(at.epoch, at.epochs)

        run(model, train, input_spec(train), recipe, progress=step)
    return model


def _outputs(spiking: Any, test: Dataset) -> NDArray[np.float64]:
    """float64[T, n, classes]: what the spiking network in floats gives after each time-step."""
    import torch

    with torch.inference_mode():
        found: Tensor = spiking(spiking.input(test.x), PLOTTED)
    return found.double().numpy()


def _rtl(network: Network, x: NDArray[np.uint8], out: Path, quiet: bool) -> dict[int, Verification]:
    from cygnet.cosim.accelerator import predict
    from cygnet.cosim.simulator import VerilatorSimulator
    from cygnet.cosim.verify import verify, write_accelerator
    from cygnet.gateware.verilog import top_name
    from cygnet.hardware import HardwareConfig

    workers = os.cpu_count() or 1
    configs = {t: HardwareConfig.uniform(network, steps=t, lanes=LANES, beat=BEAT) for t in STEPS}
    folders = {t: out / f"t{t}" for t in STEPS}
    say("writing Verilog and memory images", quiet=quiet)
    texts = {t: write_accelerator(network, configs[t], folders[t]) for t in STEPS}

    def compiled(t: int) -> VerilatorSimulator:
        return VerilatorSimulator(
            texts[t],
            top=top_name(network),
            images=folders[t],
            classes=network.classes,
            workers=workers,
            cache=out / "cache",
        )

    say("compiling the Verilog for simulation", quiet=quiet)
    with ThreadPoolExecutor(workers) as pool:
        simulators = dict(zip(STEPS, pool.map(compiled, STEPS), strict=True))
    found = {}
    for t in STEPS:
        with bar(f"RTL, T = {t}", quiet=quiet) as progress:
            found[t] = verify(simulators[t], predict(network, configs[t], x), progress=progress)
    return found


def _report(
    network: Network,
    spiking: SpikingNetwork,
    test: Dataset,
    table: _Table,
    floats: dict[int, float],
    golden: NDArray[np.int64],
    out: Path,
) -> None:
    """Measure what the page shows, and write it."""
    from cygnet.hardware import HardwareConfig
    from cygnet.report.activity import activity
    from cygnet.report.device import find_synthesis
    from cygnet.report.errors import trace_layers
    from cygnet.report.measurements import add, read
    from cygnet.report.page import page

    most = max(STEPS)
    config = HardwareConfig.uniform(network, steps=most, lanes=LANES, beat=BEAT)
    command = invocation()
    shares = {
        "images": len(test),
        "ann": table.ann,
        "float": {str(t): share for t, share in floats.items()},
        "golden": {
            str(t): accuracy(logits.argmax(axis=1), test.y)
            for t, logits in enumerate(golden, start=1)
        },
        "rtl": {str(t): share for t, share in table.rtl.items()},
    }
    rows = trace_layers(spiking, network, test.x, most)
    errors = {"steps": most, "images": len(test), "layers": [asdict(row) for row in rows]}
    found = activity(network, test.x, steps=most, hardware=config)
    add(out, network, "accuracy", shares, command)
    add(out, network, "errors", errors, command)
    add(out, network, "activity", asdict(found), command)
    add(out, network, "simulation", simulation(table.found, test.y), command)
    text = page(
        network,
        read(out, network),
        hardware=config,
        synthesis=find_synthesis(out, network),
        file=str(out / "digits.cyg"),
        folder=str(out),
        command=command,
    )
    write_text(out / PAGE, text)


@dataclass(frozen=True)
class _Table:
    """The result, as a table and as summary.json."""

    ann: float
    floats: dict[int, float]
    golden: dict[int, float]
    rtl: dict[int, float]
    found: dict[int, Verification]

    def summary(self) -> dict[str, Any]:
        """Cycles are the mean latency from an idle pipeline; lane use is that of the largest T."""

        def named(values: dict[int, float]) -> dict[str, float]:
            return {str(t): value for t, value in values.items()}

        return {
            "accuracy": {
                "ann": self.ann,
                "float": named(self.floats),
                "golden": named(self.golden),
                "rtl": named(self.rtl),
            },
            "mismatches": sum(one.mismatches for one in self.found.values()),
            "cycles": {
                str(t): {"measured": one.latency, "predicted": one.latency_predicted}
                for t, one in self.found.items()
            },
            "lane_use": self.found[max(self.found)].lane_use,
        }

    def show(self, images: int) -> None:
        show(
            f"{images} held-out digits; cycles are of one image alone, and back to back",
            ["T", "ANN", "float", "golden", "RTL", "differ", "cycles", "predicted", "lanes busy"],
            [
                [
                    t,
                    percent(self.ann),
                    percent(self.floats[t]),
                    percent(self.golden[t]),
                    percent(self.rtl[t]),
                    one.mismatches,
                    f"{one.latency:.1f}, {one.interval:.1f}",
                    f"{one.latency_predicted:.1f}, {one.interval_predicted:.1f}",
                    percent(one.lane_use),
                ]
                for t, one in self.found.items()
            ],
        )


def _plot(curves: dict[str, NDArray[np.float64]], ann: Tensor, test: Dataset) -> bytes:
    """A PNG: accuracy, and the distance of the output from the ANN's, against T."""
    from io import BytesIO

    from matplotlib.figure import Figure

    exact = ann.double().numpy()
    steps = np.arange(1, PLOTTED + 1)
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.axhline(100 * accuracy(exact.argmax(axis=1), test.y), color="grey", ls="--", label="ANN")
    for name, logits in curves.items():
        left.plot(steps, 100 * (logits.argmax(axis=2) == test.y).mean(axis=1), "o-", label=name)
        distance = np.linalg.norm(logits - exact, axis=2) / np.linalg.norm(exact, axis=1)
        right.plot(steps, distance.mean(axis=1), "o-", label=name)
    left.set_ylabel("accuracy, %")
    right.set_ylabel("distance from the ANN's output, relative")
    right.set_ylim(bottom=0)
    for axes in (left, right):
        axes.set_xlabel("time-steps T")
        axes.grid(alpha=0.3)
        axes.legend()
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=120, metadata={"Software": None})
    return buffer.getvalue()
