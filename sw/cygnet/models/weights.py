# SPDX-License-Identifier: Apache-2.0
"""Weights in files: safetensors, or torch's own read without running what is in them."""

from __future__ import annotations

import io
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import nn

from cygnet.archives import StoredArchive
from cygnet.errors import CygnetError
from cygnet.files import read_bytes, write_bytes

__all__ = ["load_weights", "pickled", "read_notes", "read_weights", "save_weights"]

_KEY = "cygnet"


def save_weights(
    path: str | os.PathLike[str],
    state: Mapping[str, torch.Tensor],
    notes: Mapping[str, Any] | None = None,
) -> None:
    """Write a state dict as safetensors; the file appears whole or not at all.

    :param notes: what made them, kept as JSON under the metadata key ``cygnet``
    :raises CygnetError: the file cannot be written
    """
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in state.items()}
    text = json.dumps(dict(notes or {}), sort_keys=True)
    write_bytes(path, safetensors.torch.save(tensors, metadata={_KEY: text}))


def read_weights(path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """The state dict in a ``.safetensors`` file, or in one of ``torch.save``.

    The latter is loaded weights-only: no code in it runs.

    :raises CygnetError: there is no such file, or it is neither
    """
    data = read_bytes(path)
    if data[:2] == b"PK" or Path(path).suffix in (".pt", ".pth", ".ckpt"):
        return _read_torch(path, data)
    try:
        return safetensors.torch.load(data)
    except safetensors.SafetensorError:
        raise CygnetError(
            f"{path}: is neither safetensors nor a state dict of torch.save; "
            "save model.state_dict() again"
        ) from None


def pickled(path: str | os.PathLike[str]) -> CygnetError:
    """The refusal of a file that holds Python objects, and the ways out."""
    return CygnetError(
        f"{path}: holds a pickled model, and reading it would run code that the file brings; save "
        "model.state_dict() as safetensors or with torch.save and give it as --weights with "
        "module:factory, or export the model to ONNX"
    )


def _read_torch(path: str | os.PathLike[str], data: bytes) -> dict[str, torch.Tensor]:
    if data[:2] == b"PK":
        StoredArchive(os.fspath(path), data, "save model.state_dict() again")
    try:
        state = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise pickled(path) from None
    except Exception:  # what damaged bytes raise is of many kinds
        raise CygnetError(
            f"{path}: is damaged or no file of torch.save; save model.state_dict() again"
        ) from None
    if isinstance(state, Mapping) and isinstance(state.get("state_dict"), Mapping):
        state = state["state_dict"]
    if not isinstance(state, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise CygnetError(f"{path}: holds more than tensors by name; save model.state_dict() alone")
    return dict(state)


def read_notes(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What :func:`save_weights` was told; empty for a file that it did not write."""
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            notes = json.loads((opened.metadata() or {}).get(_KEY, "{}"))
    except (safetensors.SafetensorError, OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def load_weights(model: nn.Module, path: str | os.PathLike[str]) -> None:
    """Fill a model; floats of another width are converted to the model's.

    :raises CygnetError: the file has not exactly the model's tensors
    """
    state = read_weights(path)
    own = model.state_dict()
    missing = sorted(own.keys() - state.keys())
    extra = sorted(state.keys() - own.keys())
    if missing or extra:
        what = f"lacks {missing[0]}" if missing else f"has {extra[0]}, which the model lacks"
        raise CygnetError(f"{path}: {what}; give the weights of this very model")
    for name, value in state.items():
        if value.shape != own[name].shape:
            raise CygnetError(
                f"{path}: {name} has shape {tuple(value.shape)}, the model's is "
                f"{tuple(own[name].shape)}; give the weights of this very model"
            )
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CygnetError(f"{path}: {name} holds a value that is not finite; train again")
    model.load_state_dict(state)
