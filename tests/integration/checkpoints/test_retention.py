"""What was kept long enough is destroyed in every store, can be read back from none, and that is recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from chassis.clock import utc_now
from chassis.database import Database
from chassis.forgetting import forget_expired
from chassis.ids import uuid7
from services.checkpoints import messages
from services.checkpoints.domain.events import ContactsTraced, DomainEvent, FeverFlagged, PersonStopped, ScanCompleted
from services.checkpoints.domain.facts import Official, ScanFact, TraceOrder
from services.checkpoints.domain.keeping import Keeping
from services.checkpoints.domain.tracing import Grade, read_tracing_rule
from services.checkpoints.main import tell
from services.checkpoints.partitions import partition_name, partition_statements
from services.checkpoints.retention import Retention
from services.checkpoints.second_looks import of_the_last_days
from services.checkpoints.settings import HERE
from services.checkpoints.store import traces
from services.checkpoints.trace import Tracing
from services.checkpoints.use_cases.findings import Findings
from services.console.retention import forget_days
from tests.integration.checkpoints.test_worker import read_events
from tests.integration.checkpoints.town import ago, envelope, turning, wait_for
from wire.checkpoints.v1 import events_pb2 as wire

HISTORY = timedelta(days=28)
OLD, YOUNG, RECENT, EDGE = ago(days=40), ago(days=20, minutes=30), ago(days=18), ago(days=28, minutes=30)
LATE = ago(days=29, minutes=30)
RULE = json.loads((HERE / "tracing" / "default.json").read_text())
KEEPING = Keeping(HISTORY)
TRACED_LATE = utc_now() - KEEPING.meetings_told_since(utc_now())


@pytest.fixture
def database(settings: Any) -> Iterator[Database]:
    opened = Database(settings.database_url)
    yield opened
    opened.close()


@pytest.fixture
def retention(database: Database) -> Retention:
    return Retention(database, history_days=28, tell=tell, clock=utc_now)


@pytest.fixture
def place(sql: Callable[..., Any]) -> UUID:
    return place_of(sql, "mall")


def place_of(sql: Callable[..., Any], kind: str) -> UUID:
    checkpoint_id = uuid4()
    sql(
        "INSERT INTO checkpoint (checkpoint_id, kind, name, venue, area, venue_code, registered_by) "
        "VALUES (%s, %s, 'A place', 'A place', '440103001', %s, 'test')",
        checkpoint_id, kind, str(checkpoint_id)[:8],
    )  # fmt: skip
    return checkpoint_id


@pytest.fixture
def record(sql: Callable[..., Any], place: UUID) -> Callable[..., UUID]:
    """A scan as the statement would have written it then, on a day that is made when it is not there."""

    def recorded(at: datetime, person_ref: UUID, where: UUID = place) -> UUID:
        if sql("SELECT to_regclass(%s)", partition_name(at.date())) == [(None,)]:
            for statement in partition_statements(at.date()):
                sql(statement)
        scan_id = uuid7(at)
        sql(
            "INSERT INTO scan (scan_id, checkpoint_id, scanned_at, recorded_at, person_ref, decision, colour, "
            "policy_version, board_revision, is_self_reported, digest) "
            "VALUES (%s, %s, %s, %s, %s, 'pass', 'green', 'p@1', 1, false, '')",
            scan_id, where, at, at, person_ref,
        )  # fmt: skip
        return scan_id

    return recorded


def leave_a_trail(sql, record, event_log, place, at, person_ref, *, uploaded_at=None):
    """Somebody was scanned then: in the table, in a trace, in the outbox, in the log and aside.

    The trace is answered as late as its answer may name the meeting (or when the scan was uploaded, if that is later).
    """
    scan_id, trace_id, case = record(at, person_ref), uuid7(at), record(at, uuid4())
    sql(
        "INSERT INTO trace (trace_id, entry_id, person_ref, from_at, to_at, status, tracing_rule, requested_at) "
        "VALUES (%s, 'e', %s, %s, %s, 'answered', 'default@1', %s)",
        trace_id, person_ref, at - timedelta(days=1), at, at,
    )  # fmt: skip
    sql(
        "INSERT INTO trace_contact VALUES (%s, %s, 2, %s, 'mall', '440103001', %s, 60, %s, %s, 1)",
        trace_id, person_ref, place, at, case, scan_id,
    )  # fmt: skip
    sql(
        "INSERT INTO trace_window VALUES (%s, %s, %s, %s, NULL, 2, %s, %s)",
        trace_id, scan_id, at, place, at, at,
    )  # fmt: skip
    payload = wire.ScanRecorded(scan_id=str(scan_id), person_ref=str(person_ref)).SerializeToString()
    sql(
        "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, created_at) "
        "VALUES (%s, 'scan', %s, 'guanka.checkpoints.v1.ScanRecorded', %s, %s)",
        uuid7(at), str(person_ref), payload, at,
    )  # fmt: skip
    sql(
        "INSERT INTO dead_letter (topic, partition, record_offset, key, value, headers, error, attempts, put_aside_at) "
        "VALUES (%s, 0, 1, %s, %s, '[]', 'e', 3, %s)",
        messages.SCANS_TOPIC, str(person_ref), payload, at,
    )  # fmt: skip
    answer = wire.ContactsTraced(trace_id=str(trace_id), contacts=[wire.Contact(person_ref=str(person_ref))])
    answered_at = min(max(uploaded_at or at, at + TRACED_LATE), utc_now())
    put_into_log(event_log, messages.SCANS_TOPIC, "ScanRecorded", str(person_ref), payload, uploaded_at or at)
    put_into_log(
        event_log, messages.TRACES_TOPIC, "ContactsTraced", str(trace_id), answer.SerializeToString(), answered_at
    )
    return scan_id


def put_into_log(event_log, topic: str, name: str, key: str, payload: bytes, at: datetime) -> None:
    publisher = event_log.publisher()
    told = envelope(topic, key, f"guanka.checkpoints.v1.{name}", f"trail/{key}", 1, payload)
    assert publisher.publish([told]) == [True]
    publisher.close()
    with psycopg.connect(event_log._dsn, autocommit=True) as log:
        log.execute("UPDATE log_record SET appended_at = %s WHERE key = %s", (at, key))


def stores_that_hold(url: str, *needles: UUID) -> set[str]:
    """The tables of a database in which one of the ids stands, as text or in bytes."""
    found = set()
    with psycopg.connect(url) as connection:
        tables = connection.execute(
            "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
        ).fetchall()
        for (table,) in tables:
            rows = SQL("SELECT to_jsonb(t)::text FROM {} AS t").format(Identifier(table))
            content = json.dumps(connection.execute(rows).fetchall())
            if any(form in content for each in needles for form in (str(each), str(each).encode().hex())):
                found.add(table)
    return found


def test_nothing_that_is_older_can_be_read_back_from_any_store(
    settings, database, retention, event_log, sql, record, place
):
    """The log keeps shorter what it was told, for a scan may be uploaded a week late."""
    old, young, recent, late = uuid4(), uuid4(), uuid4(), uuid4()
    old_scan = leave_a_trail(sql, record, event_log, place, OLD, old)
    leave_a_trail(sql, record, event_log, place, YOUNG, young)
    leave_a_trail(sql, record, event_log, place, RECENT, recent)
    late_scan = leave_a_trail(sql, record, event_log, place, LATE, late, uploaded_at=LATE + timedelta(days=7))
    assert stores_that_hold(settings.database_url, old, old_scan) >= {
        partition_name(OLD.date()), "trace", "trace_contact", "trace_window", "outbox", "dead_letter",
    }  # fmt: skip
    assert "log_record" in stores_that_hold(event_log._dsn, old, old_scan)
    kept = stores_that_hold(settings.database_url, young)

    event_log.declare(messages.DECLARED)
    retention.run_once()
    with database.transaction() as tx:
        forget_expired(tx, utc_now(), history=HISTORY)
    event_log.trim()

    assert stores_that_hold(settings.database_url, old, old_scan) == set()
    for needles in ((old, old_scan), (late, late_scan)):
        assert stores_that_hold(settings.database_url, *needles) == set()
        assert stores_that_hold(event_log._dsn, *needles) == set()
    assert [key for _, key, *_ in read_events(event_log, messages.SCANS_TOPIC)] == [str(recent)]
    assert stores_that_hold(settings.database_url, young) == kept
    assert "log_record" in stores_that_hold(event_log._dsn, recent)


def test_a_trace_names_no_meeting_in_the_log_that_would_lie_there_for_too_long(
    client, issuer, worker, event_log, record, sql, place
):
    """Older ones are counted, and read by an authority; the ledger's own questions hardly go back so far."""
    case = uuid4()
    edge = utc_now() - TRACED_LATE
    older, younger = uuid4(), uuid4()
    for met, at in ((older, edge - timedelta(hours=2)), (younger, edge + timedelta(hours=2))):
        record(at, case)
        record(at + timedelta(minutes=1), met)
    body = {"person_ref": str(case), "from": ago(days=50).isoformat(), "to": ago(days=1).isoformat()}
    trace_id = client.post("/v1/traces", json=body, headers=issuer.headers("authority")).json()["trace_id"]

    [(payload, headers)] = sql(
        "SELECT payload, headers FROM outbox WHERE type = 'guanka.checkpoints.v1.ContactsTraced'"
    )
    told = wire.ContactsTraced.FromString(payload)
    assert [contact.person_ref for contact in told.contacts] == [str(younger)]
    assert told.contacts_older == 1
    expires_at = told.contacts[0].met_at.ToDatetime(UTC) - timedelta(minutes=1) + HISTORY  # with the case's scan
    assert datetime.fromisoformat(headers["ce_expirytime"]) == expires_at
    read = client.get(f"/v1/traces/{trace_id}/contacts", headers=issuer.headers("authority")).json()["contacts"]
    assert {each["person_ref"] for each in read} == {str(older), str(younger)}

    with turning(worker, "topics", "relay"):
        [event] = wait_for(lambda: read_events(event_log, messages.TRACES_TOPIC))
    assert event[2]["ce_expirytime"] == headers["ce_expirytime"]


