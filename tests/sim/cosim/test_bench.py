# SPDX-License-Identifier: Apache-2.0
"""The stream bench on a small module: it passes what is right and catches every kind of wrong."""

from __future__ import annotations

import dataclasses
import xml.etree.ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from cygnet.cosim import tools
from cygnet.cosim.bench import run_job, simulators
from cygnet.cosim.case import BenchError, Case, Expected, Job
from cygnet.cosim.payload import Payload, StreamSpec
from cygnet.cosim.stalls import PROFILES, Stall
from cygnet.errors import CygnetError

SOURCE = StreamSpec("in", Payload.of([("data", 64), ("last", 1)]), packed=False)
SINK = StreamSpec("out", Payload.of([("logit", 20, True), ("label", 4), ("last", 1)]), packed=False)


def items(frames: NDArray[np.uint8]) -> list[dict[str, int]]:
    beats = np.pad(frames, ((0, 0), (0, 4))).reshape(len(frames), 8, 8)
    return [
        {"data": int.from_bytes(beat.tobytes(), "little"), "last": int(number == 7)}
        for frame in beats
        for number, beat in enumerate(frame)
    ]


def expected(logits: NDArray[np.int64], *, cycles: bool) -> list[Expected]:
    return [
        Expected(
            {"logit": int(row[k]), "last": int(k == 9)}
            | ({"label": int(row.argmax())} if k == 9 else {}),
            cycle=8 + k if cycles else None,
            after=8 * number,
            where=f"image {number}, class {k}",
        )
        for number, row in enumerate(logits)
        for k in range(10)
    ]


@pytest.mark.parametrize("simulator", ["verilator", "icarus"])
def test_passes_what_is_right(fake: Any, tmp_path: Path, simulator: str) -> None:
    if simulator not in simulators():
        pytest.skip("Icarus Verilog is not on the PATH")
    frames = fake.frames(5, seed=1)
    logits = fake.logits(frames)
    cases = [
        Case("free", items(frames), expected(logits, cycles=True)),
        Case(
            "reset at random clocks",
            items(frames),
            expected(logits, cycles=True),
            seed=2,
            resets=[int(clock) for clock in np.random.default_rng(2).integers(0, 80, 6)],
        ),
        Case(
            "one image at a time",
            items(frames),
            expected(logits, cycles=True),
            seed=3,
            gates={8 * number: 10 * number for number in range(5)},
        ),
    ]
    cases += [
        Case(f"{a} to {b}", items(frames), expected(logits, cycles=False), a, b, seed=seed)
        for seed, (a, b) in enumerate((a, b) for a in PROFILES for b in PROFILES)
    ]
    folder = tmp_path / "run"
    reports = run_job(
        Job(SOURCE, SINK, tuple(cases)),
        fake.verilog,
        top=fake.top,
        folder=folder,
        simulator=simulator,
        images=fake.images,
    )
    assert [report.name for report in reports] == [case.name for case in cases]
    assert reports[0].cycles == 5 * 18
    assert reports[0].handshakes["out"]["transfer"] == 50
    assert "held" not in reports[0].handshakes["out"]
    assert reports[-1].handshakes["out"]["held"] > 0
    assert sum(reports[0].values["out"]["label"].values()) == 50
    suite = xml.etree.ElementTree.parse(folder / "results.xml").getroot()
    assert len(suite.findall(".//testcase")) == len(cases)
    assert not suite.findall(".//failure")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        pytest.param(
            "sum[class_index] + bias",
            "sum[class_index] + 20'd1 + bias",
            r"free \(seed 1\): image 0, class 0, cycle 8: logit expected -?\d+, got -?\d+$",
            id="value",
        ),
        pytest.param(
            "assign out_valid = sending;",
            "reg late; always @(posedge clk) late <= sending & ~out_ready | sending & ~late;\n"
            "    assign out_valid = sending & late;",
            r"free .*image 0, class 0, cycle 9: expected 8 clocks after item 0, got 9$",
            id="cycle",
        ),
        pytest.param(
            "assign out_valid = sending;",
            "reg odd; always @(posedge clk) odd <= rst ? 1'b0 : ~odd;\n"
            "    assign out_valid = sending & odd;",
            r"stalled .*: cycle \d+: out took its valid back before the transfer$",
            id="valid taken back",
        ),
        pytest.param(
            "sum[class_index] + bias",
            "sum[class_index] + {19'd0, ~out_ready} + bias",
            r"stalled .*: cycle \d+: out changed its payload before the transfer, from \{",
            id="payload changes",
        ),
        pytest.param(
            "assign out_valid = sending;",
            "assign out_valid = 1'b0;",
            r"free .*nothing moved for 200 clocks after 8 of 16 inputs and 0 of 20 outputs",
            id="stuck",
        ),
        pytest.param(
            "if (out_last) begin",
            "if (out_last && (again == 2'd3)) begin",
            r"free .*image 1, class 0, cycle 18: logit expected",
            id="frame sent again",
        ),
    ],
)
def test_catches(fake: Any, tmp_path: Path, old: str, new: str, message: str) -> None:
    frames = fake.frames(2, seed=4)
    logits = fake.logits(frames)
    job = Job(
        SOURCE,
        SINK,
        (
            Case("free", items(frames), expected(logits, cycles=True), patience=200),
            Case(
                "stalled",
                items(frames),
                expected(logits, cycles=False),
                sink=Stall("one-in", 2),
                patience=200,
            ),
        ),
    )
    assert fake.verilog.count(old) == 1
    verilog = fake.verilog.replace(old, new)
    if "again" in new:
        verilog = verilog.replace(
            "    integer j;",
            "    reg [1:0] again = 0;\n"
            "    always @(posedge clk) if (out_valid & out_ready & out_last) again <= again + 1;\n"
            "    integer j;",
        )
    simulator = simulators()[-1]
    with pytest.raises(BenchError, match=f"(?m)^{message}"):
        run_job(
            job,
            verilog,
            top=fake.top,
            folder=tmp_path / "run",
            simulator=simulator,
            images=fake.images,
        )


