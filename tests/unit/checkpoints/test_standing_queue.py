"""Which waiting scans are shed: a burst is waited out, a standing queue is kept short."""

from __future__ import annotations

import pytest

from services.checkpoints.standing_queue import StandingQueue


def queue() -> StandingQueue:
    return StandingQueue(target_s=0.02, wait_s_max=0.15)


def took_evenly(
    standing: StandingQueue, waits_s: list[float], from_s: float, until_s: float, per_s: int = 1000
) -> None:
    """Waits in turn, so many a second."""
    for n in range(int((until_s - from_s) * per_s)):
        standing.took(from_s + n / per_s, waits_s[n % len(waits_s)])


def test_a_burst_that_empties_within_a_window_sheds_nobody_early() -> None:
    standing = queue()
    for n in range(90):
        standing.took(n / 1000, 0.1 - n / 1000)
    standing.took(0.12, 0.0)
    took_evenly(standing, [0.001], 0.13, 0.4)
    assert not standing.is_standing
    assert standing.age_s_max == 0.15


def test_a_queue_in_which_every_wait_is_too_long_is_a_standing_one() -> None:
    standing = queue()
    took_evenly(standing, [0.09, 0.03, 0.06], 0.0, 0.25)
    assert standing.is_standing
    assert standing.age_s_max == pytest.approx(0.04)


def test_one_short_wait_in_a_window_says_that_the_queue_empties() -> None:
    standing = queue()
    took_evenly(standing, [0.09] * 49 + [0.01], 0.0, 1.0)
    assert not standing.is_standing


def test_a_queue_that_empties_again_is_waited_for_as_long_as_before() -> None:
    standing = queue()
    took_evenly(standing, [0.05], 0.0, 0.3)
    took_evenly(standing, [0.0], 0.3, 0.55)
    assert not standing.is_standing


def test_what_was_slow_an_hour_ago_says_nothing_about_now() -> None:
    standing = queue()
    took_evenly(standing, [0.05], 0.0, 0.05)
    standing.took(3600.0, 0.05)
    assert not standing.is_standing


def test_nobody_waits_longer_than_the_bound_even_where_the_target_is_large() -> None:
    standing = StandingQueue(target_s=1.0, wait_s_max=0.15)
    took_evenly(standing, [2.0], 0.0, 0.5)
    assert standing.is_standing
    assert standing.age_s_max == 0.15
