"""Who sent a visit: beside the scan, so that the scan path carries no column that only posters need."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import Connection


def add(tx: Connection, scan_id: object, *, sent_by: str, person_ref: object, recorded_at: datetime) -> None:
    """The first sender stays."""
    tx.execute(
        sa.text(
            "INSERT INTO venue_visit (scan_id, sent_by, person_ref, recorded_at) "
            "VALUES (:scan_id, :sent_by, :person_ref, :recorded_at) ON CONFLICT DO NOTHING"
        ),
        {"scan_id": scan_id, "sent_by": sent_by, "person_ref": person_ref, "recorded_at": recorded_at},
    )
