# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import pytest

from cygnet.cosim.stalls import PROFILES, Stall


def clocks(stall: Stall, seed: int, count: int = 4000) -> list[bool]:
    return list(itertools.islice(stall.clocks(seed), count))


def test_none_never_stalls() -> None:
    assert not any(clocks(Stall(), 3))


def test_alternating_stalls_every_other_clock_from_either_phase() -> None:
    assert clocks(Stall("alternating"), 0, 4) == [False, True, False, True]
    assert clocks(Stall("alternating"), 1, 4) == [True, False, True, False]


def test_one_in_stalls_at_its_rate() -> None:
    # 4,000 draws of one in four: 1,000 with a standard deviation of 27.
    assert 860 < sum(clocks(Stall("one-in", 4), 11)) < 1140


def test_bursts_keep_to_their_longest_run_and_reach_it() -> None:
    runs = [len(list(run)) for _, run in itertools.groupby(clocks(Stall("bursty", 5), 2))]
    assert max(runs[:-1]) == 5
    assert min(runs[:-1]) == 1


@pytest.mark.parametrize("stall", PROFILES, ids=str)
def test_a_seed_repeats_and_a_name_round_trips(stall: Stall) -> None:
    assert clocks(stall, 9) == clocks(stall, 9)
    assert Stall.parse(str(stall)) == stall


@pytest.mark.parametrize("text", ["", "often", "bursty-", "one-in-1", "one-in-x"])
def test_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"^stall .*must be .*, not "):
        Stall.parse(text)
