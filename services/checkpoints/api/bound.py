"""To which checkpoint a guard may put something: the one that the token is bound to, as it was at that moment."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chassis.auth import Bearer
from services.checkpoints.api.desk import Desk
from services.checkpoints.domain.errors import CheckpointNotFound, CheckpointRefused
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.store import lives


def bound_checkpoint(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, at: datetime) -> Checkpoint:
    """The checkpoint that takes it: a gate's own, or one in the area of another bearer; merged ones give it on.

    Raises `CheckpointNotFound`, `CheckpointRefused`.
    """
    if bearer.has_role("gate") and str(checkpoint_id) not in bearer.checkpoints:
        raise CheckpointRefused()
    checkpoint = desk.registry.find(checkpoint_id, at)
    if checkpoint is None:
        desk.registry.put(lives.timelines(tx, [checkpoint_id]))
        checkpoint = desk.registry.find(checkpoint_id, at)
    if checkpoint is None:
        raise CheckpointNotFound()
    if not bearer.can_see_area(checkpoint.area):
        raise CheckpointRefused("This checkpoint lies outside your token's area.")
    return desk.registry.taker(checkpoint, at)
