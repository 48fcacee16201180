# SPDX-License-Identifier: Apache-2.0
"""Zip archives that torch writes: members stored as they are, and so never larger than the file."""

from __future__ import annotations

import io
import struct
import zipfile

from cygnet.errors import CygnetError

__all__ = ["DAMAGED", "StoredArchive"]

DAMAGED = (
    zipfile.BadZipFile,
    EOFError,
    OSError,
    OverflowError,
    RuntimeError,
    ValueError,
    struct.error,
)
"""What zipfile raises of damaged bytes: places beyond all files, encryption, new versions too."""


class StoredArchive:
    """The members of an archive in memory.

    :param file: what messages call it
    :param data: the whole file
    :param remedy: the end of messages about it
    :raises CygnetError: it is no zip archive, or has compressed members, which torch never writes
        and which may be far larger than the file
    """

    def __init__(self, file: str, data: bytes, remedy: str) -> None:
        self._file = file
        self._remedy = remedy
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = self._zip.infolist()
        except DAMAGED:
            raise CygnetError(
                f"{file}: is not an archive as torch writes it, or is cut short; {remedy}"
            ) from None
        if any(m.compress_type != zipfile.ZIP_STORED or m.file_size > len(data) for m in members):
            raise CygnetError(f"{file}: has compressed members, which torch never writes; {remedy}")
        self._members = {member.filename.partition("/")[2]: member for member in members}

    def __contains__(self, name: str) -> bool:
        return name in self._members

    def size(self, name: str) -> int:
        """Bytes of a member, by its path inside the archive's one folder; 0 where there is none."""
        return self._members[name].file_size if name in self._members else 0

    def read(self, name: str) -> bytes:
        """A member.

        :raises CygnetError: there is none of that name, or it is damaged
        """
        if name not in self._members:
            raise CygnetError(f"{self._file}: has no {name}; {self._remedy}")
        try:
            return self._zip.read(self._members[name])
        except DAMAGED:
            raise CygnetError(f"{self._file}: {name} is damaged; {self._remedy}") from None