def test_a_trace_held_for_weeks_is_told_by_the_meetings_that_may_still_be_told(settings, record, sql):
    """Of whom the case met twice, the closer meeting has grown too old meanwhile; the other is told."""
    case, met = uuid4(), uuid4()
    mall, metro = place_of(sql, "mall"), place_of(sql, "metro")
    for where, at in ((mall, ago(days=20)), (metro, ago(days=2))):
        record(at, case, where)
        record(at + timedelta(seconds=5), met, where)
    database, events = Database(settings.database_url), []
    asked = TraceOrder(uuid7(), "entry", case, ago(days=25), ago(days=1), requester=uuid4())
    rule = read_tracing_rule(RULE | {"contacts_max": 0})

    def tracing(now: datetime) -> Tracing:
        return Tracing(rule, lambda _tx, told: events.extend(told), keeping=KEEPING, clock=lambda: now)

    with database.transaction() as tx:
        assert tracing(utc_now()).request_trace(tx, asked).status == "held"
        assert tracing(utc_now()).tell_again(tx, asked.trace_id) == 0
    assert sql("SELECT grade, part FROM trace_contact ORDER BY grade") == [(Grade.GENERAL, None), (Grade.CLOSE, None)]
    later = utc_now() + timedelta(days=3)
    with database.transaction() as tx:
        assert tracing(later).approve_trace(tx, asked.trace_id, Official("li", uuid4())).status == "answered"
        assert tracing(later).tell_again(tx, asked.trace_id) == 1
    first, again = [event for event in events if isinstance(event, ContactsTraced)]
    for told, part in ((first, 1), (again, 2)):
        assert [(each.person_ref, each.grade) for each in told.contacts] == [(met, Grade.GENERAL)]
        assert (told.part, told.trace.parts, told.contacts_older) == (part, part, 0)
    database.close()


