# SPDX-License-Identifier: Apache-2.0
"""Frames as bytes: fixed examples, and whatever a bad line makes of them."""

from __future__ import annotations

import random
import zlib

import numpy as np
import pytest

from cygnet.host.device import Identity
from cygnet.host.protocol import SYNC, Frame, Greeting, Parser, encode, unpack_answer

FRAMES = [Frame(0x81, 0), Frame(0x82, 255, bytes([SYNC] * 20)), Frame(0xFE, 7, b"\0" * 3)]


def test_bytes_of_a_frame() -> None:
    covered = bytes([0x02, 0x10, 3, 0, 9, 8, 7])
    crc = zlib.crc32(covered).to_bytes(4, "little")
    assert encode(Frame(2, 16, bytes([9, 8, 7]))) == bytes([0xA7]) + covered + crc
    assert zlib.crc32(b"123456789") == 0xCBF43926


def test_greeting() -> None:
    greeting = Greeting(Identity("ab" * 32, 784, 10, 3, 50_000_000), window=8)
    packed = greeting.pack()
    assert packed.hex() == "01080a001003000080f0fa0203000000" + "ab" * 32
    assert Greeting.unpack(packed) == greeting


def test_answer() -> None:
    words = np.array([1234, 2, -1, -(2**31), 2**31 - 1], "<i8").astype("<u4").tobytes()
    cycles, label, logits = unpack_answer(words)
    assert (cycles, label) == (1234, 2)
    assert logits.tolist() == [-1, -(2**31), 2**31 - 1]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_frames_in_any_pieces_between_noise(size: int) -> None:
    noise = bytes([1, SYNC, SYNC, 0x82, 5])
    line = noise + noise.join(map(encode, FRAMES)) + noise
    parser = Parser(32)
    found = [
        frame for at in range(0, len(line), size) for frame in parser.feed(line[at : at + size])
    ]
    assert found + list(parser.flush()) == FRAMES
    assert parser.dropped == len(noise) * 4


def test_a_length_that_makes_no_sense_is_no_frame() -> None:
    parser = Parser(8)
    assert list(parser.feed(encode(Frame(1, 2, bytes(9))) + encode(Frame(1, 3)))) == [Frame(1, 3)]


def test_no_wrong_frame_comes_of_a_bad_line() -> None:
    """Bits flip, bytes vanish and appear; most frames are lost, none is made up."""
    rng = random.Random(4)
    sent = [Frame(0x82, n % 256, rng.randbytes(30)) for n in range(400)]
    line = bytearray(b"".join(map(encode, sent)))
    for _ in range(250):
        at = rng.randrange(len(line))
        kind = rng.random()
        if kind < 0.6:
            line[at] ^= 1 << rng.randrange(8)
        elif kind < 0.8:
            del line[at]
        else:
            line.insert(at, rng.randrange(256))
    parser = Parser(32)
    found = [*parser.feed(bytes(line)), *parser.flush()]
    assert 150 < len(found) < 300
    places = [sent.index(frame) for frame in found]
    assert places == sorted(set(places))
