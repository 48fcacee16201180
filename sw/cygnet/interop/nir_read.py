# SPDX-License-Identifier: Apache-2.0
"""Graphs of the Neuromorphic Intermediate Representation: as spiking torch modules, or, where
Cygnet wrote them, as the integer network that they were."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx, nn

from cygnet.conversion.simulators import Scale
from cygnet.data.npz import MAX_BYTES
from cygnet.errors import CygnetError, FileFormatError
from cygnet.files import read_bytes
from cygnet.interop.assembly import Assembly, convolution, linear
from cygnet.interop.nir_write import DESCRIPTION, NEURONS, RESET, need_nir
from cygnet.network import Network
from cygnet.network_file import parse_description, rebuild
from cygnet.neurons import Imported

if TYPE_CHECKING:
    import nir

__all__ = ["from_nir", "read_nir"]

_RATIO = 1100
"""Deflate makes at most 1032 bytes out of one."""
_SLACK = 1 << 16


def read_nir(
    path: str | os.PathLike[str], *, reset: str | None = None
) -> tuple[fx.GraphModule | Network, tuple[int, ...] | None]:
    """The network in a ``.nir`` file, and the shape of one sample in torch's order.

    :param reset: as :func:`from_nir` takes it
    :raises CygnetError: the package ``nir`` is not there, or the file is damaged
    :raises ConversionError: nodes have no form here; lists every one of them
    """
    nir = need_nir(str(path))
    file = str(path)
    read_bytes(path)  # the errors that all files share
    _check_sizes(file)
    try:
        graph = nir.read(file, type_check=False)
    except Exception as error:  # nir asserts, and h5py raises what it likes
        reason = " ".join(str(error).split()) or type(error).__name__
        raise CygnetError(f"{file}: is not a NIR graph: {reason}; write it again") from None
    if not isinstance(graph, nir.NIRGraph):
        raise CygnetError(f"{file}: holds one {type(graph).__name__} and no graph; write a graph")
    return from_nir(graph, file, reset=reset), _shape(graph)


def from_nir(
    graph: nir.NIRGraph, name: str = "graph", *, reset: str | None = None
) -> fx.GraphModule | Network:
    """A graph as a torch module whose neurons spike; or as the very network that was exported.

    A step of a graph is one time-step: v grows by r times the sum of what comes in. NIR's IF fires
    where v > v_threshold, and sets v to v_reset; soft reset, v_threshold taken off, is what the
    hardware does, and what most IF networks in NIR were trained with.

    :param name: what errors call the graph
    :param reset: ``"subtract"``: the graph is meant to reset so. None: only if it says so itself
    :raises CygnetError: the reset is not known
    :raises ConversionError: nodes have no form here; lists every one of them
    """
    metadata = graph.metadata if isinstance(graph.metadata, dict) else {}
    if DESCRIPTION in metadata:
        return _own(graph, _text(metadata[DESCRIPTION]), name)
    stated = _text(metadata.get(RESET, "")) or reset
    if stated != "subtract":
        raise CygnetError(
            f"{name}: does not say that its neurons reset by subtraction, and NIR's own rule sets "
            "them to v_reset, which is not what the hardware does; give --reset subtract if the "
            "network was trained so"
        )
    return _Reader(graph, name).module()


def _shape(graph: nir.NIRGraph) -> tuple[int, ...] | None:
    """Shape of a sample of the input, torch's order."""
    nodes = [node for node in graph.nodes.values() if type(node).__name__ == "Input"]
    if len(nodes) != 1 or nodes[0].input_type.get("input") is None:
        return None
    return tuple(int(size) for size in np.reshape(nodes[0].input_type["input"], -1))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _check_sizes(file: str) -> None:
    """Refuse what claims to be larger than it can be, or lies elsewhere, before it is read."""
    import h5py

    try:
        with h5py.File(file, "r") as opened:
            total = sum(_size(file, item) for item in _datasets(file, opened))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):  # whatever h5py stumbles over
        raise CygnetError(f"{file}: is not a NIR file, or is cut short; write it again") from None
    if total > MAX_BYTES:
        raise CygnetError(f"{file}: takes {total} bytes, more than {MAX_BYTES}; divide it")


