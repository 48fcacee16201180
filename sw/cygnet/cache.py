# SPDX-License-Identifier: Apache-2.0
"""Where results that take long are kept, and under which names."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

__all__ = ["content_key", "default_cache"]


def default_cache() -> Path:
    """``$CYGNET_CACHE``, else ``build/cache`` in the working directory; absolute."""
    return Path(os.environ.get("CYGNET_CACHE") or Path("build") / "cache").absolute()


def content_key(*parts: object) -> str:
    """The name under which a result of these parts is kept.

    :param parts: that JSON can express
    """
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
