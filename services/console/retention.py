"""Forgetting, as the table of retention says (D13): seconds after two hours, days and alarms when scans are."""

from __future__ import annotations

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy import Connection

SECONDS_KEPT = timedelta(hours=2)

_SECONDS = (
    sa.text("DELETE FROM scan_second WHERE second < :before"),
    sa.text("DELETE FROM colour_second WHERE second < :before"),
)
_DAYS = sa.text("DELETE FROM scan_day WHERE day < :before")
_ALARMS = sa.text("DELETE FROM alarm WHERE raised_at < :before")


def forget_seconds(tx: Connection, now: datetime) -> int:
    """Every minute; how many rows went."""
    return sum(tx.execute(statement, {"before": now - SECONDS_KEPT}).rowcount for statement in _SECONDS)


def forget_days(tx: Connection, now: datetime, zone: ZoneInfo, *, history: timedelta) -> int:
    """Every hour; how many rows went."""
    before = now - history
    days = tx.execute(_DAYS, {"before": before.astimezone(zone).date()}).rowcount
    return days + tx.execute(_ALARMS, {"before": before}).rowcount
