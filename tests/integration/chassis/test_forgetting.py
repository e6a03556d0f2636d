"""What the mechanics keep is destroyed when its time is over, and not before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from chassis.database import Database
from chassis.forgetting import DEAD_LETTERS_KEPT, REPEATS_KNOWN, forget_expired

NOW = datetime(2026, 11, 22, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_repeats_and_dead_letters_are_destroyed_when_their_time_is_over(mechanics_database: Database) -> None:
    with mechanics_database.transaction() as tx:
        for age in (REPEATS_KNOWN - HOUR, REPEATS_KNOWN + HOUR):
            tx.execute(
                sa.text("INSERT INTO processed_event VALUES ('/codes', :id, :at)"), {"id": uuid4(), "at": NOW - age}
            )
        for offset, age in enumerate((DEAD_LETTERS_KEPT - HOUR, DEAD_LETTERS_KEPT + HOUR)):
            tx.execute(
                sa.text(
                    "INSERT INTO dead_letter (topic, partition, record_offset, key, value, headers, error, attempts, "
                    "put_aside_at) VALUES ('t', 0, :record_offset, 'k', '', '[]', 'e', 3, :at)"
                ),
                {"record_offset": offset, "at": NOW - age},
            )
        assert forget_expired(tx, NOW) == 2
        assert forget_expired(tx, NOW) == 0
        assert tx.execute(sa.text("SELECT record_offset FROM dead_letter")).scalars().all() == [0]
        assert tx.execute(sa.text("SELECT count(*) FROM processed_event")).scalar_one() == 1
