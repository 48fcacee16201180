# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from cygnet.cosim import accelerator, tools
from cygnet.cosim.bench import CaseReport
from cygnet.cosim.coverage import (
    Bins,
    Kind,
    Point,
    VerilogCoverage,
    coverage_recipe,
    handshake_bins,
)
from cygnet.cosim.exercise import maps_network, pictures
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.cosim.stalls import PROFILES, Stall
from cygnet.cosim.unreachable import proved
from cygnet.errors import CygnetError
from cygnet.gateware.verilog import generate, top_name
from cygnet.hardware import HardwareConfig
from cygnet.image_files import write_images
from cygnet.network import Network
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


REACHES = """\
module inner(clk, a, o__data);
  input clk;
  wire clk;
  input [2:0] a;
  wire [2:0] a;
  output [3:0] o__data;
  reg [3:0] o__data = 4'h0;
  wire [3:0] twice;
  reg never = 1'h0;
  reg sticky = 1'h0;
  reg on = 1'h1;
  reg [1:0] state = 2'h0;
  reg [1:0] chosen;
  wire [1:0] masked;
  wire equal;
  wire any;
  assign twice = { a, 1'h0 };
  assign equal = a[0];
  assign any = a[1] | a[2];
  assign masked = never ? a[1:0] : state;
  always @(posedge clk) begin
    o__data <= twice ^ chosen;
    never <= never & a[0];
    sticky <= sticky | a[1];
    on <= on;
    state <= state[1] ? 2'h0 : state + 2'h1;
  end
  always @* begin
    chosen = 2'h0;
    if (never) begin
      chosen = 2'h1;
    end else if (on) begin
      chosen = 2'h2;
    end
    if (a[0]) begin
      chosen = 2'h3;
    end
    if (state[1]) begin
      if (state[0]) begin
        chosen = 2'h0;
      end
    end else if (a[2:1]) begin
      if (state[1]) begin
        chosen = 2'h1;
      end
    end else begin
      if (any) begin
        chosen = 2'h2;
      end
    end
    casez (state)
      2'h0:
          chosen[0] = 1'h1;
      2'h1:
          chosen[0] = ~chosen[0];
      2'b1?:
          chosen[0] = sticky;
      default:
          chosen[0] = a[2];
    endcase
    casez (state[1:0])
      2'h3:
          chosen[1] = 1'h1;
      default:
          chosen[1] = chosen[1] ^ a[1];
    endcase
  end
endmodule
module top(clk, a, o__data);
  input clk;
  input [2:0] a;
  output [3:0] o__data;
  inner part(.clk(clk), .a(a), .o__data(o__data));
endmodule
"""
"""Of which the state is 0, 1, 2, and a few bits never change, or only once."""


@pytest.fixture
def prover() -> None:
    try:
        tools.abc()
    except CygnetError:
        pytest.skip("ABC is not installed")


@pytest.mark.usefixtures("prover")
def test_what_no_input_reaches_is_proved_so(tmp_path: Path) -> None:
    def line(text: str, nth: int = 0) -> int:
        numbers = [at for at, one in enumerate(REACHES.splitlines(), 1) if one.strip() == text]
        return numbers[nth]

    def toggle(what: str) -> Point:
        return Point("toggle", "top.part", 1, what)

    def branch(what: str, text: str, nth: int = 0) -> Point:
        return Point("branch", "top.part", line(text, nth), what)

    def case(text: str, nth: int = 0) -> Point:
        return Point("line", "top.part", line(text, nth), "case 1")

    never = [
        toggle("twice[0]:0->1"),
        toggle("twice[0]:1->0"),
        toggle("never:0->1"),
        toggle("sticky:1->0"),
        toggle("on:1->0"),
        branch("if 1", "if (never) begin"),
        branch("else 2", "end else if (on) begin"),
        branch("cond_then 3", "assign masked = never ? a[1:0] : state;"),
        branch("if 5", "if (state[0]) begin"),
        branch("if 6", "if (state[1]) begin", 1),
        branch("if 7", "if (any) begin"),
        case("default:"),
        case("2'h3:"),
    ]
    sometimes = [
        toggle("twice[1]:1->0"),
        toggle("o___05Fdata[3]:0->1"),
        toggle("sticky:0->1"),
        toggle("state[0]:0->1"),
        toggle("state[1]:1->0"),
        toggle("equal:1->0"),
        toggle("there_is_no_such_signal:1->0"),
        branch("else 1", "if (never) begin"),
        branch("if 2", "end else if (on) begin"),
        branch("if 4", "if (a[0]) begin"),
        branch("else 4", "if (a[0]) begin"),
        branch("cond_else 3", "assign masked = never ? a[1:0] : state;"),
        branch("else 5", "if (state[0]) begin"),
        branch("else 6", "if (state[1]) begin", 1),
        branch("if 6", "if (state[1]) begin"),
        branch("if 8", "end else if (a[2:1]) begin"),
        branch("else 8", "end else if (a[2:1]) begin"),
        case("2'h0:"),
        case("2'h1:"),
        case("2'b1?:"),
        case("default:", 1),
    ]
    seen = VerilogCoverage(REACHES)
    # Some of the other directions were seen.
    seen.counts.update({toggle("sticky:0->1"): 1, toggle("on:0->1"): 1, toggle("equal:0->1"): 1})
    found = proved(seen, never + sometimes, top="top", images=tmp_path, seconds=60)
    assert found == set(never)


