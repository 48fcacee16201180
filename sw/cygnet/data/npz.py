# SPDX-License-Identifier: Apache-2.0
"""Reading ``.npz`` files that may be broken or hostile."""

from __future__ import annotations

import math
import os
import tokenize
import zipfile
import zlib
from typing import cast

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from cygnet.archives import DAMAGED
from cygnet.closing import Closing
from cygnet.errors import CygnetError

__all__ = ["MAX_BYTES", "Archive"]

MAX_BYTES = 8 << 30
"""The most that one array may take; more does not belong into one file of images."""

_MAX_RATIO = 1100
"""Deflate makes at most 1032 bytes out of one."""


class Archive(Closing):
    """The arrays of an ``.npz`` file, each read only after its size is known to be true.

    :raises CygnetError: there is no such file, or it is no zip archive
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = os.fspath(path)
        try:
            self._zip = zipfile.ZipFile(self._path)
        except OSError as error:
            raise CygnetError(
                f"{self._path}: cannot be read: {error.strerror}; check the path"
            ) from None
        except DAMAGED:
            raise CygnetError(
                f"{self._path}: is not an .npz file; write it with numpy.savez"
            ) from None

    def close(self) -> None:
        self._zip.close()

    @property
    def names(self) -> set[str]:
        """The arrays in the file."""
        return {name.removesuffix(".npy") for name in self._zip.namelist() if name.endswith(".npy")}

    def array(self, name: str, kinds: str) -> NDArray:
        """One array.

        :param kinds: ``"u1"`` for uint8, ``"iu"`` for any integer
        :raises CygnetError: it is of another kind, broken, or larger than it can be
        """
        try:
            member = self._zip.getinfo(f"{name}.npy")
            with cast(zipfile.ZipExtFile, self._zip.open(member)) as stream:
                shape, fortran, dtype = _header(stream)
                if not (dtype == np.uint8 if kinds == "u1" else dtype.kind in kinds):
                    say = "uint8" if kinds == "u1" else "integers"
                    raise CygnetError(f"{self._path}: {name} is of {dtype}; give {say}")
                size = math.prod(shape) * dtype.itemsize
                self._check(name, member, stream.tell(), size)
                data = bytearray(size)
                got = 0
                # The last read, of nothing, is what makes zipfile compare the checksum.
                while count := stream.readinto(memoryview(data)[got:] or bytearray(1)):
                    got += count
            if got != size:
                raise ValueError("too short")
        except OSError as error:
            raise CygnetError(
                f"{self._path}: cannot be read: {error.strerror}; check the disk"
            ) from None
        except (*DAMAGED, zlib.error, tokenize.TokenError):
            raise CygnetError(
                f"{self._path}: {name} is broken; write the file again with numpy.savez"
            ) from None
        flat = np.frombuffer(data, dtype)
        return flat.reshape(shape, order="F" if fortran else "C")

    def _check(self, name: str, member: zipfile.ZipInfo, start: int, size: int) -> None:
        """``size`` bytes of data after ``start`` bytes of header are what the file has room for."""
        if size > MAX_BYTES:
            raise CygnetError(
                f"{self._path}: {name} takes {size} bytes, more than {MAX_BYTES}; "
                "divide it into several files"
            )
        if member.file_size != start + size or member.file_size > _MAX_RATIO * member.compress_size:
            raise ValueError("sizes disagree")


def _header(stream: zipfile.ZipExtFile) -> tuple[tuple[int, ...], bool, np.dtype]:
    version = npy.read_magic(stream)
    if version == (1, 0):
        return npy.read_array_header_1_0(stream)
    if version == (2, 0):
        return npy.read_array_header_2_0(stream)
    raise ValueError(f"version {version}")
