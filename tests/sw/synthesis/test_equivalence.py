# SPDX-License-Identifier: Apache-2.0
"""The ECP5 netlist steps on whole cores: the netlist before and after, clock by clock.

Both are simulated side by side on random stimuli, with Yosys' models of the cells; block RAM, of
which the cell library has no model, is Cygnet's own. The source is a third party: its spikes must
be those of both.
"""

from __future__ import annotations

import json
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from amaranth.back import verilog

from cygnet.cosim.compile import Recipe, compile_model
from cygnet.cosim.ecp5_cells import block_memory
from cygnet.cosim.tools import yosys
from cygnet.gateware.neuron import neuron_core
from cygnet.neuron_core import NeuronCoreConfig
from cygnet.synthesis.ecp5 import absorb_registers, fold_tables
from cygnet.synthesis.fanout import copy_drivers
from cygnet.synthesis.netlist import Netlist

HERE = Path(__file__).parent
BASE: dict[str, Any] = {
    "membrane_width": 12,
    "current_width": 11,
    "threshold_width": 8,
    "depth": 16,
    "channels": 64,
}
CORES: dict[str, NeuronCoreConfig] = {
    # Rows of 8 bits: a port of 9.
    "gn": NeuronCoreConfig(kind="gn", tau=4, **BASE),
    # Rows of 28 bits: both ports as one of 36.
    "gn-fire": NeuronCoreConfig(
        kind="gn", tau=3, fire_level="memory", initial_level="memory", **BASE
    ),
    # Rows of 17 bits, and the state in a block RAM that is written, too.
    "snm": NeuronCoreConfig(
        kind="snm",
        memory_width=3,
        amplitude_width=8,
        enables=True,
        variant="small",
        state_memory="block",
        **BASE,
    ),
}


def run_yosys(folder: Path, script: str) -> None:
    done = yosys().run(["-q", "-p", script], cwd=folder)
    assert done.returncode == 0, done.stdout[-2000:]


def miter(config: NeuronCoreConfig) -> str:
    """The source, the netlist before and the one after, on the same stimuli."""
    index, channel, current = config.index_width, config.channel_width, config.current_width
    width = index + channel + current + 2
    out = index + config.count_width + 2
    cores = "".join(
        f"""
  wire {name}_taken, {name}_valid;
  wire [{out - 1}:0] {name}_spike;
  {name} {name}_core (.clk(clk), .rst(rst), .i__valid(offered), .i__payload(step),
    .i__ready({name}_taken), .o__valid({name}_valid), .o__ready(willing),
    .o__payload({name}_spike));"""
        for name in ("source", "before", "after")
    )
    # An index that counts keeps the interleave; bits of the stimulus are the rest.
    return f"""module miter (input clk, input rst, input [55:0] stimulus,
    output reg [31:0] differing = 0, output reg [31:0] results = 0);
  reg [{index - 1}:0] index = 0;
  reg [3:0] round = 0;
  reg [{width - index - 1}:0] held = 0;
  reg offered = 0;
  wire willing = stimulus[55:54] != 0;
  wire [{width - 1}:0] step = {{held[{width - index - 1}:1], round == 0, index}};
{cores}
  wire wrong = before_taken != source_taken || after_taken != source_taken
    || before_valid != source_valid || after_valid != source_valid
    || source_valid && (before_spike != source_spike || after_spike != source_spike);
  always @(posedge clk) if (!rst) begin
    if (!offered || source_taken) begin
      offered <= stimulus[53:52] != 0;
      held <= stimulus;
      if (offered) begin
        index <= index + 1;
        if (&index) round <= round + 1;
      end
    end
    if (wrong) differing <= differing + 1;
    if (source_valid && willing) results <= results + 1;
  end
endmodule
"""


def simulate(before: str, after: str, source: str, config: NeuronCoreConfig, folder: Path) -> int:
    """Clocks, out of 20,000, in which one of the three differs."""
    for name, text in (("before", before), ("after", after)):
        (folder / f"{name}.json").write_text(text)
        run_yosys(
            folder,
            f"read_json {name}.json; rename core {name}; select {name}; setundef -zero; "
            f"write_verilog -selected {name}.v",
        )
    (folder / "source.v").write_text(re.sub(r"\bmodule core\b", "module source", source))
    (folder / "dp16kd.v").write_text(block_memory())
    (folder / "miter.v").write_text(miter(config))
    run_yosys(
        folder,
        "read_verilog -overwrite +/ecp5/cells_sim.v; read_verilog -overwrite dp16kd.v; "
        "read_verilog -overwrite before.v after.v; "
        "read_verilog source.v miter.v; hierarchy -check -top miter; "
        "proc; flatten; opt_clean; write_verilog -noattr all.v",
    )
    recipe = Recipe(HERE / "miter.cpp", hot="-O1")
    program = compile_model((folder / "all.v").read_text(), "miter", recipe)
    shown = subprocess.run([program, "20000"], capture_output=True, text=True, check=True)
    differing, results = map(int, shown.stdout.split())
    assert results > 5000
    return differing


def mapped(config: NeuronCoreConfig, folder: Path) -> tuple[str, str]:
    """Source and netlist of a core with random rows."""
    rng = random.Random(3)
    rows = [rng.randrange(1, 1 << config.row_width) for _ in range(config.channels)]
    source = verilog.convert(
        neuron_core(config, rows), name="core", emit_src=False, strip_internal_attrs=True
    )
    (folder / "core.v").write_text(source)
    run_yosys(folder, "read_verilog core.v; synth_ecp5 -top core; write_json core.json")
    return source, (folder / "core.json").read_text()


@pytest.mark.parametrize(
    "name",
    ["gn-fire", *(pytest.param(name, marks=pytest.mark.slow) for name in ("gn", "snm"))],
)
def test_a_core_stays_the_same(name: str, tmp_path: Path) -> None:
    config = CORES[name]
    source, before = mapped(config, tmp_path)
    netlist = Netlist(before)
    absorbed = absorb_registers(netlist)
    assert absorbed > 0 or name == "snm"
    assert fold_tables(netlist) > 0
    # Fewer readers than in a real run, so that a small core has copies.
    assert copy_drivers(netlist, 6) > 0
    assert simulate(before, netlist.text(), source, config, tmp_path) == 0


def test_a_wrong_enable_shows(tmp_path: Path) -> None:
    config = CORES["gn"]
    source, before = mapped(config, tmp_path)
    netlist = Netlist(before)
    assert absorb_registers(netlist) > 0
    (memory,) = netlist.of_type("DP16KD")
    netlist.connect(memory, "OCEA", "1")
    after = netlist.text()
    assert json.loads(after) != json.loads(before)
    assert simulate(before, after, source, config, tmp_path) > 0
