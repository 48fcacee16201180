# SPDX-License-Identifier: Apache-2.0
"""``cygnet explain``, ``diff`` and ``doctor``."""

from __future__ import annotations

import importlib.metadata
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet import doctor as doctor_module
from cygnet.command.explain import text
from cygnet.cosim import tools
from cygnet.difference import compare
from cygnet.doctor import examine
from cygnet.errors import CygnetError
from cygnet.network import Convolution, Dense, Neurons
from cygnet.network_file import load, save
from networks import random_mlp, random_residual

from .conftest import Call


def test_explain_counts_the_network(call: Call, cyg: Path) -> None:
    network = load(cyg)
    found = call("explain", cyg, "--json").json
    assert found["sha256"] == network.digest
    assert [layer["name"] for layer in found["layers"]] == [layer.name for layer in network.layers]
    assert found["totals"] == {
        "neurons": 12 + 9,
        "weights": 64 * 12 + 12 * 9 + 9 * 10,
        "weight_bits": 8 * (64 * 12 + 12 * 9 + 9 * 10),
        "operations": 64 * 12 + 12 * 9 + 9 * 10,
    }
    first, last = found["layers"][0], found["layers"][-1]
    neurons = network.layers[0].neurons
    assert neurons is not None
    assert first["reset"] == [neurons.reset.min(), neurons.reset.max()]
    assert first["current_bits"] == network.current(0).width
    assert (last["neuron"], last["reset"], last["neurons"]) == ("accumulates", None, 0)
    assert "GN, tau 4" in call("explain", cyg).out


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_explain_fits_the_terminal(cyg: Path, width: int) -> None:
    """Down to 60 columns; a layer, its synapses, neurons and weights are never left out."""
    network = load(cyg)
    whole = text(network).splitlines()
    found = text(network, "network", width).splitlines()
    table = found[1 : len(network.layers) + 4]
    assert max(map(len, table)) <= max(width, 60)
    for name in ("layer", "synapses", "neurons", "weights"):
        assert name in "".join(table)
    left = [line for line in found if line.startswith("left out on a terminal of")]
    assert bool(left) == (max(map(len, whole[1:-3])) > width)
    for column in "".join(left).partition(": ")[2].partition(";")[0].split(", "):
        assert not column or f" {column} " not in "".join(table)


def test_explain_of_all_kinds_of_layers(call: Call, tmp_path: Path) -> None:
    network = random_residual(np.random.default_rng(3))
    save(network, tmp_path / "residual.cyg")
    found = call("explain", tmp_path / "residual.cyg", "--json").json
    for number, row in enumerate(found["layers"]):
        layer = network.layers[number]
        if isinstance(layer.synapses, Convolution):
            assert f"conv {layer.synapses.kernel[0]}x{layer.synapses.kernel[1]}" in row["synapses"]
        assert ("pool" in row["synapses"]) == (layer.pool is not None)
        assert (row["shortcut"] is None) == (layer.shortcut is None)
        assert row["operations"] == network.macs(number)
        if layer.neurons is not None and layer.neurons.enabled is not None:
            enabled = layer.neurons.per_neuron("enabled", network.shape(number))
            assert row["disabled"] == int((~enabled).sum())


def changed(cyg: Path, path: Path) -> Path:
    """Another tau in the first layer, three weights of the last and one bias."""
    network = load(cyg)
    first, middle, last = network.layers
    assert first.neurons is not None
    old: Neurons = first.neurons
    weight = last.synapses.weight.astype(np.int64)
    weight[0, :3] = np.where(weight[0, :3] > 0, weight[0, :3] - 7, weight[0, :3] + 5)
    bias = middle.bias.copy()
    bias[2] += 40
    layers = (
        replace(first, neurons=replace(old, tau=2)),
        replace(middle, bias=bias),
        replace(last, synapses=Dense(weight, 8)),
    )
    save(replace(network, layers=layers, steps=3), path)
    return path


