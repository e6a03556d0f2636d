"""What the mechanics themselves keep, and for how long (docs/retention.md): repeats, dead letters, the local log."""

from __future__ import annotations

import base64
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

from chassis.clock import Clock, utc_now
from chassis.database import Database
from chassis.event_log import EventLog
from chassis.worker import Loop, every

REPEATS_KNOWN = timedelta(days=8)
"""Longer than any producer keeps sending: a repeat that comes later would be applied again."""
LOG_SHORTER = timedelta(days=9)
"""So much shorter than scans are kept, counted from when they were taken, is kept what is told of them: it may be told
eight days late, and a log may destroy up to a day at once (ADR D16)."""
_EVERY_S, _FIRST_S = 900.0, 5.0

_REPEATS = sa.text("DELETE FROM processed_event WHERE processed_at < :before")
_DEAD_LETTERS = sa.text("DELETE FROM dead_letter WHERE put_aside_at < :before OR dead_letter_id = ANY(:of_old_events)")


def forget_expired(tx: Connection, now: datetime, *, history: timedelta) -> int:
    """Destroy what has been kept long enough; how many rows. `history` is how long what dead letters hold is kept."""
    before = now - history
    repeats = tx.execute(_REPEATS, {"before": now - REPEATS_KNOWN}).rowcount
    old = {"before": before, "of_old_events": _of_old_events(tx, before, now)}
    return repeats + tx.execute(_DEAD_LETTERS, old).rowcount


def _of_old_events(tx: Connection, before: datetime, now: datetime) -> list[int]:
    """Dead letters of events that happened before a moment or expired, whenever they were put aside."""
    rows = tx.execute(sa.text("SELECT dead_letter_id, headers FROM dead_letter"))
    return [
        row.dead_letter_id
        for row in rows
        if _is_before(row.headers, "ce_time", before) or _is_before(row.headers, "ce_expirytime", now)
    ]


def _is_before(headers: list[list[str]], name: str, moment: datetime) -> bool:
    """False where the header is missing or says nothing (messages without sense are put aside too)."""
    try:
        at = datetime.fromisoformat(base64.b64decode(dict(headers)[name]).decode())
    except (KeyError, ValueError):
        return False
    return at.tzinfo is not None and at < moment


def forgetting(
    database: Database,
    event_log: EventLog,
    *,
    history: timedelta,
    clock: Clock = utc_now,
    every_s: float = _EVERY_S,
) -> Loop:
    """A worker's timer: the service's own database, and the event log where it does not forget by itself."""

    def forget() -> None:
        with database.transaction() as tx:
            forget_expired(tx, clock(), history=history)
        event_log.trim()

    return every(every_s, forget, name="forgetting", first_s=_FIRST_S)
