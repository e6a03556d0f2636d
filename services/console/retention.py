"""Forgetting, as the table of retention says (D13): seconds after two hours, days and alarms after twenty-eight days.

Repeats of an event come from a relay that did not hear the log's answer; a week is longer than any log stays away, and
keeping the ids of seven million scans a day for longer would be most of this database.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

SECONDS_KEPT = timedelta(hours=2)
DAYS_KEPT = timedelta(days=28)
REPEATS_KNOWN = timedelta(days=7)

_SECONDS = (
    sa.text("DELETE FROM scan_second WHERE second < :before"),
    sa.text("DELETE FROM colour_second WHERE second < :before"),
)
_DAYS = sa.text("DELETE FROM scan_day WHERE day < :before")
_OLDER = (
    (sa.text("DELETE FROM alarm WHERE raised_at < :before"), DAYS_KEPT),
    (sa.text("DELETE FROM dead_letter WHERE put_aside_at < :before"), DAYS_KEPT),
    (sa.text("DELETE FROM processed_event WHERE processed_at < :before"), REPEATS_KNOWN),
)


def forget_seconds(tx: Connection, now: datetime) -> int:
    """Every minute; how many rows went."""
    return sum(tx.execute(statement, {"before": now - SECONDS_KEPT}).rowcount for statement in _SECONDS)


def forget_days(tx: Connection, now: datetime, zone: ZoneInfo) -> int:
    """Every hour; how many rows went."""
    days = tx.execute(_DAYS, {"before": (now.astimezone(zone) - DAYS_KEPT).date()}).rowcount
    return days + sum(tx.execute(statement, {"before": now - kept}).rowcount for statement, kept in _OLDER)
