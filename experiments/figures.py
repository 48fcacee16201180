# SPDX-License-Identifier: Apache-2.0
"""Plots of the results under docs/results/data, as SVG in docs/results."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cygnet.neurons import GN, IF, SpikingNeuron

_LABELS = {
    "gn": "GN, tau = {}",
    "qcfs": "IF (QCFS)",
    "srp": "SRP (+{} steps)",
    "cos": "COS (+{} steps)",
    "rmp": "RMP",
    "snm-layer": "SNM, layer-wise",
    "snm": "SNM, neuron-wise",
    "if-layer": "IF, layer-wise",
    "if": "IF, neuron-wise",
    "opi": "OPI, {}th percentile",
}
_COLOURS = {
    "gn": "#0b5fa5",
    "qcfs": "#d1495b",
    "srp": "#e19d2f",
    "cos": "#3a8f5c",
    "rmp": "#8a8a8a",
    "snm": "#0b5fa5",
    "snm-layer": "#6fb1e0",
    "if": "#d1495b",
    "if-layer": "#eda6ae",
    "opi": "#7a5195",
}


def _kind(name: str) -> tuple[str, str]:
    """Key into the tables above, and the number in the name."""
    base = name.rstrip("0123456789.")
    extra = name[len(base) :]
    if base == "cos":
        extra = str(2 * int(extra))
    return base, extra


def _line(axes: Axes, name: str, steps: list[int], values: list[float], **style: Any) -> None:
    kind, number = _kind(name)
    options = {"color": _COLOURS[kind], "marker": "o", "markersize": 3, **style}
    axes.plot(steps, values, label=_LABELS[kind].format(number), **options)


def _steps(axes: Axes, steps: list[int]) -> None:
    axes.set_xscale("log", base=2)
    axes.set_xticks(steps, [str(step) for step in steps])
    axes.set_xlabel("time-steps T")
    axes.grid(alpha=0.3)


def _accuracy(axes: Axes, found: dict[str, Any], names: list[str], title: str) -> None:
    for name in names:
        if name in found["methods"]:
            accuracy = [100 * value for value in found["methods"][name]["accuracy"]]
            _line(axes, name, found["steps"], accuracy)
    axes.axhline(100 * found["ann"], color="black", linestyle="--", linewidth=1, label="ANN")
    _steps(axes, found["steps"])
    axes.set_title(title, fontsize=10)


def methods(data: dict[str, Any]) -> Figure:
    """Accuracy against T of the methods, five networks."""
    shown = [
        ("cifar10_vgg16_l4", "CIFAR-10, VGG-16, L = 4", 50),
        ("cifar10_resnet20_l4", "CIFAR-10, ResNet-20, L = 4", 40),
        ("cifar10_resnet20_l8", "CIFAR-10, ResNet-20, L = 8", 40),
        ("mnist_lenet5", "MNIST, LeNet-5, L = 4", 97.5),
        ("mnist_mlp_128_128", "MNIST, 784-128-128-10, L = 4", 95),
    ]
    figure, grid = plt.subplots(2, 3, figsize=(11, 6.4))
    names = ["gn4", "cos4", "srp4", "qcfs", "rmp"]
    for axes, (name, title, low) in zip(grid.flat, shown, strict=False):
        found = data[f"methods-{name}"]
        _accuracy(axes, found, names, title)
        top = 100 * max(max(one["accuracy"]) for one in found["methods"].values())
        axes.set_ylim(low, top + 0.08 * (top - low))
    for axes in grid[:, 0]:
        axes.set_ylabel("test accuracy, %")
    handles, labels = grid.flat[0].get_legend_handles_labels()
    rmp = grid.flat[1].get_legend_handles_labels()
    extra = dict(zip(rmp[1], rmp[0], strict=True)) | dict(zip(labels, handles, strict=True))
    grid.flat[5].axis("off")
    grid.flat[5].legend(extra.values(), extra.keys(), loc="center", frameon=False)
    return figure


def table_1(data: dict[str, Any]) -> Figure:
    """Error of the last layer, GN against IF, and their ratio."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
    found = data["methods-cifar10_resnet20_l8"]
    gn, single = (found["methods"][name]["mse"] for name in ("gn4", "qcfs"))
    _line(left, "gn4", found["steps"], gn)
    _line(left, "qcfs", found["steps"], single)
    left.set_yscale("log")
    left.set_ylabel("mean squared error of the logits")
    left.set_title("CIFAR-10, ResNet-20, L = 8", fontsize=10)
    left.legend(frameon=False)
    ratio = [100 * a / b for a, b in zip(gn, single, strict=True)]
    right.plot(found["steps"], ratio, marker="o", markersize=3, color="#0b5fa5", label="here")
    paper = [11.9, 10.1, 9.9, 14.9, 30.4, 62.2]
    right.plot(found["steps"], paper, marker="s", markersize=3, color="#8a8a8a", label="the paper")
    right.set_ylabel("GN / IF, %")
    right.set_ylim(0)
    right.legend(frameon=False)
    for axes in (left, right):
        _steps(axes, found["steps"])
    return figure


