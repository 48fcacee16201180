# SPDX-License-Identifier: Apache-2.0
"""The ``.cyg`` file: one integer network, the same bytes every time (docs/file-format.md).

A safetensors file whose only metadata key, ``cygnet``, holds canonical JSON: sorted keys, no
spaces, format version, and a SHA-256 over that JSON (less the digest) and the tensors in name
order.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from typing import Any

import numpy as np
import safetensors
import safetensors.numpy
from numpy.typing import NDArray

from cygnet.errors import FileFormatError
from cygnet.files import read_bytes, write_bytes
from cygnet.network import (
    Bounds,
    Convolution,
    Dense,
    Identity,
    InputSpec,
    Layer,
    Network,
    Neurons,
    Projection,
    SumPool,
)

__all__ = [
    "FORMAT_VERSION",
    "contents",
    "decode",
    "describe",
    "digest",
    "encode",
    "load",
    "parse_description",
    "rebuild",
    "save",
]

FORMAT_VERSION = 1
_KEY = "cygnet"
_MAX_HEADER = 16 << 20
_NEURON_TENSORS = ("reset", "fire", "initial", "step", "enabled", "amplitude")


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Write a network; the file appears whole or not at all.

    :raises CygnetError: the file cannot be written
    """
    write_bytes(path, encode(network))


def load(path: str | os.PathLike[str]) -> Network:
    """Read a network.

    :raises CygnetError: there is no such file
    :raises FileFormatError: the file is not a whole, valid ``.cyg`` file of this version; the
        message is one sentence that names the file and the fault
    """
    return decode(read_bytes(path), str(path))


def digest(network: Network) -> str:
    """SHA-256 (hex) of a network's content, as its file states it."""
    header, tensors = contents(network)
    return _digest(header, tensors)


def encode(network: Network) -> bytes:
    """The bytes of the network's file."""
    description, tensors = describe(network)
    return safetensors.numpy.save(tensors, metadata={_KEY: description})


def describe(network: Network) -> tuple[str, dict[str, NDArray]]:
    """The description of the network's file, canonical JSON, and its tensors by name."""
    header, tensors = contents(network)
    header["sha256"] = _digest(header, tensors)
    return _canonical(header), tensors


def decode(data: bytes, name: str = "network") -> Network:
    """The network in the bytes of a file; ``name`` is what errors call it.

    :raises FileFormatError: see :func:`load`
    """
    header, tensors = _open(data, name)
    network = rebuild(header, tensors, name)
    if encode(network) != data:
        raise FileFormatError(f"{name}: is not in the canonical form that this format prescribes")
    return network


def rebuild(header: dict[str, Any], tensors: dict[str, NDArray], name: str) -> Network:
    """The network of a description and its tensors.

    :param header: the description, without JSON around it
    :param name: what errors call the source
    :raises FileFormatError: they do not belong together, or are no valid network
    """
    header = dict(header)
    stated = header.pop("sha256", None)
    if stated != _digest(header, tensors):
        raise FileFormatError(
            f"{name}: its SHA-256 does not match its content; the file is damaged"
        )
    try:
        return _build(header, tensors)
    except (KeyError, IndexError, AttributeError) as error:
        raise FileFormatError(f"{name}: its description lacks or misplaces {error}") from None
    except (TypeError, ValueError) as error:
        raise FileFormatError(f"{name}: {error}") from None


