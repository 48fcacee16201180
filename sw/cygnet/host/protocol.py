# SPDX-License-Identifier: Apache-2.0
"""Frames between a host and a board, both ways; the gateware is built from the same numbers.

    byte    0     1     2         3..4     5 ..                   last 4
            SYNC  kind  sequence  length   payload of that length CRC-32

Numbers are little-endian. The CRC (that of zlib and Ethernet) is over kind, sequence, length and
payload. A board answers requests in the order in which they came, under the sequence number of the
request; it drops what is not a frame and goes on at the next SYNC, and gives up a frame in which
no byte comes for a while.

| request | payload | answer | payload |
|---|---|---|---|
| IDENTIFY | none | IDENTITY | see :class:`Greeting` |
| CLASSIFY | an image in raster order | ANSWER | clocks, label, one logit a class: 32 bits each |

To a CLASSIFY whose CRC is wrong, or that comes while every slot is full, the answer is REJECTED,
under the sequence number that was understood; to one after the accelerator lost count of its frames
it is FAULT. Both are without payload.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cygnet.host.device import Identity

__all__ = [
    "ANSWER",
    "CLASSIFY",
    "FAULT",
    "IDENTIFY",
    "IDENTITY",
    "OVERHEAD",
    "REJECTED",
    "SYNC",
    "VERSION",
    "Frame",
    "Greeting",
    "Parser",
    "answer_length",
    "encode",
    "unpack_answer",
]

VERSION = 1
"""Of the protocol; a host and a board of different versions do not talk."""
SYNC = 0xA7
IDENTIFY, CLASSIFY = 0x01, 0x02
IDENTITY, ANSWER, REJECTED, FAULT = 0x81, 0x82, 0xFE, 0xFD
OVERHEAD = 9
"""Bytes of a frame besides its payload."""

_HEADER = struct.Struct("<BBBH")
_GREETING = struct.Struct("<BBHIIHH32s")


@dataclass(frozen=True)
class Frame:
    """One frame, its CRC checked."""

    kind: int
    sequence: int
    payload: bytes = b""


@dataclass(frozen=True)
class Greeting:
    """What a board says of itself, 48 bytes.

    :param identity: of which all fields are sent
    :param window: requests that it holds while they wait for their answers, 1..255
    :param version: of its protocol
    """

    identity: Identity
    window: int
    version: int = VERSION

    def pack(self) -> bytes:
        """version (1), window (1), classes (2), values (4), clock in Hz (4), steps (2), 0 (2),
        SHA-256 of the network (32)"""
        return _GREETING.pack(
            self.version,
            self.window,
            self.identity.classes,
            self.identity.values,
            self.identity.clock_hz,
            self.identity.steps,
            0,
            bytes.fromhex(self.identity.network),
        )

    @classmethod
    def unpack(cls, payload: bytes) -> Greeting:
        version, window, classes, values, clock, steps, _, digest = _GREETING.unpack(payload)
        return cls(Identity(digest.hex(), values, classes, steps, clock), window, version)


def encode(frame: Frame) -> bytes:
    """The bytes on the line."""
    header = _HEADER.pack(SYNC, frame.kind, frame.sequence, len(frame.payload))
    covered = header[1:] + frame.payload
    return header[:1] + covered + struct.pack("<I", zlib.crc32(covered))


def answer_length(classes: int) -> int:
    """Bytes of an ANSWER's payload."""
    return 4 * (2 + classes)


def unpack_answer(payload: bytes) -> tuple[int, int, NDArray[np.int64]]:
    """Clocks, label and logits (int64[classes])."""
    cycles, label = struct.unpack_from("<II", payload)
    return cycles, label, np.frombuffer(payload, "<i4", offset=8).astype(np.int64)


class Parser:
    """Finds frames in whatever comes over a line.

    :param longest: the longest payload that makes sense, in bytes
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._bytes = bytearray()
        self.dropped = 0
        """Bytes that were in no frame."""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are complete with ``data``."""
        self._bytes += data
        while True:
            start = self._bytes.find(SYNC)
            self._drop(len(self._bytes) if start < 0 else start)
            if len(self._bytes) < OVERHEAD:
                return
            _, kind, sequence, length = _HEADER.unpack_from(self._bytes)
            if length > self._longest:
                self._drop(1)
                continue
            whole = OVERHEAD + length
            if len(self._bytes) < whole:
                return
            covered = bytes(self._bytes[1 : whole - 4])
            if struct.pack("<I", zlib.crc32(covered)) != self._bytes[whole - 4 : whole]:
                self._drop(1)
                continue
            del self._bytes[:whole]
            yield Frame(kind, sequence, covered[4:])

    def flush(self) -> Iterator[Frame]:
        """The line is quiet: what has begun is no frame; those hidden in it are."""
        while self._bytes:
            self._drop(1)
            yield from self.feed(b"")

    def _drop(self, count: int) -> None:
        self.dropped += count
        del self._bytes[:count]
