# SPDX-License-Identifier: Apache-2.0
"""``cygnet compare`` and ``cygnet trace`` against the modules that they stand for."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from cygnet.conversion import to_spiking
from cygnet.data import digits, input_spec
from cygnet.golden.values import run
from cygnet.models import build, load_weights
from cygnet.network_file import load as load_network
from cygnet.quantization import quantize
from cygnet.report.errors import trace_layers

from .conftest import MODEL, Call


def test_compare(call: Call, weights: Path, tmp_path: Path) -> None:
    plot = tmp_path / "compare.svg"
    outcome = call(
        "compare", MODEL, "-w", weights, "--data", "digits", "--limit", 60, "--steps", "1,2,5",
        "--methods", "gn4,qcfs,snm,cos4,gn4+cal2", "--calibration", 100, "--plot", plot, "--json",
    )  # fmt: skip
    assert outcome.code == 0
    found = outcome.json
    assert found["images"] == 60
    assert found["steps"] == [1, 2, 5]
    methods = found["methods"]
    assert list(methods) == ["gn4", "qcfs", "snm", "cos4", "gn4+cal2"]
    # L = tau = 4: group neurons at T = 1 are the network itself, but for ties.
    assert methods["gn4"]["accuracy"][0] == pytest.approx(found["ann"], abs=1 / 60)
    assert methods["gn4"]["mse"][0] < 1e-3 * methods["qcfs"]["mse"][0]
    assert methods["cos4"]["extra_steps"] == 8
    assert all(len(row["accuracy"]) == len(row["mse"]) == 3 for row in methods.values())
    assert ElementTree.parse(plot).getroot().tag.endswith("svg")


def test_compare_prints_a_table(call: Call, weights: Path) -> None:
    outcome = call(
        "compare", MODEL, "-w", weights, "--data", "digits", "--limit", 20, "--methods", "gn4",
        "--steps", "2",
    )  # fmt: skip
    assert outcome.code == 0
    assert "20 test images" in outcome.out
    assert "T = 2" in outcome.out


@pytest.mark.parametrize("kind", ["gn", "snm"])
def test_trace(call: Call, weights: Path, kind: str) -> None:
    outcome = call(
        "trace", MODEL, "-w", weights, "--data", "digits", "--index", 7, "--steps", 3, "--json",
        "--neuron", kind, "--calibration", 50,
    )  # fmt: skip
    assert outcome.code == 0
    found = outcome.json
    test = digits("test")
    spec = input_spec(test)
    model = build(MODEL)
    load_weights(model, weights)
    train = digits("train")
    spiking = to_spiking(model, train.x[:50], input=spec, neuron=kind)  # type: ignore[arg-type]
    integers = quantize(spiking, steps=3)
    image = test.x[7:8]
    result = run(integers, image, steps=3, record=True)
    assert found["class"] == int(test.y[7])
    assert found["integer"] == int(result.labels[0])
    names = [row["name"] for row in found["layers"]]
    assert names == [layer.name for layer in integers.layers]
    # By hand: the first layer, whose neurons see the image itself.
    first = found["layers"][0]
    neurons, counts = integers.layers[0].neurons, result.counts[0]
    assert neurons is not None
    assert counts is not None
    linear = model[1]  # type: ignore[index]
    activation = model[2]  # type: ignore[index]
    with torch.no_grad():
        wanted = activation(linear(torch.from_numpy(image.reshape(1, 64) / 16).float()))[0].numpy()
    got = counts[:, 0, 0, 0].sum(0) * neurons.step / 3
    assert first["neurons"] == 12
    assert first["torch"] == pytest.approx(np.sqrt((wanted**2).mean()), rel=1e-5)
    assert first["integer_error"] == pytest.approx(np.sqrt(((got - wanted) ** 2).mean()), rel=1e-4)
    assert first["rate"] == pytest.approx(np.abs(counts).mean())
    last = found["layers"][-1]
    logits = result.logits[0] * integers.logit_scale / 3
    floats = spiking(spiking.input(image), 3)[-1][0].numpy()
    between = np.sqrt(((logits - floats) ** 2).mean())
    assert last["quantization_error"] == pytest.approx(between)
    table = call("trace", MODEL, "-w", weights, "--data", "digits", "--index", 7)
    assert table.code == 0
    assert "image 7, class" in table.out


def test_trace_of_amplitudes() -> None:
    """Neuron-wise SNM: event values are counts times amplitude, and are taken apart again."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU(),
        torch.nn.Flatten(), torch.nn.Linear(64, 10),
    )  # fmt: skip
    test = digits("test")
    spiking = to_spiking(model, digits("train").x[:200], input=input_spec(test), neuron="snm")
    rows = trace_layers(spiking, quantize(spiking, steps=16), test.x[:1], 16)
    for row in rows[:-1]:
        assert row.rate <= 1
        assert row.quantization_error < 0.5 * row.torch
        assert row.differ < 0.5


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("compare", "--methods", "gn4,best"),
            "--methods: method 'best' must be one of gnN, qcfs, rmp, opiP, srpN, cosN, snm, "
            "snm-layer, snm-half, if, if-layer",
        ),
        (("compare", "--steps", "0,2"), "--steps: 0,2 must be in 1..4096"),
        (("compare", "--limit", "0"), "--limit: 0 must be at least 1"),
        (("compare", "--batch", "0"), "--calibration and --batch must be at least 1"),
        (("trace", "--bits", "9"), "--bits: 9 must be in 2..8"),
        (("trace", "--steps", "0"), "--steps: 0 must be in 1..4096"),
        (("trace", "--index", "99999"), "--index: 99999 must be in 0.."),
        (("trace", "--neuron", "lif"), "--neuron: 'lif' must be gn or if or snm"),
    ],
)
def test_faults(call: Call, weights: Path, arguments: tuple[str, ...], sentence: str) -> None:
    command, *options = arguments
    outcome = call(command, MODEL, "-w", weights, "--data", "digits", *options)
    assert outcome.code == 2
    assert outcome.err.startswith(f"cygnet: {sentence}")
    assert outcome.err.count("\n") == 1