def _canonical(header: dict[str, Any]) -> str:
    return json.dumps(header, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _digest(header: dict[str, Any], tensors: dict[str, NDArray]) -> str:
    sha = hashlib.sha256(_canonical(header).encode())
    for name in sorted(tensors):
        sha.update(np.ascontiguousarray(tensors[name]).data)
    return sha.hexdigest()


def contents(network: Network) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Description (docs/file-format.md, less its digest) and tensors by name."""
    tensors: dict[str, NDArray] = {}
    layers = []
    for number, layer in enumerate(network.layers):
        synapses = layer.synapses
        tensors[f"{layer.name}.weight"] = synapses.weight
        tensors[f"{layer.name}.bias"] = layer.bias
        described: dict[str, Any] = {
            "name": layer.name,
            "source": layer.source,
            "bounds": {
                key: [bounds.low, bounds.high]
                for key, bounds in (
                    ("current", network.current(number)),
                    ("potential", network.potential(number)),
                )
            },
        }
        if isinstance(synapses, Convolution):
            described["synapses"] = {
                "kind": "convolution",
                "bits": synapses.bits,
                "stride": list(synapses.stride),
                "padding": list(synapses.padding),
                "groups": synapses.groups,
            }
        else:
            described["synapses"] = {"kind": "dense", "bits": synapses.bits}
        if layer.pool is not None:
            described["pool"] = {
                "kernel": list(layer.pool.kernel),
                "stride": list(layer.pool.stride),
            }
        if layer.shortcut is not None:
            tensors[f"{layer.name}.shortcut"] = layer.shortcut.weight
            described["shortcut"] = {"kind": "identity", "source": layer.shortcut.source}
            if isinstance(layer.shortcut, Projection):
                described["shortcut"] |= {
                    "kind": "projection",
                    "stride": list(layer.shortcut.stride),
                    "bits": layer.shortcut.bits,
                }
        if layer.neurons is not None:
            described["neurons"] = {
                "kind": layer.neurons.kind,
                "tau": layer.neurons.tau,
                "membrane_width": layer.neurons.membrane_width,
            }
            for field, array in layer.neurons.arrays():
                tensors[f"{layer.name}.{field}"] = array
        layers.append(described)
    header = {
        "format": "cygnet",
        "version": FORMAT_VERSION,
        "name": network.name,
        "steps": network.steps,
        "logit_scale": network.logit_scale,
        "input": {
            "kind": network.input.kind,
            "shape": list(network.input.shape),
            "scale": network.input.scale,
            "mean": list(network.input.mean),
            "std": list(network.input.std),
            "bounds": [network.input.bounds.low, network.input.bounds.high],
            "layout": network.input.layout,
        },
        "layers": layers,
        "tensors": {
            name: {"dtype": array.dtype.name, "shape": list(array.shape)}
            for name, array in tensors.items()
        },
    }
    return header, tensors


def _open(data: bytes, name: str) -> tuple[dict[str, Any], dict[str, NDArray]]:
    """Header and tensors of a safetensors file that says that it is one of ours."""
    if len(data) < 8:
        raise FileFormatError(f"{name}: is {len(data)} bytes long; a .cyg file has at least 8")
    (length,) = struct.unpack_from("<Q", data)
    if length > min(len(data) - 8, _MAX_HEADER):
        raise FileFormatError(
            f"{name}: states a header of {length} bytes, but has {len(data) - 8}; "
            f"the file is cut short or no .cyg file"
        )
    try:
        metadata = json.loads(data[8 : 8 + length]).get("__metadata__")
    except (ValueError, AttributeError, RecursionError):
        raise FileFormatError(
            f"{name}: its header is not a JSON object; it is no .cyg file"
        ) from None
    if not isinstance(metadata, dict) or list(metadata) != [_KEY]:
        raise FileFormatError(
            f"{name}: its metadata must be the one key 'cygnet'; it is no .cyg file"
        )
    header = parse_description(metadata[_KEY], name)
    try:
        tensors = safetensors.numpy.load(data)
    except (safetensors.SafetensorError, ValueError, KeyError):
        raise FileFormatError(
            f"{name}: its tensors cannot be read; the file is cut short or damaged"
        ) from None
    return header, tensors


def parse_description(text: Any, name: str) -> dict[str, Any]:
    """The description out of its JSON, once its format and version are right.

    :raises FileFormatError: they are not
    """
    try:
        header = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
    except (TypeError, json.JSONDecodeError, RecursionError):
        raise FileFormatError(f"{name}: its description is not valid JSON") from None
    except ValueError as error:
        raise FileFormatError(f"{name}: its description is not valid JSON: {error}") from None
    if not isinstance(header, dict) or header.get("format") != "cygnet":
        raise FileFormatError(f"{name}: its description does not say format 'cygnet'")
    if header.get("version") != FORMAT_VERSION:
        raise FileFormatError(
            f"{name}: has format version {header.get('version')!r}; "
            f"this Cygnet reads version {FORMAT_VERSION}"
        )
    return header


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is out of range")
    return value


def _bounds(value: list[int]) -> Bounds:
    low, high = value
    return Bounds(low, high)


def _build(header: dict[str, Any], tensors: dict[str, NDArray]) -> Network:
    left = dict(tensors)

    def take(name: str) -> NDArray:
        if name not in left:
            raise ValueError(f"tensor {name!r} is missing")
        return left.pop(name)

    layers = []
    for described in header["layers"]:
        name = described["name"]
        pool = described.get("pool")
        layers.append(
            Layer(
                name=name,
                synapses=_synapses(name, described, take),
                bias=take(f"{name}.bias"),
                neurons=_neurons(name, described, left),
                source=described["source"],
                pool=pool and SumPool(tuple(pool["kernel"]), tuple(pool["stride"])),
                shortcut=_shortcut(name, described, take),
            )
        )
    if left:
        raise ValueError(f"tensor {min(left)!r} belongs to no layer")
    options = header["input"]
    network = Network(
        name=header["name"],
        input=InputSpec(
            kind=options["kind"],
            shape=tuple(options["shape"]),
            scale=options["scale"],
            mean=tuple(options["mean"]),
            std=tuple(options["std"]),
            bounds=_bounds(options["bounds"]),
            layout=options["layout"],
        ),
        layers=tuple(layers),
        steps=header["steps"],
        logit_scale=header["logit_scale"],
    )
    for number, described in enumerate(header["layers"]):
        for key, derived in (
            ("current", network.current(number)),
            ("potential", network.potential(number)),
        ):
            if _bounds(described["bounds"][key]) != derived:
                raise ValueError(
                    f"layer {described['name']!r}: states {key} bounds "
                    f"{described['bounds'][key]}, but its weights give "
                    f"[{derived.low}, {derived.high}]"
                )
    return network


def _synapses(name: str, described: dict[str, Any], take: Any) -> Dense | Convolution:
    options = described["synapses"]
    weight = take(f"{name}.weight")
    try:
        if options["kind"] == "dense":
            return Dense(weight, options["bits"])
        if options["kind"] == "convolution":
            return Convolution(
                weight,
                tuple(options["stride"]),
                tuple(options["padding"]),
                options["groups"],
                options["bits"],
            )
        raise ValueError(f"synapses must be dense or convolution, not {options['kind']!r}")
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {name!r}: {error}") from None


def _neurons(name: str, described: dict[str, Any], left: dict[str, NDArray]) -> Neurons | None:
    options = described.get("neurons")
    if options is None:
        return None
    arrays = {
        field: left.pop(f"{name}.{field}") for field in _NEURON_TENSORS if f"{name}.{field}" in left
    }
    for field in ("reset", "fire", "initial", "step"):
        if field not in arrays:
            raise ValueError(f"tensor '{name}.{field}' is missing")
    try:
        return Neurons(
            kind=options["kind"],
            tau=options["tau"],
            membrane_width=options["membrane_width"],
            **arrays,
        )
    except (TypeError, ValueError) as error:
        raise type(error)(f"layer {name!r}: {error}") from None


def _shortcut(name: str, described: dict[str, Any], take: Any) -> Identity | Projection | None:
    options = described.get("shortcut")
    if options is None:
        return None
    weight = take(f"{name}.shortcut")
    if options["kind"] == "identity":
        return Identity(options["source"], weight)
    if options["kind"] == "projection":
        return Projection(options["source"], weight, tuple(options["stride"]), options["bits"])
    raise ValueError(
        f"layer {name!r}: shortcut must be identity or projection, not {options['kind']!r}"
    )
