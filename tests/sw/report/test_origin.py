# SPDX-License-Identifier: Apache-2.0
"""The floats that an integer network was rounded from, out of its file and the trained network."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.conversion import calibrate_potentials, to_spiking
from cygnet.errors import CygnetError
from cygnet.network import InputSpec
from cygnet.neurons import QCFS
from cygnet.quantization import Finetuning, finetune, input_moments, quantize
from cygnet.report.origin import spiking_origin

SPEC = InputSpec("pixels", (6, 6, 2), scale=1 / 255)
IMAGES = np.random.default_rng(0).integers(0, 256, (20, 6, 6, 2), dtype=np.uint8)


def network(seed: int, *, levels: int = 0) -> nn.Module:
    torch.manual_seed(seed)

    def act() -> nn.Module:
        return QCFS(levels, 0.6) if levels else nn.ReLU()

    return nn.Sequential(
        nn.Conv2d(2, 5, 3, padding=1),
        nn.BatchNorm2d(5),
        act(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(45, 7),
        act(),
        nn.Linear(7, 4),
    ).eval()


@pytest.mark.parametrize(
    ("levels", "potentials", "threshold", "bits", "options"),
    [
        (4, 0, "exact", 8, {}),
        (4, 0, "pow2", 5, {"neuron": "if"}),
        (0, 0, "exact", {"fc2": 4}, {"tau": 3}),
        (0, 0, "exact", 8, {"tau": 5, "normalization": "channel", "percentile": 97.0}),
        (0, 0, "exact", 8, {"neuron": "snm"}),
        (0, 3, "exact", 8, {"normalization": "channel"}),
    ],
)
def test_it_is_the_network_that_was_rounded(
    levels: int, potentials: int, threshold: Any, bits: Any, options: dict[str, Any]
) -> None:
    """Whatever the options were: the same logits after every step, up to what v(0) lost."""
    model = network(1, levels=levels)
    spiking = to_spiking(model, IMAGES, input=SPEC, **options)
    if potentials:
        calibrate_potentials(spiking, IMAGES, steps=potentials)
    integers = quantize(spiking, steps=4, bits=bits, threshold=threshold)
    found = spiking_origin(integers, model, "net")
    x = spiking.input(IMAGES)
    for number, neuron in spiking.spiking():
        ours = found.neuron(number)
        assert type(ours) is type(neuron)
        step, expected = torch.broadcast_tensors(ours.step, neuron.step.to(ours.step))
        on = torch.ones(()) if neuron.enabled is None else neuron.enabled
        torch.testing.assert_close(step * on, expected * on, rtol=1e-12, atol=0)
        share, expected = torch.broadcast_tensors(ours.initial, neuron.initial.to(ours.initial))
        torch.testing.assert_close(share * on, expected * on, rtol=0, atol=5e-3)
    if not potentials:
        torch.testing.assert_close(found(x, 4), spiking(x, 4), rtol=1e-9, atol=1e-9)


def test_another_network_is_refused() -> None:
    integers = quantize(to_spiking(network(1), IMAGES, input=SPEC), steps=4)
    with pytest.raises(CygnetError, match=r"net: rounded, it does not give layer 'conv1' of the"):
        spiking_origin(integers, network(2), "net")
    fewer = nn.Sequential(nn.Flatten(), nn.Linear(72, 7), nn.ReLU(), nn.Linear(7, 4)).eval()
    with pytest.raises(
        CygnetError, match=r"net: has layers fc1, fc2, and the network conv1, fc2, "
    ):
        spiking_origin(integers, fewer, "net")


def test_one_layer_of_another_network_is_refused() -> None:
    model = network(1)
    integers = quantize(to_spiking(model, IMAGES, input=SPEC), steps=4)
    last = model[-1]
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        last.weight += 0.02 * torch.sign(last.weight)
    with pytest.raises(CygnetError, match=r"does not give layer 'fc3' of the network; give the"):
        spiking_origin(integers, model, "net")


def test_compensated_weights_are_refused() -> None:
    model = network(1)
    spiking = to_spiking(model, IMAGES, input=SPEC)
    integers = quantize(spiking, steps=4, moments=input_moments(spiking, IMAGES))
    with pytest.raises(CygnetError, match=r"and --rounding compensated\)$"):
        spiking_origin(integers, model, "net")


def test_a_fine_tuned_network_is_refused() -> None:
    model = network(1)
    bits = {"conv1": 3, "fc2": 3, "fc3": 3}
    options = Finetuning(epochs=2, learning_rate=1e-3)
    tuned = finetune(to_spiking(model, IMAGES, input=SPEC), IMAGES, bits=bits, options=options)
    with pytest.raises(CygnetError, match=r"\(there are none after --finetune and "):
        spiking_origin(quantize(tuned, steps=4, bits=bits), model, "net")