def test_who_has_been_told_of_grows_too_old_to_be_told_again_and_is_counted(settings, record, sql):
    """By republish, days later; who was met again more lately is told by that meeting."""
    case, once, twice = uuid4(), uuid4(), uuid4()
    mall, metro = place_of(sql, "mall"), place_of(sql, "metro")
    for where, at, people in ((mall, ago(days=20), (once, twice)), (metro, ago(days=2), (twice,))):
        record(at, case, where)
        for person_ref in people:
            record(at + timedelta(seconds=5), person_ref, where)
    database, events = Database(settings.database_url), []
    asked = TraceOrder(uuid7(), "entry", case, ago(days=25), ago(days=1))

    def tracing(now: datetime) -> Tracing:
        rule = read_tracing_rule(RULE)
        return Tracing(rule, lambda _tx, told: events.extend(told), keeping=KEEPING, clock=lambda: now)

    with database.transaction() as tx:
        tracing(utc_now()).request_trace(tx, asked)
        assert tracing(utc_now()).tell_again(tx, asked.trace_id) == 1
        assert tracing(utc_now() + timedelta(days=3)).tell_again(tx, asked.trace_id) == 1
    database.close()
    told = [({(each.person_ref, each.grade) for each in event.contacts}, event.contacts_older) for event in events]
    both = {(once, Grade.CLOSE), (twice, Grade.CLOSE), (twice, Grade.GENERAL)}
    assert told == [(both, 0), (both, 0), ({(twice, Grade.GENERAL)}, 1)]


