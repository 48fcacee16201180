# SPDX-License-Identifier: Apache-2.0
"""What long searches found, kept one by one, so that they go on where they were interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cygnet.cache import content_key, default_cache
from cygnet.files import write_text

__all__ = ["Findings"]


class Findings:
    """Values by the content that they were found from, a file for each.

    :param folder: of the files, which may be deleted at any time; ``$CYGNET_CACHE/findings``, or
        ``build/cache/findings`` in the working directory, where it is None
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = default_cache() / "findings" if folder is None else folder

    def get(self, *parts: object) -> Any:
        """What was found from these parts; None where nothing was kept, or its file is not whole.

        :param parts: that JSON can express
        """
        try:
            return json.loads(self._file(parts).read_text())["found"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, value: Any, *parts: object) -> None:
        """Found from these parts.

        :param value: that JSON can express; not None
        :raises CygnetError: the folder cannot be written
        """
        write_text(self._file(parts), json.dumps({"found": value}))

    def _file(self, parts: tuple[object, ...]) -> Path:
        key = content_key(*parts)
        return self.folder / key[:2] / f"{key[2:]}.json"
