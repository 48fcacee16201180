# SPDX-License-Identifier: Apache-2.0
"""Registers in a row."""

from __future__ import annotations

from typing import Any

from amaranth.hdl import Module, Signal

__all__ = ["delayed"]


def delayed(m: Module, value: Any, name: str, clocks: int, *, reset_less: bool = True) -> Any:
    """A value, or a view, some clocks later.

    :param reset_less: for data, which means nothing without a flag that is reset
    """
    for stage in range(clocks):
        register = Signal(value.shape(), name=f"{name}_{stage}", reset_less=reset_less)
        m.d.sync += register.eq(value)
        value = register
    return value
