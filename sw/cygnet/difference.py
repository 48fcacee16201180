# SPDX-License-Identifier: Apache-2.0
"""In what two networks differ: configuration, and tensors value by value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cygnet.network import Network
from cygnet.network_file import contents

__all__ = ["Difference", "Setting", "TensorDifference", "compare"]


@dataclass(frozen=True)
class Setting:
    """One value of the description (docs/file-format.md) that differs.

    :param name: its place, such as ``steps`` or ``layers.hidden.neurons.tau``
    :param first: in the first network; None where it has none
    :param second: in the second
    """

    name: str
    first: Any
    second: Any


@dataclass(frozen=True)
class TensorDifference:
    """One tensor that differs.

    :param name: as in the file, ``LAYER.weight`` and so on
    :param first: shape in the first network, or None where it has none
    :param second: shape in the second
    :param values: how many it has, where both have the same shape
    :param different: how many of them differ, likewise
    :param largest: the largest distance of two values, likewise
    """

    name: str
    first: tuple[int, ...] | None
    second: tuple[int, ...] | None
    values: int | None = None
    different: int | None = None
    largest: float | None = None


@dataclass(frozen=True)
class Difference:
    """What differs; both are empty where the networks are equal."""

    settings: tuple[Setting, ...]
    tensors: tuple[TensorDifference, ...]

    @property
    def equal(self) -> bool:
        return not self.settings and not self.tensors


def compare(first: Network, second: Network) -> Difference:
    """All that differs. Bounds and shapes that follow from other values are left out."""
    (header, tensors), (other_header, other_tensors) = contents(first), contents(second)
    settings = dict(_settings(header)), dict(_settings(other_header))
    names = list(dict.fromkeys([*settings[0], *settings[1]]))
    return Difference(
        tuple(
            Setting(name, settings[0].get(name), settings[1].get(name))
            for name in names
            if settings[0].get(name) != settings[1].get(name)
        ),
        tuple(
            found
            for name in dict.fromkeys([*tensors, *other_tensors])
            if (found := _tensor(name, tensors.get(name), other_tensors.get(name))) is not None
        ),
    )


def _settings(header: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """(place, value) of every setting, in the order of the file."""
    for key, value in header.items():
        if key == "layers":
            yield "layers", [layer["name"] for layer in value]
            for layer in value:
                yield from _flat(f"layers.{layer['name']}", {**layer, "bounds": None})
        elif key not in ("tensors", "sha256"):
            yield from _flat(key, value)


def _flat(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}", inner)
    else:
        yield name, value


def _tensor(name: str, first: NDArray | None, second: NDArray | None) -> TensorDifference | None:
    if first is None or second is None or first.shape != second.shape:
        return TensorDifference(
            name, None if first is None else first.shape, None if second is None else second.shape
        )
    different = int((first != second).sum())
    if not different:
        return None
    exact = np.float64 if first.dtype.kind == "f" else np.int64
    distance = np.abs(first.astype(exact) - second.astype(exact))
    return TensorDifference(
        name, first.shape, second.shape, first.size, different, float(distance.max())
    )
