# SPDX-License-Identifier: Apache-2.0
"""What ``cygnet image --loadable`` has written, checked before it goes anywhere."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import FileFormatError
from cygnet.files import read_bytes

__all__ = ["Parameters"]


@dataclass(frozen=True, eq=False)
class Parameters:
    """A load.

    :param path: its file
    :param network: SHA-256 of the network whose parameters they are
    :param layout: of the designs that take them
    :param words: uint32[n], the checksum last
    """

    path: Path
    network: str
    layout: int
    words: NDArray[np.uint32]

    @property
    def checksum(self) -> int:
        return int(self.words[-1])

    @classmethod
    def read(cls, folder: Path) -> Parameters:
        """From a folder with ``load.bin`` and ``manifest.json``.

        :raises CygnetError: a file is missing or damaged
        """
        described = folder / "manifest.json"
        try:
            manifest = json.loads(read_bytes(described))
            path = folder / Path(manifest["load"]["file"]).name
            layout = int(manifest["load"]["layout"], 16)
            network = str(manifest["network"]["sha256"])
        except (ValueError, KeyError, TypeError, RecursionError):
            raise FileFormatError(
                f"{described}: does not tell of a load; write it by cygnet image --loadable"
            ) from None
        data = read_bytes(path)
        if (
            len(data) < 12
            or len(data) % 4
            or zlib.crc32(data[:-4]) != int.from_bytes(data[-4:], "little")
        ):
            raise FileFormatError(
                f"{path}: is damaged, its checksum is wrong; write it again by cygnet image"
            )
        words = np.frombuffer(data, "<u4").astype(np.uint32)
        if int(words[0]) != layout:
            raise FileFormatError(
                f"{path}: is not the load that {described.name} tells of; write both again by "
                "cygnet image"
            )
        return cls(path, network, layout, words)
