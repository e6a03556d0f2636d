"""Who is let in when more come than can be served: an early, polite refusal is worth more than a late answer.

Two limits: scans a second, where one is set (`RateLimit`), and single scans under way at once (`Room`): as many as are
answered in a bearable time. Who was let in is served as fast as ever, and who is refused is told when to come again:
refusals form a line that moves half as fast as scans are answered (the other half are of people who come for the first
time), and everybody is told when the place at its end will be served. So a storm spreads instead of coming back a
second later, larger.
"""

from __future__ import annotations

import math

_BURST_S = 0.25
"""How far ahead of its pace the traffic may be: a quarter of a second's worth at once."""
_PACE_OF_S = 0.25
_ROOM_OF_S, _PAUSE_S, _QUICKEST_OF_S = 0.1, 2.0, 60.0
_OF_THE_LINE = 0.5
"""The share of the answers that go to those who were refused before. With all of them, a storm of ten times the peak
was half people who came a second and a third time: 5,000 requests/s instead of 3,900, and fewer of them accepted."""


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


class Room:
    """For so many single scans at once that they are answered within `target_s` on the average.

    By Little's law the time of an answer is what is under way over what is answered a second, so beyond what keeps the
    cores and the database busy more under way only makes everybody wait: with 256 a storm was answered after 190 ms in
    the median, with 64 after 50, and as many a second. What is enough depends on the machine and its hour, so it is
    found: while somebody finds no room, less when two tenths of a second one after the other were too slow (one is a
    hiccup, which a queue is for), and again more with each that was not. Where nobody is turned away, nothing is made
    smaller: so many clients as there is room for may be slow, and are all served. Where even the quickest answers of
    the last minute are slow (a commit takes long), fewer at once would be no quicker: twice their time is the target
    then. `most` bounds the room; below `least` a commit would hold too few. After a pause it is as large as at first.
    """

    def __init__(self, most: int, *, target_s: float, least: int = 32) -> None:
        self._most, self._least, self._target_s = float(most), float(min(least, most)), target_s
        self._size = self._most
        self._took_s, self._answers, self._since_s = 0.0, 0, -math.inf
        self._was_full = self._was_slow = False
        self._quickest_s = self._quickest_before_s = math.inf
        self._quickest_since_s = 0.0

    @property
    def size(self) -> int:
        return int(self._size)

    def is_full(self, under_way: int) -> bool:
        if under_way < self._size:
            return False
        self._was_full = True
        return True

    def answered(self, now_s: float, took_s: float) -> None:
        """A scan was recorded and answered after `took_s`. `now_s` is of a clock that never goes back."""
        passed_s = now_s - self._since_s
        if passed_s > _PAUSE_S:
            self._size, self._was_slow = self._most, False
            self._begin(now_s)
        self._took_s += took_s
        self._answers += 1
        self._quickest_s = min(self._quickest_s, took_s)
        if _ROOM_OF_S <= passed_s <= _PAUSE_S:
            self._resize(self._took_s / self._answers)
            self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._took_s, self._answers, self._since_s, self._was_full = 0.0, 0, now_s, False
        if now_s - self._quickest_since_s > _QUICKEST_OF_S:
            self._quickest_before_s, self._quickest_s, self._quickest_since_s = self._quickest_s, math.inf, now_s

    def _resize(self, mean_s: float) -> None:
        target_s = max(self._target_s, 2 * min(self._quickest_s, self._quickest_before_s))
        is_slow = mean_s > target_s
        if is_slow and self._was_slow and self._was_full:
            self._size = max(self._least, self._size * max(0.5, target_s / mean_s))
        elif not is_slow:
            self._size = min(self._most, self._size * 1.1)
        self._was_slow = is_slow


class Line:
    """Those who were refused, in thought: how many are ahead. Times are of a clock that never goes back, in seconds."""

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
        pace_per_s = self._answers_per_s * _OF_THE_LINE
        self._ahead = min(self._ahead + count, pace_per_s * self._wait_s_max)
        return max(1, math.ceil(self._ahead / pace_per_s))

    def _move(self, now_s: float) -> None:
        self._ahead = max(0.0, self._ahead - (now_s - self._seen_s) * self._answers_per_s * _OF_THE_LINE)
        self._seen_s = now_s


class Admission:
    """Lets scans in, as the limit and the room for single ones allow. Batches are bounded by the scan log's queue."""

    def __init__(self, limit: RateLimit, room: Room) -> None:
        self._limit, self._room, self._line = limit, room, Line()
        self.singles = 0

    def refused_for_s(self, now_s: float, count: int = 1, *, is_single: bool) -> int:
        """0 when so many are let in; else in how many seconds they may come again. A single scan must `leave`."""
        if (is_single and self._room.is_full(self.singles)) or self._limit.wait_s(now_s, count) > 0:
            return self._line.turn_s(now_s, count)
        self.singles += is_single
        return 0

    def turn_s(self, now_s: float, count: int = 1) -> int:
        """When those may come again whom something else refused, in seconds."""
        return self._line.turn_s(now_s, count)

    def answered(self, now_s: float, count: int) -> None:
        """So many scans that did not come as single ones of gates."""
        self._line.answered(now_s, count)

    def single_answered(self, now_s: float, took_s: float) -> None:
        self._line.answered(now_s)
        self._room.answered(now_s, took_s)

    def leave(self) -> None:
        self.singles -= 1
