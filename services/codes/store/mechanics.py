"""Housekeeping of the tables that the chassis brought."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import Connection

REPEATS_POSSIBLE_FOR = timedelta(days=8)
"""A message that arrives again later than this is caught by its revision."""


def forget_processed_events(tx: Connection, now: datetime) -> int:
    """How many identifiers of applied messages were forgotten."""
    forgotten = tx.execute(
        sa.text("DELETE FROM processed_event WHERE processed_at < :before"), {"before": now - REPEATS_POSSIBLE_FOR}
    )
    return forgotten.rowcount
