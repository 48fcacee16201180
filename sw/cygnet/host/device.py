# SPDX-License-Identifier: Apache-2.0
"""What a host sees of an accelerator, whatever lies between them.

A transport is a class with the members of :class:`Device`: over a serial line
(:mod:`cygnet.host.serial_link`), through a memory map, or in simulation
(:mod:`cygnet.host.simulation`). None of them gives a wrong answer silently: an image whose answer
does not come back intact is asked for again a bounded number of times, and then told in one
sentence.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from cygnet.errors import CygnetError
from cygnet.network import Network

__all__ = ["Answers", "Device", "DeviceError", "Identity", "Progress", "check_frames", "expect"]

Progress = Callable[[int, int], None]
"""Called with the images done and the images in all."""


class DeviceError(CygnetError):
    """A device that cannot be reached, does not answer, or is not the one that was meant."""


@dataclass(frozen=True)
class Identity:
    """What a device says of itself.

    :param network: SHA-256 of the network that it was built from (:attr:`Network.digest`), 64
        hexadecimal digits, or as many of the first as the device keeps (at least 8)
    :param values: bytes of one image, in raster order
    :param classes: logits of one answer
    :param steps: time-steps T that it runs; 0 where it does not say
    :param clock_hz: its clock; 0 where it does not say
    """

    network: str
    values: int
    classes: int
    steps: int = 0
    clock_hz: int = 0


@dataclass(frozen=True)
class Answers:
    """What came back, image by image.

    :param logits: int64[n, classes]
    :param labels: int64[n]
    :param cycles: int64[n], the device's clocks from the first value of an image to its last
        logit; -1 where it does not say
    :param seconds: float64[n], from handing an image to the transport to its answer, on the
        host's clock
    :param retries: images that were sent again
    """

    logits: NDArray[np.int64]
    labels: NDArray[np.int64]
    cycles: NDArray[np.int64]
    seconds: NDArray[np.float64]
    retries: int = 0


class Device(Protocol):
    """An accelerator that classifies; a context manager that closes itself."""

    @property
    def identity(self) -> Identity:
        """Read from the device when it was opened."""

    def classify(self, frames: NDArray[np.uint8], *, progress: Progress | None = None) -> Answers:
        """The answers to some images, in order.

        :param frames: uint8[n, values], raster order
        :raises ValueError: frames of another kind or length
        :raises DeviceError: an answer did not come back intact, time and again
        """

    def close(self) -> None:
        """Give the transport back; more than once does no harm."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...


def check_frames(frames: NDArray[np.uint8], identity: Identity) -> None:
    """Refuse images that the device does not take (ValueError)."""
    if frames.dtype != np.uint8 or frames.ndim != 2 or frames.shape[1] != identity.values:
        raise ValueError(
            f"frames must be uint8[n, {identity.values}], not {frames.dtype}{frames.shape}"
        )


def expect(identity: Identity, network: Network, place: object) -> None:
    """Refuse a device that was built from another network.

    :param place: where the device is, for the message
    :raises DeviceError: its checksum is not the network's
    """
    if identity.network and network.digest.startswith(identity.network):
        values = identity.values
        if network.input.kind == "pixels":
            values = math.prod(network.input.shape)
        if (identity.values, identity.classes) == (values, network.classes):
            return
    raise DeviceError(
        f"{place}: the board holds network {identity.network[:12]}, not {network.name} "
        f"({network.digest[:12]}); load the bitstream that was built from it"
    )
