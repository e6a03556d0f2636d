"""The scan log on a real PostgreSQL: one statement a group, every scan once, nothing answered that is not durable."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import uvloop

from chassis.database import Database
from chassis.ids import uuid7
from services.checkpoints import messages, scan_log
from services.checkpoints.domain.errors import Overloaded, ScanIdReused, StoreUnavailable
from services.checkpoints.domain.scans import (
    Attempt,
    Checkpoint,
    Colour,
    Decision,
    Entry,
    OfflineDecision,
    Ruling,
    Scan,
)
from services.checkpoints.main import tell
from services.checkpoints.partitions import make_partitions
from services.checkpoints.scan_log import ScanLog
from services.checkpoints.taken_decisions import TakenDecisions
from tests.integration.checkpoints.town import wait_for
from wire.checkpoints.v1 import events_pb2 as wire

PLACE = Checkpoint(uuid4(), "metro", "A gate", "", "440103001", "ABCDEFGHJKMN")


def a_scan(*, at: datetime | None = None, entry: Entry | None = None, digest: bytes = b"d" * 32, **more: Any) -> Scan:
    at = at or datetime.now(UTC)
    attempt = Attempt(more.pop("scan_id", None) or uuid7(at), PLACE.checkpoint_id, at, digest, **more)
    ruling = Ruling(Decision.PASS, Colour.GREEN, None, "default@1", 7, datetime.now(UTC))
    return Scan(attempt, PLACE, entry, ruling)


@pytest.fixture
def url(migrated: Callable[[str], str]) -> str:
    return migrated("checkpoints")


@pytest.fixture
def sql(url):
    with psycopg.connect(url, autocommit=True) as connection:

        def ask(statement: str, *arguments: object) -> list[tuple[Any, ...]]:
            cursor = connection.execute(statement.encode(), arguments)
            return cursor.fetchall() if cursor.description else []

        yield ask


def with_log(url: str, use: Callable[[ScanLog], Awaitable[Any]], **settings: Any) -> Any:
    async def run() -> Any:
        log = ScanLog(
            url, encode=messages.scan_recorded_payload, keep_taken=TakenDecisions(Database(url), tell).keep, **settings
        )
        await log.start()
        try:
            return await use(log)
        finally:
            await log.close()

    return uvloop.run(run())


def counting(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that asynchronous connections send from here on."""
    sent: list[str] = []
    execute = psycopg.AsyncConnection.execute

    async def noted(self: Any, query: Any, *arguments: Any, **named: Any) -> Any:
        sent.append(str(query))
        return await execute(self, query, *arguments, **named)

    monkeypatch.setattr(psycopg.AsyncConnection, "execute", noted)
    return sent


def test_a_group_is_one_statement(url, sql, monkeypatch):
    sent = counting(monkeypatch)
    scans = [a_scan() for _ in range(300)]

    async def append_each(log: ScanLog) -> Any:
        return await asyncio.gather(*map(log.append, scans))

    assert with_log(url, append_each) == [scan.ruling for scan in scans]
    assert len(sent) == 1
    assert sql("SELECT count(*) FROM scan") == [(300,)]
    assert sql("SELECT count(*), count(DISTINCT aggregateid) FROM outbox") == [(300, 300)]


def test_a_single_scan_does_not_wait_for_the_whole_of_a_large_batch(url, monkeypatch):
    """Of a thousand scans in one batch a group takes a hundred, behind all others that wait."""
    done: list[str] = []

    async def append_both(log: ScanLog) -> None:
        async with asyncio.TaskGroup() as group:
            batch = group.create_task(log.append_all([a_scan() for _ in range(1000)]))
            batch.add_done_callback(lambda _: done.append("batch"))
            await asyncio.sleep(0)
            single = group.create_task(log.append(a_scan()))
            single.add_done_callback(lambda _: done.append("single"))

    sent = counting(monkeypatch)
    with_log(url, append_both)
    assert done == ["single", "batch"]
    assert len(sent) in (10, 11)


