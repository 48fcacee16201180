# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from cygnet.cosim import accelerator
from cygnet.cosim.bench import CaseReport
from cygnet.cosim.coverage import (
    UNREACHABLE,
    Bins,
    Point,
    VerilogCoverage,
    constant_bits,
    coverage_recipe,
    handshake_bins,
    unexplained,
)
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.cosim.stalls import PROFILES
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.images import memories
from networks import dense_frames, dense_network

VERILOG = """\
module top(clk);
  reg [3:0] words [7:0];
  reg [1:0] held;
  if (a) begin
    if (_auto_verilog_backend__cc_2355_dump_module_1) begin end
endmodule
"""


def written(file: Path, *points: tuple[str, int, str, str, int]) -> Path:
    """A file as Verilator writes it, of (type, line, what, place, count)."""
    lines = ["# SystemC::Coverage-3"]
    for kind, line, what, place, count in points:
        fields = {"f": "top.v", "l": line, "n": 3, "t": kind, "page": f"v_{kind}/top", "o": what}
        body = "".join(f"\x01{key}\x02{value}" for key, value in fields.items())
        lines.append(f"C '{body}\x01h\x02TOP.{place}' {count}")
    file.write_text("\n".join(lines) + "\n")
    return file


def test_merges_runs_and_leaves_out_what_nobody_can_reach(tmp_path: Path) -> None:
    seen = VerilogCoverage(VERILOG)
    seen.add(
        written(
            tmp_path / "1",
            ("branch", 4, "if", "top", 0),
            ("branch", 5, "if", "top", 0),
            ("toggle", 2, "words[3][1]:0->1", "top", 0),
            ("toggle", 3, "held[0]:0->1", "top", 2),
            ("toggle", 3, "held[1]:0->1", "top", 0),
        )
    )
    assert seen.counts == {
        Point("branch", "top", 4, "if 3"): 0,
        Point("toggle", "top", 3, "held[0]:0->1"): 2,
        Point("toggle", "top", 3, "held[1]:0->1"): 0,
    }
    seen.add(written(tmp_path / "2", ("branch", 4, "if", "top", 5)))
    assert seen.share("branch") == 1
    assert seen.share("toggle") == 1 / 2
    assert seen.share("branch", "toggle") == 2 / 3
    assert seen.grouped(seen.holes("toggle")) == {("top", "held"): 1}
    assert len(unexplained(seen, seen.holes("toggle"))) == 1


def test_bins_name_their_holes() -> None:
    bins = Bins(["a", "b", "c"])
    bins.hit("a", 3)
    bins.hit("c")
    assert bins.holes == ["b"]
    assert bins.share == 2 / 3
    assert bins.report().splitlines()[-2:] == ["2 of 3 bins hit", "hole: b"]
    with pytest.raises(KeyError):
        bins.hit("d")


def test_handshake_bins() -> None:
    report = CaseReport("x", 1, 10, {"i": {"held": 2, "held then transfer": 1}})
    bins = handshake_bins([report], streams={"i": "spikes"})
    assert bins.hits["spikes: held"] == 2
    assert "spikes: idle then held" in bins.holes
    assert not any("held then idle" in name for name in bins.hits)


CONSTANT = """\
module inner(input clk, input [2:0] a, output reg [3:0] o__data = 0, output reg never = 0);
  wire [3:0] twice = {a, 1'b0};
  always @(posedge clk) begin
    o__data <= twice;
    never <= never & a[0];
  end
endmodule
module top(input clk, input [2:0] a, output [3:0] y, output never);
  inner part(.clk(clk), .a(a), .o__data(y), .never(never));
endmodule
"""


def test_bits_that_cannot_change_are_proved_so(tmp_path: Path) -> None:
    found = constant_bits(CONSTANT, top="top", images=tmp_path)
    assert {("part.twice", 0), ("part.o__data", 0), ("part.never", 0), ("y", 0)} <= found
    assert not {("part.twice", 1), ("part.o__data", 3), ("a", 0), ("clk", 0)} & found
    seen = VerilogCoverage(CONSTANT)
    points = [
        Point("toggle", "top.part", 1, "o___05Fdata[0]:0->1"),
        Point("toggle", "top.part", 1, "o___05Fdata[1]:0->1"),
        Point("toggle", "top.part", 1, "never:1->0"),
        Point("branch", "top.part", 5, "if 1"),
    ]
    assert unexplained(seen, points, found) == [points[1], points[3]]


@pytest.mark.slow
def test_accelerator(tmp_path: Path) -> None:
    """Stalls, sparse and full frames, frames of a wrong length, layers that stay silent."""
    network = dense_network(21, (29, 16, 16, 8), steps=4)
    layers = tuple(
        dataclasses.replace(layer, bias=-np.abs(layer.bias) // 4 - 1) if layer.neurons else layer
        for layer in network.layers
    )
    network = dataclasses.replace(network, layers=layers)
    hardware = HardwareConfig.uniform(network, steps=4, lanes=4, beat=4)
    for memory in memories(network, hardware):
        digits = -(-memory.width // 4)
        text = "".join(f"{word:0{digits}x}\n" for word in memory.words)
        (tmp_path / f"{memory.name}.mem").write_text(text)
    verilog = generate(network, hardware)
    simulator = VerilatorSimulator(
        verilog,
        top=top_name(network),
        images=tmp_path,
        classes=network.classes,
        workers=1,
        recipe=coverage_recipe(),
    )
    seen = VerilogCoverage(verilog)
    events = []
    for seed, (source, sink) in enumerate(itertools.product(PROFILES, PROFILES)):
        for density in (0.05, 0.2, 0.9):
            frames = dense_frames(network, 60, seed=seed, density=density)
            found = accelerator.predict(network, hardware, frames)
            result = simulator.run(
                found.frames,
                back_to_back=bool(seed & 1),
                source=source,
                sink=sink,
                seed=seed,
                options=(f"coverage={tmp_path / 'coverage.dat'}", "junk=1"),
            )
            assert np.array_equal(result.logits, found.logits)
            seen.add(tmp_path / "coverage.dat")
            events.append(found.events)
    lowest = np.concatenate(events, axis=1).min(axis=1).ravel()
    assert lowest.tolist() == [0, 0, 0]
    holes = seen.holes("line", "branch", "toggle")
    rest = unexplained(seen, holes, constant_bits(verilog, top=top_name(network), images=tmp_path))
    print(f"lines {seen.share('line'):.2%}, branches {seen.share('branch'):.2%}, ", end="")
    print(f"toggles {seen.share('toggle'):.2%}, {len(seen.counts)} points, {len(holes)} holes, ")
    print(f"{len(rest)} of them unexplained:")
    for (place, what), count in seen.grouped(rest).items():
        print(f"  {count} {place}: {what}")
    # The walker is made for windows of any shape: a dense layer leaves many of its counters at 0.
    assert seen.share("line") >= 0.99
    assert 1 - len(rest) / len(seen.counts) >= 0.97
    for _, reason in UNREACHABLE:
        assert reason
