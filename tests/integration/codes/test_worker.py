"""What the worker does: takes the ledger's events, reviews, beats, tells again, forgets."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from chassis.consumer import Consumer
from chassis.database import Database
from chassis.event_log import Record, Topic
from chassis.event_log.local import LocalEventLog
from chassis.relay import Relay
from services.codes import messages
from services.codes.api.desk import Desk
from services.codes.main import timers
from services.codes.settings import CodesSettings
from services.codes.use_cases.republish import FIRST, tell_again
from services.codes.use_cases.reviews import beat, review_due
from tests.integration.codes.city import City, MovableClock, rows
from wire.codes.v1 import events_pb2 as words
from wire.ledger.v1 import events_pb2 as ledger_words

LEDGER = Topic("ledger.events.v1", partitions=12, retention_s=None)


@pytest.fixture
def event_log(fresh_database: str) -> Iterator[LocalEventLog]:
    log = LocalEventLog(fresh_database)
    log.declare([*messages.OWN_TOPICS, LEDGER])
    yield log
    log.close()


@contextmanager
def running(*loops: Callable[[threading.Event], None]) -> Iterator[None]:
    stop = threading.Event()
    threads = [threading.Thread(target=loop, args=(stop,)) for loop in loops]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)


def until(condition: Callable[[], object], deadline_s: float = 10.0) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come about in time"
        time.sleep(0.01)


def found(
    person: UUID | str, kind: str, *, evidence_id: UUID | None = None, revision: int = 1, has_ended: bool = False
) -> Record:
    """The ledger's event as it lies in the log."""
    identifier = evidence_id or uuid4()
    event = ledger_words.EvidenceFound(evidence_id=str(identifier), person_ref=str(person), kind=kind, entry_id="e")
    event.observed_at.FromDatetime(datetime.now(UTC))
    if has_ended:
        event.ended_at.FromDatetime(datetime.now(UTC))
        event.outcome = "recovered"
    headers = {
        "ce_id": str(uuid4()),
        "ce_source": "/ledger",
        "ce_type": "guanka.ledger.v1.EvidenceFound",
        "ce_subject": f"evidence/{identifier}",
        "ce_revision": str(revision),
        "ce_time": datetime.now(UTC).isoformat(),
    }
    written = tuple((name, value.encode()) for name, value in headers.items())
    return Record(LEDGER.name, str(identifier), event.SerializeToString(), written)


def consumer_of(desk: Desk, database: Database, event_log: LocalEventLog) -> Consumer:
    subscriptions = messages.subscriptions(desk.office, desk.clock)
    return Consumer(database, event_log, group="codes", subscriptions=subscriptions)


def test_what_the_ledger_finds_colours_and_what_ends_clears(
    city: City, desk: Desk, database: Database, event_log: LocalEventLog
) -> None:
    person, case = city.enrol(), uuid4()
    city.declare(person)
    with running(consumer_of(desk, database, event_log).run):
        event_log.publisher().publish([found(person, "case", evidence_id=case)])
        until(lambda: city.code(person)["colour"] == "red")
        assert city.code(person)["reasons"][0]["evidence"] == [str(case)]
        event_log.publisher().publish([found(person, "case", evidence_id=case, revision=2, has_ended=True)])
        until(lambda: city.code(person)["colour"] == "green")
        event_log.publisher().publish([found(person, "case", evidence_id=case, revision=1)])
        event_log.publisher().publish([found(person, "vaccination")])
        until(lambda: rows(database, "SELECT 1 FROM evidence WHERE kind = 'vaccination'"))
        assert city.code(person)["colour"] == "green", "a late repeat of what has ended changes nothing"


def test_two_hundred_contacts_are_one_change_of_the_list(
    city: City, desk: Desk, database: Database, event_log: LocalEventLog
) -> None:
    people = [city.enrol() for _ in range(200)]
    last = rows(database, "SELECT max(seq) AS seq FROM outbox")[0].seq
    event_log.publisher().publish([found(person, "close_contact") for person in people])
    with running(consumer_of(desk, database, event_log).run):
        until(lambda: rows(database, "SELECT count(*) AS n FROM person WHERE colour = 1")[0].n == 200)
    told = "SELECT payload FROM outbox WHERE seq > :last AND type = 'guanka.codes.v1.StandingsChanged'"
    changes = [words.StandingsChanged.FromString(bytes(row.payload)) for row in rows(database, told, last=last)]
    assert len(changes) <= 3
    assert sum(len(change.idx) for change in changes) == 200


def test_a_finding_about_nobody_is_put_aside_and_the_rest_goes_on(
    city: City, desk: Desk, database: Database, event_log: LocalEventLog
) -> None:
    person = city.enrol()
    event_log.publisher().publish([found("nobody", "case"), found(person, "case")])
    with running(consumer_of(desk, database, event_log).run):
        until(lambda: city.code(person)["colour"] == "red")
        until(lambda: rows(database, "SELECT 1 FROM dead_letter"))
    (letter,) = rows(database, "SELECT error FROM dead_letter")
    assert letter.error.startswith("ValueError")


