"""The event log in a PostgreSQL database of its own: the embedded default, with Kafka's semantics.

Offsets come from a counter row per partition that the writer keeps locked until it commits, so they become visible in
order and a reader never passes over one. Readers are woken by NOTIFY and otherwise ask again when they are called.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
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
from chassis.leadership import LIVELY_CONNECTION

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
WITH behind AS MATERIALIZED (
    SELECT place.topic, place.partition, place.position, place.turn, p.start_offset,
           place.position NOT BETWEEN p.start_offset AND p.next_offset AS is_gone
    FROM unnest(%(topics)s::text[], %(partitions)s::int[], %(positions)s::bigint[])
        WITH ORDINALITY AS place (topic, partition, position, turn)
    JOIN log_partition AS p USING (topic, partition)
    WHERE place.position <> p.next_offset
    ORDER BY is_gone DESC, place.turn
)
SELECT behind.topic, behind.partition, behind.is_gone, behind.position, behind.start_offset,
       r.record_offset, r.key, r.value, r.header_names, r.header_values,
       (extract(epoch FROM r.appended_at) * 1000)::bigint
FROM behind LEFT JOIN LATERAL (
    SELECT * FROM log_record
    WHERE topic = behind.topic AND partition = behind.partition AND record_offset >= behind.position
        AND NOT behind.is_gone
    ORDER BY record_offset LIMIT %(records_max)s
) AS r ON true
WHERE behind.is_gone OR r.record_offset IS NOT NULL
LIMIT %(records_max)s
"""
"""One statement, so that nothing can be cut between the look at a partition's bounds and the reading of its records."""

_LOCK_PARTITIONS = """
SELECT p.topic, p.partition FROM log_partition AS p
JOIN unnest(%s::text[], %s::int[]) AS asked (topic, partition) USING (topic, partition)
ORDER BY p.topic, p.partition FOR UPDATE OF p
"""

_TAKE_OFFSETS = """
UPDATE log_partition AS p SET next_offset = p.next_offset + asked.count
FROM unnest(%s::text[], %s::int[], %s::bigint[]) AS asked (topic, partition, count)
WHERE p.topic = asked.topic AND p.partition = asked.partition
RETURNING p.topic, p.partition, p.next_offset - asked.count, clock_timestamp()
"""


class _Session:
    """One connection, opened when first needed and again after it broke; one thread at a time has it."""

    def __init__(self, dsn: str, *, listen: bool = False) -> None:
        self._dsn, self._listen = dsn, listen
        self._connection: psycopg.Connection[Any] | None = None
        self._alone = threading.RLock()

    @contextmanager
    def use(self) -> Iterator[psycopg.Connection[Any]]:
        with self._alone:
            try:
                yield self._open()
            except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction) as error:
                self.close()
                raise EventLogUnavailable("the event log's database cannot be reached") from error
            except psycopg.errors.UndefinedTable as error:
                raise UnknownTopic("no topic was declared yet") from error

    def _open(self) -> psycopg.Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = psycopg.connect(self._dsn, autocommit=True, row_factory=tuple_row, **LIVELY_CONNECTION)
            if self._listen:
                self._connection.execute(f"LISTEN {_CHANNEL}")
        return self._connection

    def close(self) -> None:
        with self._alone:
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
            rows = connection.execute(
                "SELECT partition, start_offset, next_offset FROM log_partition WHERE topic = %s", (topic,)
            ).fetchall()
        if not rows:
            raise UnknownTopic(topic)
        return {partition: (start, end) for partition, start, end in rows}

    def cut(self, place: Place, before: int) -> None:
        with self._session.use() as connection, connection.transaction():
            moved = connection.execute(
                "UPDATE log_partition SET start_offset = least(greatest(start_offset, %s), next_offset) "
                "WHERE topic = %s AND partition = %s",
                (before, *place),
            )
            if moved.rowcount == 0:
                raise UnknownTopic(place[0])
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
    """Take the offsets and write the records; whoever waits for the topics is told when it is committed."""
    following, appended_at = _take_offsets(connection, Counter(places))
    with connection.cursor().copy("COPY log_record FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(["text", "int4", "int8", "text", "bytea", "text[]", "bytea[]", "timestamptz"])
        for record, place in zip(records, places, strict=True):
            names = [name for name, _ in record.headers]
            values = [value for _, value in record.headers]
            offset = following[place]
            following[place] += 1
            copy.write_row((*place, offset, record.key, record.value, names, values, appended_at))
    topics = sorted({topic for topic, _ in places})
    connection.execute("SELECT pg_notify(%s, topic) FROM unnest(%s::text[]) AS topic", (_CHANNEL, topics))


def _take_offsets(connection: psycopg.Connection[Any], counts: Mapping[Place, int]) -> tuple[dict[Place, int], Any]:
    """The first offset for each place, and when; all are locked in one order, so that writers cannot deadlock."""
    topics, partitions = [topic for topic, _ in counts], [partition for _, partition in counts]
    locked = connection.execute(_LOCK_PARTITIONS, (topics, partitions)).fetchall()
    if len(locked) < len(counts):
        raise UnknownTopic(", ".join(sorted({topic for topic, _ in counts.keys() - set(locked)})))
    taken = connection.execute(_TAKE_OFFSETS, (topics, partitions, list(counts.values()))).fetchall()
    return {(topic, partition): first for topic, partition, first, _ in taken}, max(at for *_, at in taken)


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
                for _ in connection.notifies(timeout=0):
                    """What they tell of is about to be read."""
                found = self._read(connection, records_max)
                if found or not self._wait(connection, deadline):
                    return found

    def _read(self, connection: psycopg.Connection[Any], records_max: int) -> list[Received]:
        asked = {
            "topics": [topic for topic, _ in self._positions],
            "partitions": [partition for _, partition in self._positions],
            "positions": list(self._positions.values()),
            "records_max": records_max,
        }
        found: list[Received] = []
        for topic, partition, is_gone, position, start, *record in connection.execute(_READ, asked, binary=True):
            if is_gone:
                raise OffsetOutOfRange((topic, partition), position, start)
            found.append(_received(topic, partition, *record))
        self._move_behind(found)
        return found

    def _move_behind(self, found: Sequence[Received]) -> None:
        """The next read begins with the places that were not read now: a full one keeps no other waiting for long."""
        for (topic, partition), records in groupby(found, key=lambda record: (record.topic, record.partition)):
            del self._positions[topic, partition]
            self._positions[topic, partition] = list(records)[-1].offset + 1

    def _wait(self, connection: psycopg.Connection[Any], deadline: float) -> bool:
        """Wait for a write to one of our topics; whether there is a reason to read again."""
        topics = {topic for topic, _ in self._positions}
        while (remaining := deadline - time.monotonic()) > 0:
            if any(notice.payload in topics for notice in connection.notifies(timeout=remaining, stop_after=1)):
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
        except (EventLogUnavailable, UnknownTopic):
            return

    def close(self) -> None:
        self._session.close()
        self._reporting.close()


def _received(
    topic: str,
    partition: int,
    offset: int,
    key: str,
    value: bytes,
    names: Sequence[str],
    values: Sequence[bytes],
    appended_at_ms: int,
) -> Received:
    return Received(topic, partition, offset, key, value, tuple(zip(names, values, strict=True)), appended_at_ms)
