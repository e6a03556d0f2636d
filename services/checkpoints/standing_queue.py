"""Which waiting scans are shed: a burst is waited out, a standing queue is not (CoDel, RFC 8289).

A queue that empties within a tenth of a second is a burst, and nobody is refused for it. A queue in which even the
shortest wait of a whole window exceeds the target is a standing one: it gives no throughput and makes everybody wait.
Gates send whether or not the service keeps up, so the queue is then kept short by age: a scan that waited longer than
twice the target is refused before it is read. In any case nobody waits longer than `wait_s_max`.

RFC 8289 spaces its drops so that TCP senders slow down. Callers here do not, so the age decides (as in folly's Codel).
"""

from __future__ import annotations

import math

WINDOW_S = 0.1


class StandingQueue:
    """Judges waits; times are of a clock that never goes back, in seconds."""

    def __init__(self, *, target_s: float, wait_s_max: float, window_s: float = WINDOW_S) -> None:
        self._target_s, self._wait_s_max, self._window_s = target_s, wait_s_max, window_s
        self._least_s, self._until_s = math.inf, 0.0
        self.is_standing = False

    def took(self, now_s: float, waited_s: float) -> None:
        """A scan left the queue, to be read or to be refused, after this wait."""
        if now_s >= self._until_s:
            was_seen = self._until_s > now_s - 2 * self._window_s
            self.is_standing = was_seen and self._target_s < self._least_s < math.inf
            self._least_s, self._until_s = math.inf, now_s + self._window_s
        self._least_s = min(self._least_s, waited_s)

    @property
    def age_s_max(self) -> float:
        """The longest wait that is still worth an answer."""
        return min(2 * self._target_s, self._wait_s_max) if self.is_standing else self._wait_s_max