def test_events_reach_their_topics_with_all_headers(
    city: City, database: Database, settings: CodesSettings, event_log: LocalEventLog
) -> None:
    person = city.enrol()
    relay = Relay(settings.database_url, event_log, source=messages.SOURCE, topics=messages.TOPICS)
    with running(relay.run):
        until(lambda: not rows(database, "SELECT 1 FROM outbox"))
    reader = event_log.reader("test")
    reader.seek({(topic.name, part): 0 for topic in messages.OWN_TOPICS for part in range(topic.partitions)})
    received = {record.topic: record for record in reader.poll(wait_s=1, records_max=10)}
    colour = received["codes.events.v1"]
    assert colour.key == str(person)
    assert colour.header("ce_source") == b"/codes"
    assert colour.header("ce_type") == b"guanka.codes.v1.ColourChanged"
    assert colour.header("ce_subject") == f"person/{person}".encode()
    assert colour.header("ce_revision") == b"1"
    assert colour.header("ce_district") == b"440103"
    assert received["codes.standings.v1"].key == "1"
    reader.close()


def test_a_review_turns_what_has_run_out_into_lapsed(city: City, desk: Desk, clock: MovableClock) -> None:
    person, other = city.enrol(), city.enrol()
    city.declare(person)
    with desk.database.transaction() as tx:
        assert review_due(tx, desk.office, desk.clock(), people_max=10) == 0
    clock.ahead = timedelta(days=7, seconds=1)
    city.declare(other)
    with desk.database.transaction() as tx:
        assert review_due(tx, desk.office, desk.clock(), people_max=10) == 1
    with desk.database.transaction() as tx:
        assert review_due(tx, desk.office, desk.clock(), people_max=10) == 0
        code = desk.office.people.code_of(tx, person)[1]
    assert code.colour.word == "lapsed"
    assert code.since > datetime.now(UTC) + timedelta(days=6)


def test_the_timers_review_and_beat_by_themselves(
    city: City, desk: Desk, database: Database, settings: CodesSettings
) -> None:
    person = city.enrol()
    city.declare(person, made_at=(datetime.now(UTC) - timedelta(days=7) + timedelta(seconds=2)).isoformat())
    assert city.code(person)["colour"] == "green"
    quick = settings.model_copy(update={"review_s": 0.05, "heartbeat_s": 0.05})
    loops = timers(quick, desk.office, database)
    with running(loops["review"], loops["heartbeat"]):
        until(lambda: city.code(person)["colour"] == "lapsed")
        until(lambda: rows(database, "SELECT 1 FROM outbox WHERE type = :type", type=messages.HEARTBEAT))


def test_a_heartbeat_carries_the_revisions_and_does_not_pile_up(city: City, desk: Desk, database: Database) -> None:
    city.enrol()

    def beats() -> bool:
        with database.transaction() as tx:
            return beat(tx, desk.office, desk.clock())

    assert beats()
    assert not beats(), "the last heartbeat is still to be sent"
    (row,) = rows(database, "SELECT payload, headers FROM outbox WHERE type = :type", type=messages.HEARTBEAT)
    told = words.StandingsHeartbeat.FromString(bytes(row.payload))
    assert [(each.list, each.revision) for each in told.lists] == [(1, 1)]
    rows(database, "DELETE FROM outbox RETURNING 1")
    assert beats()
    (later,) = rows(database, "SELECT headers FROM outbox WHERE type = :type", type=messages.HEARTBEAT)
    assert int(later.headers["ce_revision"]) == int(row.headers["ce_revision"]) + 1


def test_telling_again_gives_every_colour_at_its_revision_and_the_standings_as_new(
    city: City, desk: Desk, database: Database
) -> None:
    people = [city.enrol() for _ in range(5)]
    city.declare(people[0], contact_with_case=True)
    before = rows(database, "SELECT revision FROM status_list")[0].revision
    rows(database, "DELETE FROM outbox RETURNING 1")
    after: UUID | None = FIRST
    while after is not None:
        with database.transaction() as tx:
            after = tell_again(tx, desk.office, after, desk.clock(), people_max=2)
    told = rows(database, "SELECT * FROM outbox ORDER BY seq")
    colours = [row for row in told if row.type.endswith("ColourChanged")]
    assert {row.headers["ce_subject"]: int(row.headers["ce_revision"]) for row in colours} == {
        f"person/{person}": 2 if person == people[0] else 1 for person in people
    }
    red = next(row for row in colours if row.aggregateid == str(people[0]))
    assert words.ColourChanged.FromString(bytes(red.payload)).reasons[0].rule == "declared_contact"
    standings = [words.StandingsChanged.FromString(bytes(row.payload)) for row in told if row not in colours]
    assert [each.revision for each in standings] == [before + 1, before + 2, before + 3]
    assert sum(len(each.idx) for each in standings) == 5
