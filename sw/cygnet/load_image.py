# SPDX-License-Identifier: Apache-2.0
"""All parameters of an accelerator as one row of words, for designs that load them at run time.

Words of 32 bits: the *layout*, which says what design they are for; the memories in the order of
:func:`cygnet.images.memories`, row by row from address 0, each row cut into words from its low bits
up and filled with zeros; the CRC-32 (as ``zlib.crc32``, of the words as bytes, low byte first) of
everything before it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.hardware import HardwareConfig
from cygnet.images import Memory
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Network

__all__ = ["LOAD_WORD", "LoadLayout", "LoadMemory", "load_words"]

LOAD_WORD = 32
"""Bits."""


@dataclass(frozen=True)
class LoadMemory:
    """Geometry of one memory.

    :param width: bits of a row
    :param depth: rows
    """

    name: str
    width: int
    depth: int

    @property
    def words_per_row(self) -> int:
        return -(-self.width // LOAD_WORD)

    @property
    def words(self) -> int:
        return self.words_per_row * self.depth


@dataclass(frozen=True)
class LoadLayout:
    """What a design takes.

    :param memories: in the order in which they are loaded, at least one
    :param checksum: of all that the Verilog depends on; equal for two networks exactly if one's
        parameters run in the other's design
    """

    memories: tuple[LoadMemory, ...]
    checksum: int

    @classmethod
    def of(
        cls, network: Network, hardware: HardwareConfig, memories: Sequence[Memory]
    ) -> LoadLayout:
        """Of a network's design.

        :param memories: of both, from :func:`cygnet.images.memories`
        :raises ValueError, CygnetError: see :func:`~cygnet.layer_plan.plan_layers`
        """
        sizes = tuple(LoadMemory(item.name, item.width, item.depth) for item in memories)
        described = {
            "input": [network.input.kind, network.input.shape, network.input.padding],
            "bounds": [network.input.bounds.low, network.input.bounds.high],
            "beat": hardware.beat,
            "layers": [_structure(plan) for plan in plan_layers(network, hardware)],
            "memories": [asdict(size) for size in sizes],
        }
        text = json.dumps(described, sort_keys=True)
        return cls(sizes, zlib.crc32(text.encode()))

    @property
    def words(self) -> int:
        """Length of a load, with layout and checksum."""
        return 2 + sum(memory.words for memory in self.memories)


def _structure(plan: LayerPlan) -> dict[str, object]:
    """What the Verilog of a layer depends on: all of its plan but the values of its parameters."""
    parts = asdict(plan)
    for values in ("layer", "accumulator", "current"):
        del parts[values]
    parts["name"] = plan.name
    parts["widths"] = [plan.accumulator_width, plan.current_width, plan.bias_width]
    return parts


def load_words(layout: LoadLayout, memories: Sequence[Memory]) -> NDArray[np.uint32]:
    """uint32[layout.words]: what is written to LOAD_DATA, or sent on the load stream.

    :param memories: with the geometry of ``layout``
    """
    found = tuple(LoadMemory(item.name, item.width, item.depth) for item in memories)
    if found != layout.memories:
        raise ValueError("memories must have the geometry of the layout")
    words = [layout.checksum.to_bytes(4, "little")]
    for size, memory in zip(layout.memories, memories, strict=True):
        length = 4 * size.words_per_row
        words += [word.to_bytes(length, "little") for word in memory.words]
    data = b"".join(words)
    data += zlib.crc32(data).to_bytes(4, "little")
    return np.frombuffer(data, dtype="<u4").astype(np.uint32)
