"""The limit of scans that are let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.rate_limit import RateLimit


def test_without_a_limit_everything_enters() -> None:
    limit = RateLimit(0)
    assert all(limit.wait_s(0.0, 1000) == 0 for _ in range(1000))


def test_what_is_offered_three_times_over_enters_at_the_limit() -> None:
    limit = RateLimit(800)
    entered = sum(limit.wait_s(n / 2400) == 0 for n in range(24_000))
    assert entered == pytest.approx(8000, rel=0.03)


def test_a_burst_enters_at_once_and_what_follows_is_told_when_to_come() -> None:
    limit = RateLimit(4, burst_s=2.0)
    waits = [limit.wait_s(0.0) for _ in range(10)]
    assert waits == [0.0] * 8 + [0.25] * 2
    assert limit.wait_s(0.125) == 0.125
    assert limit.wait_s(0.25) == 0.0


def test_a_batch_larger_than_any_burst_enters_when_nobody_is_ahead() -> None:
    limit = RateLimit(100)
    assert limit.wait_s(0.0, 1000) == 0
    assert limit.wait_s(1.0) > 0
    assert limit.wait_s(10.0) == 0


@given(st.lists(st.tuples(st.floats(0, 0.1), st.integers(1, 20)), max_size=200))
def test_never_more_enter_than_the_pace_and_one_burst(arrivals: list[tuple[float, int]]) -> None:
    limit, now_s, entered = RateLimit(100, burst_s=0.5), 0.0, 0
    for pause_s, count in arrivals:
        now_s += pause_s
        entered += count if limit.wait_s(now_s, count) == 0 else 0
    assert entered <= 100 * (now_s + 0.5) + 1e-6 + 1
