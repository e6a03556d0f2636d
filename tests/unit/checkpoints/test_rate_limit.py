"""Admission control: the rate limit, and when a refused caller may retry."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.rate_limit import Admission, RateLimit, RetryQueue


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


def test_so_many_single_scans_are_under_way_and_one_that_ends_makes_room():
    admission = Admission(RateLimit(0), 2)
    for _ in range(2):
        assert admission.has_room()
        admission.enter()
    assert not admission.has_room()
    admission.leave()
    assert admission.has_room()


def test_a_caller_refused_by_the_rate_limit_is_told_when_to_retry():
    admission = Admission(RateLimit(1), 10)
    answers = [admission.refused_for_s(5.0) for _ in range(5)]
    assert answers[0] == 0
    assert all(answers[1:])


def test_the_queue_of_refused_callers_moves_at_half_the_pace_of_the_answers():
    queue = RetryQueue(wait_s_max=30, answers_per_s_min=50)
    queue.answered(100.0)
    queue.answered(101.0, 400)
    turns = [queue.turn_s(101.0) for _ in range(1000)]
    assert [turns.count(seconds) for seconds in range(1, 6)] == [200] * 5
    assert queue.turn_s(103.0) == 4, "400 have had their turn"
    assert queue.turn_s(200.0) == 1, "the queue is over"


def test_a_queue_that_moves_faster_than_it_seemed_is_shorter_for_those_who_come_then():
    queue = RetryQueue(wait_s_max=30, answers_per_s_min=100)
    assert [queue.turn_s(0.0) for _ in range(1400)][-1] == 28
    queue.answered(0.25, 900)
    assert queue.turn_s(0.25) == 1


def test_nobody_is_told_to_wait_longer_than_a_gate_would():
    queue = RetryQueue(wait_s_max=30, answers_per_s_min=2)
    assert [queue.turn_s(0.0) for _ in range(100)][-1] == 30
    assert queue.turn_s(29.0) == 2, "those beyond the end do not make it longer"
