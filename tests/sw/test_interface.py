# SPDX-License-Identifier: Apache-2.0
"""The Python interface against the parts that it stands for."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import cygnet
from cygnet import network_file
from cygnet.data import digits
from cygnet.gateware.verilog import generate
from cygnet.golden.values import run
from cygnet.interface import Network
from cygnet.network import Bounds, InputSpec
from cygnet.network import Network as Plain
from networks import random_mlp, random_residual


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(64, 12), nn.ReLU(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 10)
    )


@pytest.fixture(scope="module")
def net(model: nn.Module) -> Network:
    spec = InputSpec("pixels", (8, 8, 1), scale=1 / 16)
    return cygnet.convert(model, digits("train").x[:200], input=spec, steps=3, name="tiny")


def test_a_network_with_methods_is_the_network(net: Network, tmp_path: Path) -> None:
    assert isinstance(net, Plain)
    net.save(tmp_path / "net.cyg")
    plain = network_file.load(tmp_path / "net.cyg")
    assert type(plain) is Plain
    found = cygnet.load(tmp_path / "net.cyg")
    assert type(found) is Network
    assert net == plain == found
    assert Network.of(found) is found
    assert Network.of(plain).digest == plain.digest


def test_evaluate_is_the_golden_model_at_every_t(net: Network) -> None:
    test = digits("test")
    found = net.evaluate(test.x, test.y)
    assert found == {
        t: float((run(net, test.x, steps=t).labels == test.y).mean()) for t in (1, 2, 3)
    }
    assert (net.predict(test.x, steps=2) == run(net, test.x, steps=2).labels).all()
    assert (net.run(test.x[:5]).logits == run(net, test.x[:5], steps=3).logits).all()


def test_images_may_be_tensors_flat_or_without_channels(net: Network) -> None:
    x = digits("test").x[:9]
    for given in (x[..., 0], x.reshape(9, 64), torch.from_numpy(x)):
        assert (net.images(given) == x).all()


def test_images_in_the_layout_of_the_network() -> None:
    residual = random_residual(np.random.default_rng(0), steps=1)
    spec = InputSpec("pixels", (8, 6, 4), layout="nchw", scale=1 / 255)
    layers = residual.layers
    net = Network("net", spec, layers, 1)
    x = np.random.default_rng(1).integers(0, 256, (3, 8, 6, 4), dtype=np.uint8)
    nchw = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    assert (net.images(nchw) == x).all()
    assert (net.images(nchw.reshape(3, -1)) == x).all()
    with pytest.raises(cygnet.CygnetError, match=r"uint8 \[n, 4, 8, 6\] or \[n, 192\]"):
        net.images(x)


def test_counts_pass_as_they_are() -> None:
    spec = InputSpec("counts", (1, 1, 20), bounds=Bounds(-2, 2))
    net = Network("net", spec, random_mlp(np.random.default_rng(0)).layers, 2)
    x = np.random.default_rng(1).integers(-2, 3, (4, 2, 1, 1, 20))
    assert (net.run(x).logits == run(net, x, steps=2).logits).all()


def test_verilog_is_what_the_gateware_writes(net: Network, tmp_path: Path) -> None:
    path = net.verilog(tmp_path, lanes=4)
    assert path == tmp_path / "cygnet_tiny.v"
    assert path.read_text() == generate(net, net.hardware(steps=3, lanes=4))
    assert (tmp_path / "manifest.json").is_file()
    other = net.hardware(steps=2, lanes=(4, 3, 5), beat=4)
    assert [layer.lanes for layer in other.layers] == [4, 3, 5]
    assert net.verilog(tmp_path, other).read_text() == generate(net, other)


def test_simulate_and_its_mismatch(
    net: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = digits("test").x[:6]
    found = net.simulate(x, steps=2, lanes=4, workers=1)
    assert found.mismatches == 0
    assert (found.labels == net.predict(x, steps=2)).all()
    assert found.latency == found.latency_predicted

    from cygnet.cosim import verify as module

    written = module.write_accelerator

    def spoilt(network: Plain, hardware: cygnet.HardwareConfig, folder: Path) -> str:
        text = written(network, hardware, folder)
        bias = folder / f"{network.layers[-1].name}_bias.mem"
        lines = bias.read_text().splitlines()
        bias.write_text("\n".join([f"{int(lines[0], 16) ^ 1:0{len(lines[0])}x}", *lines[1:]]))
        return text

    monkeypatch.setattr(module, "write_accelerator", spoilt)
    with pytest.raises(cygnet.MismatchError, match="differ in 6 of 6 images, first in the logits"):
        net.simulate(x, steps=2, lanes=4, workers=1)


def test_explain(net: Network) -> None:
    text = net.explain()
    assert "fc1" in text
    assert net.digest in text


def test_input_from_the_calibration_images(model: nn.Module) -> None:
    x = digits("train").x[:50]
    net = cygnet.convert(model, x[..., 0], steps=1)
    assert net.input == InputSpec("pixels", (8, 8, 1), scale=1 / 255)
    assert cygnet.convert(model, x.reshape(50, 64), steps=1).input.shape == (1, 1, 64)
    chw = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    assert cygnet.convert(model, [chw[:20], chw[20:]], steps=1) == cygnet.convert(
        model, x, input=InputSpec("pixels", (8, 8, 1), scale=1 / 255, layout="nchw"), steps=1
    )


@pytest.mark.parametrize(
    ("calibration", "sentence"),
    [
        (None, "input: what enters the network is not said; give input=InputSpec"),
        (torch.zeros(3, 1, 8, 8), r"input: images of torch.float32 and shape \(3, 1, 8, 8\) do"),
        (np.zeros((3, 1, 1, 8, 8), np.uint8), r"input: images of uint8 and shape \(3, 1, 1, 8, 8"),
    ],
)
def test_input_that_is_not_said(
    model: nn.Module, calibration: torch.Tensor | None, sentence: str
) -> None:
    with pytest.raises(cygnet.CygnetError, match=sentence):
        cygnet.convert(model, calibration)


def test_faults_are_one_sentence(net: Network) -> None:
    x = digits("test").x[:3]
    for action, sentence in (
        (lambda: net.run(x, steps=4), "steps must be in 1..3, the most that network 'tiny' is "),
        (lambda: net.run(x.astype(float)), r"images must be uint8 \[n, 8, 8, 1\] or \[n, 8, 8\] "),
        (lambda: net.evaluate(x, [1, 2]), r"y has shape \(2,\) for 3 images; give one class an"),
        (lambda: net.hardware(lanes=0), "lanes must be an integer in 1..512, not 0; mend the "),
        (lambda: net.hardware(lanes=(4, 4)), "lanes must be 3 numbers, one for each layer, not 2"),
        (lambda: net.hardware(steps=9), "steps must be at most 3"),
    ):
        with pytest.raises(cygnet.CygnetError, match=sentence):
            action()


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys, cygnet\n"
        "assert {'convert', 'load', 'Network'} <= set(dir(cygnet))\n"
        "cygnet.load, cygnet.Network, cygnet.InputSpec, cygnet.CygnetError\n"
        "names = {'torch', 'amaranth', 'typer', 'rich', 'cygnet.golden.values'}\n"
        "heavy = names & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "try: cygnet.nothing\n"
        "except AttributeError as error: assert str(error) == \"module 'cygnet' has no attribute "
        "'nothing'\"\n"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)
