# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import math
import re

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cygnet.neurons import GN, IF, QCFS, SNM, SpikingNeuron, qcfs

X = [-0.3, 0, 0.1, 0.124, 0.125, 0.26, 0.375, 0.5, 0.74, 0.875, 0.99, 1, 1.2, 2]
VARYING: dict[str, list[float]] = {
    "A": [1, 1, -1, -1],
    "B": [-1, -1, 1, 1],
    "C": [0.6, 0.6, -0.9, -0.9],
}
PUBLISHED = {
    "gn": ["00001122344444", "00110112334444", "00001122344444", "00110112334444"],
    "if": ["00000001111111", "00000110011111", "00000001111111", "00001010111111"],
    "snm": ["00000000000111", "00000001111111", "00000010111111", "00000101011111"],
}


def neuron(kind: str, threshold: float | Tensor = 1.0) -> SpikingNeuron:
    if kind == "gn":
        return GN(threshold, tau=4)
    return IF(threshold) if kind == "if" else SNM(threshold)


@pytest.mark.parametrize("kind", ["gn", "if", "snm"])
def test_constant_inputs_give_the_published_counts(kind: str) -> None:
    module = neuron(kind, torch.tensor(1.0, dtype=torch.float64))
    x = torch.tensor([X], dtype=torch.float64)
    got = ["".join(str(int(c)) for c in module.fire(x)[0].unbind()) for _ in range(4)]
    assert got == PUBLISHED[kind]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("snm", {"A": [1, 1, -1, -1], "B": [0, 0, 0, 0], "C": [0, 1, 0, -1]}),
        ("if", {"A": [1, 1, 0, 0], "B": [0, 0, 0, 0], "C": [1, 0, 0, 0]}),
        ("gn", {"A": [4, 4, 0, 0], "B": [0, 0, 0, 0], "C": [2, 3, 0, 0]}),
    ],
)
def test_varying_inputs_give_the_published_counts(kind: str, expected: dict[str, list]) -> None:
    for name, inputs in VARYING.items():
        module = neuron(kind)
        got = [int(module.fire(torch.tensor([[value]]))) for value in inputs]
        assert got == expected[name], name


@pytest.mark.parametrize("kind", ["gn", "if", "snm"])
def test_charge_is_conserved(kind: str) -> None:
    generator = torch.Generator().manual_seed(1)
    threshold = torch.tensor([0.5, 1.25, 3.0], dtype=torch.float64)
    module = neuron(kind, threshold)
    inputs = torch.randint(-20, 20, (9, 5, 3), generator=generator).double() / 8
    sent = torch.zeros(5, 3, dtype=torch.float64)
    for current in inputs:
        sent += module(current)
    assert module.potential is not None
    start = module.initial * module.step
    # Multiples of 1/32 throughout: no rounding, hence ==.
    assert torch.equal(module.potential, start + inputs.sum(0) - sent)


def test_snm_never_sends_more_negative_spikes_than_positive_ones() -> None:
    generator = torch.Generator().manual_seed(2)
    module = SNM(torch.rand(50, generator=generator, dtype=torch.float64) + 0.1)
    total = torch.zeros(20, 50, dtype=torch.float64)
    negative = 0
    for _ in range(40):
        counts = module.fire(torch.randn(20, 50, generator=generator, dtype=torch.float64))
        total += counts
        negative += int((counts < 0).sum())
        assert bool((total >= 0).all())
    assert negative > 1000
    assert module.memory is not None
    assert torch.equal(module.memory, total)


@given(theta=st.floats(0.01, 100), ups=st.integers(0, 12), downs=st.integers(0, 20))
def test_snm_takes_back_no_more_than_it_sent(theta: float, ups: int, downs: int) -> None:
    """A memory that sums theta in floats keeps a residue for many thresholds, and misfires."""
    module = SNM(torch.tensor(theta, dtype=torch.float64))
    current = torch.tensor([[theta]], dtype=torch.float64)
    sent = [int(module.fire(1.5 * current)) for _ in range(ups)]
    taken = [int(module.fire(-8 * current)) for _ in range(downs)]
    assert sent == [1] * ups
    assert taken == [-1] * min(ups, downs) + [0] * (downs - min(ups, downs))


@pytest.mark.parametrize("tau", [1, 2, 3, 4, 7, 16])
def test_constant_input_to_gn_gives_the_rounded_total(tau: int) -> None:
    steps, scale = 5, 64
    x = torch.arange(-40, 200, dtype=torch.float64)[None] / scale
    module = GN(torch.tensor(float(tau), dtype=torch.float64), tau=tau)
    total = sum(module.fire(x) for _ in range(steps))
    # theta = tau makes theta / tau = 1: everything is a multiple of 1/64, exact.
    expected = torch.floor(steps * x + 0.5).clamp(0, steps * tau)
    assert torch.equal(torch.as_tensor(total), expected)


