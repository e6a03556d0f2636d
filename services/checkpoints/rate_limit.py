"""Admission control: the service sheds load early when more scans come than it can record.

`SCAN_ADMISSION_PER_S` limits scans a second, where it is set (`RateLimit`). Single scans beyond those under way wait
unread (single_scans.py), and standing_queue.py says which of them are shed. A refused caller gets 503 with
`Retry-After`, computed from a virtual queue of all refused callers (`RetryQueue`), so that a storm spreads out instead
of coming back a second later, larger.
"""

from __future__ import annotations

import math

_BURST_S = 0.25
"""How far ahead of its pace the traffic may be: a quarter of a second's worth at once."""
_PACE_OF_S = 0.25
_RETRY_SHARE = 0.5
"""The share of the answers that is kept for retries; new callers take the other half."""


class RateLimit:
    """`per_s` 0 lets everything in."""

    def __init__(self, per_s: float, *, burst_s: float = _BURST_S) -> None:
        self._interval_s = 1 / per_s if per_s else 0.0
        self._burst_s = burst_s
        self._arrives_at_s = 0.0

    def wait_s(self, now_s: float, count: int = 1) -> float:
        """0 when so many may enter now, and they are counted; else in how many seconds they may, and nothing counts.

        `now_s` is of a clock that never goes back. More at once than a burst holds enter when nobody is ahead of them.
        """
        if not self._interval_s:
            return 0.0
        due_s = max(self._arrives_at_s, now_s)
        ahead_s = due_s - now_s
        need_s = count * self._interval_s
        if ahead_s > max(0.0, self._burst_s - need_s):
            return ahead_s - max(0.0, self._burst_s - need_s)
        self._arrives_at_s = due_s + need_s
        return 0.0


class RetryQueue:
    """A virtual queue of refused callers, from which `Retry-After` is computed.

    Times are of a clock that never goes back, in seconds.
    """

    def __init__(self, *, wait_s_max: int = 30, answers_per_s_min: float = 200.0) -> None:
        self._wait_s_max, self._answers_per_s_min = wait_s_max, answers_per_s_min
        self._answers_per_s, self._answered, self._since_s = answers_per_s_min, 0, 0.0
        self._ahead, self._seen_s = 0.0, 0.0

    def answered(self, now_s: float, count: int = 1) -> None:
        """So many scans were answered: the line moves at half the pace of the last quarter of a second."""
        self._answered += count
        passed_s = now_s - self._since_s
        if passed_s >= _PACE_OF_S:
            self._move(now_s)
            self._answers_per_s = max(self._answered / passed_s, self._answers_per_s_min)
            self._answered, self._since_s = 0, now_s

    def turn_s(self, now_s: float, count: int = 1) -> int:
        """Queue so many at the end; in how many seconds their turn comes, from 1 to `wait_s_max`."""
        self._move(now_s)
        pace_per_s = self._answers_per_s * _RETRY_SHARE
        self._ahead = min(self._ahead + count, pace_per_s * self._wait_s_max)
        return max(1, math.ceil(self._ahead / pace_per_s))

    def _move(self, now_s: float) -> None:
        self._ahead = max(0.0, self._ahead - (now_s - self._seen_s) * self._answers_per_s * _RETRY_SHARE)
        self._seen_s = now_s


class Admission:
    """Admits scans by the rate limit, bounds single scans under way, and says when a refused caller may retry.

    Batches are bounded by the scan log's queue.
    """

    def __init__(self, limit: RateLimit, singles_max: int) -> None:
        self._limit, self._retries = limit, RetryQueue()
        self.singles, self.singles_max = 0, singles_max

    def has_room(self) -> bool:
        """Whether one more single scan may be under way."""
        return self.singles < self.singles_max

    def enter(self) -> None:
        """One more single scan is under way, until it `leave`s."""
        self.singles += 1

    def leave(self) -> None:
        self.singles -= 1

    def refused_for_s(self, now_s: float, count: int = 1) -> int:
        """0 when the rate limit admits so many; else in how many seconds they may retry."""
        if self._limit.wait_s(now_s, count) > 0:
            return self._retries.turn_s(now_s, count)
        return 0

    def turn_s(self, now_s: float, count: int = 1) -> int:
        """In how many seconds callers may retry that something else refused."""
        return self._retries.turn_s(now_s, count)

    def answered(self, now_s: float, count: int = 1) -> None:
        """So many scans were answered."""
        self._retries.answered(now_s, count)
