# SPDX-License-Identifier: Apache-2.0
"""``cygnet export``, and ``cygnet convert`` of what it wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import nir
import numpy as np
import pytest
import safetensors.numpy

from cygnet.network_file import contents, load

if TYPE_CHECKING:
    from conftest import Call


def test_out_and_in_again(call: Call, cyg: Path, tmp_path: Path) -> None:
    names = {"--nir": "x.nir", "--safetensors": "x.safetensors", "--npz": "x.npz"}
    options = [part for key, name in names.items() for part in (key, tmp_path / name)]
    outcome = call("export", cyg, *options, "--json")
    assert outcome.code == 0
    network = load(cyg)
    assert outcome.json == {
        "network": network.digest,
        "files": [str(tmp_path / name) for name in names.values()],
    }
    _, tensors = contents(network)
    tables = (
        safetensors.numpy.load_file(tmp_path / "x.safetensors"),
        dict(np.load(tmp_path / "x.npz", allow_pickle=False)),
    )
    for table in tables:
        assert table.keys() == tensors.keys()
        for name, values in tensors.items():
            assert table[name].dtype == values.dtype
            assert np.array_equal(table[name], values)
    outcome = call("convert", tmp_path / "x.nir", "-o", tmp_path / "again.cyg", "--json")
    assert outcome.json["network"] == network.digest
    assert (tmp_path / "again.cyg").read_bytes() == cyg.read_bytes()
    text = call("convert", tmp_path / "x.nir", "-o", tmp_path / "again.cyg").out
    assert "gn 1x1x12" in text
    before = [(tmp_path / name).read_bytes() for name in names.values()]
    assert "x.npz: tiny, 3 layers" in call("export", cyg, *options).out
    assert [(tmp_path / name).read_bytes() for name in names.values()] == before


def test_a_graph_of_another_program(call: Call, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weight = rng.integers(-9, 10, (4, 6)).astype(np.float32)
    graph = nir.NIRGraph.from_list(
        nir.Input(np.array([6])),
        nir.Linear(weight),
        nir.IF(r=np.ones(4), v_threshold=np.full(4, 10.0)),
        nir.Output(np.array([4])),
    )
    nir.write(tmp_path / "x.nir", graph)
    common = ("convert", tmp_path / "x.nir", "-o", tmp_path / "x.cyg")
    outcome = call(*common)
    assert outcome.code == 2
    assert "give --reset subtract if the network was trained so" in outcome.err
    outcome = call(*common, "--reset", "subtract", "--input-bounds", "-1,3", "--steps", 5)
    assert outcome.code == 0
    network = load(tmp_path / "x.cyg")
    assert (network.input.kind, network.steps) == ("counts", 5)
    assert (network.input.bounds.low, network.input.bounds.high) == (-1, 3)
    neurons = network.layers[0].neurons
    assert neurons is not None
    assert set(neurons.reset.tolist()) == {10}
    assert set(neurons.fire.tolist()) == {11}
    assert np.array_equal(network.layers[0].synapses.weight, weight)
    outcome = call(*common, "--reset", "subtract", "--input", "pixels")
    assert outcome.code == 0
    assert load(tmp_path / "x.cyg").input.kind == "pixels"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("export {cyg}", "nothing to write; give --nir, --safetensors or --npz"),
        ("export none.cyg --npz x.npz", "none.cyg: cannot be read: No such file"),
        ("convert {nir} -o x.cyg --reset zero", "--reset: 'zero' must be subtract"),
        ("convert {nir} -o x.cyg --input events", "--input: 'events' must be pixels or counts"),
        ("convert {plain} -o x.cyg --reset subtract --input-bounds 1,2", "--input-bounds: '1,2' "),
        ("convert {plain} -o x.cyg --reset subtract --data digits", "--data: holds pixels, and th"),
        ("trace {nir} --data digits", "{nir}: is an integer network already; convert it to a .c"),
    ],
)
def test_faults(
    call: Call,
    cyg: Path,
    tmp_path: Path,
    arguments: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("export", cyg, "--nir", "x.nir").code == 0
    graph = nir.read("x.nir")
    graph.metadata = {}
    nir.write("plain.nir", graph)
    paths = {"cyg": cyg, "nir": "x.nir", "plain": "plain.nir"}
    outcome = call(*arguments.format(**paths).split())
    assert outcome.code == 2
    assert outcome.err.startswith(f"cygnet: {sentence.format(**paths)}")
    assert outcome.err.count("\n") == 1
