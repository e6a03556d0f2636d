"""Registered checkpoints, and who looked at what."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.checkpoints.domain.scans import Checkpoint

_SELECT = "SELECT checkpoint_id, kind, name, venue, area, venue_code, revision FROM checkpoint"
_COMMIT_LAG = timedelta(seconds=10)
"""`changed_at` is taken before the commit: each look begins this much before the last change seen."""


def add(tx: Connection, checkpoint: Checkpoint, *, registered_by: str) -> bool:
    """False when the id is taken."""
    added = tx.execute(
        sa.text(
            "INSERT INTO checkpoint (checkpoint_id, kind, name, venue, area, venue_code, revision, registered_by) "
            "VALUES (:checkpoint_id, :kind, :name, :venue, :area, :venue_code, :revision, :registered_by) "
            "ON CONFLICT (checkpoint_id) DO NOTHING"
        ),
        {
            "checkpoint_id": checkpoint.checkpoint_id,
            "kind": checkpoint.kind,
            "name": checkpoint.name,
            "venue": checkpoint.venue,
            "area": checkpoint.area,
            "venue_code": checkpoint.venue_code,
            "revision": checkpoint.revision,
            "registered_by": registered_by,
        },
    )
    return added.rowcount == 1


def find(tx: Connection, checkpoint_id: UUID) -> Checkpoint | None:
    row = tx.execute(sa.text(f"{_SELECT} WHERE checkpoint_id = :id"), {"id": checkpoint_id}).one_or_none()
    return None if row is None else Checkpoint(*row)


def read_all(tx: Connection) -> list[Checkpoint]:
    return [Checkpoint(*row) for row in tx.execute(sa.text(f"{_SELECT} ORDER BY checkpoint_id"))]


def changed_since(tx: Connection, since: datetime | None) -> tuple[list[Checkpoint], datetime | None]:
    """The checkpoints changed since about a moment (None: all), and the moment of the last change among them."""
    rows = tx.execute(
        sa.text(
            "SELECT checkpoint_id, kind, name, venue, area, venue_code, revision, changed_at FROM checkpoint "
            "WHERE CAST(:since AS timestamptz) IS NULL OR changed_at >= :since ORDER BY changed_at"
        ),
        {"since": None if since is None else since - _COMMIT_LAG},
    ).all()
    return [Checkpoint(*row[:-1]) for row in rows], rows[-1].changed_at if rows else None


def log_access(
    tx: Connection,
    *,
    subject: str,
    what: str,
    route: str,
    person_ref: UUID | None = None,
    checkpoint_id: UUID | None = None,
) -> None:
    tx.execute(
        sa.text(
            "INSERT INTO access_log (subject, what, person_ref, checkpoint_id, route) "
            "VALUES (:subject, :what, :person_ref, :checkpoint_id, :route)"
        ),
        {"subject": subject, "what": what, "person_ref": person_ref, "checkpoint_id": checkpoint_id, "route": route},
    )
