# SPDX-License-Identifier: Apache-2.0
"""docs/compatibility.md says what the readers do."""

from __future__ import annotations

import pytest

from .compatibility import BLOCKS, PAGE, pattern, table

NEEDED = {"spikingjelly": "spikingjelly.activation_based.neuron", "snntorch": "snntorch"}


@pytest.mark.parametrize("block", BLOCKS)
def test_the_table_is_current(block: str) -> None:
    if block in NEEDED:
        pytest.importorskip(NEEDED[block], reason="the package is not installed")
    match = pattern(block).search(PAGE.read_text())
    assert match is not None
    made = table(block)
    assert match[2] == made, "run python -m interop.compatibility in tests/sw"
    assert "differs" not in made
