# SPDX-License-Identifier: Apache-2.0
"""Integer networks as graphs of the Neuromorphic Intermediate Representation."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import CygnetError
from cygnet.files import write_bytes
from cygnet.network import INPUT, Convolution, Identity, Layer, Network, Neurons, Projection, Shape
from cygnet.network_file import describe

if TYPE_CHECKING:
    import nir

__all__ = ["DESCRIPTION", "NEURONS", "RESET", "need_nir", "to_nir", "write_nir"]

DESCRIPTION = "cygnet"
"""Metadata of the graph: the description of the network's file."""
RESET = "reset"
"""Metadata of the graph: what a spike does to the potential; ``subtract`` takes v_threshold off."""
NEURONS = ("fire", "initial", "step", "enabled", "amplitude")
"""Metadata of an IF node, in raster order, beside ``kind`` and ``tau``."""


def need_nir(what: str) -> Any:
    """The package ``nir``.

    :raises CygnetError: it is not there
    """
    try:
        import nir
    except ModuleNotFoundError:
        raise CygnetError(f"{what}: needs the package nir; pip install nir") from None
    return nir


def write_nir(network: Network, path: str | os.PathLike[str]) -> None:
    """Write :func:`to_nir` to a file.

    :raises CygnetError: the package ``nir`` is not there, the network has no such graph, or the
        file cannot be written
    """
    nir = need_nir(str(path))
    graph = to_nir(network)
    with tempfile.TemporaryDirectory() as folder:
        aside = Path(folder) / "graph.nir"
        nir.write(aside, graph)
        write_bytes(path, aside.read_bytes())


def to_nir(network: Network) -> nir.NIRGraph:
    """The graph: integers as whole floats, maps in torch's order (channels, height, width).

    An IF node has r = 1, v_threshold = K and v_reset = 0; the graph's metadata say that a spike
    takes v_threshold off. What NIR has no words for (group and signed neurons, the fire level,
    v(0), masks, amplitudes) is metadata of the IF nodes, and the description of the network's file
    that of the graph; :func:`cygnet.interop.nir_read.read_nir` makes the same network of them.

    :raises CygnetError: a convolution reads a vector, which NIR cannot say
    """
    return _Writer(network).graph()


