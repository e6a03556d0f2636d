"""What a trace or a page of history reads: the days it asks about, and of them only what lies in its windows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy as sa

from chassis.database import PLANNER, Database
from chassis.ids import uuid7
from chassis.migrations import migrate
from services.checkpoints.domain.facts import TraceOrder
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.domain.tracing import read_tracing_rule
from services.checkpoints.settings import HERE
from services.checkpoints.store import history
from services.checkpoints.trace import Tracing
from tests.conftest import ROOT

NOW = datetime.now(UTC).replace(hour=23, minute=30, second=0, microsecond=0) - timedelta(days=1)
"""Late on a whole day: of a day with few rows PostgreSQL rightly reads all, whatever index there is."""
CASE, PLACE, DAYS = uuid4(), uuid4(), 6


@pytest.fixture(scope="module")
def url(postgres: Any) -> Iterator[str]:
    """Six days of scans at one mall, every five minutes; the case came by once on two of the days."""
    url = postgres.create_database("pruning")
    migrate(url, ROOT / "services" / "checkpoints" / "migrations")
    with psycopg.connect(url, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO checkpoint (checkpoint_id, kind, name, venue, area, venue_code, registered_by) "
            "VALUES (%s, 'mall', 'A mall', 'A mall', '440103001', 'V', 'test')",
            (PLACE,),
        )
        times = [NOW - timedelta(minutes=5 * n) for n in range(1, DAYS * 24 * 12)]
        visits = [(uuid7(at), at, uuid4()) for at in times]
        visits += [(uuid7(at), at, CASE) for at in (NOW - timedelta(days=1, hours=1), NOW - timedelta(days=2, hours=1))]
        cursor.executemany(
            "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, decision, colour, "
            "policy_version, board_revision, is_self_reported, digest) "
            "VALUES (%s, %s, %s, %s, %s, 'pass', 'green', 'p@1', 1, false, '')",
            [(scan_id, PLACE, at, at, person_ref) for scan_id, at, person_ref in visits],
        )
        cursor.execute("ANALYZE")
    yield url
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute('DROP DATABASE "pruning" WITH (FORCE)')


@pytest.fixture
def looked_at(url: str) -> Callable[..., list[dict[str, Any]]]:
    """The parts of the table of scans that the statements of some work read: name, loops, rows, rows thrown away."""

    def look(work: Callable[[sa.Connection], object]) -> list[dict[str, Any]]:
        database = Database(url)
        statements: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_more: Any) -> None:
            if "scan" in statement and statement.lstrip().startswith("SELECT"):
                statements.append((statement, parameters))

        sa.event.listen(database.engine, "before_cursor_execute", note)
        with database.engine.connect() as tx:
            work(tx)
            tx.rollback()
        database.close()
        plans = []
        with psycopg.connect(url, options=PLANNER) as connection:
            for statement, parameters in statements:
                explained = connection.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}".encode(), parameters)
                row = explained.fetchone()
                assert row is not None
                plans.append(row[0][0]["Plan"])
        return [
            node for plan in plans for node in _nodes(plan) if str(node.get("Relation Name")).startswith("scan_day")
        ]

    return look


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def read(nodes: list[dict[str, Any]]) -> tuple[set[str], float]:
    """(days that were opened, rows that were fetched)."""
    opened = [node for node in nodes if node["Actual Loops"]]
    rows = sum((n["Actual Rows"] + n.get("Rows Removed by Filter", 0)) * n["Actual Loops"] for n in opened)
    return {node["Relation Name"] for node in opened}, rows


def test_a_trace_reads_the_windows_around_its_case_and_not_the_rest_of_the_past(looked_at):
    rule = read_tracing_rule(json.loads((HERE / "tracing" / "default.json").read_text()))
    tracing = Tracing(rule, lambda tx, events: None, keeping=Keeping(timedelta(days=28)))
    order = TraceOrder(uuid7(), "e", CASE, NOW - timedelta(days=3), NOW)
    days, rows = read(looked_at(lambda tx: tracing.request_trace(tx, order)))
    assert len(days) <= 5
    assert 2 + 24 <= rows <= 2 + 2 * 16, "the case's scans and its windows"


@pytest.mark.parametrize(("hours", "days_max"), [(2, 2), (30, 3)])
def test_a_page_of_history_reads_the_days_it_asks_about(looked_at, hours, days_max):
    span = history.Span(NOW - timedelta(hours=hours), NOW, "4401", None, 10)
    days, _ = read(looked_at(lambda tx: history.of_person(tx, CASE, span)))
    assert len(days) <= days_max
    days, rows = read(looked_at(lambda tx: history.of_checkpoint(tx, PLACE, span)))
    assert len(days) <= days_max
    assert rows <= 40, "a page is read, not the day"


def test_a_person_is_found_by_index_whatever_the_past_holds(looked_at):
    span = history.Span(NOW - timedelta(days=DAYS), NOW, "4401", None, 200)
    nodes = looked_at(lambda tx: history.of_person(tx, CASE, span))
    assert {node["Node Type"] for node in nodes} <= {"Index Scan", "Bitmap Heap Scan", "Index Only Scan"}
    assert 2 <= read(nodes)[1] <= 2 + 10, "of the first day, with half an hour of scans, perhaps all"
