# SPDX-License-Identifier: Apache-2.0
"""What every transport shares: the checks of images and of a device's identity."""

from __future__ import annotations

import re

import numpy as np
import pytest

from cygnet.host.device import DeviceError, Identity, check_frames, expect
from networks import dense_network


def test_frames_are_checked() -> None:
    identity = Identity("0" * 64, values=12, classes=4)
    check_frames(np.zeros((3, 12), np.uint8), identity)
    for wrong in (np.zeros((3, 11), np.uint8), np.zeros(12, np.uint8), np.zeros((3, 12), np.int8)):
        message = f"frames must be uint8[n, 12], not {wrong.dtype}{wrong.shape}"
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            check_frames(wrong, identity)


@pytest.mark.parametrize("digits", [8, 64])
def test_the_network_that_was_meant(digits: int) -> None:
    network = dense_network(1)
    expect(Identity(network.digest[:digits], 12, 4), network, "here")


@pytest.mark.parametrize(
    "identity",
    [
        Identity("0123456789abcdef", 12, 4),
        Identity("", 12, 4),
        Identity(dense_network(1).digest, 13, 4),
        Identity(dense_network(1).digest, 12, 5),
    ],
)
def test_another_network_is_told(identity: Identity) -> None:
    network = dense_network(1)
    with pytest.raises(DeviceError, match=r"^/dev/x: the board holds network .*, not random \("):
        expect(identity, network, "/dev/x")
