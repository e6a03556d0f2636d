"""A service made of nothing but mechanics: what it writes comes back to it over the local event log."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy import Connection

import chassis
from chassis import outbox
from chassis.consumer import Consumer, Message, Subscription, each
from chassis.database import Database
from chassis.event_log import EventLog, Received, Record, Topic
from chassis.event_log.local import LocalEventLog
from chassis.relay import Relay
from guanka.postgres import EmbeddedPostgres

NOON = datetime(2022, 6, 28, 12, tzinfo=UTC)
TOPIC = "cases.events.v1"
KIND = "test.CaseConfirmed"
_EFFECTS = "CREATE TABLE effect (place bigserial PRIMARY KEY, subject text, revision bigint, payload bytea)"

Loop = Callable[[threading.Event], None]


class Poison(Exception):
    """What the handler says of a message it cannot take."""


@dataclass
class Loopback:
    """`effects` are what the handler wrote, in its order."""

    database: Database
    event_log: EventLog

    def relay(self, event_log: EventLog | None = None) -> Relay:
        return Relay(self.database.url, event_log or self.event_log, source="/cases", topics={"case": TOPIC})

    def consumer(self, handle: Callable[[Connection, Message], None] | None = None, **options: Any) -> Consumer:
        subscription = Subscription(TOPIC, {KIND: each(handle or self.take)})
        return Consumer(self.database, self.event_log, group="cases", subscriptions=[subscription], **options)

    def subscription(self) -> Subscription:
        return Subscription(TOPIC, {KIND: each(self.take)})

    def take(self, tx: Connection, message: Message) -> None:
        tx.execute(
            sa.text("INSERT INTO effect (subject, revision, payload) VALUES (:subject, :revision, :payload)"),
            {"subject": message.subject, "revision": message.revision, "payload": message.payload},
        )

    def event(self, case: str, revision: int, payload: bytes = b"", kind: str = KIND) -> outbox.Event:
        return outbox.Event(kind, "case", case, f"case/{case}", revision, NOON, payload)

    def write(self, *events: outbox.Event) -> None:
        with self.database.transaction() as tx:
            outbox.append(tx, events)

    def effects(self) -> list[tuple[str, int]]:
        with self.database.transaction() as tx:
            return [tuple(row) for row in tx.execute(sa.text("SELECT subject, revision FROM effect ORDER BY place"))]

    def effects_of(self, case: str) -> list[int]:
        return [revision for subject, revision in self.effects() if subject == f"case/{case}"]

    def waiting(self) -> int:
        """Rows of the outbox that the relay has still to carry."""
        with self.database.transaction() as tx:
            return int(tx.execute(sa.text("SELECT count(*) FROM outbox")).scalar_one())

    def dead_letters(self) -> list[tuple[int, str, int]]:
        """(dead_letter_id, error, attempts) of those not replayed."""
        asked = "SELECT dead_letter_id, error, attempts FROM dead_letter WHERE replayed_at IS NULL ORDER BY 1"
        with self.database.transaction() as tx:
            return [tuple(row) for row in tx.execute(sa.text(asked))]

    def in_the_log(self) -> list[Received]:
        """Every record of the topic, in order within each partition."""
        reader = self.event_log.reader("test")
        bounds = self.event_log.bounds(TOPIC)
        reader.seek({(TOPIC, partition): start for partition, (start, _) in bounds.items()})
        expected, found = sum(end - start for start, end in bounds.values()), list[Received]()
        while len(found) < expected:
            found += reader.poll(wait_s=1, records_max=1000)
        reader.close()
        return found


def loopback_in(url: str, event_log: EventLog) -> Loopback:
    """Fill an empty database with the mechanics, and the log with the topic."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute((Path(chassis.__file__).parent / "mechanics_v1.sql").read_bytes())
        connection.execute(_EFFECTS)
    event_log.declare([Topic(TOPIC, 4, None)])
    return Loopback(Database(url), event_log)


@pytest.fixture
def log_url(postgres: EmbeddedPostgres) -> Iterator[str]:
    name = f"log_{uuid.uuid4().hex}"
    yield postgres.create_database(name)
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def event_log(log_url: str) -> Iterator[LocalEventLog]:
    log = LocalEventLog(log_url)
    yield log
    log.close()


@pytest.fixture
def loopback(fresh_database: str, event_log: LocalEventLog) -> Iterator[Loopback]:
    made = loopback_in(fresh_database, event_log)
    yield made
    made.database.close()


@pytest.fixture
def loopback_elsewhere() -> Callable[[str, EventLog], Loopback]:
    return loopback_in


@pytest.fixture
def poison() -> type[Exception]:
    return Poison


@pytest.fixture
def running() -> Callable[..., AbstractContextManager[None]]:
    """`with running(relay.run, consumer.run):` each in a thread; an error of one of them is raised at the end."""

    @contextmanager
    def run(*loops: Loop) -> Iterator[None]:
        stop, failed = threading.Event(), list[BaseException]()

        def guarded(loop: Loop) -> None:
            try:
                loop(stop)
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=guarded, args=(loop,), daemon=True) for loop in loops]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads:
                thread.join(30)
        assert not any(thread.is_alive() for thread in threads)
        if failed:
            raise failed[0]

    return run


@pytest.fixture
def until() -> Callable[..., None]:
    """`until(lambda: …)`: asks until it is so, and fails when the deadline has passed."""

    def wait(is_so: Callable[[], object], within_s: float = 30.0) -> None:
        deadline = time.monotonic() + within_s
        while not is_so():
            if time.monotonic() > deadline:
                raise AssertionError("it did not become so in time")
            threading.Event().wait(0.01)

    return wait


@pytest.fixture
def numbered() -> Callable[[Sequence[Record | Received]], list[tuple[str, int]]]:
    """The subject and revision of each record."""

    def read(records: Sequence[Record | Received]) -> list[tuple[str, int]]:
        headers = [dict(record.headers) for record in records]
        return [(each["ce_subject"].decode(), int(each["ce_revision"])) for each in headers]

    return read
