# SPDX-License-Identifier: Apache-2.0
"""Memory images as files: one ``.mem`` a memory for ``$readmemh``, and a manifest of them all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cygnet.files import write_text
from cygnet.hardware import HardwareConfig
from cygnet.images import Memory, memories
from cygnet.network import Network

__all__ = ["MANIFEST", "hexadecimal", "write_images"]

MANIFEST = "manifest.json"


def write_images(
    network: Network, hardware: HardwareConfig, folder: str | os.PathLike[str]
) -> dict[str, Any]:
    """Write ``<memory>.mem`` for every memory, and :data:`MANIFEST`, into a folder.

    A ``.mem`` file has one line a word, address 0 first: the word in hexadecimal, with as many
    digits as its width needs. The manifest names the network (by its SHA-256) and the hardware that
    the images are for, and of each memory the file, its SHA-256, width and depth, the meaning of
    an address and the fields of a word.

    :returns: the manifest
    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: the gateware does not build one of the layers, or a file cannot be written
    """
    folder = Path(folder)
    described = []
    for memory in memories(network, hardware):
        text = hexadecimal(memory.words, memory.width)
        write_text(folder / f"{memory.name}.mem", text)
        described.append(_describe(memory, text))
    manifest = {
        "format": "cygnet-images",
        "version": 1,
        "network": {"name": network.name, "sha256": network.digest},
        "hardware": asdict(hardware),
        "memories": described,
    }
    # Last, so that a manifest never speaks of images that are not there yet.
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def hexadecimal(words: Sequence[int], width: int) -> str:
    """The text of a ``.mem`` file."""
    digits = -(-width // 4)
    return "".join(f"{word:0{digits}x}\n" for word in words)


def _describe(memory: Memory, text: str) -> dict[str, Any]:
    return {
        "name": memory.name,
        "file": f"{memory.name}.mem",
        "sha256": hashlib.sha256(text.encode()).hexdigest(),
        "layer": memory.layer,
        "width": memory.width,
        "depth": memory.depth,
        "address": memory.address,
        "fields": [asdict(field) for field in memory.fields],
    }
