"""What the mechanics keep is destroyed when its time is over, and not before."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from chassis.database import Database
from chassis.forgetting import REPEATS_KNOWN, forget_expired

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR, HISTORY = timedelta(hours=1), timedelta(days=28)


def test_repeats_and_dead_letters_are_destroyed_when_their_time_is_over(mechanics_database: Database) -> None:
    with mechanics_database.transaction() as tx:
        for age in (REPEATS_KNOWN - HOUR, REPEATS_KNOWN + HOUR):
            tx.execute(
                sa.text("INSERT INTO processed_event VALUES ('/codes', :id, :at)"), {"id": uuid4(), "at": NOW - age}
            )
        for offset, age in enumerate((HISTORY - HOUR, HISTORY + HOUR)):
            tx.execute(
                sa.text(
                    "INSERT INTO dead_letter (topic, partition, record_offset, key, value, headers, error, attempts, "
                    "put_aside_at) VALUES ('t', 0, :record_offset, 'k', '', '[]', 'e', 3, :at)"
                ),
                {"record_offset": offset, "at": NOW - age},
            )
        assert forget_expired(tx, NOW, history=HISTORY) == 2
        assert forget_expired(tx, NOW, history=HISTORY) == 0
        assert tx.execute(sa.text("SELECT record_offset FROM dead_letter")).scalars().all() == [0]
        assert tx.execute(sa.text("SELECT count(*) FROM processed_event")).scalar_one() == 1


def put_aside(tx: sa.Connection, offset: int, headers: dict[str, str]) -> None:
    kept = [[name, base64.b64encode(text.encode()).decode()] for name, text in headers.items()]
    tx.execute(
        sa.text(
            "INSERT INTO dead_letter (topic, partition, record_offset, key, value, headers, error, attempts, "
            "put_aside_at) VALUES ('t', 0, :record_offset, 'k', '', CAST(:headers AS jsonb), 'e', 3, :at)"
        ),
        {"record_offset": offset, "headers": json.dumps(kept), "at": NOW},
    )


def test_a_dead_letter_is_not_kept_longer_than_the_event_in_it(mechanics_database: Database) -> None:
    """Whatever its headers hold: messages without sense are put aside too."""
    times = [
        (NOW - HISTORY - HOUR).isoformat(),
        (NOW - HISTORY + HOUR).isoformat(),
        "yesterday",
        "2026-01-01T00:00",
        "",
    ]
    with mechanics_database.transaction() as tx:
        for offset, time in enumerate(times):
            put_aside(tx, offset, {"ce_time": time} if time else {})
        assert forget_expired(tx, NOW, history=HISTORY) == 1
        left = tx.execute(sa.text("SELECT record_offset FROM dead_letter ORDER BY 1")).scalars().all()
    assert left == [1, 2, 3, 4]


def test_a_dead_letter_is_not_kept_longer_than_its_event_allows(mechanics_database: Database) -> None:
    """An event that tells of older things than itself says so by `expirytime`."""
    with mechanics_database.transaction() as tx:
        for offset, expires_at in enumerate((NOW - HOUR, NOW + HOUR)):
            told = {"ce_time": NOW - HOUR, "ce_expirytime": expires_at}
            put_aside(tx, offset, {name: at.isoformat() for name, at in told.items()})
        assert forget_expired(tx, NOW, history=HISTORY) == 1
        assert tx.execute(sa.text("SELECT record_offset FROM dead_letter")).scalars().all() == [1]
