"""How many scans a second are let in, where a limit is set: the generic cell rate algorithm (GCRA, ITU-T I.371).

Beyond what can be recorded in time an early, polite refusal is worth more than a late answer: who is refused is told
when to come again, and who was let in is served as fast as ever.
"""

from __future__ import annotations

_BURST_S = 0.25
"""How far ahead of its pace the traffic may be: a quarter of a second's worth at once."""


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