def test_diff(call: Call, cyg: Path, tmp_path: Path) -> None:
    other = changed(cyg, tmp_path / "other.cyg")
    same = call("diff", cyg, cyg, "--json")
    assert (same.code, same.json) == (0, {"equal": True, "settings": [], "tensors": []})
    outcome = call("diff", cyg, other, "--json")
    assert outcome.code == 1
    name = load(cyg).layers[0].name
    settings = {row["name"]: (row["first"], row["second"]) for row in outcome.json["settings"]}
    assert settings == {"steps": (4, 3), f"layers.{name}.neurons.tau": (4, 2)}
    tensors = {row["name"]: row for row in outcome.json["tensors"]}
    weight, bias = (
        f"{load(cyg).layers[n].name}.{what}" for n, what in ((2, "weight"), (1, "bias"))
    )
    assert set(tensors) == {weight, bias}
    assert (tensors[weight]["different"], tensors[weight]["values"]) == (3, 90)
    assert tensors[weight]["largest"] in (5, 7)
    assert (tensors[bias]["different"], tensors[bias]["largest"]) == (1, 40)
    text = call("diff", cyg, other)
    assert text.code == 1
    assert f"layers.{name}.neurons.tau" in text.out
    assert call("diff", cyg, cyg).out == f"{cyg} and {cyg} hold the same network\n"


def test_diff_of_other_shapes() -> None:
    first = random_mlp(np.random.default_rng(0))
    second = random_mlp(np.random.default_rng(0), sizes=(20, 11, 5))
    found = {row.name: row for row in compare(first, second).tensors}
    assert (found["layer0.weight"].first, found["layer0.weight"].second) == ((13, 20), (11, 20))
    assert (found["layer2.weight"].first, found["layer2.weight"].second) == ((5, 9), None)
    names = {row.name: (row.first, row.second) for row in compare(first, second).settings}
    assert names["layers"] == (["layer0", "layer1", "layer2"], ["layer0", "layer1"])


def test_doctor(call: Call) -> None:
    outcome = call("doctor", "--json")
    assert outcome.code == 0
    rows = {row["name"]: row for row in outcome.json["checks"]}
    assert rows["Verilator"]["found"] == str(tools.verilator())
    assert rows["numpy"]["found"] == importlib.metadata.version("numpy")
    assert all(row["ok"] == (row["remedy"] == "") for row in rows.values())
    assert call("doctor").out.endswith("next: cygnet demo\n")


def test_doctor_says_how_to_mend_what_is_missing(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    which = shutil.which
    monkeypatch.setattr(
        shutil, "which", lambda name, *a, **k: None if name == "perl" else which(name, *a, **k)
    )

    def version(name: str) -> str:
        if name == "torch":
            raise importlib.metadata.PackageNotFoundError
        return "1.0" if name == "numpy" else "99"

    def refuse() -> Any:
        raise CygnetError("the C++ compiler 'c++' is not on the PATH; install g++")

    monkeypatch.setattr(importlib.metadata, "version", version)
    ranges = {"numpy": ">=1.26,<3", "torch": ">=2.4"}
    monkeypatch.setattr(doctor_module, "_ranges", lambda: ranges)
    monkeypatch.setattr(tools, "compiler", refuse)
    found = {check.name: check for check in examine()}
    assert (found["perl"].found, found["perl"].remedy) == ("", "install perl")
    assert (found["numpy"].found, found["numpy"].remedy) == ("1.0", "pip install 'numpy>=1.26,<3'")
    assert (found["torch"].found, found["torch"].remedy) == ("", "pip install 'torch>=2.4'")
    assert found["C++ compiler"].remedy == "the C++ compiler 'c++' is not on the PATH; install g++"
    outcome = call("doctor")
    assert outcome.code == 1
    assert "perl: install perl\n" in outcome.out
    assert outcome.out.endswith("mend these, then: cygnet doctor\n")


def test_doctor_knows_a_broken_compiler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    broken = tmp_path / "c++"
    broken.write_text("#!/bin/sh\ncase $1 in -dump*) echo 12.1.0;; *) echo no; exit 1;; esac\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    tools.compiler.cache_clear()
    try:
        found = {check.name: check for check in examine()}["C++ compiler"]
    finally:
        tools.compiler.cache_clear()
    assert found.remedy == f"{broken} cannot compile C++17: no; install g++ 9 or newer"


@pytest.mark.parametrize(
    ("version", "ranges", "inside"),
    [
        ("2.13.0+cpu", ">=2.4,<2.14", True),
        ("2.14.0", ">=2.4,<2.14", False),
        ("2.3.9", ">=2.4,<2.14", False),
        ("0.5.10", ">=0.5.9,<0.6", True),
        ("1", "", True),
    ],
)
def test_versions(version: str, ranges: str, inside: bool) -> None:
    assert doctor_module._inside(version, ranges) is inside
