"""The consumer: applies events to the service's own database, each with one effect although it may arrive many times.

A batch is one transaction, which also advances `consumer_offset` by compare-and-set, drops repeats by
`processed_event (source, id)`, and ignores a `revision` that is not newer than the subject's last. When a batch fails,
its messages are tried alone; one that fails alone again and again is put aside as a dead letter, and the rest goes on.
Only the handler's own error counts: a lost connection is retried for ever.
"""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from uuid import UUID

import psycopg
import sqlalchemy as sa
import structlog
from opentelemetry import trace
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database import Database, is_passing
from chassis.event_log import EventLog, EventLogUnavailable, OffsetOutOfRange, Place, Reader, Received, UnknownTopic
from chassis.leadership import Leadership
from chassis.telemetry import context_of, meter

log = structlog.get_logger("consumer")
tracer = trace.get_tracer("guanka.consumer")

consumer_offset = sa.table(
    "consumer_offset", *(sa.column(name) for name in ("topic", "partition", "next_offset", "updated_at"))
)
processed_event = sa.table("processed_event", sa.column("source", sa.Text), sa.column("id", sa.Uuid))
consumed_revision = sa.table("consumed_revision", *(sa.column(name) for name in ("source", "subject", "revision")))
dead_letter = sa.table(
    "dead_letter",
    *(sa.column(name) for name in ("dead_letter_id", "topic", "partition", "record_offset", "key", "value")),
    sa.column("headers", JSONB),
    *(sa.column(name) for name in ("error", "attempts", "put_aside_at", "replayed_at")),
)

_consumed = meter.create_counter("consumer_messages", description="messages applied, by topic")
_put_aside = meter.create_counter("consumer_dead_letters", description="messages put aside, by topic")


class MalformedMessage(Exception):
    """The record does not carry the CloudEvents headers it needs."""


class OffsetMoved(Exception):
    """Another process has advanced the stored offset: what was read here is stale."""


@dataclass(frozen=True, slots=True)
class Message:
    """A CloudEvent as read; `payload` is protobuf, `revision` its subject's."""

    id: UUID
    source: str
    type: str
    subject: str
    revision: int
    time: str
    district: str
    key: str
    payload: bytes
    traceparent: str


Handler = Callable[[Connection, Sequence[Message]], None]
"""Applies messages of one type, in order, in the caller's transaction."""


