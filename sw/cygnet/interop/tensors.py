# SPDX-License-Identifier: Apache-2.0
"""The integer tensors of a network, for other programs."""

from __future__ import annotations

import io
import os

import numpy as np
import safetensors.numpy

from cygnet.files import write_bytes
from cygnet.network import Network
from cygnet.network_file import contents

__all__ = ["write_npz", "write_safetensors"]


def write_safetensors(network: Network, path: str | os.PathLike[str]) -> None:
    """Write every tensor of the network's file by its name there (docs/file-format.md), with the
    network's name, digest and T_max as metadata.

    :raises CygnetError: the file cannot be written
    """
    _, tensors = contents(network)
    metadata = {"network": network.name, "sha256": network.digest, "steps": str(network.steps)}
    # The library keeps several keys in no fixed order; one key keeps the bytes the same.
    text = ", ".join(f"{key}={value}" for key, value in metadata.items())
    write_bytes(path, safetensors.numpy.save(tensors, metadata={"cygnet_export": text}))


def write_npz(network: Network, path: str | os.PathLike[str]) -> None:
    """Write every tensor of the network's file as an array of a ``.npz`` file.

    :raises CygnetError: the file cannot be written
    """
    _, tensors = contents(network)
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **tensors)
    write_bytes(path, stream.getvalue())