def test_nobody_waits_for_what_is_kept_beside_a_scan_that_came_late(url, sql, monkeypatch):
    """The store of it stands still; the log of scans goes on, and who is concerned is told in the end."""
    is_kept, standing = threading.Event(), threading.Event()

    def keep(self: TakenDecisions, scans: Sequence[Scan]) -> list[bool]:
        standing.set()
        assert is_kept.wait(20)
        return [True] * len(scans)

    monkeypatch.setattr(TakenDecisions, "keep", keep)
    early = a_scan()
    decided = OfflineDecision("pass", None, "default@1", 1)
    attempt = early.attempt._replace(digest=b"with it", offline=decided, digest_online=early.attempt.digest)

    async def use(log: ScanLog) -> Any:
        await log.append(early)
        late = asyncio.create_task(log.append(early._replace(attempt=attempt)))
        while not standing.is_set():
            await asyncio.sleep(0.01)
        for _ in range(20):
            await log.append(a_scan())
        assert not late.done()
        is_kept.set()
        return await late

    assert with_log(url, use, connections=1) == early.ruling
    assert sql("SELECT count(*) FROM scan") == [(21,)]


def test_when_it_cannot_be_kept_the_gate_is_told_to_come_again(url, monkeypatch):
    def keep(self: TakenDecisions, scans: Sequence[Scan]) -> list[bool]:
        raise OSError("away")

    monkeypatch.setattr(TakenDecisions, "keep", keep)
    early = a_scan()
    decided = OfflineDecision("pass", None, "default@1", 1)
    attempt = early.attempt._replace(digest=b"with it", offline=decided, digest_online=early.attempt.digest)

    async def use(log: ScanLog) -> Any:
        await log.append(early)
        return await log.append_all([early._replace(attempt=attempt), a_scan()])

    late, other = with_log(url, use)
    assert isinstance(late, StoreUnavailable)
    assert isinstance(other, Ruling)


def test_what_comes_while_a_group_is_written_becomes_the_next_group(url, monkeypatch):
    sent = counting(monkeypatch)

    async def use(log: ScanLog) -> None:
        first = asyncio.create_task(log.append(a_scan()))
        while not sent:
            await asyncio.sleep(0)
        await asyncio.gather(first, *(log.append(a_scan()) for _ in range(200)))

    with_log(url, use, connections=1)
    assert len(sent) == 2


def test_what_comes_in_turns_of_the_event_loop_one_after_the_other_is_one_group(url, monkeypatch):
    sent = counting(monkeypatch)
    monkeypatch.setattr(scan_log, "_GATHER_S_MAX", 60.0)

    async def use(log: ScanLog) -> None:
        under_way = []
        for _ in range(50):
            under_way.append(asyncio.create_task(log.append(a_scan())))
            await asyncio.sleep(0)
        await asyncio.gather(*under_way)

    with_log(url, use, connections=2)
    assert len(sent) <= 2


def test_the_event_carries_the_person_whom_the_statement_found(url, sql):
    person, card = uuid4(), uuid4()
    sql("INSERT INTO holder VALUES (1, 5, %s)", person)
    known, unknown = a_scan(entry=Entry(1, 5)), a_scan(entry=Entry(1, 6))
    shown = a_scan(person_ref=card)
    with_log(url, lambda log: log.append_all([known, unknown, shown]))
    told = {row[0]: row[1:] for row in sql("SELECT headers->>'ce_subject', aggregateid, payload FROM outbox")}
    for scan, person_ref in ((known, person), (unknown, None), (shown, card)):
        key, payload = told[f"scan/{scan.attempt.scan_id}"]
        assert key == str(person_ref or scan.attempt.scan_id)
        assert wire.ScanRecorded.FromString(payload).person_ref == (str(person_ref) if person_ref else "")
    assert sorted(sql("SELECT person_ref FROM scan WHERE person_ref IS NOT NULL")) == sorted([(person,), (card,)])


def test_copies_in_one_group_are_one_scan_with_one_event(url, sql):
    scan = a_scan()
    copy = scan._replace(ruling=scan.ruling._replace(decision=Decision.STOP))
    rulings = with_log(url, lambda log: log.append_all([scan, copy, scan]))
    assert rulings == [scan.ruling] * 3
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(1, 1)]


def test_other_content_under_one_id_in_one_group_is_refused(url, sql):
    scan = a_scan()
    other = a_scan(scan_id=scan.attempt.scan_id, digest=b"e" * 32)
    first, second = with_log(url, lambda log: log.append_all([scan, other]))
    assert first == scan.ruling
    assert isinstance(second, ScanIdReused)
    assert sql("SELECT count(*) FROM scan") == [(1,)]


