# SPDX-License-Identifier: Apache-2.0
"""Modules of SpikingJelly and snnTorch, as ours.

They are known by their class names and attributes; neither package is imported.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cygnet.errors import ConversionError
from cygnet.neurons import Imported

__all__ = ["Scale", "translate"]

_SPIKINGJELLY = "spikingjelly."
_SNNTORCH = "snntorch."


class Scale(nn.Module):
    """A factor on a value: one number, one for each channel, or one for each neuron.

    :param factor: in the last two cases a tensor of that many numbers, torch's order
    """

    factor: Tensor

    def __init__(self, factor: Tensor | float) -> None:
        super().__init__()
        self.register_buffer("factor", torch.as_tensor(factor).detach().double().clone())

    def fitted(self, shape: tuple[int, ...]) -> Tensor:
        """The factors as they broadcast to a sample of a shape.

        :raises ValueError: they do not
        """
        if self.factor.numel() == 1:
            return self.factor.reshape(-1)[0]
        if self.factor.numel() == shape[0]:
            return self.factor.reshape(-1, *[1] * (len(shape) - 1))
        if self.factor.numel() == torch.Size(shape).numel():
            whole = self.factor.reshape(shape)
            return whole[:, :1, :1] if bool((whole == whole[:, :1, :1]).all()) else whole
        raise ValueError(f"a factor of shape {tuple(self.factor.shape)} does not fit {shape}")

    def forward(self, x: Tensor) -> Tensor:
        return x * self.fitted(tuple(x.shape[1:]))


def is_simulator_layer(module: nn.Module) -> bool:
    """Whether this is SpikingJelly's form of a layer of torch, which computes the same."""
    return type(module).__module__.startswith(_SPIKINGJELLY) and isinstance(
        module, (nn.Linear, nn.Conv2d, nn.BatchNorm1d, nn.BatchNorm2d, nn.AvgPool2d, nn.Flatten)
    )


def translate(model: nn.Module) -> None:
    """Replace the neurons and scalers in a model, and let its layers take one step at a time.

    :raises ConversionError: a neuron does what no neuron here does; names the layer
    """
    for name, module in list(model.named_modules()):
        if getattr(module, "step_mode", None) == "m":
            module.step_mode = "s"
        new = _translated(name, module)
        if new is not None and name:
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, new)


def _translated(name: str, module: nn.Module) -> nn.Module | None:
    home, kind = type(module).__module__, type(module).__name__
    if home.startswith(_SPIKINGJELLY):
        if kind in ("VoltageScaler", "ChannelVoltageScaler"):
            return Scale(torch.as_tensor(module.scale))
        if kind in ("VoltageHook", "ChannelVoltageHook"):
            return nn.Identity()
        if hasattr(module, "v_threshold"):
            return _spikingjelly(name, kind, module)
    if home.startswith(_SNNTORCH) and hasattr(module, "threshold"):
        return _snntorch(name, kind, module)
    return None


def _refuse(name: str, kind: str, reason: str, remedy: str) -> ConversionError:
    return ConversionError(f"layer {name!r} ({kind}): {reason}; {remedy}")


def _spikingjelly(name: str, kind: str, module: Any) -> Imported:
    if kind != "IFNode":
        raise _refuse(
            name, kind, "of SpikingJelly's neurons only IFNode is supported", "use IFNode"
        )
    if module.v_reset is not None:
        raise _refuse(
            name, kind, "resets to a value, and the hardware resets by subtraction",
            "use v_reset=None and train again",
        )  # fmt: skip
    return _imported(name, kind, module.v_threshold, strict=False)


def _snntorch(name: str, kind: str, module: Any) -> Imported:
    if kind != "Leaky":
        raise _refuse(
            name, kind, "of snnTorch's neurons only Leaky is supported", "use Leaky with beta=1"
        )
    if not bool((torch.as_tensor(module.beta).clamp(0, 1) == 1).all()):
        raise _refuse(
            name, kind, "its potential leaks, and the hardware integrates",
            "use beta=1 and train again",
        )  # fmt: skip
    if module.reset_mechanism != "subtract":
        raise _refuse(
            name, kind, f"its reset is {module.reset_mechanism!r}, not by subtraction",
            "use reset_mechanism='subtract' and train again",
        )  # fmt: skip
    if module.inhibition or module.state_quant:
        raise _refuse(name, kind, "inhibits or quantises its state", "switch that off")
    if not module.init_hidden:
        raise _refuse(
            name, kind, "takes its potential from outside, step by step",
            "build it with init_hidden=True, and let forward compute one step",
        )  # fmt: skip
    value = torch.as_tensor(module.graded_spikes_factor)
    return _imported(name, kind, module.threshold, value=value, strict=True)


def _imported(
    name: str, kind: str, threshold: object, *, value: Tensor | float = 1.0, strict: bool
) -> Imported:
    try:
        return Imported(
            torch.as_tensor(threshold).detach(),
            value=torch.as_tensor(value).detach(),
            strict=strict,
        )
    except ValueError as error:
        raise _refuse(name, kind, str(error), "train it again") from None
