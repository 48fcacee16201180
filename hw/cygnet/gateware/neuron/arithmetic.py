# SPDX-License-Identifier: Apache-2.0
"""Arithmetic of the cores."""

from __future__ import annotations

from amaranth import Cat, Mux, Value

from cygnet.gateware.neuron.timeline import Timeline

__all__ = ["clamp", "multiple"]


def clamp(value: Value, width: int) -> Value:
    """A signed value, limited to what ``width`` bits hold."""
    if len(value) <= width:
        return value
    top = value[width - 1 :]
    fits = top.all() | ~top.any()
    sign = value[-1]
    return Mux(fits, value[:width], Cat((~sign).replicate(width - 1), sign)).as_signed()


def multiple(line: Timeline, stage: int, factor: int) -> Value:
    """``factor`` times K in ``stage``, out of at most two additions or subtractions."""
    reset = line.at("reset", stage)
    odd = factor
    shift = 0
    while odd % 2 == 0:
        odd //= 2
        shift += 1
    if odd == 1:
        product = reset
    elif (odd & (odd - 1)).bit_count() == 1:
        product = reset + (reset << (odd - 1).bit_length() - 1)
    elif (odd & (odd + 1)) == 0:
        product = ((reset << odd.bit_length()) - reset)[: len(reset) + odd.bit_length()]
    else:
        product = multiple(line, stage, odd - 8) + (reset << 3)  # 11 and 13
    return (product << shift)[: (len(reset) + factor.bit_length())]
