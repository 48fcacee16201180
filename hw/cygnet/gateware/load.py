# SPDX-License-Identifier: Apache-2.0
"""Memories of parameters: filled by an image, by a simulator, or at run time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from amaranth.hdl import Module, Shape, Signal
from amaranth.lib.memory import Memory, ReadPort

__all__ = ["Contents", "LoadPort", "Words", "parameter_memory"]


@dataclass(frozen=True, eq=False)
class LoadPort:
    """Writes a memory at run time; signals of the loader.

    :param enable: writes ``data`` to ``address`` in this clock
    :param data: at least as wide as a word, which is in the low bits
    """

    enable: Signal
    address: Signal
    data: Signal


Words = Sequence[int] | LoadPort | None
"""What a memory holds: these words (for Amaranth's simulator), what is written to it, or what an
image says that is read where the Verilog runs."""

Contents = Mapping[str, Words]
"""By the name of the memory, as :func:`cygnet.images.memories` gives them."""


def parameter_memory(
    m: Module,
    name: str,
    *,
    width: int,
    depth: int,
    words: Words,
    attributes: Mapping[str, str | int] | None = None,
) -> ReadPort:
    """Add a memory of parameters to a module; its read port, one clock.

    :param name: of the submodule, by which the image is found
    """
    loaded = isinstance(words, LoadPort)
    attrs = dict(attributes or {})
    if loaded:
        # Nothing that is read in the clock of a write is ever used: a load holds the rest in reset.
        attrs["no_rw_check"] = 1
        if "rom_style" in attrs:
            attrs["ram_style"] = attrs.pop("rom_style")
    init = [] if words is None or isinstance(words, LoadPort) else words
    memory = Memory(shape=Shape(width), depth=depth, init=init, attrs=attrs)
    m.submodules[name] = memory
    if isinstance(words, LoadPort):
        write = memory.write_port()
        m.d.comb += [
            write.en.eq(words.enable),
            write.addr.eq(words.address),
            write.data.eq(words.data),
        ]
    port = memory.read_port()  # its name is in the Verilog
    return port
