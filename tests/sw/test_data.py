# SPDX-License-Identifier: Apache-2.0
"""Loading labelled images, and what each broken file gets."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from cygnet.data import Dataset, digits, input_spec, load, numbers, tensor
from cygnet.errors import CygnetError

RNG = np.random.default_rng(5)
IMAGES = RNG.integers(0, 256, (7, 4, 6, 3), dtype=np.uint8)
CLASSES = np.array([0, 1, 2, 0, 1, 2, 2], np.uint8)


def test_parts_continue_each_other_in_the_order_given(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES[:3], y=CLASSES[:3])
    np.savez_compressed(tmp_path / "b.npz", x=IMAGES[3:], y=CLASSES[3:].astype(np.int32))
    whole = load([tmp_path / "a.npz", tmp_path / "b.npz"])
    assert np.array_equal(whole.x, IMAGES)
    assert np.array_equal(whole.y, CLASSES)
    assert whole.y.dtype == np.int64
    assert (whole.shape, whole.classes, len(whole)) == ((4, 6, 3), 3, 7)


def test_split_chooses_the_arrays(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x_train=IMAGES[:5], y_train=CLASSES[:5], x_test=IMAGES[5:], y_test=CLASSES[5:])
    assert np.array_equal(load(path, split="train").x, IMAGES[:5])
    assert np.array_equal(load(path, split="test").x, IMAGES[5:])
    assert np.array_equal(load(path).y, CLASSES[5:])
    assert np.array_equal(load(path, prefer="train").y, CLASSES[:5])


def test_layouts_give_the_same_raster(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES.transpose(0, 3, 1, 2), y=CLASSES)
    np.savez(tmp_path / "b.npz", x=np.asfortranarray(IMAGES), y=CLASSES)
    assert np.array_equal(load(tmp_path / "a.npz", layout="nchw").x, IMAGES)
    assert np.array_equal(load(tmp_path / "b.npz").x, IMAGES)


@pytest.mark.parametrize(("given", "shape"), [((7, 5), (1, 1, 5)), ((7, 5, 4), (5, 4, 1))])
def test_vectors_and_single_channels(
    tmp_path: Path, given: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros(given, np.uint8), y=CLASSES)
    assert load(tmp_path / "a.npz").shape == shape


def npy(header: str, data: bytes, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


def archive(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, data in members.items():
            opened.writestr(f"{name}.npy", data)
    return path


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=array.dtype == object)
    return stream.getvalue()


HUGE = "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}"
MORE = "{'descr': '|u1', 'fortran_order': False, 'shape': (7, 100000)}"
BROKEN = "x is broken; write the file again with numpy.savez"


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (npy(HUGE, b"abc"), saved(CLASSES), "x takes 18446744073709551616 bytes, more than"),
        (npy(MORE, b"abc"), saved(CLASSES), BROKEN),
        (npy("{'descr'", b"abc"), saved(CLASSES), BROKEN),
        (b"not an array", saved(CLASSES), BROKEN),
        (saved(IMAGES)[:-1], saved(CLASSES), BROKEN),
        (saved(IMAGES.astype(np.float32)), saved(CLASSES), "x is of float32; give uint8"),
        (saved(np.array([object()])), saved(CLASSES), "x is of object; give uint8"),
        (saved(IMAGES), saved(CLASSES.astype(np.float64)), "y is of float64; give integers"),
        (saved(IMAGES), saved(CLASSES[:-1]), "y has shape (6,) for 7 images"),
        (saved(IMAGES), saved(CLASSES.astype(np.int64) - 1), "y holds values in -1..1"),
        (saved(IMAGES[0, 0, 0]), saved(CLASSES), "x has shape (3,)"),
        (saved(IMAGES[:0]), saved(CLASSES[:0]), "x has shape (0, 4, 6, 3)"),
    ],
)
def test_a_broken_file_gets_one_sentence(tmp_path: Path, x: bytes, y: bytes, message: str) -> None:
    path = archive(tmp_path / "d.npz", x=x, y=y)
    with pytest.raises(CygnetError, match=re.escape(message)) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_other_refusals(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=IMAGES, y=CLASSES)
    np.savez(tmp_path / "b.npz", x=IMAGES[:, 1:], y=CLASSES)
    np.savez(tmp_path / "c.npz", images=IMAGES)
    (tmp_path / "d.npz").write_bytes(b"PK not a zip")
    for paths, split, message in [
        ([], None, "no data given"),
        (["nowhere.npz"], None, "nowhere.npz: cannot be read: No such file"),
        ([tmp_path / "a.npz", tmp_path / "b.npz"], None, "do not continue a.npz"),
        ([tmp_path / "a.npz"], "train", "leave out --split"),
        ([tmp_path / "c.npz"], None, "holds images, not x and y or x_test and y_test"),
        ([tmp_path / "d.npz"], None, "is not an .npz file"),
    ]:
        with pytest.raises(CygnetError, match=re.escape(message)):
            load(paths, split=split)  # type: ignore[arg-type]


def test_a_flipped_byte_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, x=IMAGES, y=CLASSES)
    data = bytearray(path.read_bytes())
    data[data.index(IMAGES.tobytes()[:16]) + 5] ^= 4
    path.write_bytes(data)
    with pytest.raises(CygnetError, match="x is broken"):
        load(path)


def test_digits_are_divided_once_and_for_all() -> None:
    train, test = digits("train"), digits("test")
    assert (len(train), len(test)) == (1437, 360)
    assert train.x.max() == 16
    both = np.concatenate([train.x, test.x]).reshape(1797, -1)
    assert int(both.sum()) == 561718
    assert train.sha256 == load("digits", split="train").sha256
    assert test.sha256 == load("digits").sha256
    assert test.y[:8].tolist() == digits("test").y[:8].tolist()
    assert np.bincount(test.y).min() > 20


def test_division_is_a_partition_in_order() -> None:
    data = Dataset(np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1), np.zeros(50, np.int64))
    rest, drawn = data.divide(20, 3)
    assert sorted([*rest.x.ravel(), *drawn.x.ravel()]) == list(range(50))
    assert list(drawn.x.ravel()) == sorted(drawn.x.ravel())
    assert data.divide(20, 3)[1].sha256 == drawn.sha256
    assert data.divide(20, 4)[1].sha256 != drawn.sha256
    with pytest.raises(ValueError, match=r"^count must be an integer in 1..49, not 50$"):
        data.divide(50, 0)


def test_pixels_become_the_floats_of_the_formula() -> None:
    data = Dataset(IMAGES, CLASSES.astype(np.int64))
    spec = input_spec(data, scale=1 / 255, mean=(0.5, 0.25, 0.1), std=(0.5,))
    got = tensor(data, spec)
    assert got.dtype == torch.float32
    assert got.shape == (7, 3, 4, 6)
    want = (IMAGES / 255 - np.array([0.5, 0.25, 0.1])) / 0.5
    np.testing.assert_allclose(got.numpy(), want.transpose(0, 3, 1, 2), atol=1e-6)
    vector = Dataset(IMAGES.reshape(7, 1, 1, -1), CLASSES.astype(np.int64))
    assert tensor(vector, input_spec(vector)).shape == (7, 72)
    assert input_spec(digits("test")).scale == 1 / 16


def test_options_are_numbers() -> None:
    assert numbers("0.5", "--mean") == (0.5,)
    assert numbers("125/255,0.25", "--mean") == (125 / 255, 0.25)
    for text in ("", "a", "1,,2", "1/0", "nan"):
        with pytest.raises(CygnetError, match=r"^--mean: "):
            numbers(text, "--mean")
    data = Dataset(IMAGES, CLASSES.astype(np.int64))
    with pytest.raises(CygnetError, match="input mean must have one value for each of 3 channels"):
        input_spec(data, mean=(1.0, 2.0))