def test_an_official_is_answered_by_the_closest_meeting_that_is_kept(client, issuer, record, sql):
    case, met = uuid4(), uuid4()
    for where, at in ((place_of(sql, "mall"), ago(days=24)), (place_of(sql, "metro"), ago(days=2))):
        record(at, case, where)
        record(at + timedelta(seconds=5), met, where)
    body = {"person_ref": str(case), "from": ago(days=27).isoformat(), "to": ago(days=1).isoformat()}
    trace_id = client.post("/v1/traces", json=body, headers=issuer.headers("authority")).json()["trace_id"]
    [contact] = client.get(f"/v1/traces/{trace_id}/contacts", headers=issuer.headers("authority")).json()["contacts"]
    assert (contact["person_ref"], contact["grade"]) == (str(met), "close")


def test_nothing_is_told_of_a_scan_that_the_worker_takes_too_late(worker, sql, record, place):
    """It was away for days, or a dead letter is replayed: the log would keep what is told for too long."""
    young, old = ago(days=7, hours=23), ago(days=8, minutes=1)
    stopped = [
        ScanFact(
            scan_id=record(at, person := uuid4()), checkpoint_id=place, kind="mall", area="440103001", scanned_at=at,
            recorded_at=at, decision="stop", colour="red", refusal="", policy_version="p@1", board_revision=1,
            direction="", temperature_c=38.5, list=None, idx=None, person_ref=person, vehicle_ref=None,
            offline_decision="", is_self_reported=False, revision=1,
        )
        for at in (young, old)
    ]  # fmt: skip
    told: list[DomainEvent] = []
    findings = Findings(
        Tracing(read_tracing_rule(RULE), tell, keeping=KEEPING), ZoneInfo("Asia/Shanghai"),
        lambda _tx, events: told.extend(events), utc_now,
    )  # fmt: skip
    with worker.database.transaction() as tx:
        findings.take_scans(tx, stopped)
        of_the_last_days(lambda _tx, scans: told.extend(map(ScanCompleted, scans)), utc_now)(tx, stopped)
    assert [(type(each), each.scan) for each in told] == [
        (kind, stopped[0]) for kind in (PersonStopped, FeverFlagged, ScanCompleted)
    ]
    assert sql("SELECT sum(scans) FROM scan_tally") == [(2,)], "counted they are"


