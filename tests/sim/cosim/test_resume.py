# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.cosim.resume import Resumable
from cygnet.cosim.simulator import VerilatorSimulator


def test_goes_on_where_it_was_interrupted(
    fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = VerilatorSimulator(
        fake.verilog, top=fake.top, images=fake.images, classes=fake.classes
    )
    frames = fake.frames(50, seed=1)
    run = compiled.run
    sent: list[int] = []

    def interrupted(chosen: Any, **how: Any) -> Any:
        if len(sent) == 2:
            raise KeyboardInterrupt
        sent.append(len(chosen))
        return run(chosen, **how)

    monkeypatch.setattr(compiled, "run", interrupted)
    kept = Resumable(compiled, tmp_path / "parts", part=20)
    with pytest.raises(KeyboardInterrupt):
        kept.run(frames, back_to_back=True)
    assert sent == [20, 20]
    seen: list[tuple[int, int]] = []
    sent.clear()
    result = kept.run(
        frames, back_to_back=True, progress=lambda done, total: seen.append((done, total))
    )
    assert sent == [10]
    assert np.array_equal(result.logits, fake.logits(frames))
    assert result.starts.tolist() == [0, 10, 20, 30, 40, 45]
    assert set(result.intervals.tolist()) == {18}
    assert len(result.intervals) == 50 - 6
    assert seen[0] == (20, 50)
    assert seen[-1] == (50, 50)

    # A part that is not whole, other frames, another way and other images are run anew.
    file = next((tmp_path / "parts").glob("*.npz"))
    file.write_bytes(file.read_bytes()[:100])
    monkeypatch.setattr(compiled, "run", lambda chosen, **how: sent.append(1) or run(chosen, **how))
    sent.clear()
    kept.run(frames, back_to_back=True)
    assert len(sent) == 1
    frames[0, 0] ^= 1
    kept.run(frames, back_to_back=True)
    assert len(sent) == 2
    kept.run(frames, back_to_back=False)
    assert len(sent) == 5
    (fake.images / "fake_bias.mem").write_text("00000\n" * 10)
    result = kept.run(frames, back_to_back=True)
    assert len(sent) == 8
    assert np.array_equal(result.logits, fake.logits(frames) - fake.bias)


def test_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^part must be at least 1, not 0$"):
        Resumable(None, tmp_path, part=0)  # type: ignore[arg-type]