def _datasets(file: str, group: Any) -> Iterator[Any]:
    import h5py

    for key in group:
        if not isinstance(group.get(key, getlink=True), h5py.HardLink):
            raise CygnetError(f"{file}: {key!r} is a link to elsewhere; write the graph into one")
        item = group[key]
        if isinstance(item, h5py.Group):
            yield from _datasets(file, item)
        elif isinstance(item, h5py.Dataset):
            yield item
        else:
            raise CygnetError(f"{file}: {key!r} is a type and no data; write the graph again")


def _size(file: str, item: Any) -> int:
    import h5py

    if item.is_virtual or item.external:
        raise CygnetError(f"{file}: {item.name} lies in another file; write the graph into one")
    if h5py.check_string_dtype(item.dtype) is not None:
        return 0
    size = int(item.nbytes)
    if size > _RATIO * item.id.get_storage_size() + _SLACK:
        raise CygnetError(
            f"{file}: {item.name} claims {size} bytes and holds {item.id.get_storage_size()}; the "
            "file is damaged"
        )
    return size


class _Reader:
    def __init__(self, graph: nir.NIRGraph, name: str) -> None:
        self._graph = graph
        self._assembly = Assembly(name)
        self._name = name

    def module(self) -> fx.GraphModule:
        before: dict[str, list[str]] = {name: [] for name in self._graph.nodes}
        for source, target in self._graph.edges:
            if source not in before or target not in before:
                raise CygnetError(
                    f"{self._name}: an edge goes from {source!r} to {target!r}, which are not both "
                    "nodes; write the graph again"
                )
            before[target].append(source)
        try:
            order = list(TopologicalSorter(before).static_order())
        except CycleError as error:
            raise CygnetError(
                f"{self._name}: its nodes {', '.join(map(repr, error.args[1]))} form a loop; "
                "recurrent networks are not supported"
            ) from None
        outputs = []
        for name in order:
            node = self._graph.nodes[name]
            kind = type(node).__name__
            if kind == "Input":
                self._assembly.input(name)
                continue
            sources = [self._assembly.values[source] for source in before[name]]
            found = [value for value in sources if isinstance(value, fx.Node)]
            total = found[0] if found else None
            for value in found[1:]:
                assert total is not None
                total = self._assembly.add(total, value)
            if kind == "Output":
                outputs.append(name)
                self._assembly.values[name] = total
            else:
                self._assembly.values[name] = self._call(name, kind, node, total)
        if len(outputs) != 1:
            raise CygnetError(f"{self._name}: must have one Output, not {len(outputs)}")
        return self._assembly.finish(outputs[0])

    def _call(self, name: str, kind: str, node: Any, source: fx.Node | None) -> fx.Node | None:
        maker = _MAKERS.get(kind)
        if maker is None:
            self._assembly.refuse(kind, name)
            return None
        try:
            modules = maker(node)
        except (ValueError, TypeError, IndexError) as error:
            self._assembly.refuse(kind, name, str(error))
            return None
        for module in modules:
            if source is not None:
                source = self._assembly.call(module, source, name)
        return source


def _pair(value: Any, what: str) -> tuple[int, int]:
    sizes = np.reshape(np.asarray(value), -1)
    if sizes.size not in (1, 2):
        raise ValueError(f"{what} of {sizes.size} sizes")
    return int(sizes[0]), int(sizes[-1])


def _floats(values: Any, axes: int) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != axes or not np.isfinite(array).all():
        raise ValueError(f"weights must be finite and have {axes} axes")
    return array


def _conv(node: Any) -> list[nn.Module]:
    padding = node.padding if isinstance(node.padding, str) else _pair(node.padding, "padding")
    layer = convolution(
        _floats(node.weight, 4),
        _floats(node.bias, 1),
        stride=_pair(node.stride, "stride"),
        padding=padding,
        dilation=_pair(node.dilation, "dilation"),
        groups=int(node.groups),
    )
    return [layer]