def test_what_is_told_of_a_scan_waits_for_the_log_no_longer_than_the_scan_is_kept(retention, sql):
    """A log that is away for weeks: counted is the event's own time, and what it says of itself."""
    kept = {"ce_time": ago(days=27), "ce_expirytime": ago(days=-1)}
    for name, headers in (
        ("kept", kept),
        ("late", kept | {"ce_time": ago(days=29)}),
        ("expired", kept | {"ce_expirytime": ago(minutes=1)}),
        ("plain", {}),
    ):
        texts = {key: at.isoformat() for key, at in headers.items()}
        sql(
            "INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, headers, created_at) "
            "VALUES (%s, 'trace', %s, 't', '', %s::jsonb, %s)",
            uuid7(ago(days=2)), name, json.dumps(texts), ago(days=2),
        )  # fmt: skip
    retention.run_once()
    assert sql("SELECT aggregateid FROM outbox WHERE type = 't' ORDER BY seq") == [("kept",), ("plain",)]
    assert sql("SELECT what, rows FROM destruction") == [("outbox", 2)]


def test_republishing_tells_the_ledgers_contacts_again_and_nobody_elses(settings, record, sql, place):
    case = uuid4()
    met = {uuid4() for _ in range(3)}
    at = ago(days=2)
    record(at, case)
    for number, person_ref in enumerate(sorted(met), 1):
        record(at + timedelta(minutes=number), person_ref)
    database = Database(settings.database_url)
    tracing = Tracing(read_tracing_rule(RULE), tell, keeping=KEEPING)
    orders = [
        TraceOrder(uuid7(), entry_id, case, ago(days=5), ago(days=1), requested_by=by)
        for entry_id, by in (("entry", None), ("", "zhang"))
    ]
    with database.transaction() as tx:
        for order in orders:
            tracing.request_trace(tx, order)
    sql("DELETE FROM outbox")

    with database.transaction() as tx:
        assert traces.told_to_ledger(tx) == [orders[0].trace_id]
    database.close()
    given = {name.upper(): str(value) for name, value in settings.model_dump(exclude_defaults=True).items()}
    command = [sys.executable, "-m", "services.checkpoints.main", "republish"]
    ran = subprocess.run(command, env=os.environ | given, capture_output=True, text=True, timeout=60, check=True)
    [(payload, headers)] = sql("SELECT payload, headers FROM outbox WHERE aggregatetype = 'trace'")
    told = wire.ContactsTraced.FromString(payload)
    assert {UUID(contact.person_ref) for contact in told.contacts} == met
    assert (told.part, told.parts, headers["ce_revision"]) == (2, 2, "2")
    assert json.loads(ran.stdout.splitlines()[-1]) == {"events": 2}, "the checkpoint and the trace"


def test_the_read_model_forgets_with_the_scans(migrated):
    database = Database(migrated("console"))
    with database.transaction() as tx:
        for at in (OLD, YOUNG):
            tx.exec_driver_sql("INSERT INTO scan_day VALUES (%s, 'pass', 1)", (at.date(),))
            tx.exec_driver_sql("INSERT INTO scan_second VALUES (%s, 'pass', 1)", (at,))
            tx.exec_driver_sql(
                "INSERT INTO alarm (alarm_id, kind, owner, area, checkpoint_id, raised_at) "
                "VALUES (%s, 'fever', '440103', '440103', '', %s)",
                (uuid4(), at),
            )
        forget_days(tx, utc_now(), ZoneInfo("Asia/Shanghai"), history=HISTORY)
        assert tx.exec_driver_sql("SELECT day FROM scan_day").scalars().all() == [YOUNG.date()]
        assert tx.exec_driver_sql("SELECT raised_at FROM alarm").scalars().all() == [YOUNG]
    database.close()


def test_a_destroyed_day_is_recorded_told_and_shown(client, issuer, retention, sql, record, worker, event_log):
    for _ in range(3):
        record(OLD, uuid4())
    retention.run_once()
    retention.run_once()
    answer = client.get("/v1/destructions", headers=issuer.headers("auditor"))
    assert answer.status_code == 200
    [destruction] = answer.json()["destructions"]
    assert datetime.fromisoformat(destruction.pop("destroyed_at")) > ago(minutes=1)
    assert destruction.pop("destruction_id") == 1
    assert destruction == {"what": "scan", "day": OLD.date().isoformat(), "rows": 3, "rule": "HISTORY_DAYS=28"}
    assert client.get("/v1/destructions", headers=issuer.headers("gate")).status_code == 403

    stop = threading.Event()
    relay = threading.Thread(target=worker.relay.run, args=(stop,))
    relay.start()
    wait_for(lambda: sql("SELECT count(*) FROM outbox") == [(0,)])
    stop.set()
    relay.join()
    [(name, key, headers, payload)] = read_events(event_log, messages.EVENTS_TOPIC)
    told = wire.ScansDestroyed.FromString(payload)
    assert (name, key, headers["ce_subject"]) == ("ScansDestroyed", told.day, f"destruction/{told.day}")
    assert (date.fromisoformat(told.day), told.scans, told.rule) == (OLD.date(), 3, "HISTORY_DAYS=28")