def tau(data: dict[str, Any]) -> Figure:
    """The number of members of a group neuron (GN paper, Fig. 3)."""
    figure, axes = plt.subplots(figsize=(5, 3.6))
    found = data["methods-cifar10_resnet20_l8"]
    shades = plt.get_cmap("viridis")(np.linspace(0.85, 0.0, 5))
    for colour, members in zip(shades, (1, 2, 4, 8, 16), strict=True):
        accuracy = [100 * value for value in found["methods"][f"gn{members}"]["accuracy"]]
        _line(axes, f"gn{members}", found["steps"], accuracy, color=colour)
    axes.axhline(100 * found["ann"], color="black", linestyle="--", linewidth=1, label="ANN")
    _steps(axes, found["steps"])
    axes.set_ylabel("test accuracy, %")
    axes.set_title("CIFAR-10, ResNet-20, L = 8", fontsize=10)
    axes.legend(frameon=False)
    return figure


def curves() -> Figure:
    """What a neuron gives on average for a constant input (GN paper, Fig. 2): computed here."""
    figure, grid = plt.subplots(1, 3, figsize=(10, 3.2), sharey=True)
    x = torch.linspace(-0.2, 1.3, 1501, dtype=torch.float64)
    for axes, steps in zip(grid, (1, 2, 4), strict=True):
        neurons: list[tuple[str, SpikingNeuron]] = [
            ("qcfs", IF(1.0)),
            ("gn4", GN(1.0, 4)),
            ("gn8", GN(1.0, 8)),
        ]
        for name, neuron in neurons:
            value = sum(neuron(x) for _ in range(steps)) / steps
            assert isinstance(value, torch.Tensor)
            style = {"marker": "", "linewidth": 1.3}
            if name == "gn8":
                style["color"] = "#6fb1e0"
            _line(axes, name, x.tolist(), value.tolist(), **style)
        axes.plot(x, x.clamp(0, 1), color="black", linewidth=0.8, linestyle="--", label="clip(x)")
        axes.set_title(f"T = {steps}", fontsize=10)
        axes.set_xlabel("input / theta")
        axes.grid(alpha=0.3)
    grid[0].set_ylabel("mean output / theta")
    grid[0].legend(frameon=False, fontsize=8)
    return figure


def signed(data: dict[str, Any]) -> Figure:
    """Signed neurons against IF, under two normalisations (SNM paper, Fig. 4)."""
    shown = [
        ("cifar10_vgg16_relu", "CIFAR-10, VGG-16"),
        ("cifar10_resnet20_relu", "CIFAR-10, ResNet-20"),
        ("mnist_lenet5_relu", "MNIST, LeNet-5"),
    ]
    figure, grid = plt.subplots(1, 3, figsize=(11, 3.6))
    for axes, (name, title) in zip(grid, shown, strict=True):
        found = data[f"methods-{name}"]
        _accuracy(axes, found, ["snm", "snm-layer", "if", "if-layer"], title)
    grid[2].set_ylim(90, 99.8)
    grid[0].set_ylabel("test accuracy, %")
    handles, labels = grid[2].get_legend_handles_labels()
    grid[2].legend(handles, labels, frameon=False, fontsize=8)
    return figure


def firing(data: dict[str, Any]) -> Figure:
    """Firing rates by layer (SNM paper, Fig. 5) and information loss (eq. 12, Fig. 3)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6))
    found = data["signed-cifar10_vgg16_relu"]
    width = 0.4
    for offset, name in ((-width / 2, "snm"), (width / 2, "if-layer")):
        run = next(run for run in found["rates"][name] if run["steps"] == 32)
        places = np.arange(len(run["rates"])) + offset
        left.bar(places, run["rates"], width, color=_COLOURS[name], label=_LABELS[name])
    left.set_xticks(range(len(run["layers"])), [str(1 + n) for n in range(len(run["layers"]))])
    left.set_xlabel("layer")
    left.set_ylabel("spikes for each neuron and step")
    left.set_title("CIFAR-10, VGG-16, T = 32", fontsize=10)
    left.legend(frameon=False)
    loss = found["loss"]
    shades = plt.get_cmap("Reds")(np.linspace(0.3, 0.9, 4))
    for colour, alpha in zip(shades, (0.4, 0.6, 0.8, 1.0), strict=True):
        row = loss["layer"][loss["alphas"].index(alpha)]
        right.plot(loss["steps"], row, color=colour, label=f"layer-wise, alpha = {alpha}")
    row = loss["neuron"][loss["alphas"].index(1.0)]
    right.plot(loss["steps"], row, color=_COLOURS["snm"], label="neuron-wise, alpha = 1")
    right.set_yscale("log")
    right.set_ylabel("information loss of the first layer")
    right.legend(frameon=False, fontsize=8)
    _steps(right, loss["steps"])
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("docs/results/data"))
    parser.add_argument("--out", type=Path, default=Path("docs/results"))
    arguments = parser.parse_args()
    mpl.use("svg")
    # The same data gives the same bytes.
    mpl.rcParams.update({"svg.hashsalt": "cygnet", "svg.fonttype": "none", "font.size": 9})
    data = {path.stem: json.loads(path.read_text()) for path in arguments.data.glob("*.json")}
    figures = {
        "methods": methods(data),
        "output-error": table_1(data),
        "tau": tau(data),
        "neuron-curves": curves(),
        "signed": signed(data),
        "firing": firing(data),
    }
    for name, figure in figures.items():
        figure.tight_layout()
        figure.savefig(arguments.out / f"{name}.svg", metadata={"Date": None})
        plt.close(figure)


if __name__ == "__main__":
    main()
