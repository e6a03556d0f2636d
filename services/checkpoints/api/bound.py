"""What a guard or an official reaches: to which checkpoint they may put something, and whose records they may read.

A gate is bound to the checkpoints that its token names, where they lie in its area, and with them to those that they
were merged into: the merger was ordered by somebody whose area holds both. All others reach what lies in their area.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from chassis.auth import Bearer, outside
from services.checkpoints.api.desk import Desk
from services.checkpoints.domain.errors import CheckpointNotFound, CheckpointRefused
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.store import lives

_ELSEWHERE = "This checkpoint lies outside your token's area."


@contextmanager
def hiding_records(desk: Desk, bearer: Bearer, *missing: type[Exception]) -> Iterator[None]:
    """Refuse a record that is not there as one of a checkpoint that the bearer is not bound to, or does not reach."""
    try:
        yield
    except missing:
        if bearer.has_role("gate"):
            raise CheckpointRefused() from None
        if bearer.can_see_area(desk.city):
            raise
        raise CheckpointRefused(_ELSEWHERE) from None


@contextmanager
def hiding_from_gates(desk: Desk, bearer: Bearer, *missing: type[Exception]) -> Iterator[None]:
    """As `hiding`, and from every gate: few checkpoints are its own, however large its area is."""
    try:
        yield
    except missing:
        if bearer.can_see_area(desk.city) and not bearer.has_role("gate"):
            raise
        raise outside(bearer) from None


def reaches_any(tx: Connection, bearer: Bearer, checkpoints: Iterable[tuple[UUID, str]], at: datetime) -> bool:
    """Whether one of these (checkpoint, area) lies in the bearer's area; where a gate asks, one that it is bound to."""
    seen = {checkpoint_id for checkpoint_id, area in checkpoints if bearer.can_see_area(area)}
    if not bearer.has_role("gate"):
        return bool(seen)
    return bool(seen & {*bound_ids(bearer), *_bound_by_merger(tx, bearer, at)})


def bound_checkpoint(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, at: datetime) -> Checkpoint:
    """The checkpoint that takes what is put to this one at a moment: itself, or what it was merged into by then.

    Raises `CheckpointNotFound`, `CheckpointRefused`.
    """
    taker = desk.registry.taker(_checkpoint(tx, desk, bearer, checkpoint_id, at), at)
    if not bearer.has_role("gate"):
        _require_seen(bearer, taker)
    return taker


def kept_checkpoint(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, at: datetime) -> Checkpoint:
    """The checkpoint itself, for what is kept under it, whoever takes its scans by now.

    Raises `CheckpointNotFound`, `CheckpointRefused`.
    """
    checkpoint = _checkpoint(tx, desk, bearer, checkpoint_id, at)
    if not bearer.has_role("gate"):
        _require_seen(bearer, checkpoint)
    return checkpoint


def kept_under(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, at: datetime) -> list[UUID]:
    """Where to look for what was put to a checkpoint: itself, and what it was merged into as far as the bearer reaches.

    Raises `CheckpointNotFound`, `CheckpointRefused`.
    """
    kept_checkpoint(tx, desk, bearer, checkpoint_id, at)
    way = lives.ways(tx, [checkpoint_id], at)[checkpoint_id]
    return [each.checkpoint_id for each in way if bearer.has_role("gate") or bearer.can_see_area(each.area)]


def _checkpoint(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID, at: datetime) -> Checkpoint:
    """The checkpoint as it was at a moment; where a gate asks, one that it is bound to."""
    is_named = str(checkpoint_id) in bearer.checkpoints
    if bearer.has_role("gate") and not (is_named or checkpoint_id in _bound_by_merger(tx, bearer, at)):
        raise CheckpointRefused()
    checkpoint = desk.registry.find(checkpoint_id, at)
    if checkpoint is None:
        desk.registry.put(lives.timelines(tx, [checkpoint_id]))
        checkpoint = desk.registry.find(checkpoint_id, at)
    if checkpoint is None:
        raise CheckpointNotFound() if bearer.can_see_area(desk.city) else CheckpointRefused(_ELSEWHERE)
    if bearer.has_role("gate") and is_named:
        _require_seen(bearer, checkpoint)
    return checkpoint


def _bound_by_merger(tx: Connection, bearer: Bearer, at: datetime) -> set[UUID]:
    """The checkpoints of a gate's token that lie in its area, and what they were merged into by then."""
    ways = lives.ways(tx, bound_ids(bearer), at).values()
    return {each.checkpoint_id for way in ways if bearer.can_see_area(way[0].area) for each in way}


def bound_ids(bearer: Bearer) -> list[UUID]:
    """The checkpoints that a gate's token names."""
    return [UUID(each) for each in sorted(bearer.checkpoints) if _is_uuid(each)]


def _is_uuid(text: str) -> bool:
    """What a token names otherwise is no checkpoint."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _require_seen(bearer: Bearer, checkpoint: Checkpoint) -> None:
    if not bearer.can_see_area(checkpoint.area):
        raise CheckpointRefused(_ELSEWHERE)
