"""The ledger's processes, started as they are in production, on a real event log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.event_log import Received, Record, Topic
from chassis.event_log.local import LocalEventLog
from chassis.ids import uuid7
from services.ledger.domain.definition import Ledgers, Words
from services.ledger.main import tell_definitions
from tests.integration.ledger.conftest import Ledger
from wire.checkpoints.v1 import events_pb2 as checkpoints
from wire.ledger.v1 import events_pb2 as words

EVENTS = "ledger.events.v1"
OTHERS = [Topic(name, 12, None) for name in ("checkpoints.events.v1", "checkpoints.traces.v1", "codes.events.v1")]


@pytest.fixture
def event_log(fresh_database: str) -> Iterator[LocalEventLog]:
    log = LocalEventLog(fresh_database)
    yield log
    log.close()


def environment(ledger: Ledger, event_log_url: str) -> dict[str, str]:
    given = {name.upper(): str(value) for name, value in ledger.settings.model_dump(exclude_defaults=True).items()}
    return {**os.environ, **given, "EVENT_LOG_URL": f"local:{event_log_url}"}


def run(command: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    arguments = [sys.executable, "-m", "services.ledger.main", command]
    return subprocess.run(arguments, env=environ, capture_output=True, text=True, timeout=60, check=False)


@contextmanager
def worker(environ: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-m", "services.ledger.main", "worker"], env=environ)
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=15) in (0, -signal.SIGTERM)
    finally:
        process.kill()
        process.wait()


def told(log: LocalEventLog, name: str) -> list[tuple[Received, Any]]:
    try:
        places = {(EVENTS, partition): start for partition, (start, _) in log.bounds(EVENTS).items()}
    except Exception:
        return []
    reader = log.reader("test")
    reader.seek(places)
    records = reader.poll(wait_s=0.1, records_max=10_000)
    reader.close()
    kind = f"guanka.ledger.v1.{name}".encode()
    return [(each, getattr(words, name).FromString(each.value)) for each in records if each.header("ce_type") == kind]


def until(condition: Callable[[], Any], *, within_s: float = 30) -> Any:
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
    return found


def publish(log: LocalEventLog, topic: str, payload: Any, *, subject: str, revision: int, identifier: UUID) -> None:
    headers = {
        "ce_id": str(identifier),
        "ce_source": "/checkpoints",
        "ce_type": payload.DESCRIPTOR.full_name,
        "ce_subject": subject,
        "ce_revision": str(revision),
        "ce_time": datetime.now(UTC).isoformat(),
    }
    record = Record(
        topic,
        subject.partition("/")[2],
        payload.SerializeToString(),
        tuple((name, value.encode()) for name, value in headers.items()),
    )
    publisher = log.publisher()
    assert publisher.publish([record]) == [True]
    publisher.close()


def test_the_worker_waits_for_the_others_topics_and_closes_the_loop(
    ledger: Ledger, event_log: LocalEventLog, fresh_database: str, person: UUID
) -> None:
    ledger.open("confirmed", person, confirmed_at=datetime.now(UTC).isoformat())
    environ = environment(ledger, fresh_database)
    met, also_met = uuid4(), uuid4()
    with worker(environ):
        [(record, trace)] = until(lambda: told(event_log, "TraceRequested"))
        assert record.key == trace.trace_id
        assert record.header("ce_source") == b"/ledger"
        event_log.declare(OTHERS)
        for part, contact, topic, repeats in (
            (1, met, "checkpoints.events.v1", 2),  # where traces were told before they had a topic of their own
            (2, also_met, "checkpoints.traces.v1", 1),
        ):
            answer = checkpoints.ContactsTraced(
                trace_id=trace.trace_id, entry_id=trace.entry_id, person_ref=str(person), part=part, parts=part,
                contacts=[checkpoints.Contact(
                    person_ref=str(contact), grade=checkpoints.GRADE_CLOSE, area="440103001", case_scan_id="a",
                    contact_scan_id=str(part),
                )],
            )  # fmt: skip
            answer.contacts[0].met_at.GetCurrentTime()
            subject, identifier = f"trace/{trace.trace_id}", uuid7()
            for _ in range(repeats):
                publish(event_log, topic, answer, subject=subject, revision=part, identifier=identifier)
            until(lambda who=str(contact): who in {each.person_ref for _, each in told(event_log, "EvidenceFound")})
        ledger.change("UPDATE entry SET next_deadline = now() WHERE person_ref = %s", met)
        [(_, alarm)] = until(lambda: told(event_log, "AlarmRaised"))
        assert alarm.kind == "deadline_passed"
    found = [each for _, each in told(event_log, "EntryOpened") if each.person_ref == str(met)]
    assert len(found) == 1
    assert ledger.rows("SELECT count(*) FROM outbox") == [(0,)]


def test_republishing_tells_the_present_state_at_its_revision(
    ledger: Ledger, fresh_database: str, person: UUID
) -> None:
    case = ledger.open("confirmed", person, confirmed_at=datetime.now(UTC).isoformat())
    closed = ledger.open("close_contact", uuid4())
    path = f"/v1/entries/{closed['entry_id']}/moves"
    ledger.post(path, {"move": "place", "expected_version": 1})
    ledger.post(path, {"move": "release", "expected_version": 2})
    admit = {"move": "admit", "facts": {"hospital": "八院"}, "expected_version": 1}
    ledger.post(f"/v1/entries/{case['entry_id']}/moves", admit)
    ledger.change("DELETE FROM outbox")
    ran = run("republish", environment(ledger, fresh_database))
    assert ran.returncode == 0, ran.stderr
    [(headers, opened)] = ledger.told("EntryOpened")
    assert (opened.entry_id, opened.stage, headers["ce_revision"]) == (case["entry_id"], "in_hospital", "2")
    [(headers, told_closed)] = ledger.told("EntryClosed")
    assert (told_closed.entry_id, headers["ce_revision"]) == (closed["entry_id"], "3")
    revisions = {evidence.kind: headers["ce_revision"] for headers, evidence in ledger.told("EvidenceFound")}
    assert revisions == {"case": "1", "close_contact": "2"}
    [(headers, asked)] = ledger.told("TraceRequested")
    assert (asked.requested_by != "", headers["ce_revision"]) == (True, "1")
    ledger.change("DELETE FROM outbox")
    ledger.change("UPDATE trace SET requested_by = NULL")  # as it was before the requester travelled
    for _ in range(2):
        assert run("republish", environment(ledger, fresh_database)).returncode == 0
    named = [(again.requested_by, headers["ce_revision"]) for headers, again in ledger.told("TraceRequested")]
    assert named == [(asked.requested_by, "2")] * 2


def test_definitions_are_told_once_again_when_their_words_change_and_by_republish(
    ledger: Ledger, fresh_database: str
) -> None:
    definitions = ledger.parts.city.ledgers.definitions
    for _ in range(2):
        tell_definitions(ledger.parts)
    told = {defined.definition: (headers, defined) for headers, defined in ledger.told("LedgerDefined")}
    assert len(ledger.told("LedgerDefined")) == len(told) == len(definitions)
    headers, defined = told["general_contact@1"]
    assert (headers["ce_subject"], headers["ce_revision"]) == ("definition/general_contact@1", "1")
    stages = {stage.stage: (stage.title.zh, stage.is_final) for stage in defined.stages}
    assert (defined.title.zh, stages["found"][1], stages["released"][1]) == ("一般接触者台账", False, True)

    first, *others = definitions
    renamed = replace(first, title=Words("新名", "New name"))
    city = replace(ledger.parts.city, ledgers=Ledgers([renamed, *others]))
    tell_definitions(replace(ledger.parts, city=city))
    (headers, defined), *more = ledger.told("LedgerDefined")[len(definitions) :]
    assert (defined.definition, defined.title.en, headers["ce_revision"], more) == (first.name, "New name", "2", [])

    ledger.change("DELETE FROM outbox")
    assert run("republish", environment(ledger, fresh_database)).returncode == 0
    again = {defined.definition: headers["ce_revision"] for headers, defined in ledger.told("LedgerDefined")}
    assert again == {each.name: "1" for each in others} | {first.name: "2"}


def test_a_bad_environment_is_refused_with_every_problem(ledger: Ledger, fresh_database: str) -> None:
    environ = environment(ledger, fresh_database)
    for name in ("CITY_KEY_FILE", "DATABASE_URL"):
        del environ[name]
    for command in ("api", "worker", "republish"):
        ran = run(command, environ)
        assert ran.returncode == 2
        assert "CITY_KEY_FILE: is not set" in ran.stderr
        assert "DATABASE_URL: is not set" in ran.stderr
    wrong = environment(ledger, fresh_database) | {"DEFINITIONS_DIR": str(ledger.settings.area_file.parent)}
    ran = run("api", wrong)
    assert (ran.returncode, "holds no definition" in ran.stderr) == (2, True)
    assert run("dance", environ).returncode == 2
