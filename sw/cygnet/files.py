# SPDX-License-Identifier: Apache-2.0
"""Writing files so that they appear whole or not at all, and errors that say what to do."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

from cygnet.errors import CygnetError

__all__ = ["fault", "read_bytes", "write_bytes", "write_text"]

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` beside ``path`` and rename it there; makes the folder.

    What is no regular file, such as /dev/null or a pipe, is written to and stays what it is.

    :raises CygnetError: the folder cannot be written, or the disk is full
    """
    path = Path(path)
    try:
        if _special(path):
            path.write_bytes(data)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise CygnetError(
            f"{path}: cannot be written: {error.strerror}; choose another folder"
        ) from None
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(aside, 0o666 & ~umask)
        os.replace(aside, path)
    except OSError as error:
        Path(aside).unlink(missing_ok=True)
        raise CygnetError(
            f"{path}: cannot be written: {error.strerror}; make room or choose another folder"
        ) from None
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise


def _special(path: Path) -> bool:
    """Something that renaming a file onto would destroy: a device, a pipe, a socket."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def fault(error: OSError) -> CygnetError:
    """One sentence for a file operation that failed outside of this module, in a scratch folder."""
    where = error.filename or "a file"
    advice = (
        "make room, or set TMPDIR and CYGNET_CACHE to folders that have it"
        if error.errno in _NO_ROOM
        else "mend it, or set TMPDIR and CYGNET_CACHE to folders of your own"
    )
    return CygnetError(f"{where}: {error.strerror or error}; {advice}")


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """:func:`write_bytes` of UTF-8 text."""
    write_bytes(path, text.encode())


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file.

    :raises CygnetError: there is no such file, or it cannot be read
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise CygnetError(f"{path}: cannot be read: {error.strerror}; check the path") from None
