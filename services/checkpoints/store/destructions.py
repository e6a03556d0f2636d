"""Destroying what has been kept long enough, and the record of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping

from services.checkpoints.domain.facts import Destruction
from services.checkpoints.partitions import partition_name

FORGOTTEN = {
    "trace_contact": "DELETE FROM trace_contact WHERE met_at - apart_s * interval '1 second' < :before",
    "trace_window": "DELETE FROM trace_window WHERE case_at < :before",
    "trace": "DELETE FROM trace AS t WHERE to_at < :before AND requested_at < :before "
    "AND NOT EXISTS (SELECT FROM trace_contact WHERE trace_id = t.trace_id) "
    "AND NOT EXISTS (SELECT FROM trace_window WHERE trace_id = t.trace_id)",
    "venue_visit": "DELETE FROM venue_visit WHERE recorded_at < :before",
    "registration_destination": "DELETE FROM registration_destination WHERE told_at < :before",
    "registration": "DELETE FROM registration WHERE registered_at < :before",
    "measurement_step": "DELETE FROM measurement_step USING measurement_case AS c "
    "WHERE c.case_id = measurement_step.case_id AND c.opened_at < :before",
    "measurement_case": "DELETE FROM measurement_case WHERE opened_at < :before",
    "device_trouble": "DELETE FROM device_trouble WHERE until < :before",
    "scan_with_clock_off": "DELETE FROM scan_with_clock_off WHERE scanned_at < :before",
    "shift": "DELETE FROM shift WHERE signed_off_at < :before",
    # Nothing is told on the last day of its time: what is younger than a day need not be looked into.
    "outbox": "DELETE FROM outbox WHERE created_at < :now - interval '1 day' AND (created_at < :before "
    "OR CAST(headers ->> 'ce_time' AS timestamptz) < :before "
    "OR CAST(headers ->> 'ce_expirytime' AS timestamptz) < :now)",
}


def drop_day(tx: Connection, day: date) -> int | None:
    """Drop a day that was taken out of the table `scan`; how many scans it held, None when it is gone already."""
    name = partition_name(day)
    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext('scan destruction'))"))
    tx.execute(sa.text("SET LOCAL statement_timeout = '30min'"))
    if tx.execute(sa.text("SELECT to_regclass(:name)"), {"name": name}).scalar_one() is None:
        return None
    rows: int = tx.execute(sa.text(f"SELECT count(*) FROM {name}")).scalar_one()  # noqa: S608 (made of a date)
    tx.execute(sa.text(f"DROP TABLE {name}"))
    return rows


def forget(tx: Connection, what: str, before: datetime, now: datetime) -> int:
    """Delete from one of `FORGOTTEN` what happened before a moment, or has expired; how many rows."""
    return tx.execute(sa.text(FORGOTTEN[what]), {"before": before, "now": now}).rowcount


def add(tx: Connection, destruction: Destruction) -> None:
    tx.execute(
        sa.text(
            "INSERT INTO destruction (what, day, rows, destroyed_at, rule) "
            "VALUES (:what, :day, :rows, :destroyed_at, :rule)"
        ),
        {
            "what": destruction.what,
            "day": destruction.day,
            "rows": destruction.rows,
            "destroyed_at": destruction.destroyed_at,
            "rule": destruction.rule,
        },
    )


def read(tx: Connection, *, before: int | None, limit: int) -> Sequence[RowMapping]:
    """The newest first; `before` is the number of the last one that was read."""
    found = tx.execute(
        sa.text(
            "SELECT destruction_id, what, day, rows, destroyed_at, rule FROM destruction "
            "WHERE CAST(:before AS bigint) IS NULL OR destruction_id < :before "
            "ORDER BY destruction_id DESC LIMIT :limit"
        ),
        {"before": before, "limit": limit},
    )
    return found.mappings().all()