class _Writer:
    def __init__(self, network: Network) -> None:
        self._nir = need_nir("NIR")
        self._network = network
        self._nodes: dict[str, Any] = {}
        self._edges: list[tuple[str, str]] = []
        self._shapes: dict[int, tuple[int, ...]] = {}
        self._ends: dict[int, list[str]] = {}

    def graph(self) -> nir.NIRGraph:
        network = self._network
        first = [layer for layer in network.layers if layer.source == INPUT]
        flat = network.input.shape[:2] == (1, 1) and not any(_needs_map(layer) for layer in first)
        self._shapes[INPUT] = _planar(network.input.shape, flat=flat)
        self._ends[INPUT] = [self._put("input", self._nir.Input(np.array(self._shapes[INPUT])))]
        for number in range(len(network.layers)):
            self._layer(number)
        last = len(network.layers) - 1
        output = self._nir.Output(np.array(self._shapes[last]))
        self._link(self._ends[last], self._put("output", output))
        description, _ = describe(network)
        return self._nir.NIRGraph(
            self._nodes,
            self._edges,
            metadata={RESET: "subtract", DESCRIPTION: description},
            # Its check (1.0.8) takes kernels for square, and groups for one.
            type_check=False,
        )

    def _put(self, name: str, node: Any) -> str:
        if name in self._nodes:
            raise CygnetError(f"layer {name!r}: its name is that of another node; rename it")
        self._nodes[name] = node
        return name

    def _link(self, sources: list[str], target: str) -> list[str]:
        self._edges += [(source, target) for source in sources]
        return [target]

    def _layer(self, number: int) -> None:
        network, layer = self._network, self._network.layers[number]
        shape = self._shapes[layer.source]
        ends = self._ends[layer.source]
        if layer.pool is not None and len(shape) == 3:  # that of a vector does nothing
            pool = self._nir.SumPool2d(
                np.array(layer.pool.kernel), np.array(layer.pool.stride), np.zeros(2, np.int64)
            )
            ends = self._link(ends, self._put(f"{layer.name}__pool", pool))
            shape = _planar(network.pooled_shape(number), flat=False)
        if isinstance(layer.synapses, Convolution) and len(shape) == 1:
            raise _of_a_vector(layer)
        if not isinstance(layer.synapses, Convolution) and len(shape) == 3:
            flatten = self._nir.Flatten(np.array(shape), 0, -1)
            ends = self._link(ends, self._put(f"{layer.name}__flatten", flatten))
        flat = not isinstance(layer.synapses, Convolution)
        ends = self._link(ends, self._put(layer.name, self._synapses(layer, shape)))
        whole = _planar(network.shape(number), flat=flat)
        if layer.shortcut is not None:
            source, way = self._shapes[layer.shortcut.source], self._ends[layer.shortcut.source]
            if len(source) < len(whole):
                raise _of_a_vector(layer)
            if len(source) > len(whole):
                flatten = self._nir.Flatten(np.array(source), 0, -1)
                way = self._link(way, self._put(f"{layer.name}__shortcut_flatten", flatten))
                source = (source[0],)
            other = self._shortcut(layer.shortcut, source, whole)
            ends = ends + self._link(way, self._put(f"{layer.name}__shortcut", other))
        if layer.neurons is not None:
            neurons = self._neurons(layer.neurons, network.shape(number), flat=flat)
            ends = self._link(ends, self._put(f"{layer.name}__neurons", neurons))
        self._shapes[number] = whole
        self._ends[number] = ends

    def _synapses(self, layer: Layer, shape: tuple[int, ...]) -> Any:
        synapses, bias = layer.synapses, _floats(layer.bias)
        if isinstance(synapses, Convolution):
            return self._nir.Conv2d(
                input_shape=(shape[1], shape[2]),
                weight=_floats(synapses.weight.transpose(0, 3, 1, 2)),
                stride=synapses.stride,
                padding=synapses.padding,
                dilation=(1, 1),
                groups=synapses.groups,
                bias=bias,
            )
        weight = synapses.weight
        if len(shape) == 3:
            channels, height, width = shape
            places = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
            weight = places.reshape(len(weight), -1)
        return self._nir.Affine(weight=_floats(weight), bias=bias)

    def _shortcut(
        self, shortcut: Identity | Projection, source: tuple[int, ...], whole: tuple[int, ...]
    ) -> Any:
        weight = _floats(shortcut.weight)
        if isinstance(shortcut, Identity):
            per_channel = weight.reshape(-1, *[1] * (len(whole) - 1))
            return self._nir.Scale(np.broadcast_to(per_channel, whole).copy())
        if len(source) == 1:
            return self._nir.Linear(weight)
        return self._nir.Conv2d(
            input_shape=(source[1], source[2]),
            weight=weight[:, :, None, None],
            stride=shortcut.stride,
            padding=(0, 0),
            dilation=(1, 1),
            groups=1,
            bias=np.zeros(len(weight), dtype=weight.dtype),
        )

    def _neurons(self, neurons: Neurons, shape: Shape, *, flat: bool) -> Any:
        reset = neurons.per_neuron("reset", shape).transpose(2, 0, 1)
        threshold = _floats(reset.reshape(-1) if flat else reset)
        metadata: dict[str, Any] = {"kind": neurons.kind, "tau": neurons.tau}
        for name, array in neurons.arrays():
            if name in NEURONS:
                metadata[name] = array.copy()
        return self._nir.IF(
            r=np.ones_like(threshold),
            v_threshold=threshold,
            v_reset=np.zeros_like(threshold),
            metadata=metadata,
        )


def _of_a_vector(layer: Layer) -> CygnetError:
    return CygnetError(
        f"layer {layer.name!r}: makes a map of a vector, which NIR cannot say; use dense layers "
        "after a dense layer"
    )


def _needs_map(layer: Layer) -> bool:
    return isinstance(layer.synapses, Convolution) or layer.pool is not None


def _planar(shape: Shape, *, flat: bool) -> tuple[int, ...]:
    """torch's order; a vector where flat, which is (1, 1, n) then."""
    height, width, channels = shape
    return (channels,) if flat else (channels, height, width)


def _floats(values: NDArray) -> NDArray[np.floating]:
    """float32 where that is exact, else float64."""
    whole = np.ascontiguousarray(values, dtype=np.float64)
    single = whole.astype(np.float32)
    return single if np.array_equal(single, whole) else whole