def test_the_record_of_destructions_comes_in_pages_and_is_only_added_to(client, issuer, sql):
    for day in range(1, 6):
        sql(
            "INSERT INTO destruction (what, day, rows, destroyed_at, rule) VALUES ('scan', %s, 1, now(), 'r')",
            date(2026, 1, day),
        )
    seen, cursor = [], {}
    while cursor is not None:
        page = client.get("/v1/destructions", params={"limit": 2, **cursor}, headers=issuer.headers("operator")).json()
        seen += [each["day"] for each in page["destructions"]]
        cursor = page["next_cursor"] and {"cursor": page["next_cursor"]}
    assert seen == [f"2026-01-0{day}" for day in (5, 4, 3, 2, 1)]
    for change in ("DELETE FROM destruction", "UPDATE destruction SET rows = 0", "TRUNCATE destruction"):
        with pytest.raises(psycopg.errors.RaiseException):
            sql(change)


def test_what_lies_on_a_day_that_is_not_over_yet_is_not_read_either(client, issuer, record, sql, place):
    person_ref = uuid4()
    record(EDGE, person_ref)
    young = record(YOUNG, person_ref)
    span = {"from": ago(days=60).isoformat()}
    for path in (f"/v1/people/{person_ref}/scans", f"/v1/checkpoints/{place}/scans"):
        answer = client.get(path, params=span, headers=issuer.headers("authority")).json()
        assert [each["scan_id"] for each in answer["scans"]] == [str(young)]
    met = record(EDGE + timedelta(minutes=1), uuid4())
    near = record(YOUNG + timedelta(minutes=1), uuid4())
    body = {"person_ref": str(person_ref), "from": ago(days=50).isoformat(), "to": ago(days=1).isoformat()}
    answer = client.post("/v1/traces", json=body, headers=issuer.headers("authority"))
    assert answer.status_code == 202
    assert sql("SELECT contact_scan_id FROM trace_contact") == [(near,)]
    assert met != near

    contacts = f"/v1/traces/{answer.json()['trace_id']}/contacts"
    assert len(client.get(contacts, headers=issuer.headers("authority")).json()["contacts"]) == 1
    sql("UPDATE trace_contact SET met_at = %s", ago(days=28) + timedelta(seconds=30))
    assert client.get(contacts, headers=issuer.headers("authority")).json()["contacts"] == [], "by the case's scan"


def test_a_detached_day_that_was_not_dropped_is_finished_by_the_next_run(retention, sql, record):
    record(OLD, uuid4())
    sql(f"ALTER TABLE scan DETACH PARTITION {partition_name(OLD.date())} CONCURRENTLY")
    retention.run_once()
    assert sql("SELECT what, day, rows FROM destruction") == [("scan", OLD.date(), 1)]
    assert sql("SELECT to_regclass(%s)", partition_name(OLD.date())) == [(None,)]


def test_gates_go_on_while_a_long_reader_keeps_a_day_from_being_detached(settings, retention, sql, record):
    record(OLD, uuid4())
    with psycopg.connect(settings.database_url) as reader:
        reader.execute("SELECT count(*) FROM scan")
        running = threading.Thread(target=retention.run_once)
        running.start()
        waits = (
            "SELECT 1 FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE NOT granted AND query LIKE 'ALTER TABLE%%'"
        )
        wait_for(lambda: sql(waits))
        sql("SET lock_timeout = '1s'")
        record(datetime.now(UTC), uuid4())
        assert running.is_alive()
        reader.rollback()
        running.join(20)
    assert sql("SELECT what, rows FROM destruction") == [("scan", 1)]
