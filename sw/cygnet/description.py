# SPDX-License-Identifier: Apache-2.0
"""What a network is made of, layer by layer, in words and numbers for people and for JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cygnet.network import INPUT, Dense, Identity, Layer, Network, Projection, Shape

__all__ = ["LayerDescription", "describe", "summary"]


@dataclass(frozen=True)
class LayerDescription:
    """One layer.

    :param name: of the layer
    :param reads: name of the layer that it reads, or ``input``
    :param synapses: kind, kernel, stride, padding and pooling in words
    :param shortcut: kind and source in words, or None
    :param shape: (height, width, channels) of its output
    :param neuron: kind and members in words; ``accumulates`` for a last layer without neurons
    :param neurons: how many
    :param disabled: how many of them never fire
    :param reset: (least, greatest) reset amount K, or None
    :param fire: (least, greatest) fire level F, or None
    :param step: (least, greatest) float activation that one count stands for, or None
    :param bits: of a weight
    :param weights: how many, those of a projection included
    :param zeros: share of the weights that are 0
    :param current: (least, greatest) current of one time-step that its weights allow
    :param current_bits: width of that, two's complement
    :param potential: the same of the potential before firing, or of a last layer's sum
    :param potential_bits: width of that
    :param operations: synaptic operations of one time-step, were every input an event
    """

    name: str
    reads: str
    synapses: str
    shortcut: str | None
    shape: Shape
    neuron: str
    neurons: int
    disabled: int
    reset: tuple[int, int] | None
    fire: tuple[int, int] | None
    step: tuple[float, float] | None
    bits: int
    weights: int
    zeros: float
    current: tuple[int, int]
    current_bits: int
    potential: tuple[int, int]
    potential_bits: int
    operations: int


def describe(network: Network) -> list[LayerDescription]:
    """Every layer of a network."""
    return [_layer(network, number) for number in range(len(network.layers))]


def summary(network: Network) -> dict[str, Any]:
    """The whole network as JSON: the schema ``explain`` of docs/reference/json.md."""
    layers = describe(network)
    spec = network.input
    return {
        "name": network.name,
        "sha256": network.digest,
        "steps": network.steps,
        "logit_scale": network.logit_scale,
        "input": {
            "kind": spec.kind,
            "shape": list(spec.shape),
            "scale": spec.scale,
            "mean": list(spec.mean),
            "std": list(spec.std),
            "layout": spec.layout,
        },
        "layers": [asdict(layer) for layer in layers],
        "totals": {
            "neurons": sum(layer.neurons for layer in layers),
            "weights": sum(layer.weights for layer in layers),
            "weight_bits": sum(layer.weights * layer.bits for layer in layers),
            "operations": sum(layer.operations for layer in layers),
        },
    }


def _layer(network: Network, number: int) -> LayerDescription:
    layer = network.layers[number]
    shape = network.shape(number)
    weights = [layer.synapses.weight]
    if isinstance(layer.shortcut, Projection):
        weights.append(layer.shortcut.weight)
    count = sum(part.size for part in weights)
    current, potential = network.current(number), network.potential(number)
    neurons = layer.neurons
    height, width, channels = shape
    disabled = 0
    if neurons is not None and neurons.enabled is not None:
        disabled = int((~neurons.per_neuron("enabled", shape)).sum())
    return LayerDescription(
        name=layer.name,
        reads="input" if layer.source == INPUT else network.layers[layer.source].name,
        synapses=_synapses(layer),
        shortcut=_shortcut(network, layer),
        shape=shape,
        neuron=_neuron(layer),
        neurons=0 if neurons is None else height * width * channels,
        disabled=disabled,
        reset=None if neurons is None else _ends(neurons.reset),
        fire=None if neurons is None else _ends(neurons.fire),
        step=None if neurons is None else (float(neurons.step.min()), float(neurons.step.max())),
        bits=layer.synapses.bits,
        weights=count,
        zeros=sum(int((part == 0).sum()) for part in weights) / count,
        current=(current.low, current.high),
        current_bits=current.width,
        potential=(potential.low, potential.high),
        potential_bits=potential.width,
        operations=network.macs(number),
    )


def _ends(values: np.ndarray) -> tuple[int, int]:
    return int(values.min()), int(values.max())


def _pair(values: tuple[int, int]) -> str:
    return str(values[0]) if values[0] == values[1] else f"{values[0]}x{values[1]}"


def _synapses(layer: Layer) -> str:
    words = []
    if layer.pool is not None:
        words.append(f"pool {layer.pool.kernel[0]}x{layer.pool.kernel[1]},")
    if isinstance(layer.synapses, Dense):
        words.append("dense")
    else:
        height, width = layer.synapses.kernel
        words.append(f"conv {height}x{width}")
        if layer.synapses.stride != (1, 1):
            words.append(f"stride {_pair(layer.synapses.stride)}")
        if layer.synapses.padding != (0, 0):
            words.append(f"padding {_pair(layer.synapses.padding)}")
        if layer.synapses.groups > 1:
            words.append(f"groups {layer.synapses.groups}")
    return " ".join(words)


def _shortcut(network: Network, layer: Layer) -> str | None:
    if layer.shortcut is None:
        return None
    kind = "identity" if isinstance(layer.shortcut, Identity) else "projection"
    return f"{kind} of {network.layers[layer.shortcut.source].name}"


def _neuron(layer: Layer) -> str:
    if layer.neurons is None:
        return "accumulates"
    members = f", tau {layer.neurons.tau}" if layer.neurons.kind == "gn" else ""
    width = layer.neurons.membrane_width
    return f"{layer.neurons.kind.upper()}{members}" + (f", {width} bits" if width else "")