def test_a_repeat_gets_the_first_answer_from_another_process_too(url, sql):
    scan = a_scan()
    with_log(url, lambda log: log.append(scan))
    later = scan._replace(ruling=scan.ruling._replace(decision=Decision.STOP, recorded_at=datetime.now(UTC)))
    other = a_scan(scan_id=scan.attempt.scan_id, digest=b"e" * 32)
    fresh = a_scan()
    again, refused, new = with_log(url, lambda log: log.append_all([later, other, fresh]))
    assert again == scan.ruling
    assert isinstance(refused, ScanIdReused)
    assert new == fresh.ruling
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(2, 2)]


def test_two_processes_with_the_same_copies_in_opposite_order_do_not_deadlock(url, sql):
    scans = [a_scan() for _ in range(200)]

    async def use(one: ScanLog) -> list[Any]:
        other = ScanLog(url, encode=messages.scan_recorded_payload, keep_taken=TakenDecisions(Database(url), tell).keep)
        await other.start()
        results = await asyncio.gather(one.append_all(scans), other.append_all(scans[::-1]))
        await other.close()
        return [*results[0], *results[1]]

    assert all(isinstance(ruling, Ruling) for ruling in with_log(url, use))
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(200, 200)]


def test_a_scan_that_cannot_be_recorded_spoils_nothing_for_its_neighbours(url, sql):
    scans = [a_scan() for _ in range(20)]
    marked = scans[11].attempt.scan_id
    sql(
        "CREATE FUNCTION fail_marked() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF NEW.scan_id = '{marked}' THEN RAISE EXCEPTION 'marked'; END IF; RETURN NEW; END $$"
    )
    sql("CREATE TRIGGER fail_marked BEFORE INSERT ON scan FOR EACH ROW EXECUTE FUNCTION fail_marked()")
    rulings = with_log(url, lambda log: log.append_all(scans))
    assert isinstance(rulings[11], StoreUnavailable)
    assert [ruling for ruling in rulings if isinstance(ruling, Ruling)] == [
        scan.ruling for scan in scans if scan.attempt.scan_id != marked
    ]
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(19, 19)]


@pytest.mark.parametrize("size", [1, 50])
def test_the_transaction_has_its_id_before_the_outbox_takes_a_number(url, sql, size):
    """The rule of chassis/outbox.py: `append` is never a transaction's first write. Here PostgreSQL itself is asked."""
    sql(
        "CREATE FUNCTION checked_seq() RETURNS bigint LANGUAGE plpgsql AS $$ BEGIN "
        "IF pg_current_xact_id_if_assigned() IS NULL THEN RAISE EXCEPTION 'no transaction id yet'; END IF; "
        "RETURN nextval('outbox_seq'); END $$"
    )
    sql("ALTER TABLE outbox ALTER COLUMN seq SET DEFAULT checked_seq()")
    with pytest.raises(psycopg.errors.RaiseException):
        sql(
            "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload) VALUES (%s, 'a', 'b', 'c', '')", uuid4()
        )
    scans = [a_scan() for _ in range(size)]
    assert with_log(url, lambda log: log.append_all(scans)) == [scan.ruling for scan in scans]


# -- midnight ----------------------------------------------------------------------------------------------------------


def days_of_scans(sql) -> dict[UUID, str]:
    return dict(sql("SELECT scan_id, tableoid::regclass::text FROM scan"))


def test_a_scan_just_before_midnight_is_in_its_day_and_a_repeat_after_midnight_changes_nothing(url, sql):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    before, after = midnight - timedelta(milliseconds=1), midnight
    late = a_scan(at=before)
    early = a_scan(at=after)
    first = with_log(url, lambda log: log.append_all([late, early]))
    again = with_log(
        url, lambda log: log.append_all([late._replace(ruling=late.ruling._replace(board_revision=9)), early])
    )
    assert first == again == [late.ruling, early.ruling]
    days = days_of_scans(sql)
    assert days == {
        late.attempt.scan_id: f"scan_day_{before:%Y%m%d}",
        early.attempt.scan_id: f"scan_day_{after:%Y%m%d}",
    }


