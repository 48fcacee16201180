# SPDX-License-Identifier: Apache-2.0
"""Verilog of an accelerator, for people and tools to read."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Mapping
from typing import Literal

from amaranth.back import verilog
from amaranth.lib import wiring

from cygnet import __version__
from cygnet.gateware.accelerator import Accelerator
from cygnet.gateware.axi.top import CORE, AxiAccelerator
from cygnet.hardware import HardwareConfig
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Convolution, Network

__all__ = ["Bus", "convert", "generate", "top_name"]


Bus = Literal["stream", "axi"]
"""The ports of the top module: bare streams, or AXI4-Stream with AXI4-Lite registers."""


def top_name(network: Network, bus: Bus = "stream") -> str:
    """Name of the top module."""
    return f"cygnet_{network.name}" + ("_axi" if bus == "axi" else "")


def generate(
    network: Network, hardware: HardwareConfig, *, bus: Bus = "stream", buffered: bool = False
) -> str:
    """The accelerator as one Verilog file; its memories read ``<memory>.mem`` by ``$readmemh``,
    unless ``hardware.loadable``.

    The text depends on the network's sizes, widths and checksum, never on this machine.

    :param buffered: with AXI, frames and answers may pass through registers
    :raises ValueError, CygnetError: see :class:`Accelerator`, :class:`AxiAccelerator`; a loadable
        design without AXI
    """
    plans = plan_layers(network, hardware)
    name = top_name(network, bus)
    component: wiring.Component
    if bus == "axi":
        component = AxiAccelerator(network, hardware, buffered=buffered)
        inside = f"{name}.{CORE}"
    else:
        if hardware.loadable:
            raise ValueError(f"bus must be 'axi' for a loadable design, not {bus!r}")
        component = Accelerator(network, hardware)
        inside = name
    images: dict[str, str | None] = {}
    for plan in plans:
        images[f"{inside}.{plan.name}.engine.weights"] = f"{plan.name}_weight"
        images[f"{inside}.{plan.name}.drain.biases"] = f"{plan.name}_bias"
        if plan.skip is not None:
            images[f"{inside}.{plan.name}.drain.skips"] = f"{plan.name}_skip"
        if plan.core is not None and plan.core.row_width:
            for number in range(plan.cores):
                place = f"{inside}.{plan.name}_neurons.core{number}.parameters"
                images[place] = f"{plan.name}_neuron{number}"
    if hardware.loadable:
        images = dict.fromkeys(images)
    return convert(component, name, images=images, header=_header(network, hardware, plans, name))


def convert(
    component: wiring.Component, name: str, *, images: Mapping[str, str | None], header: str
) -> str:
    """Verilog of any component, with stable module names and memories that read images.

    :param name: of the top module; modules inside are named by their place, joined by ``__``
    :param images: name of the image by the memory's place, such as ``top.engine.weights``;
        None for a memory that nothing fills before it runs
    :param header: comment at the top, without comment marks
    :raises ValueError: an image names a memory that the Verilog does not have
    """
    text = verilog.convert(component, name=name, emit_src=False, strip_internal_attrs=True)
    text = _read_images(text, name, images)
    text = _plain_names(text)
    text = re.sub(rf"\b({_SYSTEM_VERILOG})\b", r"\1_", text)
    # Yosys marks wires that feed a register; without its wire the mark would be a syntax error.
    text = re.sub(r"^  \(\* init = .* \*\)\n", "", text, flags=re.MULTILINE)
    # What wakes every `always @*` at time 0 must change then: with its value in the declaration, as
    # SystemVerilog has it, it would not.
    text = re.sub(r"^  reg (_auto_\w+) *= 0;$", r"  reg \1;\n  initial \1 = 0;", text, flags=re.M)
    text = _MODULE.sub(lambda match: _drop_unused(match[0]), text)
    text = re.sub(r"\A(/\*.*?\*/\s*)+", "", text, flags=re.DOTALL)
    comment = "".join(f"// {line}".rstrip() + "\n" for line in header.splitlines())
    return f"{comment}\n{text.strip()}\n"


def describe_shape(network: Network, number: int) -> str:
    """What a layer maps to what, such as ``12 -> 10`` or ``8x8x4 -> 8x8x8, 3x3``."""

    def text(shape: tuple[int, int, int]) -> str:
        return "x".join(str(size) for size in shape) if shape[:2] != (1, 1) else str(shape[2])

    layer = network.layers[number]
    described = f"{text(network.shape(layer.source))} -> {text(network.shape(number))}"
    if isinstance(layer.synapses, Convolution):
        described += f", {layer.synapses.kernel[0]}x{layer.synapses.kernel[1]}"
    if layer.pool is not None:
        described += f" after pooling {layer.pool.kernel[0]}x{layer.pool.kernel[1]}"
    if layer.shortcut is not None:
        described += f", {type(layer.shortcut).__name__.lower()} shortcut"
    return described


def _header(
    network: Network, hardware: HardwareConfig, plans: tuple[LayerPlan, ...], name: str
) -> str:
    height, width, channels = network.input.shape
    lines = [
        f"{name}: spiking network accelerator, generated by Cygnet {__version__}",
        "",
        f"network    {network.name}",
        f"checksum   {network.digest}",
        f"input      {height} x {width} x {channels} {network.input.kind} of 8 bits, "
        f"{hardware.beat} in a beat",
        f"time-steps {hardware.steps}",
    ]
    for plan in plans:
        if plan.core is None:
            neuron = "accumulates"
        else:
            neuron = (
                f"{plan.core.kind}, tau {plan.core.tau}, membrane {plan.core.membrane_width} bits, "
                f"cores {plan.cores} {plan.core.variant}"
            )
        block = f", blocks of {plan.columns} steps" if plan.blocks > 1 else ""
        lines.append(
            f"layer      {plan.name}: {describe_shape(network, plan.number)}, "
            f"{plan.weight_bits}-bit weights, {plan.lanes} lanes {plan.arithmetic}{block}, {neuron}"
        )
    filled = (
        "The memories are empty until they are loaded; nothing runs before."
        if hardware.loadable
        else "The memories are filled by $readmemh from the files <layer>_weight.mem, "
        "<layer>_bias.mem, <layer>_skip.mem and <layer>_neuron<core>.mem in the working "
        "directory."
    )
    lines += ["", *textwrap.wrap(filled, 90)]
    return "\n".join(lines)


# Words that are names in Verilog, which the text is written in, and keywords in SystemVerilog,
# which it may be read as.
_SYSTEM_VERILOG = re.sub(
    r"\s+",
    "|",
    """accept_on alias always_comb always_ff always_latch assert assume before bind bins binsof
    bit break byte chandle checker class clocking const constraint context continue cover
    covergroup coverpoint cross dist do endchecker endclass endclocking endgroup endinterface
    endpackage endprogram endproperty endsequence enum eventually expect export extends extern
    final first_match foreach forkjoin global iff ignore_bins illegal_bins implements implies
    import inside int interconnect interface intersect join_any join_none let local logic
    longint matches modport nettype new nexttime null package packed priority program property
    protected pure rand randc randcase randsequence ref reject_on restrict return s_always
    s_eventually s_nexttime s_until s_until_with sequence shortint shortreal soft solve static
    string strong struct super sync_accept_on sync_reject_on tagged this throughout
    timeprecision timeunit type typedef union unique unique0 until until_with untyped var
    virtual void wait_order weak wildcard with within""",
)

_MODULE = re.compile(r"^module (\\\S+ |\w+)(.*?)^endmodule$", re.DOTALL | re.MULTILINE)
_MEMORY = re.compile(
    r"^  reg (?P<range>\[\d+:0\] )?(?P<name>\\\S+ |\w+) ?\[(?P<high>\d+):0\];\n"
    r"(?P<init>  initial begin\n(?:    [^\n]*;\n)+  end\n)?",
    re.MULTILINE,
)


def _read_images(text: str, top: str, images: Mapping[str, str | None]) -> str:
    """Replace the word-by-word initial contents of each memory: by its image, or by a loop."""
    missing = set(images)

    def module(match: re.Match[str]) -> str:
        place = match[1].strip().removeprefix("\\")

        def memory(found: re.Match[str]) -> str:
            name = found["name"].strip()
            path = f"{place}.{name.removeprefix(chr(92))}"
            declaration = f"  reg {found['range'] or ''}{name} [{found['high']}:0];\n"
            if path in images:
                missing.discard(path)
                if images[path] is None:
                    return declaration
                return f'{declaration}  initial $readmemh("{images[path]}.mem", {name});\n'
            if found["init"] is None:
                return declaration
            if re.search(r"= \d+'[hb]0*[1-9a-f]", found["init"]):
                return found[0]
            return (
                f"{declaration}  integer {name}_row;\n"
                f"  initial for ({name}_row = 0; {name}_row <= {found['high']}; "
                f"{name}_row = {name}_row + 1) {name}[{name}_row] = 0;\n"
            )

        return _MEMORY.sub(memory, match[0])

    text = _MODULE.sub(module, text)
    if missing:
        raise ValueError(f"images must name memories of {top}, not {sorted(missing)!r}")
    return text


def _plain_names(text: str) -> str:
    """Names that need no escape: ``\\top.a.b `` becomes ``top__a__b``, ``\\x$5 `` ``x_5``."""
    taken = set(re.findall(r"(?<![\\\w.$])[A-Za-z_]\w*", text))
    renamed: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        escaped = match[1]
        if escaped not in renamed:
            name = re.sub(r"\W", "_", escaped.replace(".", "__"))
            name = name if re.match(r"[A-Za-z_]", name) else f"n_{name}"
            while name in taken:
                name += "_"
            taken.add(name)
            renamed[escaped] = name
        return renamed[escaped]

    text = re.sub(r"\\(\S+) ", plain, text)
    return re.sub(r"  always @\(posedge clk\) begin\n  end\n", "", text)


_WIRE = re.compile(r"^  wire (?:\[\d+:0\] )?(\w+);$")
_ASSIGN = re.compile(r"^  assign (\w+)(?:\[[\d:]+\])? = ")


def _drop_unused(module: str) -> str:
    """Leave out the wires that nothing reads, and what drives them."""
    lines = module.split("\n")
    # The names of the ports of an instance are not uses.
    words = [set(re.findall(r"\w+", re.sub(r"\.\w+\(", "(", line))) for line in lines]
    ports = set(re.findall(r"\w+", lines[0]))
    while True:
        uses = Counter(word for line in words for word in line)
        drives = Counter(match[1] for line in lines if (match := _ASSIGN.match(line)))
        declared = {match[1] for line in lines if (match := _WIRE.match(line))}
        unused = {name for name in declared - ports if uses[name] == drives[name] + 1}
        if not unused:
            return "\n".join(lines)
        keep = [
            index
            for index, line in enumerate(lines)
            if not ((match := _WIRE.match(line) or _ASSIGN.match(line)) and match[1] in unused)
        ]
        lines = [lines[index] for index in keep]
        words = [words[index] for index in keep]
