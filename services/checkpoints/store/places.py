"""Registered checkpoints, and who looked at what."""

from __future__ import annotations

from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.checkpoints.domain.scans import Checkpoint


def add(tx: Connection, checkpoint: Checkpoint, *, registered_by: str) -> bool:
    """False when the id is taken."""
    added = tx.execute(
        sa.text(
            "INSERT INTO checkpoint (checkpoint_id, stage, kind, name, venue, area, venue_code, revision, "
            "registered_by) "
            "VALUES (:checkpoint_id, :stage, :kind, :name, :venue, :area, :venue_code, :revision, :registered_by) "
            "ON CONFLICT (checkpoint_id) DO NOTHING"
        ),
        {
            "checkpoint_id": checkpoint.checkpoint_id,
            "stage": checkpoint.stage.value,
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