def test_a_disabled_neuron_is_silent() -> None:
    module = GN(1.0, tau=2, enabled=torch.tensor([True, False]))
    assert module.fire(torch.full((3, 2), 5.0)).tolist() == [[2, 0]] * 3
    signed = SNM(1.0, enabled=torch.tensor([True, False]))
    for value, expected in ((2.0, [1, 0]), (-9.0, [-1, 0])):
        assert signed.fire(torch.full((1, 2), value)).tolist() == [expected]


def test_reset_restores_the_start_and_a_new_shape_needs_it() -> None:
    module = SNM(1.0)
    first = module(torch.full((2, 3), 0.7))
    second = module(torch.full((2, 3), 0.7))
    assert not torch.equal(first, second)
    with pytest.raises(
        ValueError,
        match=r"^current must have the shape \(2, 3\) of the step before until reset\(\) is "
        r"called, not \(4, 3\)$",
    ):
        module(torch.ones(4, 3))
    module.reset()
    assert torch.equal(module(torch.full((2, 3), 0.7)), first)


@pytest.mark.parametrize("threshold", [0.0, -1.0, math.nan, math.inf])
def test_threshold_is_checked(threshold: float) -> None:
    message = f"threshold must be finite and > 0, not {threshold!r}"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        IF(threshold)


@pytest.mark.parametrize(("tau", "error"), [(0, ValueError), (17, ValueError), (2.0, TypeError)])
def test_tau_is_checked(tau: int, error: type[Exception]) -> None:
    with pytest.raises(error, match=r"^tau must be an integer.*, not "):
        GN(1.0, tau=tau)


@pytest.mark.parametrize("levels", [1, 3, 4, 8])
def test_qcfs_forward(levels: int) -> None:
    threshold = 2.5
    x = torch.linspace(-2, 5, 701, dtype=torch.float64)
    got = qcfs(x, torch.tensor(threshold, dtype=torch.float64), levels)
    for value, y in zip(x.tolist(), got.tolist(), strict=True):
        level = min(max(math.floor(value * levels / threshold + 0.5), 0), levels)
        assert y == pytest.approx(threshold * level / levels, abs=1e-12)


def test_qcfs_gradient_is_the_published_one() -> None:
    levels, threshold = 4, 2.0
    values = [-1.0, -1e-9, 0.0, 0.3, 0.7, 1.1, 1.99, 2.0, 2.001, 9.0]
    level = [0, 0, 0, 1, 1, 2, 4, 4, 4, 4]
    module = QCFS(levels, threshold).double()
    for value, k in zip(values, level, strict=True):
        x = torch.tensor(value, dtype=torch.float64, requires_grad=True)
        module.zero_grad()
        module(x).backward()
        inside = 0 <= value <= threshold
        assert x.grad is not None
        assert module.weight.grad is not None
        assert x.grad.item() == float(inside)
        expected = k / levels - value / threshold if inside else float(value > threshold)
        assert module.weight.grad.item() == pytest.approx(expected, abs=1e-12)


def test_qcfs_gradient_equals_autograd_through_the_definition() -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(200, generator=generator, dtype=torch.float64).mul(3).requires_grad_()
    threshold = torch.tensor(1.7, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(200, generator=generator, dtype=torch.float64)
    (qcfs(x, threshold, 6) * weight).sum().backward()
    scaled = (x / threshold).clamp(0, 1)
    straight = scaled + (torch.floor(scaled * 6 + 0.5) / 6 - scaled).detach()
    expected = torch.autograd.grad((straight * threshold * weight).sum(), (x, threshold))
    assert x.grad is not None
    assert threshold.grad is not None
    torch.testing.assert_close((x.grad, threshold.grad), expected)


def test_qcfs_threshold_stays_positive() -> None:
    module = QCFS(4, 0.01)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.5)
    for _ in range(20):
        optimizer.zero_grad()
        module(torch.ones(8)).sum().backward()  # pushes lambda down by 4 a step
        optimizer.step()
        assert module.threshold.item() > 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 1.0), ValueError, "levels must be an integer in 1..256, not 0"),
        ((2.0, 1.0), TypeError, "levels must be an integer, not 2.0"),
        ((4, -1.0), ValueError, "threshold must be a finite number >= 1e-06, not -1.0"),
        ((4, math.nan), ValueError, "threshold must be a finite number >= 1e-06, not nan"),
        ((4, "8"), TypeError, "threshold must be a number, not '8'"),
    ],
)
def test_qcfs_arguments(arguments: tuple, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        QCFS(*arguments)


@pytest.mark.parametrize("levels", [2, 3, 4, 6, 8])
def test_gn_at_one_step_is_qcfs_to_the_last_bit(levels: int) -> None:
    generator = torch.Generator().manual_seed(levels)
    x = torch.randn(20_000, generator=generator, dtype=torch.float64) * 2
    threshold = torch.tensor(1.9, dtype=torch.float64)
    position = x * levels / threshold + 0.5
    off_tie = (position - position.round()).abs() > 1e-9
    spikes = GN(threshold, tau=levels)(x[None])[0]
    assert torch.equal(spikes[off_tie], qcfs(x, threshold, levels)[off_tie])
    assert int(off_tie.sum()) > 19_990