def each(handle: Callable[[Connection, Message], None]) -> Handler:
    """A handler that takes its messages one by one, each inside the trace that caused it."""

    def handle_all(tx: Connection, messages: Sequence[Message]) -> None:
        for message in messages:
            with tracer.start_as_current_span(f"process {message.type}", context=context_of(message.traceparent)):
                handle(tx, message)

    return handle_all


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a service takes from a topic; other types on it are passed over.

    `has_revisions` False leaves the revision check out, for topics whose subjects have one event each (scans).
    """

    topic: str
    handlers: Mapping[str, Handler]
    has_revisions: bool = True


def message_of(record: Received) -> Message:
    """Read the CloudEvents headers. Raises `MalformedMessage`, which puts the record aside."""
    headers = {name: value.decode() for name, value in record.headers}
    try:
        return Message(
            id=UUID(headers["ce_id"]),
            source=headers["ce_source"],
            type=headers["ce_type"],
            subject=headers["ce_subject"],
            revision=int(headers["ce_revision"]),
            time=headers["ce_time"],
            district=headers.get("ce_district", ""),
            key=record.key,
            payload=record.value,
            traceparent=headers.get("traceparent", ""),
        )
    except (KeyError, ValueError) as error:
        raise MalformedMessage(f"{type(error).__name__} in the CloudEvents headers") from None


class Consumer:
    """One per service is active. `group` names it to the log; positions live in the service's own database."""

    def __init__(
        self,
        database: Database,
        event_log: EventLog,
        *,
        group: str,
        subscriptions: Sequence[Subscription],
        attempts_max: int = 3,
        records_max: int = 500,
    ) -> None:
        self._database, self._event_log, self._group = database, event_log, group
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        self._attempts_max, self._records_max = attempts_max, records_max
        self._leadership = Leadership(database.url, "consumer")
        self._reader: Reader | None = None
        self._positions: dict[Place, int] = {}
        self._reported_at = 0.0
        self.trouble: str | None = None
        self.is_active = False

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            pause_s = 0.0
            try:
                pause_s = self._turn()
                self.trouble = None if self.is_active else self.trouble
            except OffsetOutOfRange as error:
                self._stop_at_cut(error)
                pause_s = 5.0
            except (OffsetMoved, EventLogUnavailable, UnknownTopic, psycopg.Error) as error:
                pause_s = self._wait_out(error)
            except Exception as error:
                if not is_passing(error):
                    raise
                pause_s = self._wait_out(error)
            stop.wait(pause_s)
        self._leave()

    def _turn(self) -> float:
        if self._leadership.take() is None:
            return 1.0
        if self._reader is None:
            self._positions = self._stored_positions()
            self._reader = self._event_log.reader(self._group)
            self._reader.seek(self._positions)
            self.is_active = True
        records = self._reader.poll(wait_s=0.5, records_max=self._records_max)
        if not self._leadership.is_held():
            raise OffsetMoved("the lock was lost")
        if records:
            self.apply(records)
        self._report()
        return 0.0

    def _wait_out(self, error: BaseException) -> float:
        log.warning("the consumer waits", error=type(error).__name__)
        self.trouble = type(error).__name__
        self._leave()
        return 0.3

    def _stop_at_cut(self, error: OffsetOutOfRange) -> None:
        place = f"{error.place[0]}[{error.place[1]}]"
        self.trouble = (
            f"{place} was cut at {error.start} behind offset {error.offset}: what lay between is not in the log any "
            f"more; run `guanka republish` of the service that writes it"
        )
        log.error("the log was cut behind the consumer", place=place, offset=error.offset, start=error.start)
        self._leave()

    def _leave(self) -> None:
        self.is_active = False
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._leadership.release()

    def _report(self) -> None:
        if self._reader is not None and time.monotonic() - self._reported_at > 1.0:
            self._reported_at = time.monotonic()
            self._reader.report(self._positions)

    # -- positions ---------------------------------------------------------------------------------------------------

    def _stored_positions(self) -> dict[Place, int]:
        """Stored offsets; a place seen for the first time starts at the log's first record."""
        starts = {
            (topic, partition): start
            for topic in self._subscriptions
            for partition, (start, _) in self._event_log.bounds(topic).items()
        }
        with self._database.transaction() as tx:
            tx.execute(
                upsert(consumer_offset).on_conflict_do_nothing(),
                [{"topic": t, "partition": p, "next_offset": start} for (t, p), start in starts.items()],
            )
            rows = tx.execute(
                sa.select(consumer_offset.c.topic, consumer_offset.c.partition, consumer_offset.c.next_offset)
            )
            return {(row.topic, row.partition): row.next_offset for row in rows if (row.topic, row.partition) in starts}

    def lag(self) -> dict[str, int]:
        """Records of each topic that are not applied yet."""
        with self._database.transaction() as tx:
            stored = {
                (row.topic, row.partition): row.next_offset
                for row in tx.execute(sa.select(consumer_offset.c["topic", "partition", "next_offset"]))
            }
        return {
            topic: sum(
                max(0, end - stored.get((topic, partition), start))
                for partition, (start, end) in self._event_log.bounds(topic).items()
            )
            for topic in self._subscriptions
        }

    # -- applying ----------------------------------------------------------------------------------------------------

    def apply(self, records: Sequence[Received]) -> None:
        """Apply a batch: together if that works, else one by one, putting aside what cannot be applied."""
        try:
            self._apply_together(records)
        except OffsetMoved:
            raise
        except Exception as error:
            if is_passing(error):
                raise
            log.warning("a batch failed, its messages are tried alone", error=type(error).__name__, size=len(records))
            for record in records:
                self._apply_alone(record)

    def _apply_alone(self, record: Received) -> None:
        for attempt in range(1, self._attempts_max + 1):
            try:
                return self._apply_together([record])
            except OffsetMoved:
                raise
            except Exception as error:
                if is_passing(error):
                    raise
                if attempt == self._attempts_max:
                    self._put_aside(record, error)
                else:
                    time.sleep(0.05 * attempt)
        return None

    def _apply_together(self, records: Sequence[Received]) -> None:
        advanced: dict[Place, int] = {}
        for record in records:
            advanced[record.topic, record.partition] = record.offset + 1
        with self._database.transaction() as tx:
            self._advance(tx, advanced)
            for topic, group in groupby(records, key=lambda record: record.topic):
                subscription = self._subscriptions[topic]
                taken = [record for record in group if _type_of(record) in subscription.handlers]
                handle_messages(tx, subscription, [message_of(record) for record in taken])
        self._positions.update(advanced)
        for place in advanced:
            _consumed.add(sum((r.topic, r.partition) == place for r in records), {"topic": place[0]})

    def _advance(self, tx: Connection, advanced: Mapping[Place, int]) -> None:
        for (topic, partition), following in sorted(advanced.items()):
            moved = tx.execute(
                sa.update(consumer_offset)
                .where(
                    consumer_offset.c.topic == topic,
                    consumer_offset.c.partition == partition,
                    consumer_offset.c.next_offset == self._positions[topic, partition],
                )
                .values(next_offset=following, updated_at=sa.func.now())
            )
            if moved.rowcount != 1:
                raise OffsetMoved(f"{topic}[{partition}]")

    def _put_aside(self, record: Received, error: Exception) -> None:
        place = (record.topic, record.partition)
        with self._database.transaction() as tx:
            self._advance(tx, {place: record.offset + 1})
            tx.execute(
                upsert(dead_letter).on_conflict_do_nothing(),
                {
                    "topic": record.topic,
                    "partition": record.partition,
                    "record_offset": record.offset,
                    "key": record.key,
                    "value": record.value,
                    "headers": [[name, base64.b64encode(value).decode()] for name, value in record.headers],
                    "error": error_text(error),
                    "attempts": self._attempts_max,
                },
            )
        self._positions[place] = record.offset + 1
        _put_aside.add(1, {"topic": record.topic})
        log.error("a message was put aside", topic=record.topic, offset=record.offset, error=type(error).__name__)