def test_an_id_may_lie_on_the_other_side_of_midnight_than_the_scan(url, sql):
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    scan = a_scan(at=midnight + timedelta(minutes=1), scan_id=uuid7(midnight - timedelta(minutes=2)))
    with_log(url, lambda log: log.append_all([scan, scan]))
    with_log(url, lambda log: log.append(scan))
    assert sql("SELECT count(*) FROM scan") == [(1,)]


def test_every_day_that_a_gate_may_report_has_its_place(url, sql):
    now = datetime.now(UTC)
    scans = [a_scan(at=now - timedelta(days=days)) for days in range(8)]
    scans.append(a_scan(at=now - timedelta(days=7), scan_id=uuid7(now - timedelta(days=7, minutes=5))))
    scans.append(a_scan(at=now + timedelta(minutes=5), scan_id=uuid7(now + timedelta(minutes=10))))
    assert with_log(url, lambda log: log.append_all(scans)) == [scan.ruling for scan in scans]
    assert make_partitions(url, now) == 0
    assert make_partitions(url, now + timedelta(days=1)) == 1


# -- trouble -----------------------------------------------------------------------------------------------------------


def test_without_a_store_nothing_is_answered(monkeypatch):
    with pytest.raises(StoreUnavailable):
        with_log("postgresql://postgres@localhost:1/none", lambda log: log.append(a_scan()))


def test_a_broken_connection_is_built_again(url, sql):
    async def use(log: ScanLog) -> list[Any]:
        results: list[Any] = [await log.append(a_scan())]
        sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'scan_log'")
        for _ in range(3):
            results += await log.append_all([a_scan()])
        return results

    results = with_log(url, use, connections=1)
    assert isinstance(results[0], Ruling)
    assert isinstance(results[-1], Ruling)
    answered = sum(isinstance(result, Ruling) for result in results)
    assert sql("SELECT count(*) FROM scan") == [(answered,)]


def test_a_store_that_does_not_answer_is_hung_up_and_the_scan_can_come_again(url, sql):
    """Another transaction holds the table: the append waits, and is refused after its time."""
    scan = a_scan()

    async def use(log: ScanLog) -> Ruling:
        with psycopg.connect(url) as blocker:
            blocker.execute("LOCK TABLE scan IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(StoreUnavailable):
                await log.append(scan)
        return await log.append(scan)

    assert with_log(url, use, append_timeout_s=0.5) == scan.ruling
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(1, 1)]


def test_a_frozen_store_is_hung_up_and_what_it_does_later_is_no_second_scan(url, sql):
    scan = a_scan()

    async def use(log: ScanLog) -> Ruling:
        await log.append(a_scan())
        [(backend,)] = sql("SELECT pid FROM pg_stat_activity WHERE application_name = 'scan_log'")
        os.kill(backend, signal.SIGSTOP)
        try:
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await log.append(scan)
            assert time.monotonic() - started < 20
            return await log.append(scan)
        finally:
            os.kill(backend, signal.SIGCONT)

    assert with_log(url, use, connections=1, append_timeout_s=0.5) == scan.ruling
    wait_for(lambda: not sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'scan_log'"))
    assert sql("SELECT (SELECT count(*) FROM scan), (SELECT count(*) FROM outbox)") == [(2, 2)]


def test_the_queue_is_bounded(url):
    async def use(log: ScanLog) -> None:
        with pytest.raises(Overloaded):
            await log.append_all([a_scan() for _ in range(11)])
        assert len(await log.append_all([a_scan() for _ in range(10)])) == 10

    with_log(url, use, queue_max=10)


def test_the_statement_looks_holders_up_one_by_one_whatever_their_number(url, sql):
    sql("INSERT INTO holder SELECT 1, n, gen_random_uuid() FROM generate_series(1, 20000) AS n")
    with psycopg.connect(url, options=scan_log.PLANNER) as connection:
        for kind, statement in scan_log.RECORD.items():
            rows = connection.execute(b"EXPLAIN " + statement.encode(), ["[]"]).fetchall()
            plan = "\n".join(row[0] for row in rows)
            assert "Index Scan using holder_pkey" in plan
            assert ("Hash Join" in plan) == kind.looks_first
            assert "Nested Loop" not in plan
