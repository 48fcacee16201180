# SPDX-License-Identifier: Apache-2.0
"""The stand-in accelerator of ``fixtures/fake.v`` and what it must answer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True)
class Fake:
    """Logit k is ``bias[k]`` plus the sum of the frame's values i with i % 10 == k.

    A frame of 60 values takes 8 transfers; the first logit leaves in the clock after the last.
    """

    verilog: str
    images: Path
    bias: NDArray[np.int64]
    top: str = "cygnet_fake"
    beats: int = 8
    classes: int = 10
    values: int = 60

    def frames(self, count: int, seed: int) -> NDArray[np.uint8]:
        return np.random.default_rng(seed).integers(0, 256, (count, self.values), dtype=np.uint8)

    def logits(self, frames: NDArray[np.uint8]) -> NDArray[np.int64]:
        sums = frames.astype(np.int64).reshape(len(frames), -1, self.classes).sum(axis=1)
        return np.asarray(sums + self.bias)


def write_bias(folder: Path, bias: NDArray[np.int64]) -> None:
    text = "".join(f"{int(value) & 0xFFFFF:05x}\n" for value in bias)
    (folder / "fake_bias.mem").write_text(text)


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    folder = tmp_path / "images"
    folder.mkdir()
    bias = np.random.default_rng(5).integers(-9000, 9000, 10)
    write_bias(folder, bias)
    return Fake((FIXTURES / "fake.v").read_text(), folder, bias)