class Covered:
    """An accelerator that counts."""

    def __init__(self, network: Network, hardware: HardwareConfig, folder: Path) -> None:
        self.network, self.hardware, self.folder = network, hardware, folder
        write_images(network, hardware, folder)
        verilog = generate(network, hardware)
        self.simulator = VerilatorSimulator(
            verilog,
            top=top_name(network),
            images=folder,
            classes=network.classes,
            workers=1,
            recipe=coverage_recipe(),
        )
        self.seen = VerilogCoverage(verilog)
        self.runs = 0

    def run(
        self, frames: NDArray[np.uint8], source: Stall, sink: Stall, *options: str
    ) -> accelerator.Prediction:
        """Back to back, or each frame after the one before, in turn."""
        found = accelerator.predict(self.network, self.hardware, frames)
        self.simulator.run(
            found.frames,
            back_to_back=bool(self.runs & 1),
            source=source,
            sink=sink,
            seed=self.runs,
            expected=found.logits,
            options=(f"coverage={self.folder / 'coverage.dat'}", *options),
        )
        self.seen.add(self.folder / "coverage.dat")
        self.runs += 1
        return found

    def proved(self, seconds: float) -> frozenset[Point]:
        """Of the points that no run has seen."""
        return proved(
            self.seen,
            self.seen.holes("line", "branch", "toggle"),
            top=top_name(self.network),
            images=self.folder,
            seconds=seconds,
        )

    def left(self, out_of_reach: frozenset[Point]) -> float:
        """Share of the points not proved to be out of reach that no run has seen, also printed."""
        seen = self.seen
        holes = seen.holes("line", "branch", "toggle")
        rest = [point for point in holes if point not in out_of_reach]
        share = len(rest) / (len(seen.counts) - len(holes) + len(rest))
        kinds: tuple[Kind, ...] = ("line", "branch", "toggle")
        shares = ", ".join(f"{kind} {seen.share(kind):.2%}" for kind in kinds)
        print(
            f"{self.runs} runs: {shares}, {len(seen.counts)} points, {len(holes)} not seen,",
            end=" ",
        )
        print(f"{len(rest)} of them open, {1 - share:.2%} of what can be seen:")
        for (place, what), count in seen.grouped(rest).items():
            print(f"  {count} {place}: {what}")
        return share


@pytest.mark.slow
@pytest.mark.usefixtures("prover")
def test_dense_accelerator(tmp_path: Path) -> None:
    """Stalls, a sink that blocks until all buffers are full, sparse and full frames, frames of a
    wrong length, layers that stay silent, resets."""
    network = dense_network(21, (29, 16, 16, 8), steps=4)
    layers = tuple(
        dataclasses.replace(layer, bias=-np.abs(layer.bias) // 4 - 1) if layer.neurons else layer
        for layer in network.layers
    )
    network = dataclasses.replace(network, layers=layers)
    hardware = HardwareConfig.uniform(network, steps=4, lanes=4, beat=4)
    covered = Covered(network, hardware, tmp_path)
    events = []
    for seed, (source, sink) in enumerate(itertools.product(PROFILES, PROFILES)):
        for density in (0.05, 0.2, 0.9):
            frames = dense_frames(network, 60, seed=seed, density=density)
            options = ("junk=1", f"before={37 * covered.runs}")
            events.append(covered.run(frames, source, sink, *options).events)
    for seed, sink in enumerate((Stall("bursty", 300), Stall("bursty", 3000))):
        frames = dense_frames(network, 60, seed=seed)
        covered.run(frames, Stall(), sink, "junk=1")
        covered.run(frames, Stall(), sink)
    lowest = np.concatenate(events, axis=1).min(axis=1).ravel()
    assert lowest.tolist() == [0, 0, 0]
    assert covered.seen.share("line") >= 0.99
    assert covered.left(covered.proved(seconds=600)) <= 0.03


@pytest.mark.slow
@pytest.mark.usefixtures("prover")
def test_accelerator_with_maps(tmp_path: Path) -> None:
    """Convolutions, both kinds of shortcut and pooling: stalls, a sink that blocks until all
    buffers are full, frames of a wrong length, resets from the first clocks on."""
    network = maps_network()
    hardware = HardwareConfig.uniform(network, steps=2, lanes=2, beat=2)
    covered = Covered(network, hardware, tmp_path)
    pairs = (
        ("none", "none"),
        ("bursty-6", "one-in-3"),
        ("none", "bursty-40"),
        ("bursty-40", "none"),
        ("one-in-5", "one-in-5"),
        ("alternating", "alternating"),
    )
    for source, sink in pairs:
        stalls = Stall.parse(source), Stall.parse(sink)
        covered.run(pictures(network, 120, covered.runs + 1), *stalls, "junk=1", "before=1009")
        covered.run(pictures(network, 120, covered.runs + 1), *stalls, "junk=1", "before=333")
    for sink in ("bursty-300", "bursty-2000", "bursty-5000"):
        stalls = Stall(), Stall.parse(sink)
        covered.run(pictures(network, 120, covered.runs + 1), *stalls)
        covered.run(pictures(network, 120, covered.runs + 1), *stalls, "junk=1")
    out_of_reach = covered.proved(seconds=600)
    # What comes now is new to the proofs, and must not refute them.
    for clocks in range(20, 500, 13):
        frames = pictures(network, 6, covered.runs + 1)
        covered.run(frames, Stall(), Stall(), f"before={clocks}")
    assert not [point for point in out_of_reach if covered.seen.counts[point]]
    assert covered.seen.share("line") >= 0.99
    assert covered.left(out_of_reach) <= 0.03
