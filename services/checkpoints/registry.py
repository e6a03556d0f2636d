"""The checkpoints in memory: each api process knows them all with what is ordered of them, a new one when asked for.

Since what will hold is known before it does, a change takes effect in every process at its very moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from services.checkpoints.domain.life import Timeline, holding, way_from
from services.checkpoints.domain.scans import Checkpoint

ReadChanged = Callable[[datetime | None], tuple[list[Timeline], datetime]]
"""The checkpoints changed since about a moment (None: all), and the moment to ask about next time."""


class Registry:
    def __init__(self, read_changed: ReadChanged) -> None:
        self._read_changed = read_changed
        self._by_id: dict[UUID, Timeline] = {}
        self._by_venue_code: dict[str, UUID] = {}
        self._asked_at: datetime | None = None

    def find(self, checkpoint_id: UUID, at: datetime) -> Checkpoint | None:
        """The checkpoint as it was at a moment."""
        versions = self._by_id.get(checkpoint_id)
        if versions is None or len(versions) == 1:
            return versions and versions[0]
        return holding(versions, at)

    def find_venue(self, code: str, at: datetime) -> Checkpoint | None:
        checkpoint_id = self._by_venue_code.get(code)
        return None if checkpoint_id is None else self.find(checkpoint_id, at)

    def taker(self, checkpoint: Checkpoint, at: datetime) -> Checkpoint:
        """Where a scan at this checkpoint goes: itself, or the one that it was merged into by then."""
        if checkpoint.successor is None:
            return checkpoint
        return way_from(checkpoint, lambda successor: self.find(successor, at))[-1]

    def put(self, timelines: Iterable[Timeline]) -> None:
        for versions in timelines:
            self._by_id[versions[0].checkpoint_id] = versions
            self._by_venue_code[versions[0].venue_code] = versions[0].checkpoint_id

    def refresh(self) -> None:
        """Read what has changed since the last time (off the scan path)."""
        changed, self._asked_at = self._read_changed(self._asked_at)
        self.put(changed)
