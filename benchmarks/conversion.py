# SPDX-License-Identifier: Apache-2.0
"""Seconds and memory to convert, quantise and write VGG-16 (33.6 M weights).

``python benchmarks/conversion.py``. Weights are random: nothing here depends on what they are.
"""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

import cygnet
from cygnet.models import vgg16
from cygnet.network import InputSpec
from cygnet.network_file import save
from cygnet.neurons import QCFS


def main() -> None:
    torch.manual_seed(0)
    model = vgg16().eval()
    for module in model.modules():
        if isinstance(module, QCFS):
            nn.init.constant_(module.weight, 1.0)
    weights = sum(p.numel() for name, p in model.named_parameters() if p.ndim > 1)
    mean, std = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
    spec = InputSpec("pixels", (32, 32, 3), scale=1 / 255, mean=mean, std=std)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vgg16.cyg"
        began = time.perf_counter()
        network = cygnet.convert(model, input=spec, steps=8)
        converted = time.perf_counter()
        save(network, path)
        written = time.perf_counter()
        size = path.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"VGG-16, {weights / 1e6:.1f} M weights, a file of {size / 1e6:.1f} MB")
    print(f"convert and quantise  {converted - began:6.2f} s")
    print(f"write                 {written - converted:6.2f} s")
    print(f"peak memory           {peak / 1e9:6.2f} GB, the torch network included")


if __name__ == "__main__":
    main()
