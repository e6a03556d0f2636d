"""The relay: carries the outbox to the event log, in order per key, and forgets only what the log acknowledged.

It reads by `seq` without claiming, publishes, and deletes in a second short transaction: of each key only what lies
before the first unacknowledged event. No transaction is open while it waits for the log. It remembers nothing but a
low-water mark (rows commit out of order of `seq`: a relay that remembered "last id" would skip the late ones).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import orjson
import psycopg
import structlog
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from psycopg.types.json import set_json_loads

from chassis.event_log import EventLog, EventLogUnavailable, Publisher, Record, UnknownTopic
from chassis.leadership import Leadership
from chassis.redaction import error_text
from chassis.telemetry import caused_span, meter

log = structlog.get_logger("relay")
tracer = trace.get_tracer("guanka.relay")

_READ = """
SELECT seq, id, aggregatetype, aggregateid, type, payload, headers FROM outbox
WHERE seq > %s ORDER BY seq LIMIT %s
"""

_LAST_VALUE = "SELECT last_value - CASE WHEN is_called THEN 0 ELSE 1 END FROM outbox_seq"
"""A sequence that was never used names its first value as its last."""

_SESSION = "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off; SET synchronous_commit = off"
"""Statistics of a near-empty outbox would turn the read into a sequential scan and a sort. A deletion that a crash
takes back means a repeat, so the relay does not wait for the disk."""

_OBSERVE_S = 0.5
"""With nothing to carry the mark may wait: reading the sequence at each pass would double the cost of idling."""

_published = meter.create_counter("relay_records_published", description="outbox rows acknowledged by the event log")
_unacknowledged = meter.create_counter("relay_records_unacknowledged", description="outbox rows to be sent again")


@dataclass(frozen=True, slots=True)
class _Row:
    seq: int
    id: UUID
    aggregatetype: str
    aggregateid: str
    type: str
    payload: bytes
    headers: dict[str, str]


class LowWaterMark:
    """A `seq` below which no row can appear any more, so that dead index entries and old snapshots slow nothing.

    First the sequence's last value is read, in a later statement a transaction id is taken; once the snapshot's xmin
    has passed that id, every transaction that took a lower `seq` is over (it had its own id before: the default of
    `outbox.seq` sees to that), and with no row left up to the value the relay reads above it. (Both in one statement
    lost rows; so did the snapshot's xmax instead of an id: it is one past the last transaction that has *ended*, and
    those that are still open may lie beyond it.)
    """

    def __init__(self) -> None:
        self.seq = 0
        self._candidate: tuple[int, int] | None = None

    def observe(self, connection: psycopg.Connection, lowest_seq: int | None) -> None:
        """Look once; `lowest_seq` is the lowest row that the last read saw above the mark, None when it saw none."""
        if self._candidate is None:
            value = _one(connection, _LAST_VALUE)
            if value > self.seq:
                self._candidate = value, _one(connection, "SELECT pg_current_xact_id()::text::bigint")
            return
        value, transaction = self._candidate
        if lowest_seq is not None and lowest_seq <= value:
            return
        if _one(connection, "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint") <= transaction:
            return
        if _one(connection, "SELECT count(*) FROM outbox WHERE seq > %s AND seq <= %s", self.seq, value) == 0:
            self.seq, self._candidate = value, None


def _one(connection: psycopg.Connection, statement: str, *arguments: int) -> int:
    row = connection.execute(statement.encode(), arguments).fetchone()
    return int(row[0]) if row else 0


class Relay:
    """One per service is active, by an advisory lock on the connection it reads with.

    `source` is CloudEvents' (such as `/codes`), `topics` the topic of each aggregate type. What comes after an idle
    time is carried within `idle_s`; under a steady flow there is a pass each `pace_s`. A pass costs its readers as much
    as many rows, so whoever tells of thousands gives them time to gather: at the peak's 343 scans/s, passes of 4 rows
    took a core of all services together.
    """

    def __init__(
        self,
        database_url: str,
        event_log: EventLog,
        *,
        source: str,
        topics: Mapping[str, str],
        rows_max: int = 2000,
        idle_s: float = 0.03,
        pace_s: float = 0.01,
    ) -> None:
        self._leadership = Leadership(database_url, "relay")
        self._event_log = event_log
        self._source, self._topics = source.encode(), topics
        self._rows_max, self._idle_s, self._pace_s = rows_max, idle_s, pace_s
        self._publisher: Publisher | None = None
        self._connection: psycopg.Connection | None = None
        self._mark = LowWaterMark()
        self._observe_at = 0.0
        self.is_active = False
        self.trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                stop.wait(self._turn_or_trouble())
        finally:
            self._leave()
            if self._publisher is not None:
                self._publisher.close()

    def _turn_or_trouble(self) -> float:
        try:
            pause_s = self._turn()
            self.trouble = None
        except (psycopg.Error, EventLogUnavailable, UnknownTopic) as error:
            log.warning("the relay waits", error=type(error).__name__)
            self.trouble = error_text(error)
            self._leave()
            return 0.5
        return pause_s

    def _leave(self) -> None:
        self._leadership.release()
        self._connection, self.is_active = None, False

    def _turn(self) -> float:
        """One pass; how long to wait before the next, in seconds."""
        connection = self._leadership.take()
        if connection is None:
            self.is_active = False
            return 1.0
        if connection is not self._connection:
            connection.execute(_SESSION)
            set_json_loads(orjson.loads, connection)
            self._connection, self._mark, self.is_active = connection, LowWaterMark(), True
        rows = self._read(connection)
        if rows or time.monotonic() >= self._observe_at:
            self._observe_at = time.monotonic() + _OBSERVE_S
            self._mark.observe(connection, rows[0].seq if rows else None)
        return self._carry(connection, rows) if rows else self._idle_s

    def _carry(self, connection: psycopg.Connection, rows: Sequence[_Row]) -> float:
        """Publish, then forget what was acknowledged; how long to wait before the next pass, in seconds."""
        self._publisher = self._publisher or self._event_log.publisher()
        with caused_span(tracer, "relay", _causes(rows), SpanKind.PRODUCER) as span:
            span.set_attribute("messaging.batch.message_count", len(rows))
            records = [self._record(row) for row in rows]
            finished = finished_records(records, self._publisher.publish(records))
            seqs = [row.seq for row, is_finished in zip(rows, finished, strict=True) if is_finished]
            if seqs:
                connection.execute("DELETE FROM outbox WHERE seq = ANY(%s)", (seqs,))
        _published.add(len(seqs))
        _unacknowledged.add(len(rows) - len(seqs))
        if len(seqs) < len(rows):
            return 0.2
        return 0.0 if len(rows) == self._rows_max else self._pace_s

    def _read(self, connection: psycopg.Connection) -> list[_Row]:
        return [_Row(*row) for row in connection.execute(_READ, (self._mark.seq, self._rows_max), binary=True)]

    def _record(self, row: _Row) -> Record:
        return Record(self._topics[row.aggregatetype], row.aggregateid, row.payload, self._headers(row))

    def _headers(self, row: _Row) -> tuple[tuple[str, bytes], ...]:
        """The CloudEvents Kafka binding, binary mode."""
        return (
            ("ce_specversion", b"1.0"),
            ("ce_id", str(row.id).encode()),
            ("ce_type", row.type.encode()),
            ("ce_source", self._source),
            ("content-type", b"application/protobuf"),
            *[(name, str(value).encode()) for name, value in row.headers.items() if value != ""],
        )


def _causes(rows: Sequence[_Row]) -> Iterator[str]:
    return (row.headers.get("traceparent", "") for row in rows)


def finished_records(records: Sequence[Record], acknowledged: Sequence[bool]) -> list[bool]:
    """Which to forget: the acknowledged, with nothing unacknowledged before them under the same topic and key."""
    stuck: set[tuple[str, str]] = set()
    finished: list[bool] = []
    for record, is_acknowledged in zip(records, acknowledged, strict=True):
        key = (record.topic, record.key)
        if not is_acknowledged:
            stuck.add(key)
        finished.append(key not in stuck)
    return finished
