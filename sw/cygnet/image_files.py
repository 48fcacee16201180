# SPDX-License-Identifier: Apache-2.0
"""Memory images as files, one a memory and format, and a manifest of them all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_bytes, write_text
from cygnet.hardware import HardwareConfig
from cygnet.image_formats import FORMATS
from cygnet.images import Memory, memories
from cygnet.load_image import LoadLayout, load_words
from cygnet.network import Network
from cygnet.refit import refit

__all__ = ["LOAD", "MANIFEST", "check_images", "write_images"]

LOAD = "load.bin"
MANIFEST = "manifest.json"


def write_images(
    network: Network,
    hardware: HardwareConfig,
    folder: str | os.PathLike[str],
    *,
    design: Network | None = None,
    formats: Sequence[str] = ("mem",),
) -> dict[str, Any]:
    """Write every memory in every format, and :data:`MANIFEST`, into a folder; for hardware that
    is loadable also :data:`LOAD`, everything as one load (:mod:`cygnet.load_image`), in words of 32
    bits, low byte first.

    The manifest names the network (by its SHA-256) and the hardware that the images are for, and of
    each memory the files, their SHA-256, width and depth, the meaning of an address and the fields
    of a word; of the load its layout, length and checksum.

    :param formats: of :data:`cygnet.image_formats.FORMATS`; the first is the manifest's ``file``
    :param design: the network that a loadable design was generated for, if it is not this one
    :returns: the manifest
    :raises ValueError: the configuration does not go with the network
    :raises CygnetError: the gateware does not build one of the layers, a file cannot be written, or
        the network does not fit the design
    """
    folder = Path(folder)
    described = []
    contents = memories(design or network, hardware)
    layout = LoadLayout.of(design or network, hardware, contents)
    if design is not None:
        contents = refit(design, network, hardware)
    for memory in contents:
        files = []
        for name in formats:
            data = FORMATS[name].write(memory)
            file = f"{memory.name}.{FORMATS[name].suffix}"
            write_bytes(folder / file, data)
            digest = hashlib.sha256(data).hexdigest()
            files.append({"format": name, "file": file, "sha256": digest})
        described.append(_describe(memory, files))
    manifest = {
        "format": "cygnet-images",
        "version": 1,
        "network": {"name": network.name, "sha256": network.digest},
        "hardware": asdict(hardware),
        "memories": described,
    }
    if hardware.loadable:
        words = load_words(layout, contents)
        data = words.astype("<u4").tobytes()
        write_bytes(folder / LOAD, data)
        manifest["load"] = {
            "file": LOAD,
            "sha256": hashlib.sha256(data).hexdigest(),
            "words": len(words),
            "layout": f"{layout.checksum:08x}",
            "checksum": f"{int(words[-1]):08x}",
            "design": {"name": (design or network).name, "sha256": (design or network).digest},
        }
    # Last, so that a manifest never speaks of images that are not there yet.
    write_text(folder / MANIFEST, json.dumps(manifest, indent=2) + "\n")
    return manifest


def check_images(
    network: Network, hardware: HardwareConfig, folder: str | os.PathLike[str]
) -> None:
    """Refuse images that were not written by :func:`write_images` for this network and hardware.

    :raises CygnetError: there is no manifest, it speaks of another network or of other hardware, or
        a file is not the one that it speaks of
    """
    path = Path(folder) / MANIFEST
    try:
        manifest = json.loads(read_bytes(path))
        sha256, chosen = manifest["network"]["sha256"], manifest["hardware"]
        files = {
            str(item["file"]): item["sha256"]
            for memory in manifest["memories"]
            for item in memory["files"]
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        raise CygnetError(
            f"{path}: is no manifest of memory images; run cygnet image again"
        ) from None
    if sha256 != network.digest:
        raise CygnetError(
            f"{path}: the images are of network {str(sha256)[:12]}, not of {network.digest[:12]}; "
            "run cygnet image for this network"
        )
    # As JSON knows it: tuples are lists there.
    if chosen != json.loads(json.dumps(asdict(hardware))):
        raise CygnetError(
            f"{path}: the images are for other hardware; run cygnet image with the same options"
        )
    for name in (f"{memory.name}.mem" for memory in memories(network, hardware)):
        found = hashlib.sha256(read_bytes(Path(folder) / name)).hexdigest()
        if files.get(name) != found:
            raise CygnetError(
                f"{Path(folder) / name}: is not the image that {MANIFEST} speaks of; run cygnet "
                "image again"
            )


def _describe(memory: Memory, files: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "name": memory.name,
        "file": files[0]["file"],
        "sha256": files[0]["sha256"],
        "files": files,
        "layer": memory.layer,
        "width": memory.width,
        "depth": memory.depth,
        "address": memory.address,
        "fields": [asdict(field) for field in memory.fields],
    }
