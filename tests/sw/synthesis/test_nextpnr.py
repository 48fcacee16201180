# SPDX-License-Identifier: Apache-2.0
"""nextpnr comes to an end: with another router, with fewer options, with a pin for the clock."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cygnet.cosim.tools import Tool
from cygnet.errors import CygnetError
from cygnet.synthesis import synthesize, target
from cygnet.synthesis.nextpnr import ROUNDS, place_and_route, router

COUNTER = """
module counter(input clk, input [7:0] step, output reg [7:0] y);
  always @(posedge clk) y <= y + step;
endmodule
"""
ROUND_AND_ROUND = """
import itertools, sys
print("placed", flush=True)
for n in itertools.count(1) if {endless} else range(1, 50):
    print(f"Info:     iter={{n}} wires=19193 overused=2 overuse=2 archfail=NA", flush=True)
print("ended with", *sys.argv[1:])
sys.exit(3)
"""


def _tool(endless: str) -> Tool:
    script = ROUND_AND_ROUND.format(endless=endless)
    return Tool("nextpnr-made-up", (0,), (sys.executable, "-c", script), native=True)


@pytest.mark.parametrize(
    ("endless", "given", "last"),
    [
        ("False", "--router router2 --tmg-ripup", "--router router2 --tmg-ripup"),
        ("'--tmg-ripup' in sys.argv", "--router router2 --tmg-ripup -x", "--router router2 -x"),
        ("'router2' in sys.argv", "--seed 1 --router router2", "--seed 1 --router router1"),
        ("'router2' in sys.argv", "--router router2 --tmg-ripup", "--router router1"),
        ("'--router=router2' in sys.argv", "--router=router2 -x", "--router=router1 -x"),
    ],
)
def test_a_router_that_goes_round_for_ever(
    endless: str, given: str, last: str, tmp_path: Path
) -> None:
    done = place_and_route(_tool(endless), given.split(), cwd=tmp_path)
    assert done.returncode == 3
    assert done.stdout.endswith(f"ended with {last}\n")
    assert done.stdout.startswith("placed\n")
    assert ROUNDS > 1500


def test_no_router_is_left(tmp_path: Path) -> None:
    with pytest.raises(
        CygnetError, match=r"^nextpnr-made-up went round 1600 times without an end; "
    ):
        place_and_route(_tool("True"), ["--router", "router2"], cwd=tmp_path)


@pytest.mark.parametrize("where", ["ecp5-25k-6", "ecp5-85k-6"])
def test_a_clock_at_a_pin_that_cannot_reach_its_network(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """nextpnr chooses pins. Where it says that its choice for the clock fails, it gets one."""
    tried = []

    def unlucky(
        tool: Tool, arguments: list[str], *, cwd: Path, stop: object
    ) -> subprocess.CompletedProcess[str]:
        constraints = "--lpf" in arguments and (cwd / "clock.lpf").read_text()
        tried.append(constraints)
        if constraints:
            return tool.run(arguments, cwd=cwd)
        said = "ERROR: Failed to route arc 0.0 of net 'clk$TRELLIS_IO_IN', from A to B."
        return subprocess.CompletedProcess(arguments, 1, stdout=said)

    monkeypatch.setattr(Tool, "watch", unlucky)
    device = target(where)
    report = synthesize(COUNTER, top="counter", target=device, seeds=[1], cache=tmp_path)
    assert tried == [False, f'LOCATE COMP "clk" SITE "{device.clock}";\n']
    assert report.fmax_mhz is not None


@pytest.mark.parametrize(
    ("family", "tables", "second"),
    [("ice40", 10, True), ("ecp5", 3000, False), ("ecp5", 3001, True)],
)
def test_the_router_that_ends(family: str, tables: int, second: bool) -> None:
    cells = {"LUT4": tables, "TRELLIS_FF": 9999}
    assert router(family, cells) == (("--router", "router2") if second else ())
