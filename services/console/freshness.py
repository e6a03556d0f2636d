"""Until when the read model knows everything, so that a screen can tell quiet from late.

The event log is watched on its way to the consumer: when a read has come back less than full and the next read begins,
what the log held at the earlier one is applied (with Kafka: but for what its fetches under way hold, well under a
second). A full read means that more is waiting; then the model knows no more than the oldest record of that read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import sqlalchemy as sa

from chassis.clock import Clock
from chassis.database import Database
from chassis.event_log import EventLog, Place, Publisher, Reader, Received, Topic


class Freshness:
    """Written by the consumer's thread, stored by a timer's."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.known_until: datetime | None = None

    def know(self, until: datetime) -> None:
        if self.known_until is None or until > self.known_until:
            self.known_until = until

    def store(self, database: Database) -> None:
        """Keep the moment for the processes that answer; a process that does not consume has none to keep."""
        if self.known_until is None:
            return
        with database.transaction() as tx:
            tx.execute(
                sa.text(
                    "INSERT INTO freshness (known_until) VALUES (:until) ON CONFLICT (is_only) DO UPDATE "
                    "SET known_until = greatest(freshness.known_until, excluded.known_until)"
                ),
                {"until": self.known_until},
            )


class WatchedLog:
    """The event log as it is, but that its readers tell `freshness` what has been applied."""

    def __init__(self, event_log: EventLog, freshness: Freshness) -> None:
        self._event_log, self._freshness = event_log, freshness

    def declare(self, topics: Sequence[Topic]) -> None:
        self._event_log.declare(topics)

    def publisher(self) -> Publisher:
        return self._event_log.publisher()

    def reader(self, group: str) -> Reader:
        return _WatchedReader(self._event_log.reader(group), self._freshness)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        return self._event_log.bounds(topic)

    def cut(self, place: Place, before: int) -> None:
        self._event_log.cut(place, before)

    def trim(self) -> int:
        return self._event_log.trim()

    def close(self) -> None:
        self._event_log.close()


class _WatchedReader:
    def __init__(self, reader: Reader, freshness: Freshness) -> None:
        self._reader, self._freshness = reader, freshness
        self._in_hand: datetime | None = None

    def seek(self, positions: Mapping[Place, int]) -> None:
        self._in_hand = None
        self._reader.seek(positions)

    def poll(self, *, wait_s: float, records_max: int) -> list[Received]:
        if self._in_hand is not None:
            self._freshness.know(self._in_hand)
        # The moment before: what is written while the log answers may not be among the records.
        self._in_hand = self._freshness.clock()
        records = self._reader.poll(wait_s=wait_s, records_max=records_max)
        if len(records) >= records_max:
            oldest_ms = min(record.appended_at_ms for record in records)
            self._in_hand = min(self._in_hand, datetime.fromtimestamp(oldest_ms / 1000, UTC))
        if not records:
            self._freshness.know(self._in_hand)
        return records

    def report(self, positions: Mapping[Place, int]) -> None:
        self._reader.report(positions)

    def close(self) -> None:
        self._reader.close()
