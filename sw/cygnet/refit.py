# SPDX-License-Identifier: Apache-2.0
"""Parameters of one network in the design of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

from cygnet.errors import CygnetError
from cygnet.hardware import HardwareConfig
from cygnet.images import Memory, memories
from cygnet.layer_plan import LayerPlan, plan_layers
from cygnet.network import Network
from cygnet.neuron_core import NeuronCoreConfig

__all__ = ["refit"]

REMEDY = "generate a design for it"


def refit(design: Network, network: Network, hardware: HardwareConfig) -> list[Memory]:
    """What lies in the memories of a design when it runs another network.

    Both need the same layers; numbers must fit into the widths of the design. Then the design
    computes what the golden model says of the network.

    :param design: the network that the design was generated for
    :param hardware: of the design, loadable
    :raises CygnetError: the network does not fit; the message says where
    """
    where = network.name
    for name in ("kind", "shape", "padding", "bounds"):
        if getattr(network.input, name) == getattr(design.input, name):
            continue
        raise CygnetError(f"{where}: has another input than {design.name}; {REMEDY}")
    if len(network.layers) != len(design.layers):
        raise CygnetError(
            f"{where}: has {len(network.layers)} layers and {design.name} has "
            f"{len(design.layers)}; {REMEDY}"
        )
    if network.steps < hardware.steps:
        raise CygnetError(
            f"{where}: is made for {network.steps} time-steps and the design runs "
            f"{hardware.steps}; convert it again with a larger --steps"
        )
    theirs = plan_layers(design, hardware)
    plans = []
    for plan, ours in zip(theirs, plan_layers(network, hardware), strict=True):
        for what, have, need in _shortages(plan, ours):
            raise CygnetError(
                f"{where}: layer {ours.name!r} has {what} {need} and the design {have}; {REMEDY}"
            )
        plans.append(replace(plan, layer=replace(ours.layer, name=plan.name)))
    try:
        return memories(network, hardware, plans)
    except ValueError as error:
        raise CygnetError(f"{where}: {error} in the design; {REMEDY}") from None


def _shortages(design: LayerPlan, plan: LayerPlan) -> Iterator[tuple[str, Any, Any]]:
    """(what, in the design, in the network) for everything that does not fit."""
    theirs, ours = _shape(design), _shape(plan)
    for name, value in theirs.items():
        if ours[name] != value:
            yield name.replace("_", " "), value, ours[name]
    for what, have, need in (
        ("bits of a weight", design.weight_bits, plan.weight_bits),
        ("bits of a sum", design.accumulator_width, plan.accumulator_width - plan.room),
        ("bits of a bias", design.bias_width, plan.bias_width - plan.room),
        ("bits of a current", design.current_width, plan.current_width - plan.room),
    ):
        if need > have:
            yield what, have, need
    if design.skip is not None and plan.skip is not None:
        have, need = design.skip.weight_bits, plan.skip.weight_bits
        if need > have:
            yield "bits of a shortcut's weight", have, need
    if design.core is not None and plan.core is not None:
        yield from _core_shortages(design.core, plan.core, plan.room)


def _shape(plan: LayerPlan) -> dict[str, Any]:
    """What must be equal."""
    parts = asdict(plan)
    for name in ("layer", "accumulator", "current", "weight_bits", "bias_width", "core"):
        del parts[name]
    if parts["skip"] is not None:
        del parts["skip"]["weight_bits"]
    return parts


def _core_shortages(
    design: NeuronCoreConfig, core: NeuronCoreConfig, room: int
) -> Iterator[tuple[str, Any, Any]]:
    for what, have, need in (
        ("neurons of kind", design.kind, core.kind),
        ("tau", design.tau, core.tau),
        ("rows of neuron parameters", design.channels, core.channels),
        ("saturating membranes", design.saturate, core.saturate),
    ):
        if have != need:
            yield what, have, need
    for name in ("fire_level", "initial_level"):
        given, wanted = getattr(design, name), getattr(core, name)
        if given not in (wanted, "memory"):
            what = "fire levels" if name == "fire_level" else "initial potentials"
            yield what, given, wanted
    if design.saturate and core.membrane_width != design.membrane_width:
        yield "bits of a membrane", design.membrane_width, core.membrane_width
    membrane = core.membrane_width if core.saturate else core.membrane_width - room
    for what, have, need in (
        ("bits of a membrane", design.membrane_width, membrane),
        ("a mask of neurons:", design.enables, core.enables),
        ("bits of an amplitude", design.amplitude_width, core.amplitude_width),
        ("bits of a spike count", design.memory_width, core.memory_width),
    ):
        if need > have:
            yield what, have, need