def test_an_output_too_many_is_caught(fake: Any, tmp_path: Path) -> None:
    frames = fake.frames(2, seed=4)
    short = expected(fake.logits(frames), cycles=False)[:-1]
    with pytest.raises(BenchError, match=r"cycle \d+: output 19 was not predicted: \{'logit'"):
        run_job(
            Job(SOURCE, SINK, (Case("short", items(frames), short),)),
            fake.verilog,
            top=fake.top,
            folder=tmp_path / "run",
            simulator=simulators()[-1],
            images=fake.images,
        )


def test_unknown_values_are_caught(fake: Any, tmp_path: Path) -> None:
    if tools.icarus() is None:
        pytest.skip("Icarus Verilog is not on the PATH; Verilator has no unknown values")
    frames = fake.frames(1, seed=4)
    (fake.images / "fake_bias.mem").write_text("@1\n" + "00000\n" * 9)
    with pytest.raises(BenchError, match=r"image 0, class 0, .* got unknown \(X\)$"):
        run_job(
            Job(SOURCE, SINK, (Case("x", items(frames), expected(frames[:, :10], cycles=False)),)),
            fake.verilog,
            top=fake.top,
            folder=tmp_path / "run",
            simulator="icarus",
            images=fake.images,
        )


def test_refuses(fake: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("one", [{"data": 0, "last": 0}], [])
    with pytest.raises(ValueError, match=r"^cases must have different names, not "):
        Job(SOURCE, SINK, (case, case))
    with pytest.raises(ValueError, match=r"^case 'one' must have at least one item, not none$"):
        dataclasses.replace(case, items=[])
    with pytest.raises(ValueError, match=r"^gate must be the number of an item, not 1$"):
        dataclasses.replace(case, gates={1: 0})
    with pytest.raises(ValueError, match=r"^simulator must be 'verilator' or 'icarus', not 'x'$"):
        run_job(Job(SOURCE, SINK, (case,)), "", top="t", folder=tmp_path, simulator="x")
    monkeypatch.setattr(tools, "icarus", lambda: None)
    with pytest.raises(CygnetError, match=r"^Icarus .* not on the PATH; install iverilog$"):
        run_job(Job(SOURCE, SINK, (case,)), "", top="t", folder=tmp_path, simulator="icarus")


@pytest.mark.parametrize("simulator", simulators())
def test_a_syntax_error_is_shown(tmp_path: Path, simulator: str) -> None:
    job = Job(SOURCE, SINK, (Case("one", [{"data": 0, "last": 0}], []),))
    with pytest.raises(RuntimeError, match=r"(?s)^t does not compile under .*syntax error"):
        run_job(
            job,
            "module t; wire = ; endmodule\n",
            top="t",
            folder=tmp_path,
            simulator=simulator,
            cache=tmp_path / "cache",
        )
