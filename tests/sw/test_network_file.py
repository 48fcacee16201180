# SPDX-License-Identifier: Apache-2.0
"""The .cyg file: the same bytes every time, and one sentence for whatever is wrong with one."""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from malformed.make import malformed, put_together, small_network, take_apart

from cygnet.errors import CygnetError, FileFormatError
from cygnet.network_file import decode, digest, encode, load, save
from networks import KINDS, random_mlp, random_residual

HERE = Path(__file__).parent
FOLDER = HERE / "malformed"
ORDER = ("I64", "F64", "I32", "I16", "I8", "BOOL")
NAMES = sorted(path.stem for path in FOLDER.glob("*.cyg"))


@pytest.mark.parametrize("name", NAMES)
def test_malformed_file_gets_its_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(FOLDER)
    with pytest.raises(FileFormatError) as caught:
        load(f"{name}.cyg")
    assert f"{caught.value}\n" == (FOLDER / f"{name}.txt").read_text()
    assert "\n" not in str(caught.value)


def test_the_folder_is_what_its_script_makes() -> None:
    assert {name: (FOLDER / f"{name}.cyg").read_bytes() for name in NAMES} == malformed()


def test_exact_bytes() -> None:
    assert (HERE / "small.cyg").read_bytes() == encode(small_network())
    assert load(HERE / "small.cyg") == small_network()


def test_layout_is_the_documented_one() -> None:
    """Reads a file with nothing but docs/file-format.md."""
    data = (HERE / "small.cyg").read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    frame = json.loads(data[8 : 8 + length])
    description = frame.pop("__metadata__")["cygnet"]
    content = json.loads(description)
    assert description == json.dumps(content, sort_keys=True, separators=(",", ":"))
    body = data[8 + length :]
    names = list(frame)
    assert names == sorted(names, key=lambda name: (ORDER.index(frame[name]["dtype"]), name))
    end = 0
    for name in names:
        start, stop = frame[name]["data_offsets"]
        assert start == end
        end = stop
        assert frame[name]["shape"] == content["tensors"][name]["shape"]
    assert end == len(body)
    stated = content.pop("sha256")
    sha = hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode())
    for name in sorted(frame):
        sha.update(slice_of(body, frame[name]["data_offsets"]))
    assert sha.hexdigest() == stated == digest(small_network())
    weight = slice_of(body, frame["hidden.weight"]["data_offsets"])
    assert np.frombuffer(weight, np.int8).tolist() == [10, -20, 30, 40, 50, -127]


def slice_of(body: bytes, offsets: list[int]) -> bytes:
    return body[offsets[0] : offsets[1]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_round_trip(kind: str, seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    for network in (
        random_mlp(rng, kind=kind, plain=False, spiking=seed == 1),
        random_residual(rng, kind=kind, counts=seed == 2),
    ):
        path = tmp_path / "folder" / "network.cyg"
        save(network, path)
        again = load(path)
        assert again == network
        assert hash(again) == hash(network)
        assert encode(again) == path.read_bytes()
        assert again.digest == network.digest
        for one, other in zip(network.layers, again.layers, strict=True):
            assert (one.synapses.weight == other.synapses.weight).all()
            assert (one.bias == other.bias).all()
            if one.neurons is not None and other.neurons is not None:
                for (field, a), (same, b) in zip(
                    one.neurons.arrays(), other.neurons.arrays(), strict=True
                ):
                    assert field == same
                    assert (a == b).all()


def test_networks_that_differ_are_unequal() -> None:
    rng = np.random.default_rng(0)
    assert random_mlp(rng) != random_mlp(rng)
    assert small_network() != "small"


def test_every_flipped_bit_is_refused() -> None:
    good = encode(small_network())
    for place in range(len(good)):
        for bit in range(8):
            data = bytearray(good)
            data[place] ^= 1 << bit
            with pytest.raises(FileFormatError):
                decode(bytes(data))


def test_every_shorter_file_is_refused() -> None:
    good = encode(small_network())
    for length in range(len(good)):
        with pytest.raises(FileFormatError):
            decode(good[:length])


JUNK: tuple[Any, ...] = (None, True, -1, 0, 1.5, 10**30, "x", "é", [], [1], [[]], {}, {"kind": 1})


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of everything inside a description."""
    found = [path] if path else []
    inner: Any = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list):
        inner = enumerate(value)
    for key, child in inner:
        found += places(child, (*path, key))
    return found


def test_no_description_however_wrong_gets_another_error() -> None:
    """Junk at every place of a description, with a digest that matches it."""
    header, tensors = take_apart(encode(random_residual(np.random.default_rng(1), kind="snm")))
    assert put_together(copy.deepcopy(header), tensors) == encode(
        decode(put_together(copy.deepcopy(header), tensors))
    )
    for path in places(header):
        for junk in JUNK:
            edited = copy.deepcopy(header)
            target = edited
            for key in path[:-1]:
                target = target[key]
            if target[path[-1]] == junk and type(target[path[-1]]) is type(junk):
                continue
            target[path[-1]] = junk
            data = put_together(edited, tensors)
            try:
                network = decode(data)
            except FileFormatError as error:
                said = str(error)
            else:
                said = ""
                # Another valid value of a free field, such as a source.
                assert encode(network) == data
            assert "\n" not in said


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(CygnetError, match=r"none\.cyg: cannot be read: No such file"):
        load(tmp_path / "none.cyg")


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CygnetError, match=r"cannot be written: .*; choose another folder$"):
        save(small_network(), tmp_path / "file" / "network.cyg")


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.cyg"
    save(small_network(), path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CygnetError, match=r"No space left on device; make room"):
        save(random_mlp(np.random.default_rng(0)), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
