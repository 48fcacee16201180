# SPDX-License-Identifier: Apache-2.0
"""How a weight is multiplied by a value: three ways, what each takes, and how long."""

from __future__ import annotations

import math
from typing import Literal, get_args

from cygnet.ranges import Bounds

__all__ = [
    "ARITHMETIC",
    "OPERAND",
    "Arithmetic",
    "digits",
    "packs",
    "product_latency",
    "product_terms",
]

Arithmetic = Literal["lut", "lut6", "dsp"]
"""Products in lookup tables of four inputs, of six, or in multiplier blocks."""

ARITHMETIC: tuple[Arithmetic, ...] = get_args(Arithmetic)

OPERAND = 18
"""Bits of a multiplier block's operand, signed (ECP5; iCE40 has 16, Xilinx 7 has more)."""

_DIGITS_FROM = 6
"""Bits of a value from which on digits are smaller than bits."""


def product_terms(value: Bounds) -> int:
    """Terms of a product by shifts and additions: one for each bit of the value, but the two
    highest bits share one where they are never set together (0..4 is 00x, 01x and 100)."""
    shared = not value.signed and value.width > 1 and value.high == 1 << value.width - 1
    return value.width - shared


def digits(value: Bounds, arithmetic: Arithmetic) -> bool:
    """Whether a product is a sum over the value's digits of two bits, each of which chooses 0, 1, 2
    or 3 times the weight."""
    return arithmetic == "lut6" and not value.signed and value.width >= _DIGITS_FROM


def packs(value: Bounds, weight_bits: int) -> bool:
    """Whether two values fit into a multiplier's operand side by side: with v bits each and w of
    the weight, (v1 << (w + v) | v0) * weight holds both products, the upper one less by the sign of
    the lower."""
    return not value.signed and weight_bits + 2 * value.width + 1 <= OPERAND


def product_latency(
    value: Bounds, arithmetic: Arithmetic = "lut", weight_bits: int = 8, columns: int = 1
) -> int:
    """Clocks from operands, in registers, to the product.

    :param columns: values that one weight is multiplied by
    """
    if arithmetic == "dsp":
        return 2 if columns > 1 and packs(value, weight_bits) else 1
    if digits(value, arithmetic):
        return 1 + math.ceil(math.log2(-(-value.width // 2)))
    return max(1, math.ceil(math.log2(product_terms(value))))
