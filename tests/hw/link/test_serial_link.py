# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""The gateware's end of the frame protocol, bit by bit, against the host's own coder."""

from __future__ import annotations

import dataclasses
import random

import pytest

from cygnet.gateware.link.requests import Requests
from cygnet.gateware.link.uart import increment
from cygnet.host import protocol
from cygnet.host.protocol import Frame, Greeting, encode, unpack_answer
from link_bench import CONFIG, IDENTITY, LATENCY, bits_of, exchange, label, logits

IMAGES = ([1, 2, 3, 4, 5], [0xA7, 0, 0, 0xA7, 255], [255, 255, 255, 255, 255], [9, 0, 1, 0, 7])


def classify(number: int, image: list[int]) -> bytes:
    return encode(Frame(protocol.CLASSIFY, number, bytes(image)))


def checked(frame: Frame, number: int, image: list[int]) -> None:
    assert (frame.kind, frame.sequence) == (protocol.ANSWER, number)
    cycles, winner, found = unpack_answer(frame.payload)
    assert found.tolist() == logits(image)
    assert winner == label(image)
    assert cycles == LATENCY


def test_identity() -> None:
    (frame,) = exchange(bits_of(encode(Frame(protocol.IDENTIFY, 0x5C))))
    assert (frame.kind, frame.sequence) == (protocol.IDENTITY, 0x5C)
    assert Greeting.unpack(frame.payload) == Greeting(IDENTITY, window=4)


@pytest.mark.parametrize("beat", [1, 2, 3, 5, 8])
def test_images(beat: int) -> None:
    """All at once, the identity between them."""
    config = dataclasses.replace(CONFIG, beat=beat)
    data = b"".join(classify(n, image) for n, image in enumerate(IMAGES[:3]))
    data += encode(Frame(protocol.IDENTIFY, 77)) + classify(250, IMAGES[3])
    frames = exchange(bits_of(data), config=config)
    assert len(frames) == 5
    for n, image in enumerate(IMAGES[:3]):
        checked(frames[n], n, image)
    assert (frames[3].kind, frames[3].sequence) == (protocol.IDENTITY, 77)
    checked(frames[4], 250, IMAGES[3])


def test_bytes_with_pauses() -> None:
    data = classify(3, IMAGES[1])
    (frame,) = exchange(bits_of(data, [1, 7, 3, 0, 30, 2, 9, 1, 5, 0, 8, 4, 2, 6]))
    checked(frame, 3, IMAGES[1])


@pytest.mark.parametrize("seed", range(12))
def test_a_flipped_bit_is_never_answered(seed: int) -> None:
    """One to three bits of the first image's frame are wrong; the second is answered."""
    rng = random.Random(seed)
    line = bits_of(classify(1, IMAGES[0]))
    for at in rng.sample(range(len(line)), 1 + seed % 3):
        line[at] ^= 1
    quiet = [1] * 120
    frames = exchange(line + quiet + bits_of(classify(2, IMAGES[1])))
    *before, last = frames
    checked(last, 2, IMAGES[1])
    assert all(frame.kind == protocol.REJECTED for frame in before)


def test_an_unfinished_frame_is_given_up() -> None:
    whole = classify(1, IMAGES[0])
    for cut in (1, 3, 7, len(whole) - 1):
        frames = exchange(bits_of(whole[:cut]) + [1] * 120 + bits_of(classify(2, IMAGES[3])))
        checked(frames[-1], 2, IMAGES[3])
        assert all(frame.kind == protocol.REJECTED for frame in frames[:-1])


def test_no_more_images_than_slots() -> None:
    """A host that sends too many gets them rejected, and only those."""
    config = dataclasses.replace(CONFIG, slots=2)
    images = [[n, 1, 2, 3, 4] for n in range(12)]
    data = b"".join(classify(n, image) for n, image in enumerate(images))
    frames = exchange(bits_of(data), config=config)
    answered = [frame for frame in frames if frame.kind == protocol.ANSWER]
    rejected = [frame for frame in frames if frame.kind == protocol.REJECTED]
    assert len(answered) + len(rejected) == len(frames)
    assert rejected
    assert len(answered) > 4
    for frame in answered:
        checked(frame, frame.sequence, images[frame.sequence])


def test_an_accelerator_that_loses_count_is_told() -> None:
    data = b"".join(classify(n, image) for n, image in enumerate(IMAGES[:3]))
    frames = exchange(bits_of(data), error_at=1)
    checked(frames[0], 0, IMAGES[0])
    assert [(frame.kind, frame.sequence) for frame in frames[1:]] == [
        (protocol.FAULT, 1),
        (protocol.FAULT, 2),
    ]


def test_refusals() -> None:
    with pytest.raises(ValueError, match=r"^slots must be a power of two, at least 2, not 3$"):
        Requests(values=5, beat=1, slots=3, patience=9)
    with pytest.raises(ValueError, match=r"^beat must be at least 1, not 0$"):
        Requests(values=5, beat=0, slots=2, patience=9)
    with pytest.raises(ValueError, match=r"^clock must be at least 4 x 1000000 Hz, .*, not 3999"):
        increment(3_999_999, 1_000_000)
    with pytest.raises(ValueError, match=r"^baud must be at least 9536, not 9000$"):
        increment(100_000_000, 9000)