RATE = ("--finetune", 3, "--finetune-lr", 1e-3)


def test_convert_with_a_finetune_and_calibrated_potentials(
    call: Call, weights: Path, tmp_path: Path
) -> None:
    plain, tuned = tmp_path / "plain.cyg", tmp_path / "tuned.cyg"
    common = ("convert", MODEL, "-w", weights, "--data", "digits", "--bits", 3, "--steps", 2)
    first = call(*common, "--json", "-o", plain)
    second = call(*common, "--json", "-o", tuned, "--potentials", 2, *RATE)
    assert first.code == second.code == 0
    # The network was never trained; what is learnt is to give the same classes.
    agreement = [outcome.json["steps"]["1"]["agreement"] for outcome in (first, second)]
    assert agreement[1] > agreement[0]
    neurons = load_network(tuned).layers[0].neurons
    assert neurons is not None
    assert (neurons.initial != neurons.reset >> 1).any()


def test_convert_and_trace_with_compensated_weights(
    call: Call, weights: Path, tmp_path: Path
) -> None:
    plain, other = tmp_path / "plain.cyg", tmp_path / "other.cyg"
    common = (MODEL, "-w", weights, "--data", "digits", "--bits", 2, "--steps", 2, "--json")
    first = call("convert", *common, "-o", plain)
    second = call("convert", *common, "-o", other, "--rounding", "compensated")
    assert first.code == second.code == 0
    agreement = [outcome.json["steps"]["2"]["agreement"] for outcome in (first, second)]
    assert agreement[1] > agreement[0]
    assert load_network(plain).digest != load_network(other).digest
    errors = []
    for rounding in ("nearest", "compensated"):
        found = call("trace", *common, "--rounding", rounding)
        assert found.code == 0
        errors.append(found.json["layers"][-1]["quantization_error"])
    assert errors[1] < errors[0]


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--finetune", "-1"), "--finetune: -1 must be in 0..1000"),
        (("--finetune-lr", "0"), "--finetune-lr: 0.0 must be in 0 < . <= 1"),
        (("--potentials", "5000"), "--potentials: 5000 must be in 0..4096"),
        (
            ("--finetune-events", "100"),
            "--finetune-events: 100 must be at least 1, and goes with --finetune",
        ),
        (("--rounding", "up"), "--rounding: 'up' must be nearest or compensated"),
        (
            ("--rounding", "compensated", "--finetune", "1"),
            "--rounding: after --finetune weights want to be rounded as they were in training, to "
            "the nearest integer; give one of the two",
        ),
    ],
)
def test_convert_faults(
    call: Call, weights: Path, tmp_path: Path, option: tuple[str, ...], sentence: str
) -> None:
    out = tmp_path / "x.cyg"
    outcome = call("convert", MODEL, "-w", weights, "--data", "digits", "-o", out, *option)
    assert outcome.code == 2
    assert outcome.err == f"cygnet: {sentence}\n"


def test_convert_has_nothing_to_compensate_with(call: Call, weights: Path, tmp_path: Path) -> None:
    outcome = call(
        "convert", MODEL, "-w", weights, "-o", tmp_path / "x.cyg", "--rounding", "compensated"
    )
    assert outcome.code == 2
    assert "need train images; give --data" in outcome.err
