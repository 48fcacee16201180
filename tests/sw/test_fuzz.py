# SPDX-License-Identifier: Apache-2.0
"""Damaged files: one sentence or nothing, soon, and without memory that the file has no room for.

Quick and seeded; `make fuzz` goes on for longer, guided by coverage. What either has found is kept
in ``malformed/<reader>``.
"""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from readers import ALLOWED, READERS, read

FOUND = sorted(
    path for name in READERS for path in (Path(__file__).parent / "malformed" / name).glob("*")
)


@pytest.mark.parametrize("name", READERS)
def test_good_files_are_taken(name: str) -> None:
    assert [read(name, data) for data in READERS[name].seeds()] == [""] * len(READERS[name].seeds())


def test_what_fuzzing_found_stays_mended() -> None:
    assert FOUND
    for name in {path.parent.name for path in FOUND}:
        read(name, READERS[name].seeds()[0])  # what is imported late is no memory of the file's
    for path in FOUND:
        read_within_bounds(path.parent.name, path.read_bytes())


def read_within_bounds(name: str, data: bytes) -> str:
    fixed, share = ALLOWED
    tracemalloc.start()
    try:
        said = read(name, data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak <= fixed + share * len(data)
    return said


@st.composite
def damaged(draw: st.DrawFn, name: str) -> bytes:
    """A good file with bytes changed, put in, left out or doubled, and numbers in text replaced."""
    data = bytearray(draw(st.sampled_from(READERS[name].seeds())))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 8))
        new = draw(
            st.one_of(
                st.binary(max_size=8),
                st.sampled_from([b"9" * 9, b"-1", b"null", b"1e400", b"[]", b"\xff" * 8]),
                st.integers(0, 255).map(lambda value: bytes([value])),
            )
        )
        match draw(st.sampled_from(["put", "over", "cut", "double", "end"])):
            case "put":
                data[at:at] = new
            case "over":
                data[at : at + len(new)] = new
            case "cut":
                del data[at : at + length]
            case "double":
                data[at:at] = data[at : at + 40 * length]
            case "end":
                del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_get_one_sentence(name: str) -> None:
    said = set()

    @seed(20)
    @settings(
        max_examples=150,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(damaged(name))
    def check(data: bytes) -> None:
        said.add(read_within_bounds(name, data))

    check()
    # A reader that keeps its own results says nothing, and makes them again.
    assert len(said) > 1 or name == "results"


@pytest.mark.parametrize("fault", ["crash", "memory"])
def test_a_reader_that_fails_is_noticed(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(data: bytes, folder: Path) -> None:
        if fault == "crash":
            raise KeyError("tensor")
        bytearray(ALLOWED[0] + ALLOWED[1] * len(data) + 1)

    monkeypatch.setitem(READERS, "bad", type(READERS["data"])(READERS["data"].seeds, bad))
    with pytest.raises(KeyError if fault == "crash" else AssertionError):
        read_within_bounds("bad", b"x")
