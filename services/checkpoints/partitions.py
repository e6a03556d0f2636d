"""The days of the table `scan`: made ahead, and taken out of it when their time is over (retention.py destroys them).

A partition is a UTC day of the time inside `scan_id` (UUIDv7). There is no default partition: a scan that belongs to
no day is refused before it gets here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day

import psycopg
import structlog

from chassis.clock import Clock
from chassis.ids import uuid7_floor

log = structlog.get_logger("partitions")

DAYS_BEHIND, DAYS_AHEAD = 8, 2
_PREFIX = "scan_day_"
_PAUSE_S = 0.25


def days_needed(now: datetime) -> list[date]:
    """Scans may be seven days old and five minutes young; one more day at each end, and one to spare ahead."""
    today = now.astimezone(UTC).date()
    return [today + timedelta(days=offset) for offset in range(-DAYS_BEHIND, DAYS_AHEAD + 1)]


def partition_name(day: date) -> str:
    return f"{_PREFIX}{day:%Y%m%d}"


def partition_statements(day: date) -> Iterator[str]:
    """Made apart and then attached: attaching does not stop those who insert into other days."""
    name = partition_name(day)
    start = datetime.combine(day, time_of_day(), UTC)
    yield f"CREATE TABLE {name} (LIKE scan INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING INDEXES)"
    yield (
        f"ALTER TABLE scan ATTACH PARTITION {name} "
        f"FOR VALUES FROM ('{uuid7_floor(start)}') TO ('{uuid7_floor(start + timedelta(days=1))}')"
    )


def make_partitions(database_url: str, now: datetime) -> int:
    """Make the days that are missing; how many."""
    made = 0
    with psycopg.connect(database_url, connect_timeout=5) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(hashtext('scan partitions'))")
        there = {day for day, _ in _days(connection)}
        for day in days_needed(now):
            if day not in there:
                for statement in partition_statements(day):
                    connection.execute(statement.encode())
                made += 1
    return made


def make_first_partitions(database_url: str, clock: Clock, *, patience_s: float = 10.0) -> int:
    """As `make_partitions`, for a process that starts while the database is still on its way back from a crash.

    An api that may not make tables waits until its worker has made the days.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return make_partitions(database_url, clock())
        except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege) as error:
            if time.monotonic() > deadline:
                raise
            log.warning("the database is awaited", error=type(error).__name__)
            time.sleep(_PAUSE_S)


def detach_partitions(database_url: str, now: datetime, *, history_days: int) -> list[date]:
    """Take the days that ended more than `history_days` ago out of the table; which await their destruction.

    Concurrently: a plain DETACH behind a long reader stalls every insert. A run that was cut off is finished first.
    """
    oldest_kept = now.astimezone(UTC).date() - timedelta(days=history_days)
    with psycopg.connect(database_url, autocommit=True, connect_timeout=5) as connection:
        if not _one(connection, "SELECT pg_try_advisory_lock(hashtext('scan retention'))"):
            return []
        over = [(day, is_pending) for day, is_pending in _days(connection) if day < oldest_kept or is_pending]
        for day, is_pending in sorted(over, key=lambda each: not each[1]):
            how = "FINALIZE" if is_pending else "CONCURRENTLY"
            connection.execute(f"ALTER TABLE scan DETACH PARTITION {partition_name(day)} {how}".encode())
        return _detached_days(connection)


def _days(connection: psycopg.Connection) -> list[tuple[date, bool]]:
    rows = connection.execute(
        "SELECT c.relname, i.inhdetachpending FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = 'scan'::regclass ORDER BY c.relname"
    ).fetchall()
    return [(_day_of(name), bool(pending)) for name, pending in rows]


def _detached_days(connection: psycopg.Connection) -> list[date]:
    """Days that were detached, now or by a run that was cut off before it dropped them."""
    rows = connection.execute(
        "SELECT relname FROM pg_class WHERE relname ~ '^scan_day_[0-9]{8}$' AND relkind = 'r' AND NOT relispartition "
        "ORDER BY relname"
    ).fetchall()
    return [_day_of(name) for (name,) in rows]


def _day_of(name: str) -> date:
    return datetime.strptime(name.removeprefix(_PREFIX), "%Y%m%d").replace(tzinfo=UTC).date()


def _one(connection: psycopg.Connection, statement: str) -> object:
    row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None
