"""The checkpoints in memory: each api process knows them all, a new one at the latest when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from uuid import UUID

from services.checkpoints.domain.scans import Checkpoint

ReadChanged = Callable[[datetime | None], tuple[list[Checkpoint], datetime | None]]
"""The checkpoints changed at or after a moment (None: all), and the moment of the last change."""


class Registry:
    def __init__(self, read_changed: ReadChanged) -> None:
        self._read_changed = read_changed
        self._by_id: dict[UUID, Checkpoint] = {}
        self._by_venue_code: dict[str, Checkpoint] = {}
        self._changed_at: datetime | None = None

    def find(self, checkpoint_id: UUID) -> Checkpoint | None:
        return self._by_id.get(checkpoint_id)

    def find_venue(self, code: str) -> Checkpoint | None:
        return self._by_venue_code.get(code)

    def put(self, checkpoints: Iterable[Checkpoint]) -> None:
        for checkpoint in checkpoints:
            self._by_id[checkpoint.checkpoint_id] = checkpoint
            self._by_venue_code[checkpoint.venue_code] = checkpoint

    def refresh(self) -> None:
        """Read what has changed since the last time (off the scan path)."""
        changed, at = self._read_changed(self._changed_at)
        self.put(changed)
        self._changed_at = at or self._changed_at
