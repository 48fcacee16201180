# SPDX-License-Identifier: Apache-2.0
"""NIR graphs: out and in again, from elsewhere, and what is refused."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import cygnet
from cygnet.errors import ConversionError, CygnetError
from cygnet.golden.values import run
from cygnet.interop.nir_read import from_nir, read_nir
from cygnet.interop.nir_write import to_nir, write_nir
from cygnet.network import Bounds, Convolution, Dense, InputSpec, Network
from cygnet.network_file import encode
from networks import KINDS, random_mlp
from random_networks import draw_network

STEPS = 8


@pytest.mark.parametrize("seed", range(24))
def test_what_was_exported_comes_back(seed: int, tmp_path: Path) -> None:
    """Networks that use all of the contract: the same bytes after a file in between."""
    rng = np.random.default_rng(seed)
    network = draw_network(rng, counts=seed % 2 == 1)
    path = tmp_path / "x.nir"
    if any(
        isinstance(layer.synapses, Convolution)
        and layer.source >= 0
        and isinstance(network.layers[layer.source].synapses, Dense)
        for layer in network.layers
    ):
        with pytest.raises(CygnetError, match="makes a map of a vector, which NIR cannot say"):
            write_nir(network, path)
        return
    write_nir(network, path)
    found, shape = read_nir(path)
    assert isinstance(found, Network)
    assert encode(found) == encode(network)
    assert shape is not None
    assert np.prod(shape) == np.prod(network.input.shape)
    written = nir.read(path, type_check=False)
    assert written.metadata["reset"] in ("subtract", b"subtract")


def simulate(graph: nir.NIRGraph, x: NDArray, *, strict: bool = True) -> dict[str, NDArray]:
    """Every IF node's spikes, [T, ...], by the equations of NIR with soft reset; one sample.

    Written from NIR's description alone: nodes in any order that their edges allow, a step of time
    1 at each call, each node's input the sum of what its edges bring.
    """
    state: dict[str, NDArray] = {}
    spikes: dict[str, list[NDArray]] = {}
    incoming = {name: [a for a, b in graph.edges if b == name] for name in graph.nodes}
    for step in x:
        values: dict[str, NDArray] = {}
        while len(values) < len(graph.nodes):
            for name, node in graph.nodes.items():
                if name in values or any(source not in values for source in incoming[name]):
                    continue
                total = sum(values[source] for source in incoming[name])
                values[name] = _apply(node, name, step, total, state, strict)
                if isinstance(node, nir.IF):
                    spikes.setdefault(name, []).append(values[name])
    return {name: np.stack(values) for name, values in spikes.items()}


def _apply(
    node: Any, name: str, step: NDArray, total: Any, state: dict[str, NDArray], strict: bool
) -> NDArray:
    match node:
        case nir.Input():
            return step
        case nir.Output():
            return np.asarray(total)
        case nir.Affine():
            return np.asarray(node.weight @ total + node.bias)
        case nir.Linear():
            return np.asarray(node.weight @ total)
        case nir.Scale():
            return np.asarray(node.scale * total)
        case nir.Flatten():
            return np.asarray(total).reshape(-1)
        case nir.SumPool2d() | nir.AvgPool2d():
            (kh, kw), (sh, sw) = node.kernel_size, node.stride
            out = np.stack(
                [
                    np.stack(
                        [
                            total[:, y : y + kh, x : x + kw].sum((1, 2))
                            for x in range(0, total.shape[2] - kw + 1, sw)
                        ],
                        -1,
                    )
                    for y in range(0, total.shape[1] - kh + 1, sh)
                ],
                1,
            )
            return out / (kh * kw) if isinstance(node, nir.AvgPool2d) else out
        case nir.Conv2d():
            padding = node.padding if isinstance(node.padding, str) else tuple(node.padding)
            return torch.nn.functional.conv2d(
                torch.from_numpy(np.asarray(total, dtype=np.float64))[None],
                torch.from_numpy(np.asarray(node.weight, dtype=np.float64)),
                torch.from_numpy(np.asarray(node.bias, dtype=np.float64)),
                tuple(node.stride), padding, tuple(node.dilation), node.groups,
            )[0].numpy()  # fmt: skip
        case nir.IF():
            v = state.get(name, np.zeros(node.v_threshold.shape)) + node.r * total
            fired = v > node.v_threshold if strict else v >= node.v_threshold
            state[name] = v - fired * node.v_threshold
            return fired.astype(np.float64)
    raise AssertionError(node)


def integers(rng: np.random.Generator, *shape: int, unit: float = 1.0) -> NDArray[np.float32]:
    return (rng.integers(-60, 61, shape) * unit).astype(np.float32)


def neurons(*shape: int, threshold: Any = 100.0, r: float = 1.0) -> nir.IF:
    theta = np.broadcast_to(np.float32(threshold), shape).copy()
    return nir.IF(r=np.full(shape, r, np.float32), v_threshold=theta)


def residual_graph(rng: np.random.Generator) -> nir.NIRGraph:
    """Convolutions of two kinds, both poolings, a shortcut, thresholds by neuron, dense layers."""
    place = rng.integers(80, 300, (4, 6, 6)).astype(np.float32)
    conv = {"stride": 1, "dilation": 1}
    nodes = {
        "in": nir.Input(np.array([2, 6, 6])),
        "c1": nir.Conv2d((6, 6), integers(rng, 4, 2, 3, 3), padding=(1, 1), groups=1,
                         bias=integers(rng, 4), **conv),
        "n1": neurons(4, 6, 6, threshold=place),
        "c2": nir.Conv2d((6, 6), integers(rng, 4, 2, 3, 3, unit=0.25), padding="same", groups=2,
                         bias=integers(rng, 4, unit=0.25), **conv),
        "n2": neurons(4, 6, 6, threshold=24.0, r=0.5),
        "p": nir.SumPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
        "f": nir.Flatten(np.array([4, 3, 3]), 0, -1),
        "a": nir.Affine(integers(rng, 7, 36), integers(rng, 7)),
        "n3": neurons(7, threshold=np.arange(150, 500, 50)),
        "l": nir.Linear(integers(rng, 3, 7)),
        "n4": neurons(3, threshold=64.0),
        "out": nir.Output(np.array([3])),
    }  # fmt: skip
    order = ["in", "c1", "n1", "c2", "n2", "p", "f", "a", "n3", "l", "n4", "out"]
    return nir.NIRGraph(nodes, [*itertools.pairwise(order), ("n1", "n2")], type_check=False)


COUNTS = InputSpec("counts", (6, 6, 2), bounds=Bounds(0, 1))


def test_a_residual_graph_spike_for_spike(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    graph = residual_graph(rng)
    nir.write(tmp_path / "x.nir", graph)
    module, shape = read_nir(tmp_path / "x.nir", reset="subtract")
    assert shape == (2, 6, 6)
    assert not isinstance(module, Network)
    network = cygnet.convert(module, input=COUNTS, steps=STEPS)
    x = rng.integers(0, 2, (3, STEPS, 6, 6, 2))
    result = run(network, x, steps=STEPS, record=True)
    for sample in range(3):
        wanted = simulate(graph, x[sample].transpose(0, 3, 1, 2).astype(np.float64))
        for counts, name in zip(result.counts, ("n1", "n2", "n3", "n4"), strict=True):
            assert counts is not None
            got = counts[:, sample].transpose(0, 3, 1, 2).reshape(wanted[name].shape)
            assert 0.02 < wanted[name].mean() < 0.98
            assert np.array_equal(got, wanted[name])
    # And the graph that Cygnet writes for it computes the same, ties aside: F = K + 1 is metadata.
    again = to_nir(network)
    sample = x[0].transpose(0, 3, 1, 2).astype(np.float64)
    wanted, found = simulate(graph, sample), simulate(again, sample)
    for layer, name in zip(network.layers, wanted, strict=True):
        assert np.array_equal(found[f"{layer.name}__neurons"], wanted[name])


def test_average_pooling_of_windows_of_four(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    graph = nir.NIRGraph(
        {
            "in": nir.Input(np.array([3, 4, 4])),
            "p": nir.AvgPool2d(np.array([2, 2]), np.array([2, 2]), np.array([0, 0])),
            "f": nir.Flatten(np.array([3, 2, 2]), 0, -1),
            "a": nir.Affine(integers(rng, 5, 12), integers(rng, 5)),
            "n": neurons(5, threshold=77.0),
            "out": nir.Output(np.array([5])),
        },
        [("in", "p"), ("p", "f"), ("f", "a"), ("a", "n"), ("n", "out")],
    )
    module = from_nir(graph, reset="subtract")
    assert not isinstance(module, Network)
    spec = InputSpec("counts", (4, 4, 3), bounds=Bounds(-3, 3))
    network = cygnet.convert(module, input=spec, steps=STEPS)
    x = rng.integers(-3, 4, (2, STEPS, 4, 4, 3))
    result = run(network, x, steps=STEPS, record=True)
    for sample in range(2):
        wanted = simulate(graph, x[sample].transpose(0, 3, 1, 2).astype(np.float64))["n"]
        assert result.counts[0] is not None
        assert np.array_equal(result.counts[0][:, sample, 0, 0], wanted)


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_are_as_documented(kind: str) -> None:
    network = random_mlp(np.random.default_rng(2), kind=kind, plain=False)
    graph = to_nir(network)
    assert graph.metadata["reset"] == "subtract"
    for layer in network.layers[:-1]:
        assert layer.neurons is not None
        node = graph.nodes[f"{layer.name}__neurons"]
        assert isinstance(node, nir.IF)
        assert node.metadata["kind"] == kind
        assert node.metadata["tau"] == layer.neurons.tau
        assert np.array_equal(node.metadata["fire"], layer.neurons.fire)
        assert np.array_equal(node.metadata["initial"], layer.neurons.initial)
        assert not node.v_reset.any()
        assert (node.r == 1).all()
        weight = graph.nodes[layer.name].weight
        assert np.array_equal(weight, layer.synapses.weight)


def test_the_reset_is_asked_for() -> None:
    graph = residual_graph(np.random.default_rng(4))
    with pytest.raises(CygnetError, match=r"^graph: does not say that its neurons reset by subtr"):
        from_nir(graph)
    graph.metadata["reset"] = "subtract"
    assert not isinstance(from_nir(graph), Network)
    graph.metadata["reset"] = "zero"
    with pytest.raises(CygnetError, match="give --reset subtract if the network was trained so"):
        from_nir(graph, reset="subtract")


def test_a_changed_export_is_noticed() -> None:
    graph = to_nir(random_mlp(np.random.default_rng(2), kind="gn"))
    graph.nodes["layer0"].weight = graph.nodes["layer0"].weight + 1
    with pytest.raises(CygnetError, match=r"was changed since Cygnet wrote it \(.*SHA-256"):
        from_nir(graph)
    del graph.metadata["cygnet"]
    assert not isinstance(from_nir(graph), Network)


def test_every_unsupported_node_is_listed() -> None:
    ones = np.ones(3)
    nodes = {
        "in": nir.Input(np.array([3])),
        "leaky": nir.LIF(tau=ones, r=ones, v_leak=0 * ones, v_threshold=ones),
        "w": nir.Linear(np.ones((3, 3))),
        "reset": nir.IF(r=ones, v_threshold=ones, v_reset=-ones),
        "late": nir.Delay(ones),
        "weak": nir.IF(r=0 * ones, v_threshold=ones),
        "out": nir.Output(np.array([3])),
    }
    names = list(nodes)
    graph = nir.NIRGraph(nodes, list(itertools.pairwise(names)))
    with pytest.raises(ConversionError) as raised:
        from_nir(graph, reset="subtract")
    message = str(raised.value)
    assert message.startswith("graph: 4 nodes have no spiking form here: LIF 'leaky', IF 'reset' ")
    for part in ("(v_reset is not 0)", "Delay 'late'", "IF 'weak' (r is not > 0)"):
        assert part in message


def test_loops_are_named() -> None:
    nodes = {
        "in": nir.Input(np.array([3])),
        "n": neurons(3),
        "back": nir.Linear(np.ones((3, 3))),
        "out": nir.Output(np.array([3])),
    }
    edges = [("in", "n"), ("n", "back"), ("back", "n"), ("n", "out")]
    with pytest.raises(CygnetError, match="form a loop; recurrent networks are not supported"):
        from_nir(nir.NIRGraph(nodes, edges), reset="subtract")


def empty(group: Any) -> None:
    group.create_dataset("weight", shape=(1 << 20, 1 << 20), dtype="f4", chunks=(64, 64))


def elsewhere(group: Any) -> None:
    group["weight"] = h5py.ExternalLink("other.h5", "/weight")


def external(group: Any) -> None:
    group.create_dataset("weight", shape=(4, 4), dtype="f4", external=[("raw.bin", 0, 64)])


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (empty, "/node/nodes/layer0/weight claims 4398046511104 bytes and holds 0; the file is da"),
        (elsewhere, "'weight' is a link to elsewhere; write the graph into one"),
        (external, "/node/nodes/layer0/weight lies in another file; write the graph into one"),
    ],
)
def test_sizes_are_checked(
    edit: Callable[[Any], None], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "x.nir"
    write_nir(random_mlp(np.random.default_rng(2)), path)
    with h5py.File(path, "a") as opened:
        group = opened["node/nodes/layer0"]
        del group["weight"]
        edit(group)
    with pytest.raises(CygnetError) as raised:
        read_nir(path)
    assert str(raised.value).startswith(f"{path}: {message}")


@pytest.mark.parametrize("data", [b"", b"hello", b"\x89HDF\r\n\x1a\n" + bytes(100)])
def test_what_is_no_nir(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.nir").write_bytes(data)
    with pytest.raises(CygnetError, match=r"x\.nir: is not a NIR file, or is cut short; write"):
        read_nir(tmp_path / "x.nir")
    with h5py.File(tmp_path / "x.nir", "w") as opened:
        opened["hello"] = 3
    with pytest.raises(CygnetError, match=r"x\.nir: is not a NIR graph: "):
        read_nir(tmp_path / "x.nir")
