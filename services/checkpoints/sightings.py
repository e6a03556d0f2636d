"""Where passes were shown lately, as this process knows: the scan path's memory of a few minutes, without any I/O.

Two generations of a bounded size: the younger one is written, both are read, the elder is let go. What this memory
cannot know (other processes, uploads that come late) the worker finds from what was recorded (reuses.py).
"""

from __future__ import annotations

from uuid import UUID

from services.checkpoints.domain.reuse import Place, ReuseRule, seconds_needed
from services.checkpoints.domain.scans import Checkpoint, Entry
from services.checkpoints.positions import Positions

_TIME_BITS, _IDX_BITS = 44, 32
_TIME_MASK = (1 << _TIME_BITS) - 1


class Sightings:
    """`sightings_max` bounds a generation; an entry costs about 100 bytes: two whole numbers in a dictionary."""

    def __init__(self, rule: ReuseRule, positions: Positions, *, sightings_max: int = 150_000) -> None:
        self._rule, self._positions, self._sightings_max = rule, positions, sightings_max
        self._remember_ms, self._clocks_apart_ms = int(rule.remember_s * 1000), int(rule.clocks_apart_s * 1000)
        self._young: dict[int, int] = {}
        self._old: dict[int, int] = {}
        self._until_s = 0.0
        self._numbers: dict[UUID, tuple[Checkpoint, int]] = {}
        self._places: list[Place] = []

    def is_reused(self, entry: Entry, checkpoint: Checkpoint, scanned_at_s: float, now_s: float) -> bool:
        """Whether the pass was just shown where nobody can have come from; and remember that it was shown here.

        A sighting that contradicts the one before does not take its place, else a second try would be believed. It is
        believed once the time for the distance is over. Nor does one that comes late take the place of a newer one.
        """
        if now_s > self._until_s or len(self._young) >= self._sightings_max:
            self._old, self._young, self._until_s = self._young, {}, now_s + self._rule.remember_s
        key, at_ms = entry.list << _IDX_BITS | entry.idx, int(scanned_at_s * 1000)
        last = self._young.get(key) or self._old.get(key)
        known = self._numbers.get(checkpoint.checkpoint_id)
        number = known[1] if known is not None and known[0] is checkpoint else self._number(checkpoint)
        here = number << _TIME_BITS | at_ms
        if last is None or last >> _TIME_BITS == number:
            self._young[key] = here if last is None or here > last else last
            return False
        last_ms = last & _TIME_MASK
        apart_ms = abs(at_ms - last_ms)
        if apart_ms > self._remember_ms:
            is_reused = False
        else:
            needed_s = seconds_needed(self._rule, self._places[last >> _TIME_BITS], self._places[number])
            is_reused = apart_ms + self._clocks_apart_ms < needed_s * 1000
        self._young[key] = last if is_reused or at_ms < last_ms else here
        return is_reused

    def _number(self, checkpoint: Checkpoint) -> int:
        """The number of the checkpoint's place; one that has moved has a new one."""
        known, place = self._numbers.get(checkpoint.checkpoint_id), self._positions.of(checkpoint)
        number = len(self._places) if known is None or self._places[known[1]] != place else known[1]
        if number == len(self._places):
            self._places.append(place)
        self._numbers[checkpoint.checkpoint_id] = checkpoint, number
        return number
