# SPDX-License-Identifier: Apache-2.0
"""MODEL on a command line: a factory with weights, or a file that holds a whole network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from cygnet.errors import CygnetError
from cygnet.models import build, load_weights
from cygnet.models.weights import pickled, read_notes
from cygnet.network import Network, Shape

__all__ = ["Source", "read_source"]

_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".bin", ".joblib")


@dataclass(frozen=True)
class Source:
    """A trained network.

    :param model: in eval mode; None where the file holds an integer network, of Cygnet's making
    :param shape: (height, width, channels) of an input, where the file states it
    :param notes: what the weights say about how they were trained
    :param network: the integer network, where the file holds it
    :param usual: the kind of input that such files have
    """

    model: nn.Module | None
    shape: Shape | None = None
    notes: Mapping[str, Any] = field(default_factory=dict)
    network: Network | None = None
    usual: Literal["pixels", "counts"] = "pixels"


def read_source(reference: str, weights: Path | None, *, reset: str | None = None) -> Source:
    """The network that MODEL and ``--weights`` name.

    :param reference: ``module:factory``, or a ``.onnx``, ``.pt2`` or ``.nir`` file
    :param weights: of a factory; None where it loads its own, which those of the zoo do not
    :param reset: of a ``.nir`` file that does not say how its neurons reset: ``"subtract"``
    :raises CygnetError: something of it is not there, is not to be trusted, or does not fit
    """
    suffix = Path(reference).suffix.lower()
    if suffix in (".onnx", ".pt2", ".nir"):
        return _file(reference, suffix, weights, reset)
    if ":" not in reference.partition("(")[0]:
        if suffix in _PICKLES:
            raise pickled(reference)
        if suffix == ".safetensors":
            raise CygnetError(
                f"{reference}: holds weights and no network; give module:factory and this file as "
                "--weights"
            )
        if suffix == ".cyg":
            raise CygnetError(f"{reference}: is an integer network already; nothing is to be done")
        if suffix and Path(reference).is_file():
            raise CygnetError(
                f"{reference}: is no file of a network; give .onnx, .pt2 or .nir, or "
                "module:factory with --weights"
            )
        if weights is None:
            raise CygnetError(f"{reference}: is of the zoo and not trained; give --weights")
    model = build(reference)
    if weights is None:
        return Source(model.eval())
    load_weights(model, weights)
    return Source(model.eval(), notes=read_notes(weights))


def _file(path: str, suffix: str, weights: Path | None, reset: str | None) -> Source:
    if weights is not None:
        raise CygnetError(f"{path}: holds its weights; leave out --weights")
    if suffix == ".nir":
        from cygnet.interop.nir_read import read_nir

        read, sample = read_nir(path, reset=reset)
        if isinstance(read, Network):
            return Source(None, read.input.shape, network=read)
        return Source(read, _raster(sample), usual="counts")
    if suffix == ".onnx":
        from cygnet.interop.onnx_model import read_onnx

        model, sample = read_onnx(path)
    else:
        from cygnet.interop.exported_program import read_exported

        model, sample = read_exported(path)
    return Source(model, _raster(sample))


def _raster(sample: tuple[int, ...] | None) -> Shape | None:
    if sample is None or len(sample) not in (1, 3) or min(sample) < 1:
        return None
    return (1, 1, sample[0]) if len(sample) == 1 else (sample[1], sample[2], sample[0])
