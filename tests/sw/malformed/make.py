# SPDX-License-Identifier: Apache-2.0
"""Makes the malformed files of this folder: ``python tests/sw/malformed/make.py``.

Beside each ``NAME.cyg`` stands ``NAME.txt``, the one line that the reader says to it. The files
are kept, rather than made by the test, so that a change of the reader or of the format shows in
the messages and not in the files. It also writes ``../small.cyg``, the good file that they all
come from.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from cygnet.errors import FileFormatError
from cygnet.network import INPUT, Dense, InputSpec, Layer, Network, Neurons
from cygnet.network_file import decode, encode

HERE = Path(__file__).parent


def small_network() -> Network:
    """3-2-2, a group neuron layer and an accumulating one."""
    return Network(
        name="small",
        input=InputSpec("pixels", (1, 1, 3), scale=1 / 16),
        layers=(
            Layer(
                name="hidden",
                synapses=Dense(np.array([[10, -20, 30], [40, 50, -127]])),
                bias=np.array([5, -6]),
                neurons=Neurons(
                    "gn",
                    reset=np.array([800, 900]),
                    fire=np.array([800, 900]),
                    initial=np.array([400, 450]),
                    step=np.array([0.25, 0.5]),
                    tau=4,
                ),
                source=INPUT,
            ),
            Layer(
                name="out",
                synapses=Dense(np.array([[7, -7], [-3, 3]]), bits=4),
                bias=np.array([1, 2]),
                neurons=None,
                source=0,
            ),
        ),
        steps=4,
        logit_scale=0.125,
    )


def take_apart(data: bytes) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description (without its digest) and tensors of a good file."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["cygnet"])
    del header["sha256"]
    return header, safetensors.numpy.load(data)


def put_together(header: dict[str, Any], tensors: dict[str, Any]) -> bytes:
    """A file with a right digest over whatever it is given."""

    def canonical() -> str:
        # 1e999 is how JSON can say infinity.
        text = json.dumps(header, sort_keys=True, separators=(",", ":"))
        return text.replace("Infinity", "1e999")

    sha = hashlib.sha256(canonical().encode())
    for name in sorted(tensors):
        sha.update(np.ascontiguousarray(tensors[name]).data)
    header["sha256"] = sha.hexdigest()
    return safetensors.numpy.save(tensors, metadata={"cygnet": canonical()})


def edited(edit: Callable[[dict[str, Any], dict[str, Any]], object]) -> bytes:
    header, tensors = take_apart(encode(small_network()))
    edit(header, tensors)
    return put_together(header, tensors)


def malformed() -> dict[str, bytes]:
    good = encode(small_network())
    (length,) = struct.unpack_from("<Q", good)
    text = good[8 : 8 + length]
    flipped = bytearray(good)
    flipped[-1] ^= 1

    def framed(header: bytes) -> bytes:
        return struct.pack("<Q", len(header)) + header + good[8 + length :]

    def described(description: str) -> bytes:
        return safetensors.numpy.save({}, metadata={"cygnet": description})

    def wide(header: dict[str, Any], tensors: dict[str, Any]) -> None:
        tensors["hidden.weight"] = tensors["hidden.weight"].astype(np.int16)
        header["tensors"]["hidden.weight"]["dtype"] = "int16"

    def scalar(name: str, value: float) -> Callable[[dict[str, Any], dict[str, Any]], object]:
        return lambda header, tensors: tensors[name].__setitem__(0, value)

    return {
        "empty": b"",
        "short": good[:7],
        "truncated_header": good[: 8 + length // 2],
        "truncated_tensors": good[:-3],
        "longer": good + b"\0",
        "flipped_bit": bytes(flipped),
        "no_json": framed(b"{" + b"x" * 20),
        "list_header": framed(b"[]"),
        "no_metadata": framed(json.dumps({}).encode()),
        "second_key": framed(text.replace(b'"__metadata__":{', b'"__metadata__":{"more":"",', 1)),
        "bad_description": described('{"format":"cygnet"'),
        "nan_scale": described('{"format":"cygnet","input":{"scale":NaN},"version":1}'),
        "infinite_scale": edited(lambda h, t: h["input"].update(scale=float("inf"))),
        "zero_scale": edited(lambda h, t: h["input"].update(scale=0.0)),
        "other_format": described('{"format":"swan","version":1}'),
        "version_2": edited(lambda h, t: h.update(version=2)),
        "no_version": edited(lambda h, t: h.pop("version")),
        "no_layers": edited(lambda h, t: h.pop("layers")),
        "not_canonical": framed(text + b" "),
        "unknown_key": edited(lambda h, t: h.update(author="nobody")),
        "missing_tensor": edited(lambda h, t: t.pop("out.bias")),
        "extra_tensor": edited(lambda h, t: t.update(extra=np.zeros(1, np.int8))),
        "wrong_shape": edited(
            lambda h, t: t.update({"hidden.weight": t["hidden.weight"].reshape(3, 2)})
        ),
        "wrong_dtype": edited(wide),
        "threshold_zero": edited(scalar("hidden.reset", 0)),
        "threshold_negative": edited(scalar("hidden.fire", -800)),
        "threshold_large": edited(scalar("hidden.reset", 2**18)),
        "nan_step": edited(scalar("hidden.step", float("nan"))),
        "weight_too_wide": edited(scalar("out.weight", 8)),
        "source_ahead": edited(lambda h, t: h["layers"][0].update(source=1)),
        "unknown_neuron": edited(lambda h, t: h["layers"][0]["neurons"].update(kind="lif")),
        "unknown_synapses": edited(lambda h, t: h["layers"][1]["synapses"].update(kind="sparse")),
        "wrong_bounds": edited(lambda h, t: h["layers"][0]["bounds"].update(current=[0, 1])),
        "steps_zero": edited(lambda h, t: h.update(steps=0)),
        "name_with_path": edited(lambda h, t: h.update(name="../small")),
    }


if __name__ == "__main__":
    for name, data in malformed().items():
        (HERE / f"{name}.cyg").write_bytes(data)
        try:
            decode(data, f"{name}.cyg")
        except FileFormatError as error:
            (HERE / f"{name}.txt").write_text(f"{error}\n")
            print(error)
    (HERE.parent / "small.cyg").write_bytes(encode(small_network()))
