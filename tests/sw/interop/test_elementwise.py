# SPDX-License-Identifier: Apache-2.0
"""QCFS out of elementwise steps, against the steps themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cygnet.interop.elementwise import Step, qcfs_of


def step(form: str, value: float = 0.0) -> Step:
    if form == "clip":
        return Step("Clip", "c", "clip", low=0.0, high=value)
    return Step(form, form, form, value)


def compute(steps: list[Step], x: np.ndarray) -> np.ndarray:
    """The steps, one by one."""
    for one in steps:
        if one.form == "clip":
            x = np.clip(x, one.low, one.high)
        elif one.form == "floor":
            x = np.floor(x)
        else:
            x = {"mul": x * one.value, "div": x / one.value, "add": x + one.value}[one.form]
    return x


def orders(levels: int, theta: float) -> list[list[Step]]:
    ratio = np.float64(np.float32(levels / theta))
    return [
        [step("mul", levels), step("div", theta), step("add", 0.5), step("floor"),
         step("clip", levels), step("mul", theta / levels)],
        [step("div", theta), step("clip", 1), step("mul", levels), step("add", 0.5),
         step("floor"), step("div", levels), step("mul", theta)],
        [step("mul", ratio), step("add", 0.5), step("floor"), step("clip", levels),
         step("mul", np.float64(np.float32(theta / levels)))],
        [step("div", theta / levels), step("add", 0.5), step("floor"), step("clip", levels),
         step("div", levels), step("mul", theta)],
    ]  # fmt: skip


@given(st.integers(1, 256), st.floats(2**-7, 100, width=32), st.integers(0, 3))
def test_every_order_is_the_activation(levels: int, theta: float, order: int) -> None:
    steps = orders(levels, theta)[order]
    found = qcfs_of(steps)
    assert found is not None
    assert found.levels == levels
    assert found.threshold.item() == pytest.approx(theta, rel=1e-6)
    if order < 2:  # lambda stands in the file as it is
        assert found.threshold.item() == theta
    # Away from the places where a level changes.
    level = np.arange(-3, levels + 4)
    x = (level[:, None] + [-0.45, 0.1, 0.45]).reshape(-1) * theta / levels
    with torch.no_grad():
        got = found(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(got, compute(steps, x), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "steps",
    [
        # Another offset, another slope, a limit that is no level, no limit, two floors.
        [step("div", 2), step("add", 0.4), step("floor"), step("clip", 4), step("mul", 2)],
        [step("div", 2), step("add", 0.5), step("floor"), step("clip", 4), step("mul", 3)],
        [step("div", 2), step("add", 0.5), step("floor"), step("clip", 3.5), step("mul", 2)],
        [step("div", 2), step("add", 0.5), step("floor"), step("mul", 2)],
        [step("floor"), step("add", 0.5), step("floor"), step("clip", 4)],
        [step("div", 2), step("add", 0.5), step("floor"), step("clip", 600), step("mul", 2)],
        [step("mul", -2), step("add", 0.5), step("floor"), step("clip", 4), step("div", -2)],
        [step("div", 0), step("add", 0.5), step("floor"), step("clip", 4), step("mul", 0)],
    ],
)
def test_what_is_no_qcfs(steps: list[Step]) -> None:
    assert qcfs_of(steps) is None


def test_a_lower_limit_that_is_not_zero() -> None:
    steps = orders(4, 1.0)[0]
    steps[4] = Step("Clip", "c", "clip", low=-1.0, high=4.0)
    assert qcfs_of(steps) is None
