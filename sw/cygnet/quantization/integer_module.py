# SPDX-License-Identifier: Apache-2.0
"""An integer network on any torch device, in float64, which holds every integer of it exactly.

For data sets on a GPU. Every value is a whole number below 2**53, so that the results equal the
golden model's; tests compare the two.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from cygnet.network import INPUT, Convolution, Dense, Identity, Layer, Network, SumPool

__all__ = ["integer_logits"]


def integer_logits(
    network: Network,
    x: NDArray[np.uint8],
    *,
    steps: int,
    device: str | torch.device = "cpu",
    batch: int = 500,
    progress: Callable[[int, int], None] | None = None,
) -> Tensor:
    """Logits after each of the steps 1..T.

    :param x: uint8[n, height, width, channels], raster order
    :param steps: T in 1..``network.steps``
    :param progress: called with (images done, images in all)
    :returns: int64[T, n, classes] on the CPU: the sums up to each step
    :raises ValueError: ``steps`` is out of range, or the network takes counts
    """
    if not 1 <= steps <= network.steps:
        raise ValueError(f"steps must be an integer in 1..{network.steps}, not {steps!r}")
    if network.input.kind != "pixels":
        raise ValueError(f"input kind must be 'pixels', not {network.input.kind!r}")
    layers = [_Layer(network, number, device) for number in range(len(network.layers))]
    pixels = torch.from_numpy(np.require(x, None, "W"))
    parts = []
    with torch.no_grad():
        for begin in range(0, len(x), batch):
            images = pixels[begin : begin + batch].to(device).permute(0, 3, 1, 2)
            parts.append(_run(layers, images.double(), steps).cpu())
            if progress is not None:
                progress(min(begin + batch, len(x)), len(x))
    return torch.cat(parts, 1)


def _run(layers: list[_Layer], images: Tensor, steps: int) -> Tensor:
    for layer in layers:
        layer.reset()
    result: list[Tensor] = []
    for _ in range(steps):
        values = {INPUT: images}
        for number, layer in enumerate(layers):
            values[number] = layer.step(values)
        total = values[len(layers) - 1] if not result else result[-1] + values[len(layers) - 1]
        result.append(total)
    # [n, c, h, w] back to the raster.
    return torch.stack([total.permute(0, 2, 3, 1).flatten(1) for total in result]).long()


class _Layer:
    """One layer's parameters and state, maps in torch's order [n, c, h, w]."""

    def __init__(self, network: Network, number: int, device: str | torch.device) -> None:
        self.layer: Layer = network.layers[number]
        self.padding = network.input.padding
        peak = max(abs(bound) for b in (network.current(number), network.potential(number))
                   for bound in (b.low, b.high))  # fmt: skip
        if peak >= 2**53:
            raise ValueError(f"sums of layer {self.layer.name!r} must be below 2**53, not {peak}")

        def tensor(array: NDArray) -> Tensor:
            return torch.from_numpy(np.require(array, None, "W")).to(device).double()

        if isinstance(self.layer.synapses, Convolution):
            self.weight = tensor(self.layer.synapses.weight).permute(0, 3, 1, 2).contiguous()
        else:
            self.weight = tensor(self.layer.synapses.weight)
        self.bias = tensor(self.layer.bias)[:, None, None]
        shape = network.shape(number)
        if self.layer.shortcut is not None:
            self.shortcut = tensor(self.layer.shortcut.weight)
        if self.layer.neurons is not None:
            self.parameters = {
                name: tensor(self.layer.neurons.per_neuron(name, shape)).permute(2, 0, 1)
                for name in ("reset", "fire", "initial", "enabled", "amplitude")
            }
        self.reset()

    def reset(self) -> None:
        self.membrane: Tensor | None = None
        self.memory: Tensor | None = None
        self.constant: Tensor | None = None

    def step(self, values: dict[int, Tensor]) -> Tensor:
        current = self._current(values)
        return current if self.layer.neurons is None else self._fire(current)

    def _current(self, values: dict[int, Tensor]) -> Tensor:
        fixed = self.layer.source == INPUT and self.layer.shortcut is None
        if fixed and self.constant is not None:
            return self.constant
        current = self._product(values[self.layer.source]) + self.bias
        shortcut = self.layer.shortcut
        if shortcut is not None:
            carried = values[shortcut.source]
            if isinstance(shortcut, Identity):
                current = current + carried * self.shortcut[:, None, None]
            else:
                weight = self.shortcut[:, :, None, None]
                current = current + functional.conv2d(carried, weight, None, shortcut.stride)
        if fixed:
            self.constant = current
        return current

    def _product(self, x: Tensor) -> Tensor:
        fill = torch.tensor(self.padding, dtype=x.dtype, device=x.device)[:, None, None]
        if self.layer.pool is not None:
            x = _sums(x, self.layer.pool)
            fill = fill * float(np.prod(self.layer.pool.kernel))
        synapses = self.layer.synapses
        if isinstance(synapses, Dense):
            flat = x.permute(0, 2, 3, 1).flatten(1)
            return (flat @ self.weight.T)[:, :, None, None]
        padding: tuple[int, int] = synapses.padding
        if self.layer.source == INPUT and any(padding) and any(self.padding):
            (v, h), (_, _, height, width) = padding, x.shape
            padded = fill.expand(len(x), -1, height + 2 * v, width + 2 * h).clone()
            padded[:, :, v : v + height, h : h + width] = x
            x, padding = padded, (0, 0)
        result = functional.conv2d(
            x, self.weight, None, synapses.stride, padding, 1, synapses.groups
        )
        # Fast convolution algorithms may round; whole numbers come back to themselves.
        return result.round()

    def _fire(self, current: Tensor) -> Tensor:
        neurons = self.layer.neurons
        assert neurons is not None
        reset, fire = self.parameters["reset"], self.parameters["fire"]
        before = (self.parameters["initial"] if self.membrane is None else self.membrane) + current
        if neurons.membrane_width is not None:
            half = 1 << (neurons.membrane_width - 1)
            before = before.clamp(-half, half - 1)
        counts = (before >= fire).double()
        for member in range(1, neurons.tau):
            counts += before >= fire + member * reset
        if neurons.kind == "snm":
            if self.memory is None:
                self.memory = torch.zeros_like(before)
            counts -= ((before <= -fire) & (self.memory > 0)).double()
        counts = counts * self.parameters["enabled"]
        if self.memory is not None:
            self.memory = self.memory + counts
        self.membrane = before - counts * reset
        return counts * self.parameters["amplitude"]


def _sums(x: Tensor, pool: SumPool) -> Tensor:
    return functional.avg_pool2d(x, pool.kernel, pool.stride, divisor_override=1)