def _affine(node: Any) -> list[nn.Module]:
    return [linear(_floats(node.weight, 2), _floats(node.bias, 1))]


def _linear(node: Any) -> list[nn.Module]:
    return [linear(_floats(node.weight, 2), None)]


def _average(node: Any) -> list[nn.Module]:
    kernel, stride = _pair(node.kernel_size, "kernel"), _pair(node.stride, "stride")
    if any(_pair(node.padding, "padding")):
        raise ValueError("padding makes windows of different weight")
    return [nn.AvgPool2d(kernel, stride)]


def _sum(node: Any) -> list[nn.Module]:
    kernel = _pair(node.kernel_size, "kernel")
    return [*_average(node), Scale(float(math.prod(kernel)))]


def _flatten(node: Any) -> list[nn.Module]:
    shape = node.output_type.get("output")
    if shape is not None and np.size(shape) != 1 and node.start_dim not in (0, 1):
        raise ValueError("only flattening to a vector is supported")
    return [nn.Flatten()]


def _scale(node: Any) -> list[nn.Module]:
    return [Scale(torch.tensor(np.asarray(node.scale, dtype=np.float64)))]


def _integrate(node: Any) -> list[nn.Module]:
    r, threshold = (np.asarray(v, dtype=np.float64) for v in (node.r, node.v_threshold))
    if np.any(np.asarray(node.v_reset) != 0):
        raise ValueError("v_reset is not 0")
    if not (r > 0).all():
        raise ValueError("r is not > 0")
    # v / r integrates what comes in as it is.
    return [Imported(torch.tensor(threshold / r), strict=True)]


_MAKERS = {
    "Affine": _affine,
    "AvgPool2d": _average,
    "Conv2d": _conv,
    "Flatten": _flatten,
    "IF": _integrate,
    "Linear": _linear,
    "Scale": _scale,
    "SumPool2d": _sum,
}


def _own(graph: nir.NIRGraph, description: str, name: str) -> Network:
    """The network that :func:`cygnet.interop.nir_write.to_nir` made the graph of."""
    header = parse_description(description, name)
    try:
        tensors = {
            key: np.asarray(_tensor(graph, key, stated), dtype=stated["dtype"])
            for key, stated in header["tensors"].items()
        }
        return rebuild(header, tensors, name)
    except (KeyError, ValueError, TypeError, AttributeError, FileFormatError) as error:
        raise CygnetError(
            f"{name}: was changed since Cygnet wrote it ({error}); take {DESCRIPTION!r} out of the "
            "graph's metadata to read it as any other graph"
        ) from None


def _tensor(graph: nir.NIRGraph, key: str, stated: dict[str, Any]) -> NDArray:
    layer, _, part = key.rpartition(".")
    shape = tuple(stated["shape"])
    if part in NEURONS:
        return np.asarray(graph.nodes[f"{layer}__neurons"].metadata[part]).reshape(shape)
    if part == "reset":
        values = np.asarray(graph.nodes[f"{layer}__neurons"].v_threshold)
        values = values.reshape(values.shape[0], -1).T  # [places, channels]
        return values[0] if len(shape) == 1 else values.reshape(shape)
    node = graph.nodes[layer if part != "shortcut" else f"{layer}__shortcut"]
    if part == "bias":
        return np.asarray(node.bias)
    if part == "shortcut" and len(shape) == 1:
        scale = np.asarray(node.scale)
        return scale.reshape(len(scale), -1)[:, 0]
    weight = np.asarray(node.weight)
    if part == "shortcut":
        return weight.reshape(shape)
    if len(shape) == 4:
        return weight.transpose(0, 2, 3, 1)
    flatten = graph.nodes.get(f"{layer}__flatten")
    if flatten is not None:
        channels, height, width = (int(size) for size in flatten.input_type["input"])
        places = weight.reshape(-1, channels, height, width).transpose(0, 2, 3, 1)
        weight = places.reshape(shape)
    return weight
