# SPDX-License-Identifier: Apache-2.0
"""The networks that are to show faults: nothing in them is silent, full, or without effect."""

from __future__ import annotations

import numpy as np

from cygnet.cosim.exercise import dense_network, maps_network, pictures
from cygnet.golden.values import run


def test_neurons_of_the_dense_network_give_all_their_counts() -> None:
    network = dense_network()
    result = run(network, pictures(network, 800, 1), steps=3, record=True)
    assert len(np.unique(result.logits, axis=0)) >= 400
    for counts in result.counts[:-1]:
        assert counts is not None
        for neuron in counts.reshape(-1, counts.shape[-1]).T:
            share = np.bincount(neuron, minlength=5) / neuron.size
            assert share.min() >= 0.02


def test_lines_of_the_maps_have_from_none_to_all_of_their_events() -> None:
    network = maps_network()
    result = run(network, pictures(network, 120, 1), steps=2, record=True)
    for counts in result.counts[:-1]:
        assert counts is not None
        fired = (counts != 0).any(axis=0)
        lines = fired.reshape(*fired.shape[:2], -1).sum(axis=2)
        share = np.bincount(lines.ravel(), minlength=9) / lines.size
        assert share.min() >= 0.03


def test_an_event_less_is_seen_at_the_logits() -> None:
    network = maps_network()
    frames = pictures(network, 120, 1)
    rng = np.random.default_rng(2)
    less = frames.copy()
    for frame in less:
        events = np.argwhere(frame)
        if len(events):
            frame[tuple(rng.choice(events))] = 0
    changed = (less != frames).any(axis=(1, 2, 3))
    assert changed.sum() >= 100
    logits = [run(network, x, steps=2).logits[changed] for x in (frames, less)]
    assert (logits[0] != logits[1]).any(axis=1).mean() >= 0.8
