# SPDX-License-Identifier: Apache-2.0
"""How much the buffer of a shortcut must hold, so that the main path never waits for itself.

The main path runs ahead of the window in which a shortcut is added: its kernels look at pixels to
come. What its source has sent by then must be in the shortcut's buffer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cygnet.buffer_plan import BufferPlan
from cygnet.errors import CygnetError

if TYPE_CHECKING:
    from cygnet.layer_plan import LayerPlan

__all__ = ["lead", "projection_lines", "skip_slots"]

SPARE_LINES = 3
"""Of a projection shortcut. With one, the layers on the main path of ResNet-20 stood still for a
sixth of the time (docs/results/accelerator.md); a fourth brings nothing."""


def _needed(plan: LayerPlan, target: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last pixel of its source that a layer needs for each of the given windows."""
    needed = np.asarray(np.array(plan.main.needed, dtype=np.int64)[target])
    if plan.main.pool is None:
        return needed
    y, x = needed // plan.main.width, needed % plan.main.width
    kernel = plan.main.pool.kernel
    width = plan.main.width * kernel[1]
    return np.asarray(((y + 1) * kernel[0] - 1) * width + (x + 1) * kernel[1] - 1, dtype=np.int64)


def lead(plans: Sequence[LayerPlan], number: int, source: int) -> NDArray[np.int64]:
    """int64[windows]: the last pixel of layer ``source`` that each window of layer ``number`` waits
    for, by way of the layers between."""
    needed = np.arange(plans[number].pixels)
    while number != source:
        if number < source:
            raise CygnetError(
                f"layer {plans[source].name!r}: gateware adds a shortcut that starts on the main "
                f"path; run this network in the golden model"
            )
        needed = _needed(plans[number], needed)
        number = plans[number].main.source
    return needed


def skip_slots(plans: Sequence[LayerPlan], number: int, source: int) -> int:
    """Pixels that an identity shortcut must hold for the main path never to wait for ever, and a
    line more, so that it seldom waits."""
    ahead = int((lead(plans, number, source) - np.arange(plans[number].pixels)).max()) + 1
    return min(ahead + plans[number].shape[1] + 1, 2 * plans[number].pixels)


def projection_lines(plans: Sequence[LayerPlan], number: int, buffer: BufferPlan) -> int:
    """Lines that a projection shortcut must hold for the main path never to wait for ever, and
    three more, so that it seldom waits."""
    ahead = lead(plans, number, buffer.source) // buffer.width
    tops = np.repeat([row.top for row in buffer.window_rows], len(buffer.window_columns))
    return int((ahead - tops).max()) + 1 + SPARE_LINES
