"""Who looked at whose data: written in the transaction that reads it, never changed."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

_WRITE = sa.text("""
INSERT INTO access_log (accessed_at, subject, person_ref, what, route)
VALUES (:at, :subject, :person_ref, :what, :route)
""")


class AccessLogTable:
    """`AccessLog` in PostgreSQL."""

    def write(self, tx: Connection, *, subject: str, person_ref: UUID, what: str, route: str, at: datetime) -> None:
        tx.execute(_WRITE, {"at": at, "subject": subject, "person_ref": person_ref, "what": what, "route": route})
