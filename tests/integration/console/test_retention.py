"""Forgetting (D13)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import sqlalchemy as sa

from services.console.retention import forget_days, forget_seconds
from tests.fakes.neighbours import RED, alarm_raised, colour_changed, scan
from tests.integration.console.conftest import GUANGZHOU, Hearing

HISTORY = timedelta(days=28)


def rows(hearing: Hearing) -> dict[str, int]:
    tables = ("scan_second", "colour_second", "scan_day", "alarm", "person_colour")
    with hearing.database.transaction() as tx:
        return {table: tx.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables}  # noqa: S608


def test_each_figure_is_kept_as_long_as_the_table_says_and_no_longer(hearing: Hearing) -> None:
    hearing.neighbours.tell(
        [
            scan(),
            colour_changed(uuid4(), RED),
            alarm_raised("fever", owner="440103", area="4401", checkpoint_id=uuid4()),
        ]
    )
    hearing.figures()
    now = datetime.now(UTC)
    with hearing.database.transaction() as tx:
        assert forget_seconds(tx, now + timedelta(minutes=119)) == 0
        assert forget_days(tx, now + timedelta(days=6), GUANGZHOU, history=HISTORY) == 0
    with hearing.database.transaction() as tx:
        assert forget_seconds(tx, now + timedelta(minutes=121)) == 2
        forget_days(tx, now + timedelta(days=30), GUANGZHOU, history=HISTORY)
    kept = rows(hearing)
    assert kept.pop("person_colour") == 1, "a person keeps a colour as long as codes keeps the person"
    assert set(kept.values()) == {0}
