"""What the mechanics themselves keep, and for how long (docs/retention.md): repeats, dead letters, the local log."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.clock import Clock, utc_now
from chassis.database import Database
from chassis.event_log import EventLog
from chassis.worker import Loop, every

REPEATS_KNOWN = timedelta(days=8)
"""Longer than any producer keeps sending: a repeat that comes later would be applied again."""
DEAD_LETTERS_KEPT = timedelta(days=28)
"""As long as the scans that they may hold."""
_EVERY_S = 900.0

_EXPIRED = (
    (sa.text("DELETE FROM processed_event WHERE processed_at < :before"), REPEATS_KNOWN),
    (sa.text("DELETE FROM dead_letter WHERE put_aside_at < :before"), DEAD_LETTERS_KEPT),
)


def forget_expired(tx: Connection, now: datetime) -> int:
    """Destroy what has been kept long enough; how many rows."""
    return sum(tx.execute(statement, {"before": now - kept}).rowcount for statement, kept in _EXPIRED)


def forgetting(database: Database, event_log: EventLog, *, clock: Clock = utc_now, every_s: float = _EVERY_S) -> Loop:
    """A worker's timer: the service's own database, and the event log where it does not forget by itself."""

    def forget() -> None:
        with database.transaction() as tx:
            forget_expired(tx, clock())
        event_log.trim()

    return every(every_s, forget, name="forgetting")
