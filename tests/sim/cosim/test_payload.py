# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest
from amaranth.hdl import Const, signed, unsigned
from amaranth.lib import data

from cygnet.cosim.payload import Field, Payload, StreamSpec

LAYOUT = data.StructLayout({"index": unsigned(5), "none": unsigned(0), "current": signed(9)})


def test_packs_as_amaranth_does() -> None:
    payload = Payload.of(LAYOUT)
    assert payload.fields == (Field("index", 5), Field("current", 9, signed=True))
    for values in ({"index": 31, "current": -256}, {"index": 0, "current": 255}):
        expected = data.Const(LAYOUT, payload.pack(values) & ((1 << LAYOUT.size) - 1))
        assert {name: expected[name] for name in values} == values
        assert payload.unpack(payload.pack(values)) == values
    assert Const.cast(LAYOUT.const({"index": 3, "current": -1})).value == payload.pack(
        {"index": 3, "current": -1}
    )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"index": 32, "current": 0}, r"^index must be in 0\.\.31, not 32$"),
        ({"index": 0, "current": 256}, r"^current must be in -256\.\.255, not 256$"),
        ({"index": 0}, r"^payload must have the fields \['index', 'current'\], not \['index'\]$"),
    ],
)
def test_refuses_values(values: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Payload.of(LAYOUT).pack(values)


def test_refuses_layouts() -> None:
    with pytest.raises(ValueError, match=r"^payload must have at least one field, not none$"):
        Payload(())
    with pytest.raises(ValueError, match=r"^payload fields must have different names, not "):
        Payload.of([("a", 1), ("a", 2)])
    with pytest.raises(ValueError, match=r"^field width must be at least 1, not 0$"):
        Field("a", 0)


def test_stream_names_and_json() -> None:
    payload = Payload.of([("data", 64), ("last", 1)])
    assert StreamSpec("i", payload).signal("valid") == "i__valid"
    assert StreamSpec("in", payload, packed=False).signal("data") == "in_data"
    for spec in (StreamSpec("i", payload), StreamSpec("in", payload, packed=False)):
        assert StreamSpec.from_json(spec.to_json()) == spec