def handle_messages(tx: Connection, subscription: Subscription, messages: Sequence[Message]) -> None:
    """Drop repeats and stale revisions, then hand what remains to the handlers in order, runs of one type together."""
    fresh = _fresh(tx, messages)
    if subscription.has_revisions:
        fresh = _newer(tx, fresh)
    for kind, run in groupby(fresh, key=lambda message: message.type):
        subscription.handlers[kind](tx, list(run))


def replay(database: Database, subscriptions: Sequence[Subscription], dead_letter_id: int) -> bool:
    """Apply a dead letter again, in a transaction of its own; False when it had been replayed or does not exist."""
    by_topic = {subscription.topic: subscription for subscription in subscriptions}
    with database.transaction() as tx:
        row = tx.execute(
            sa.select(dead_letter)
            .where(dead_letter.c.dead_letter_id == dead_letter_id, dead_letter.c.replayed_at.is_(None))
            .with_for_update()
        ).one_or_none()
        if row is None:
            return False
        headers = tuple((name, base64.b64decode(value)) for name, value in row.headers)
        record = Received(row.topic, row.partition, row.record_offset, row.key, bytes(row.value), headers, 0)
        handle_messages(tx, by_topic[row.topic], [message_of(record)])
        tx.execute(
            sa.update(dead_letter)
            .where(dead_letter.c.dead_letter_id == dead_letter_id)
            .values(replayed_at=sa.func.now())
        )
    return True


def error_text(error: Exception) -> str:
    """The error's kind and first line: a database's second line may quote a row."""
    said = str(getattr(error, "orig", None) or error).splitlines()
    return f"{type(error).__name__}: {said[0][:300] if said else ''}"


def _type_of(record: Received) -> str:
    return (record.header("ce_type") or b"").decode()


def _fresh(tx: Connection, messages: Sequence[Message]) -> list[Message]:
    if not messages:
        return []
    unique = {(message.source, message.id): message for message in messages}
    sources, ids = [source for source, _ in unique], [identifier for _, identifier in unique]
    new = tx.execute(
        sa.text(
            "INSERT INTO processed_event (source, id) "
            "SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:ids AS uuid[])) "
            "ON CONFLICT DO NOTHING RETURNING source, id"
        ),
        {"sources": sources, "ids": ids},
    )
    is_new = {(row.source, row.id) for row in new}
    return [message for key, message in unique.items() if key in is_new]


def _newer(tx: Connection, messages: Sequence[Message]) -> list[Message]:
    """The messages whose revision is newer than the last applied of their subject (also within the batch)."""
    if not messages:
        return []
    wanted = {(message.source, message.subject) for message in messages}
    rows: Any = tx.execute(
        sa.select(consumed_revision).where(
            sa.tuple_(consumed_revision.c.source, consumed_revision.c.subject).in_(sorted(wanted))
        )
    )
    last = {(row.source, row.subject): row.revision for row in rows}
    newer = []
    for message in messages:
        subject = (message.source, message.subject)
        if message.revision > last.get(subject, 0):
            last[subject] = message.revision
            newer.append(message)
    raised = [{"source": m.source, "subject": m.subject, "revision": last[m.source, m.subject]} for m in newer]
    if raised:
        raising = upsert(consumed_revision)
        tx.execute(
            raising.on_conflict_do_update(
                index_elements=["source", "subject"],
                set_={"revision": raising.excluded.revision},
                where=consumed_revision.c.revision < raising.excluded.revision,
            ),
            raised,
        )
    return newer
