# SPDX-License-Identifier: Apache-2.0
"""Images a second of the demo's accelerator under Verilator: ``python benchmarks/rtl.py``.

Digits come back to back, as many as fill a few seconds, on all cores; compilation is left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from cygnet.command.demo import BEAT, LANES, STEPS, TAU, trained
from cygnet.conversion import to_spiking
from cygnet.cosim.simulator import VerilatorSimulator
from cygnet.cosim.verify import write_accelerator
from cygnet.data import digits, input_spec
from cygnet.gateware.verilog import top_name
from cygnet.golden.values import run
from cygnet.hardware import HardwareConfig
from cygnet.quantization import quantize


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=20_000)
    options = parser.parse_args()
    test = digits("test")
    spiking = to_spiking(trained(), None, input=input_spec(test), tau=TAU)
    network = quantize(spiking, steps=max(STEPS), name="digits")
    x = np.resize(test.x, (options.images, *test.x.shape[1:]))
    frames = x.reshape(len(x), -1)
    workers = os.cpu_count() or 1
    print(f"{len(x)} images back to back, {workers} cores, {LANES} lanes")
    for steps in STEPS:
        hardware = HardwareConfig.uniform(network, steps=steps, lanes=LANES, beat=BEAT)
        with tempfile.TemporaryDirectory() as folder:
            compiled = VerilatorSimulator(
                write_accelerator(network, hardware, Path(folder)),
                top=top_name(network),
                images=Path(folder),
                classes=network.classes,
                workers=workers,
            )
            began = time.perf_counter()
            result = compiled.run(frames, back_to_back=True)
            seconds = time.perf_counter() - began
        assert (result.logits == run(network, x, steps=steps).logits).all()
        print(f"  T = {steps}: {len(x) / seconds:10,.0f} images/s, {seconds:.1f} s")


if __name__ == "__main__":
    main()
