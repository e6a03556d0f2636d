"""The event log in a PostgreSQL database of its own: the embedded default, with Kafka's semantics.

Offsets come from a counter row per partition that the writer keeps locked until it commits, so they become visible in
order and a reader never passes over one. Readers are woken by NOTIFY and otherwise ask again when they are called.
"""

from __future__ import annotations

import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg.rows import tuple_row

from chassis.event_log import (
    EventLogUnavailable,
    OffsetOutOfRange,
    Place,
    Publisher,
    Reader,
    Received,
    Record,
    Topic,
    UnknownTopic,
)

_CHANNEL = "event_log"

_TABLES = """
CREATE TABLE IF NOT EXISTS log_topic (topic text PRIMARY KEY, partitions integer NOT NULL, retention_s integer);
CREATE TABLE IF NOT EXISTS log_partition (
    topic text NOT NULL, partition integer NOT NULL,
    start_offset bigint NOT NULL DEFAULT 0, next_offset bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS log_record (
    topic text NOT NULL, partition integer NOT NULL, record_offset bigint NOT NULL,
    key text NOT NULL, value bytea NOT NULL, header_names text[] NOT NULL, header_values bytea[] NOT NULL,
    appended_at timestamptz NOT NULL,
    PRIMARY KEY (topic, partition, record_offset)
);
CREATE INDEX IF NOT EXISTS log_record_by_time ON log_record USING brin (appended_at);
CREATE TABLE IF NOT EXISTS log_group (
    reader_group text NOT NULL, topic text NOT NULL, partition integer NOT NULL, next_offset bigint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (reader_group, topic, partition)
);
"""

_READ = """
SELECT r.topic, r.partition, r.record_offset, r.key, r.value, r.header_names, r.header_values,
       (extract(epoch FROM r.appended_at) * 1000)::bigint
FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS place (topic, partition, position)
CROSS JOIN LATERAL (
    SELECT * FROM log_record
    WHERE topic = place.topic AND partition = place.partition AND record_offset >= place.position
    ORDER BY record_offset LIMIT %s
) AS r
"""

_CUT_BEHIND = """
SELECT p.topic, p.partition, place.position, p.start_offset
FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS place (topic, partition, position)
JOIN log_partition AS p USING (topic, partition)
WHERE p.start_offset > place.position
"""


class _Session:
    """One connection, opened when first needed and again after it broke."""

    def __init__(self, dsn: str, *, listen: bool = False) -> None:
        self._dsn, self._listen = dsn, listen
        self._connection: psycopg.Connection[Any] | None = None

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection[Any]]:
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self._dsn, autocommit=True, connect_timeout=5, row_factory=tuple_row)
                if self._listen:
                    self._connection.execute(f"LISTEN {_CHANNEL}")
            yield self._connection
        except (psycopg.OperationalError, psycopg.InterfaceError) as error:
            self.close()
            raise EventLogUnavailable("the event log's database cannot be reached") from error

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


