"""The limit of scans that are let in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.checkpoints.rate_limit import Admission, Line, RateLimit, Room


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


def test_so_many_single_scans_are_under_way_and_one_that_ends_lets_the_next_in():
    admission = Admission(RateLimit(0), Room(2, target_s=0.04))
    assert [admission.refused_for_s(10.0, is_single=True) for _ in range(3)] == [0, 0, 1]
    assert admission.refused_for_s(10.0, 500, is_single=False) == 0, "a batch waits in the scan log"
    admission.leave()
    assert admission.refused_for_s(10.0, is_single=True) == 0
    assert admission.singles == 2


def test_who_is_refused_by_the_limit_of_scans_a_second_is_not_under_way():
    admission = Admission(RateLimit(1), Room(10, target_s=0.04))
    answers = [admission.refused_for_s(5.0, is_single=True) for _ in range(5)]
    assert answers[0] == 0
    assert all(answers[1:])
    assert admission.singles == 1


def test_the_line_of_the_refused_moves_at_half_the_pace_of_the_answers():
    line = Line(wait_s_max=30, answers_per_s_min=50)
    line.answered(100.0)
    line.answered(101.0, 400)
    turns = [line.turn_s(101.0) for _ in range(1000)]
    assert [turns.count(seconds) for seconds in range(1, 6)] == [200] * 5
    assert line.turn_s(103.0) == 4, "400 have had their turn"
    assert line.turn_s(200.0) == 1, "the line is over"


def test_a_line_that_moves_faster_than_it_seemed_is_shorter_for_those_who_come_then():
    line = Line(wait_s_max=30, answers_per_s_min=100)
    assert [line.turn_s(0.0) for _ in range(1400)][-1] == 28
    line.answered(0.25, 900)
    assert line.turn_s(0.25) == 1


def test_nobody_is_told_to_wait_longer_than_a_gate_would():
    line = Line(wait_s_max=30, answers_per_s_min=2)
    assert [line.turn_s(0.0) for _ in range(100)][-1] == 30
    assert line.turn_s(29.0) == 2, "those beyond the end do not make it longer"


def under_storm(room: Room, *, answers_per_s: float, seconds: float, base_s: float = 0.0) -> float:
    """Whoever leaves is followed by the next; a scan takes at least `base_s`, or what Little's law says, give or take.

    The mean of the last moment.
    """
    mean_s = 0.0
    for n in range(1, int(answers_per_s * seconds)):
        assert room.is_full(room.size + 1)
        mean_s = max(base_s, room.size / answers_per_s)
        room.answered(n / answers_per_s, max(base_s, mean_s * (0.2, 1.0, 1.8)[n % 3]))
    return mean_s


@pytest.mark.parametrize("answers_per_s", [900.0, 1600.0, 4000.0])
def test_a_storm_finds_as_much_room_as_is_answered_within_the_target(answers_per_s: float) -> None:
    room = Room(256, target_s=0.04)
    took_s = under_storm(room, answers_per_s=answers_per_s, seconds=5)
    assert took_s == pytest.approx(0.04, rel=0.12)


@pytest.mark.parametrize("commit_s", [0.06, 0.12])
def test_where_commits_are_slow_and_not_the_line_the_room_stays_large(commit_s: float) -> None:
    room = Room(256, target_s=0.03)
    under_storm(room, answers_per_s=256 / commit_s, seconds=15, base_s=commit_s)
    assert room.size == 256


def test_room_comes_back_when_the_machine_does() -> None:
    room = Room(256, target_s=0.04)
    under_storm(room, answers_per_s=800, seconds=3)
    assert room.size <= 40
    for n in range(1000):
        room.answered(3 + n / 333, 0.025)
    assert room.size == 256


def test_after_a_pause_the_room_is_what_it_was_at_first() -> None:
    room = Room(256, target_s=0.04)
    under_storm(room, answers_per_s=800, seconds=3)
    room.answered(3600, 0.5)
    assert room.size == 256
    room.is_full(1000)
    room.answered(3600.15, 0.5)
    assert room.size == 256, "what was slow an hour ago is not the slowness before this one"


def test_a_hiccup_turns_nobody_away() -> None:
    room = Room(256, target_s=0.04)
    for n in range(100):
        room.is_full(1000)
        room.answered(n / 343, 0.3 if n == 50 else 0.003)
    room.answered(0.5, 0.003)
    assert room.size == 256


def test_who_finds_room_is_served_however_slow_it_is() -> None:
    room = Room(256, target_s=0.04)
    room.answered(0.0, 0.003)
    for n in range(1, 400):
        assert not room.is_full(255)
        room.answered(n / 100, 2.55)
    assert room.size == 256


def test_after_a_stop_of_the_store_the_room_is_small_and_not_nothing() -> None:
    room = Room(256, target_s=0.04)
    room.answered(9.0, 0.003)
    for n in range(1024):
        room.is_full(1000)
        room.answered(10 + n / 1000, 4.0)
    assert room.size == 32
    assert not room.is_full(31)
    assert room.is_full(32)


def test_a_room_smaller_than_a_commit_keeps_its_size() -> None:
    room = Room(2, target_s=0.04)
    under_storm(room, answers_per_s=10, seconds=3)
    assert room.size == 2
