"""What is asked of recorded scans reads those it is about, although the day has grown since its plan was made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection

from services.checkpoints.domain.shifts import Shift
from services.checkpoints.domain.venues import Movement
from services.checkpoints.store import history, second_looks, shifts, traces, venues
from tests.integration.checkpoints.test_tracing import NOON, crowd
from tests.integration.checkpoints.town import scan_fact

AT = NOON + timedelta(minutes=3)
ASKED = [scan_fact(AT) for _ in range(150)]
SPAN = history.Span(AT - timedelta(hours=1), AT + timedelta(hours=1), "", None, 100)
MOVED = [Movement(uuid4(), "Somewhere", AT, uuid4(), AT, is_in=True) for _ in range(150)]
DAY = (AT - timedelta(hours=12), AT + timedelta(hours=12))
SHIFT = Shift(uuid4(), uuid4(), 1, 1, "operator", AT - timedelta(hours=4))

QUESTIONS: dict[str, Callable[[Connection], object]] = {
    "a pass's other uses": lambda tx: second_looks.other_uses(tx, ASKED, timedelta(minutes=15)),
    "one pass's other uses": lambda tx: second_looks.other_uses(tx, ASKED[:1], timedelta(minutes=15)),
    "a case's scans": lambda tx: traces.case_scans(tx, uuid4(), AT - timedelta(days=4), AT + timedelta(hours=1)),
    "a person's history": lambda tx: history.of_person(tx, uuid4(), SPAN),
    "a checkpoint's history": lambda tx: history.of_checkpoint(tx, uuid4(), SPAN),
    "scans without a person": lambda tx: history.fill_persons(tx, AT),
    "people's other movements at a venue": lambda tx: venues.others(tx, MOVED, DAY),
    "a person's other movements at a venue": lambda tx: venues.others(tx, MOVED[:1], DAY),
    "the report of a shift": lambda tx: shifts.report_of(tx, SHIFT, AT + timedelta(hours=1)),
}


@pytest.mark.parametrize("young", [0, 1, 300])
@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_reads_nobody_else_whom_the_city_scanned(
    client, register, worker, settings, question: str, young: int
) -> None:
    mall = register("mall")
    crowd(settings.database_url, mall, young)
    with worker.database.engine.connect() as connection:
        for _ in range(12):  # until a plan is kept for all values
            QUESTIONS[question](connection)
            connection.commit()
        crowd(settings.database_url, mall, 2000)
        before = scans_read(connection)
        QUESTIONS[question](connection)
        assert scans_read(connection) - before < 30


def scans_read(tx: Connection) -> int:
    """Rows of the daily partitions that this connection has read and not yet reported."""
    asked = "SELECT sum(seq_tup_read + idx_tup_fetch) FROM pg_stat_xact_user_tables WHERE relname LIKE 'scan\\_day%%'"
    return int(tx.exec_driver_sql(asked).scalar_one())
