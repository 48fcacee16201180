# SPDX-License-Identifier: Apache-2.0
"""Registers of a device in the memory of this machine."""

from __future__ import annotations

import mmap
import os
import re
from typing import Protocol, Self

from cygnet.closing import Closing
from cygnet.host.device import DeviceError
from cygnet.registers import ADDRESS_BITS

__all__ = ["MappedRegisters", "Registers"]

SPAN = 1 << ADDRESS_BITS


class Registers(Protocol):
    """Words of 32 bits at byte offsets; PYNQ's ``MMIO`` is one.

    Either may raise OSError where the device is gone.
    """

    def read(self, offset: int, /) -> int: ...

    def write(self, offset: int, value: int, /) -> None: ...


class MappedRegisters(Closing):
    """Registers through ``/dev/mem`` or a UIO device.

    :param path: such as ``/dev/uio0``
    :param base: where the registers begin in it, a multiple of the page size (4096 as a rule): the
        physical address in ``/dev/mem``, 0 in a UIO device
    :raises DeviceError: the file cannot be opened or mapped
    """

    def __init__(self, path: str, base: int = 0) -> None:
        if base % mmap.ALLOCATIONGRANULARITY:
            raise DeviceError(
                f"{path}: 0x{base:X} must be a multiple of {mmap.ALLOCATIONGRANULARITY}, "
                "the size of a page"
            )
        try:
            handle = os.open(path, os.O_RDWR | getattr(os, "O_SYNC", 0))
            try:
                self._map = mmap.mmap(handle, SPAN, offset=base)
            finally:
                os.close(handle)
        except (OSError, ValueError) as error:
            said = error.strerror if isinstance(error, OSError) else error
            raise DeviceError(
                f"{path}: cannot be mapped at 0x{base:X} ({said}); check address and permissions"
            ) from None
        # An element is read and written as one word, as a device needs it.
        self._words = memoryview(self._map).cast("I")

    @classmethod
    def parse(cls, text: str) -> Self:
        """From ``/dev/uio0`` or ``/dev/mem@0x43C00000``.

        :raises DeviceError: it is neither, or cannot be mapped
        """
        found = re.fullmatch(r"([^@]+)(?:@(0[xX][0-9a-fA-F]+|\d+))?", text)
        if found is None:
            raise DeviceError(f"{text}: must be like /dev/uio0 or /dev/mem@0x43C00000")
        return cls(found[1], int(found[2] or "0", 0))

    def read(self, offset: int, /) -> int:
        return self._words[offset // 4]

    def write(self, offset: int, value: int, /) -> None:
        self._words[offset // 4] = value

    def close(self) -> None:
        """More than once does no harm."""
        self._words.release()
        if not self._map.closed:
            self._map.close()
