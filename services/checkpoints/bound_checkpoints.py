"""The checkpoint of a scan, as it was then: one to which the bearer is bound, and which takes scans for another."""

from __future__ import annotations

from functools import lru_cache

from chassis.auth import Bearer
from services.checkpoints.directory import Directory
from services.checkpoints.domain.errors import CheckpointNotFound, CheckpointRefused
from services.checkpoints.domain.life import holding
from services.checkpoints.domain.scans import Attempt, Checkpoint
from services.checkpoints.registry import Registry

_written = lru_cache(maxsize=10_000)(str)
"""The same few ids come again and again."""


class BoundCheckpoints:
    def __init__(self, registry: Registry, directory: Directory) -> None:
        self._registry, self._directory = registry, directory

    def known(self, bearer: Bearer, attempt: Attempt) -> Checkpoint | None:
        """As this process knows it; None where it must ask. Where it was merged into another by then, that one.

        Raises `CheckpointRefused` where the bearer is not bound to it, or it lies outside the bearer's area.
        """
        if _written(attempt.checkpoint_id) not in bearer.checkpoints:
            raise CheckpointRefused()
        checkpoint = self._registry.find(attempt.checkpoint_id, attempt.scanned_at)
        return None if checkpoint is None else self._seen(bearer, attempt, checkpoint)

    async def find(self, bearer: Bearer, attempt: Attempt) -> Checkpoint:
        """The same, asked of the database where this process does not know it. Raises `CheckpointNotFound` too."""
        known = self.known(bearer, attempt)
        if known is not None:
            return known
        versions = await self._directory.checkpoint(attempt.checkpoint_id)
        if versions is None:
            raise CheckpointNotFound()
        self._registry.put([versions])
        return self._seen(bearer, attempt, holding(versions, attempt.scanned_at))

    def _seen(self, bearer: Bearer, attempt: Attempt, checkpoint: Checkpoint) -> Checkpoint:
        if not bearer.can_see_area(checkpoint.area):
            raise CheckpointRefused("This checkpoint lies outside your token's area.")
        return self._registry.taker(checkpoint, attempt.scanned_at)
