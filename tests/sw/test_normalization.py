# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from cygnet.conversion import Normalization, fold, observed_thresholds, to_model, to_spiking
from cygnet.errors import ConversionError, CygnetError
from cygnet.network import InputSpec

SPEC = InputSpec("pixels", (6, 6, 2), scale=1 / 255, mean=(0.3, 0.5), std=(0.5, 0.25))


def network() -> nn.Sequential:
    torch.manual_seed(3)
    return nn.Sequential(
        *(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(64, 5), nn.ReLU(), nn.Linear(5, 2)),
    ).eval()


def images(count: int = 30) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SPEC.shape), dtype=np.uint8)


@pytest.mark.parametrize("percentile", [100.0, 99.9, 97.5, 60.0])
@pytest.mark.parametrize("normalization", ["layer", "channel", "neuron"])
def test_thresholds_are_percentiles(normalization: Normalization, percentile: float) -> None:
    model = network()
    x = images()
    normal = (x / 255 - np.array(SPEC.mean)) / np.array(SPEC.std)
    value = torch.from_numpy(normal).permute(0, 3, 1, 2)
    model = model.double()
    got = observed_thresholds(
        fold(model, SPEC), x, SPEC, normalization=normalization, percentile=percentile
    )
    assert got[-1] is None
    stage = 0
    for module in model:
        value = module(value)
        if not isinstance(module, nn.ReLU):
            continue
        observed = value.detach().numpy()
        axes = {
            "layer": None,
            "channel": (0, *range(2, observed.ndim)),
            "neuron": (0,),
        }[normalization]
        keep = normalization == "channel"
        expected = np.percentile(observed, percentile, axis=axes, keepdims=keep)
        largest = observed.max(axis=axes, keepdims=keep)
        expected = np.where(expected > 0, expected, largest)
        expected = expected[0] if keep else expected
        threshold = got[stage]
        assert threshold is not None
        if threshold.enabled is None:
            assert (largest > 0).all()
        else:
            enabled = threshold.enabled.numpy()
            assert (enabled == (largest > 0).reshape(enabled.shape)).all()
        fired = np.asarray(largest > 0).reshape(threshold.value.shape)
        np.testing.assert_allclose(
            threshold.value.numpy()[fired], np.asarray(expected)[fired.reshape(expected.shape)]
        )
        assert (threshold.value > 0).all()
        stage += 1
    assert stage == 3


@pytest.mark.parametrize("normalization", ["layer", "channel", "neuron"])
def test_batches_do_not_matter(normalization: Normalization) -> None:
    folded = fold(network(), SPEC)
    x = images(20)
    cut = [x[:1], x[1:12], x[12:]]
    for percentile in (100.0, 95.0):
        whole, parts = (
            observed_thresholds(
                folded, data, SPEC, normalization=normalization, percentile=percentile
            )
            for data in (x, cut)
        )
        for a, b in zip(whole, parts, strict=True):
            if a is not None and b is not None:
                # Matrix products of other sizes round in another order.
                torch.testing.assert_close(a.value, b.value, rtol=1e-12, atol=0)


def test_a_silent_neuron_is_disabled_and_a_silent_layer_refused() -> None:
    model = network()
    assert isinstance(model[0], nn.Conv2d)
    assert model[0].bias is not None
    nn.init.constant_(model[0].bias[1:2], -100.0)
    spiking = to_spiking(model, images(), input=SPEC, neuron="snm")
    enabled = spiking.neuron(0).enabled
    assert enabled is not None
    assert enabled[0].all()
    assert not enabled[1].any()
    assert float(spiking.neuron(0).threshold.min()) > 0
    nn.init.constant_(model[0].bias, -100.0)
    message = (
        "layer 'conv1' (0): nothing in it fires for any calibration image; check its weights, or "
        "calibrate with more images"
    )
    with pytest.raises(ConversionError, match=f"^{re.escape(message)}$"):
        to_spiking(model, images(), input=SPEC)


def test_layouts_and_floats_give_the_same_input() -> None:
    x = images(4)
    raster = to_model(x, SPEC, (2, 6, 6))
    planar = InputSpec("pixels", (6, 6, 2), SPEC.scale, SPEC.mean, SPEC.std, layout="nchw")
    moved = np.ascontiguousarray(x.transpose(0, 3, 1, 2))
    assert torch.equal(to_model(moved, planar, (2, 6, 6)), raster)
    assert torch.equal(to_model(moved.reshape(4, -1), planar, (2, 6, 6)), raster)
    assert torch.equal(to_model(x, planar, (2, 6, 6)), raster)  # the shape says what it is
    assert torch.equal(to_model(raster, SPEC, (2, 6, 6)), raster)
    assert torch.equal(
        to_model(x, SPEC, (72,)), raster.permute(0, 2, 3, 1).reshape(4, -1)
    )  # a vector has the order of the layout
    assert torch.equal(to_model(x, planar, (72,)), raster.reshape(4, -1))
    value = (x[2, 3, 4, 1] / 255 - 0.5) / 0.25
    assert float(raster[2, 1, 3, 4]) == pytest.approx(value)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: to_model(np.zeros((3, 5, 5, 2), np.uint8), SPEC, (2, 6, 6)),
            CygnetError,
            "the data has shape (3, 5, 5, 2), but the input is 6x6 with 2 channels; check the "
            "data, or the input shape",
        ),
        (
            lambda: to_spiking(network(), images(0), input=SPEC),
            CygnetError,
            "the calibration data is empty; give it some training images",
        ),
        (
            lambda: to_spiking(network(), None, input=SPEC),
            ConversionError,
            "layer 'conv1' (0): its threshold comes from calibration data, and none is given; "
            "pass training images",
        ),
        (
            lambda: to_spiking(network(), images(), input=SPEC, percentile=0),
            ValueError,
            "percentile must be a number in (0, 100], not 0",
        ),
        (
            lambda: to_spiking(network(), images(), input=SPEC, normalization="row"),  # type: ignore[arg-type]
            ValueError,
            "normalization must be 'layer', 'channel' or 'neuron', not 'row'",
        ),
        (
            lambda: to_spiking(network(), images(), input=SPEC, neuron="lif"),  # type: ignore[arg-type]
            ValueError,
            "neuron must be 'gn', 'if' or 'snm', not 'lif'",
        ),
    ],
)
def test_refusals(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        call()
