# amaranth: UnusedElaboratable=no
# SPDX-License-Identifier: Apache-2.0
"""What a neuron core refuses when it is built."""

from __future__ import annotations

from typing import Any

import pytest

from cygnet.gateware.neuron import GroupCore, SignedCore
from cygnet.neuron_core import NeuronCoreConfig

CONFIG = NeuronCoreConfig(
    kind="gn",
    tau=4,
    membrane_width=14,
    current_width=13,
    threshold_width=9,
    depth=12,
    channels=7,
)


@pytest.mark.parametrize("core", [GroupCore, SignedCore])
def test_refuses_what_is_no_config(core: Any) -> None:
    with pytest.raises(TypeError, match=r"^config must be a NeuronCoreConfig, not 'gn'$"):
        core("gn")


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        ([0] * 6, r"^contents must be 7 rows, not 6$"),
        ([0] * 6 + [512], r"^contents must be rows of 9 bits, not 512$"),
        ([0] * 6 + [-1], r"^contents must be rows of 9 bits, not -1$"),
    ],
)
def test_refuses_contents(contents: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GroupCore(CONFIG, contents)
