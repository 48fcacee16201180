# SPDX-License-Identifier: Apache-2.0
"""The compiled harness on a small module whose logits and cycles are known in closed form."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cygnet.cosim.simulator import SimulationResult, VerilatorSimulator
from cygnet.cosim.stalls import PROFILES, Stall
from cygnet.errors import CygnetError, MismatchError


def simulator(fake: Any, workers: int = 1, old: str = "", new: str = "") -> VerilatorSimulator:
    assert not old or fake.verilog.count(old) == 1
    return VerilatorSimulator(
        fake.verilog.replace(old, new) if old else fake.verilog,
        top=fake.top,
        images=fake.images,
        classes=fake.classes,
        workers=workers,
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_back_to_back(fake: Any, workers: int) -> None:
    frames = fake.frames(101, seed=1)
    result = simulator(fake, workers).run(frames, back_to_back=True)
    logits = fake.logits(frames)
    assert np.array_equal(result.logits, logits)
    assert np.array_equal(result.labels, logits.argmax(axis=1))
    # 8 beats, then 10 logits, then the next frame.
    assert result.starts.tolist() == [0, 50][:workers]
    expected = np.concatenate([np.arange(101)] if workers == 1 else [np.arange(50), np.arange(51)])
    assert np.array_equal(result.accepted, 18 * expected)
    assert np.array_equal(result.latency, np.full(101, 17))
    assert np.array_equal(result.intervals, np.full(101 - workers, 18))


def test_one_at_a_time_waits_until_the_pipeline_is_empty(fake: Any) -> None:
    frames = fake.frames(5, seed=2)
    result = simulator(fake).run(frames, back_to_back=False)
    assert np.array_equal(result.logits, fake.logits(frames))
    assert np.array_equal(result.latency, np.full(5, 17))
    assert (np.diff(result.accepted) > 18 + 16).all()


@pytest.mark.parametrize(("source", "sink"), list(itertools.product(PROFILES, PROFILES)), ids=str)
def test_stalls_change_cycles_only(fake: Any, source: Stall, sink: Stall) -> None:
    frames = fake.frames(20, seed=3)
    run = simulator(fake).run
    result = run(frames, back_to_back=True, source=source, sink=sink, seed=4)
    again = run(frames, back_to_back=True, source=source, sink=sink, seed=4)
    assert np.array_equal(result.logits, fake.logits(frames))
    assert np.array_equal(result.finished, again.finished)
    free = source.kind == sink.kind == "none"
    assert (result.finished[-1] == 20 * 18 - 1) == free


def test_the_first_logit_that_is_not_expected_ends_it(fake: Any) -> None:
    frames = fake.frames(30, seed=3)
    expected = fake.logits(frames)
    run = simulator(fake, 2).run
    assert np.array_equal(run(frames, back_to_back=True, expected=expected).logits, expected)
    expected[20, 3] += 1
    said = f"frame 20, cycle .*logit 3 is {expected[20, 3] - 1}, not {expected[20, 3]}$"
    with pytest.raises(MismatchError, match=said):
        run(frames, back_to_back=True, expected=expected)


def test_noise_before_the_reset_leaves_nothing(fake: Any) -> None:
    frames = fake.frames(9, seed=3)
    run = simulator(fake).run
    plain = run(frames, back_to_back=True)
    after = run(frames, back_to_back=True, options=("before=53",))
    assert np.array_equal(after.logits, plain.logits)
    assert np.array_equal(after.finished, plain.finished)


def test_a_reset_that_forgets_is_noticed(fake: Any) -> None:
    frames = fake.frames(9, seed=3)
    broken = simulator(fake, old="if (rst)", new="if (0)")
    broken.run(frames, back_to_back=True, expected=fake.logits(frames))
    with pytest.raises(MismatchError):
        broken.run(frames, back_to_back=True, expected=fake.logits(frames), options=("before=53",))


def test_ties_go_to_the_lowest_class_and_frames_may_be_black(fake: Any) -> None:
    (fake.images / "fake_bias.mem").write_text("00000\n" * 10)
    result = simulator(fake).run(np.zeros((3, 60), np.uint8), back_to_back=True)
    assert not result.logits.any()
    assert not result.labels.any()


def test_other_images_need_no_other_model(fake: Any) -> None:
    before = simulator(fake)
    (fake.images / "fake_bias.mem").write_text("FFFFF\n" + "7FFFF\n" * 8 + "80000\n")
    after = simulator(fake)
    assert after.program == before.program
    result = after.run(np.zeros((1, 60), np.uint8), back_to_back=True)
    assert result.logits.tolist() == [[-1] + [2**19 - 1] * 8 + [-(2**19)]]
    assert result.labels.tolist() == [1]


def test_progress_reaches_the_end(fake: Any) -> None:
    seen: list[tuple[int, int]] = []
    frames = fake.frames(30, seed=1)
    simulator(fake, 2).run(
        frames, back_to_back=True, progress=lambda done, total: seen.append((done, total))
    )
    assert seen[-1] == (30, 30)


def test_no_frames(fake: Any) -> None:
    result = simulator(fake).run(np.zeros((0, 60), np.uint8), back_to_back=True)
    assert result.logits.shape == (0, 10)
    assert result.intervals.shape == (0,)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("assign out_valid = sending;", "assign out_valid = 1'b0;", "nothing moved for 500 clocks"),
        ("class_index == CLASSES - 1", "class_index == CLASSES - 2", "out_last came with logit 8"),
        ("class_index == CLASSES - 1", "1'b0", "out_last is missing"),
        (
            "sum[class_index] + bias",
            "sum[class_index] + {19'd0, ~out_ready} + bias",
            "the output changed before its transfer",
        ),
        (
            "assign out_valid = sending;",
            "reg odd = 0; always @(posedge clk) odd <= ~odd;\n"
            "    assign out_valid = sending & odd;",
            "out_valid was taken back before its transfer",
        ),
        (
            "sending <= in_last;",
            "sending <= position == 6'd8;",
            "its logits left before all of it had entered",
        ),
    ],
)
def test_catches_broken_streams(fake: Any, old: str, new: str, message: str) -> None:
    with pytest.raises(MismatchError, match=f"^RTL: frame 0, cycle [0-9]+: {message}$"):
        simulator(fake, 1, old, new).run(
            fake.frames(3, seed=1),
            back_to_back=True,
            sink=Stall("one-in", 2),
            options=("patience=500",),
        )


def test_a_missing_image_is_refused(fake: Any) -> None:
    (fake.images / "fake_bias.mem").unlink()
    with pytest.raises(CygnetError, match=r"images: a memory image is missing or wrong \(.*write"):
        simulator(fake).run(fake.frames(1, seed=1), back_to_back=True)


def test_refuses(fake: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^frames must be uint8\[n, values\], not int64\(2, 2\)$"):
        simulator(fake).run(np.zeros((2, 2), np.int64), back_to_back=True)
    with pytest.raises(ValueError, match=r"^workers must be at least 1, not 0$"):
        simulator(fake, 0)
    (tmp_path / "file").write_text("")
    with pytest.raises(CygnetError, match=r"cannot be written: .*; set CYGNET_CACHE to a folder"):
        VerilatorSimulator(
            "", top="t", images=tmp_path, classes=1, cache=tmp_path / "file" / "cache"
        )


def test_intervals_leave_resets_out() -> None:
    cycles = np.array([10, 25, 8, 20, 33])
    result = SimulationResult(
        logits=np.zeros((5, 2), np.int64),
        labels=np.zeros(5, np.int64),
        accepted=cycles - 5,
        finished=cycles,
        starts=np.array([0, 2]),
    )
    assert result.intervals.tolist() == [15, 12, 13]
