# SPDX-License-Identifier: Apache-2.0
"""``measurements.json``: what commands leave in a build folder for the report page.

One object: ``format``, ``version``, ``network`` (the SHA-256 that all of it belongs to) and
``sections``, each with the ``command`` that made it. Sections of another network are dropped when
one of a new network is written.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal

from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_text
from cygnet.network import Network

__all__ = ["FILE", "Section", "add", "read"]

FILE = "measurements.json"
VERSION = 1
Section = Literal["accuracy", "activity", "errors", "simulation"]


def add(
    folder: str | os.PathLike[str],
    network: Network,
    section: Section,
    value: dict[str, Any],
    command: str,
) -> None:
    """Put a section into the folder's file; what else is in it stays.

    :raises CygnetError: the file cannot be written, or is another one
    """
    path = Path(folder) / FILE
    sections = read(folder, network) if path.is_file() else {}
    sections[section] = {"command": command, **value}
    content = {
        "format": "cygnet-measurements",
        "version": VERSION,
        "network": network.digest,
        "sections": sections,
    }
    write_text(path, json.dumps(content, indent=1) + "\n")


def read(folder: str | os.PathLike[str], network: Network) -> dict[str, Any]:
    """The sections that belong to a network; none where there is no file.

    :raises CygnetError: the file is not one of these
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return {}
    remedy = "remove it, and run the commands again that left it"
    try:
        content = json.loads(read_bytes(path))
        if content["format"] != "cygnet-measurements" or content["version"] != VERSION:
            raise CygnetError(f"{path}: is of another kind or version; {remedy}")
        sections: dict[str, Any] = content["sections"]
        return sections if content["network"] == network.digest else {}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CygnetError(f"{path}: is damaged; {remedy}") from None
