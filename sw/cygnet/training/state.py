# SPDX-License-Identifier: Apache-2.0
"""The checkpoint of an interrupted training run.

One safetensors file: the tensors of the model, of the best epoch so far and of the momentum, and
under the metadata key ``cygnet_training`` the rest as JSON. Nothing in it is unpickled.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_bytes

__all__ = ["Epoch", "State", "restore", "store"]

_KEY = "cygnet_training"
_VERSION = 1


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to.

    ``loss`` and ``accuracy`` are means over the training batches as they were seen (augmented, by
    the weights of that moment); ``validation`` is the accuracy on the validation images after it.
    """

    number: int
    loss: float
    accuracy: float
    validation: float
    validation_loss: float


@dataclass
class State:
    """Where a run stands: ``step`` steps of epoch ``epoch`` (from 1) are done."""

    epoch: int = 1
    step: int = 0
    totals: Tensor = field(default_factory=lambda: torch.zeros(2, dtype=torch.float64))
    """Over the steps done in this epoch: losses, and right answers."""
    history: list[Epoch] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0


def store(
    path: str | os.PathLike[str],
    state: State,
    model: nn.Module,
    optimizer: torch.optim.SGD,
    identity: dict[str, Any],
) -> None:
    """Write a checkpoint; an older one stays until the new one is whole.

    :param identity: what must be the same for the run to go on
    :raises CygnetError: the file cannot be written
    """
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in state.best.items()}
    tensors["totals"] = state.totals
    for number, parameter in enumerate(_parameters(optimizer)):
        momentum = optimizer.state[parameter].get("momentum_buffer")
        if momentum is not None:
            tensors[f"momentum.{number}"] = momentum
    notes = {
        "version": _VERSION,
        "identity": identity,
        "epoch": state.epoch,
        "step": state.step,
        "history": [asdict(epoch) for epoch in state.history],
        "best_epoch": state.best_epoch,
    }
    on_host = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    write_bytes(path, safetensors.torch.save(on_host, metadata={_KEY: json.dumps(notes)}))


def restore(
    path: str | os.PathLike[str],
    model: nn.Module,
    optimizer: torch.optim.SGD,
    identity: dict[str, Any],
) -> State:
    """Bring model and optimiser back to where a checkpoint left them.

    :raises CygnetError: the file is no checkpoint, or one of another run; the sentence names the
        first difference
    """
    tensors, notes = _read(path)
    found = notes["identity"]
    for name, value in identity.items():
        if found.get(name) != value:
            raise CygnetError(
                f"{path}: is of a run with {name} {found.get(name)!r}, this one has {value!r}; "
                "use the same options, or give another --checkpoint"
            )
    try:
        model.load_state_dict(_under(tensors, "model."))
        momenta = _under(tensors, "momentum.")
        for number, parameter in enumerate(_parameters(optimizer)):
            if str(number) in momenta:
                buffer = momenta[str(number)].to(parameter)
                if buffer.shape != parameter.shape:
                    raise ValueError
                optimizer.state[parameter]["momentum_buffer"] = buffer
        return State(
            epoch=int(notes["epoch"]),
            step=int(notes["step"]),
            totals=tensors["totals"],
            history=[Epoch(**epoch) for epoch in notes["history"]],
            best=_under(tensors, "best."),
            best_epoch=int(notes["best_epoch"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError):
        raise _not_ours(path) from None


def _read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    data = read_bytes(path)
    try:
        tensors = safetensors.torch.load(data)
        with safetensors.safe_open(Path(path), framework="pt") as opened:
            notes = json.loads((opened.metadata() or {})[_KEY])
    except (safetensors.SafetensorError, ValueError, KeyError, TypeError, RecursionError):
        raise _not_ours(path) from None
    if not isinstance(notes, dict) or notes.get("version") != _VERSION:
        raise _not_ours(path)
    if not isinstance(notes.get("identity"), dict):
        raise _not_ours(path)
    return tensors, notes


def _not_ours(path: str | os.PathLike[str]) -> CygnetError:
    return CygnetError(
        f"{path}: is not a checkpoint of this training; remove it, or give another --checkpoint"
    )


def _under(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def _parameters(optimizer: torch.optim.SGD) -> list[nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
