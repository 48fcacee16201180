# SPDX-License-Identifier: Apache-2.0
"""Energy by counting operations: the estimate of the papers, and what it leaves out.

Not a measurement. Equation 15 of the SNM paper (after Rathi and Roy, 2020) gives a multiplication
with its addition alpha = 4.6 pJ and an addition beta = 0.9 pJ: 32-bit floats in 45 nm, Horowitz,
ISSCC 2014. It counts neither memories nor neurons nor clocks. From the same tables: 8-bit integers,
as they are used here, and reads of a small static memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cygnet.report.activity import LayerActivity

__all__ = ["ASSUMPTIONS", "Energy", "energy"]

FLOAT_MULTIPLY_ADD = 4.6
"""pJ; alpha of equation 15: 3.7 for the product and 0.9 for the sum."""
FLOAT_ADD = 0.9
"""pJ; beta of equation 15."""
INTEGER_MULTIPLY = 0.2
"""pJ, 8 bits."""
INTEGER_ADD = 0.1
"""pJ, 32 bits."""
READ_64 = 20.0
"""pJ, 64 bits out of a static memory of 32 Kbyte."""

ASSUMPTIONS = (
    "trained network: every input once, zeros and all, padding left out",
    "spiking network: one addition for each spike and synapse, a count of c being c spikes; the "
    "layer that reads pixels multiplies, once for all time-steps, and skips pixels that are 0",
    "32-bit floats in 45 nm, as in equation 15 of the SNM paper: 4.6 pJ for a multiplication with "
    "its addition, 0.9 pJ for an addition (Horowitz, ISSCC 2014)",
    "integers, from the same tables: 0.2 pJ for a product of 8 bits, 0.1 pJ for a sum of 32 bits",
    "memory, from the same tables: weights only, 20 pJ for 64 bits out of 32 Kbyte of static "
    "memory; the trained network reads a weight for each operation, without reuse; the accelerator "
    "reads a row of all lanes for each event and walk over them",
    "left out: neurons, buffers, clocks, leakage, and whatever an FPGA adds to all of these",
)


@dataclass(frozen=True)
class Energy:
    """nJ an image.

    :param ann_operations: of the trained network (a)
    :param snn_operations: of the spiking network (b), multiplications included
    :param first_operations: of its layers that read the input (c)
    :param ann_float: a alpha
    :param snn_float: c alpha + (b - c) beta
    :param ratio: of the two, equation 15
    :param ann_integer: the same counts with integers
    :param snn_integer: likewise
    :param ann_memory: reads of weights of a network that is not spiking
    :param snn_memory: reads of weights that the accelerator makes; None without hardware
    """

    ann_operations: float
    snn_operations: float
    first_operations: float
    ann_float: float
    snn_float: float
    ratio: float
    ann_integer: float
    snn_integer: float
    ann_memory: float
    snn_memory: float | None


def energy(layers: Sequence[LayerActivity], first: Sequence[bool], bits: Sequence[int]) -> Energy:
    """The estimate for one image.

    :param layers: what was counted
    :param first: whether each layer reads pixels
    :param bits: of a weight of each layer
    """
    dense = sum(layer.dense for layer in layers)
    spiking = sum(layer.additions for layer in layers)
    products = sum(layer.additions for layer, reads in zip(layers, first, strict=True) if reads)
    sums = spiking - products
    ann_float = dense * FLOAT_MULTIPLY_ADD
    snn_float = products * FLOAT_MULTIPLY_ADD + sums * FLOAT_ADD
    multiply_add = INTEGER_MULTIPLY + INTEGER_ADD
    ann_bits = sum(layer.dense * width for layer, width in zip(layers, bits, strict=True))
    read = [layer.weight_bits for layer in layers if layer.weight_bits is not None]
    return Energy(
        ann_operations=dense,
        snn_operations=spiking,
        first_operations=products,
        ann_float=ann_float / 1000,
        snn_float=snn_float / 1000,
        ratio=snn_float / ann_float,
        ann_integer=dense * multiply_add / 1000,
        snn_integer=(products * multiply_add + sums * INTEGER_ADD) / 1000,
        ann_memory=ann_bits / 64 * READ_64 / 1000,
        snn_memory=sum(read) / 64 * READ_64 / 1000 if len(read) == len(layers) else None,
    )
