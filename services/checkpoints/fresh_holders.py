"""Whose entries changed lately, as codes' topic tells this process beside their colours.

The table `holder` is written by the worker, which may hear of somebody a moment later than the board does. A scan in
that moment would have a colour and no person, so nobody could be told of it until the worker fills the person in.
"""

from __future__ import annotations

from uuid import UUID

from services.checkpoints.board import StandingsChange
from services.checkpoints.domain.scans import Entry

_ENTRIES_MAX = 50_000


class FreshHolders:
    """Remembers at least the last `_ENTRIES_MAX` entries; one thread puts, others may get."""

    def __init__(self, entries_max: int = _ENTRIES_MAX) -> None:
        self._entries_max = entries_max
        self._young: dict[tuple[int, int], bytes] = {}
        self._old: dict[tuple[int, int], bytes] = {}

    def put(self, change: StandingsChange) -> None:
        if len(self._young) >= self._entries_max:
            self._old, self._young = self._young, {}
        for number, idx in enumerate(change.idx):
            self._young[change.list, idx] = change.person_refs[16 * number : 16 * number + 16]

    def get(self, entry: Entry) -> UUID | None:
        """None where nothing is known of late: the table knows."""
        found = self._young.get(entry) or self._old.get(entry)
        return UUID(bytes=found) if found else None