class LocalEventLog:
    """Construct with the URL of an empty database, or of one that an earlier `declare` filled."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._session = _Session(dsn)

    def declare(self, topics: Sequence[Topic]) -> None:
        with self._session.use() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('event_log'))")
            connection.execute(_TABLES)
            for topic in topics:
                connection.execute(
                    "INSERT INTO log_topic VALUES (%s, %s, %s) "
                    "ON CONFLICT (topic) DO UPDATE SET retention_s = excluded.retention_s",
                    (topic.name, topic.partitions, topic.retention_s),
                )
                connection.execute(
                    "INSERT INTO log_partition (topic, partition) "
                    "SELECT topic, generate_series(0, partitions - 1) FROM log_topic WHERE topic = %s "
                    "ON CONFLICT DO NOTHING",
                    (topic.name,),
                )

    def publisher(self) -> Publisher:
        return _LocalPublisher(_Session(self._dsn))

    def reader(self, group: str) -> Reader:
        return _LocalReader(_Session(self._dsn, listen=True), _Session(self._dsn), group)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        with self._session.use() as connection:
            try:
                rows = connection.execute(
                    "SELECT partition, start_offset, next_offset FROM log_partition WHERE topic = %s", (topic,)
                ).fetchall()
            except psycopg.errors.UndefinedTable:
                rows = []
        if not rows:
            raise UnknownTopic(topic)
        return {partition: (start, end) for partition, start, end in rows}

    def cut(self, place: Place, before: int) -> None:
        with self._session.use() as connection, connection.transaction():
            connection.execute(
                "UPDATE log_partition SET start_offset = least(greatest(start_offset, %s), next_offset) "
                "WHERE topic = %s AND partition = %s",
                (before, *place),
            )
            connection.execute(
                "DELETE FROM log_record WHERE topic = %s AND partition = %s AND record_offset < %s", (*place, before)
            )

    def trim(self) -> int:
        with self._session.use() as connection:
            over = connection.execute(
                "SELECT r.topic, r.partition, max(r.record_offset) + 1, count(*) FROM log_record r "
                "JOIN log_topic t USING (topic) WHERE r.appended_at < now() - make_interval(secs => t.retention_s) "
                "GROUP BY 1, 2"
            ).fetchall()
        for topic, partition, before, _ in over:
            self.cut((topic, partition), before)
        return sum(count for *_, count in over)

    def close(self) -> None:
        self._session.close()


class _LocalPublisher:
    def __init__(self, session: _Session) -> None:
        self._session = session
        self._partitions: dict[str, int] = {}

    def publish(self, records: Sequence[Record]) -> list[bool]:
        if not records:
            return []
        try:
            with self._session.use() as connection:
                places = [self._place(connection, record) for record in records]
                with connection.transaction():
                    _append(connection, records, places)
        except EventLogUnavailable:
            return [False] * len(records)
        return [True] * len(records)

    def _place(self, connection: psycopg.Connection[Any], record: Record) -> Place:
        if record.topic not in self._partitions:
            row = connection.execute("SELECT partitions FROM log_topic WHERE topic = %s", (record.topic,)).fetchone()
            if row is None:
                raise UnknownTopic(record.topic)
            self._partitions[record.topic] = row[0]
        return record.topic, zlib.crc32(record.key.encode()) % self._partitions[record.topic]

    def close(self) -> None:
        self._session.close()


def _append(connection: psycopg.Connection[Any], records: Sequence[Record], places: Sequence[Place]) -> None:
    """Take the offsets (partitions locked in one order, so that writers cannot deadlock) and write the records."""
    following = {place: _take_offsets(connection, place, count) for place, count in sorted(Counter(places).items())}
    appended_at = connection.execute("SELECT clock_timestamp()").fetchone()
    with connection.cursor().copy("COPY log_record FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["text", "int4", "int8", "text", "bytea", "text[]", "bytea[]", "timestamptz"])
        for record, place in zip(records, places, strict=True):
            names = [name for name, _ in record.headers]
            values = [value for _, value in record.headers]
            offset = following[place]
            following[place] += 1
            copy.write_row((*place, offset, record.key, record.value, names, values, (appended_at or [None])[0]))
    for topic in sorted({topic for topic, _ in places}):
        connection.execute("SELECT pg_notify(%s, %s)", (_CHANNEL, topic))


def _take_offsets(connection: psycopg.Connection[Any], place: Place, count: int) -> int:
    row = connection.execute(
        "UPDATE log_partition SET next_offset = next_offset + %s WHERE topic = %s AND partition = %s "
        "RETURNING next_offset - %s",
        (count, *place, count),
    ).fetchone()
    if row is None:
        raise UnknownTopic(place[0])
    return row[0]


class _LocalReader:
    def __init__(self, session: _Session, reporting: _Session, group: str) -> None:
        self._session, self._reporting, self._group = session, reporting, group
        self._positions: dict[Place, int] = {}

    def seek(self, positions: Mapping[Place, int]) -> None:
        self._positions = dict(positions)

    def poll(self, *, wait_s: float, records_max: int) -> list[Received]:
        deadline = time.monotonic() + wait_s
        while True:
            with self._session.use() as connection:
                found = self._read(connection, records_max)
                if found or not self._wait(connection, deadline):
                    return found

    def _read(self, connection: psycopg.Connection[Any], records_max: int) -> list[Received]:
        topics = [topic for topic, _ in self._positions]
        partitions = [partition for _, partition in self._positions]
        asked = (topics, partitions, list(self._positions.values()))
        with connection.transaction():
            behind = connection.execute(_CUT_BEHIND, asked).fetchone()
            rows = connection.execute(_READ, (*asked, records_max), binary=True).fetchall()
        if behind is not None:
            topic, partition, position, start = behind
            raise OffsetOutOfRange((topic, partition), position, start)
        found = [_received(row) for row in rows[:records_max]]
        for record in found:
            self._positions[record.topic, record.partition] = record.offset + 1
        return found

    def _wait(self, connection: psycopg.Connection[Any], deadline: float) -> bool:
        """Wait for a write to one of our topics; whether there is a reason to read again."""
        topics = {topic for topic, _ in self._positions}
        while (remaining := deadline - time.monotonic()) > 0:
            for notice in connection.notifies(timeout=remaining, stop_after=1):
                if notice.payload in topics:
                    return True
        return False

    def report(self, positions: Mapping[Place, int]) -> None:
        try:
            with self._reporting.use() as connection, connection.cursor() as cursor:
                cursor.executemany(
                    "INSERT INTO log_group VALUES (%s, %s, %s, %s) ON CONFLICT (reader_group, topic, partition) "
                    "DO UPDATE SET next_offset = excluded.next_offset, updated_at = now()",
                    [(self._group, *place, position) for place, position in sorted(positions.items())],
                )
        except EventLogUnavailable:
            return

    def close(self) -> None:
        self._session.close()
        self._reporting.close()


def _received(row: tuple[Any, ...]) -> Received:
    topic, partition, offset, key, value, names, values, appended_at_ms = row
    headers = tuple(zip(names, values, strict=True))
    return Received(topic, partition, offset, key, value, headers, appended_at_ms)
