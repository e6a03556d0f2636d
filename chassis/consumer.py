"""The consumer: applies events to the service's own database, each with one effect although it may arrive many times.

A batch is one transaction, which also advances `consumer_offset` by compare-and-set and knows repeats (inbox.py). When
a batch fails, its messages are tried alone; one that fails alone again and again is put aside (dead_letters.py), and
the rest goes on. Only the handler's own error counts: a lost connection is retried for ever.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby

import sqlalchemy as sa
import structlog
from sqlalchemy import Connection
from sqlalchemy.dialects.postgresql import insert as upsert

from chassis.database import Database, is_collision, is_passing
from chassis.dead_letters import dead_letters_waiting, put_aside, replay
from chassis.event_log import EventLog, EventLogUnavailable, OffsetOutOfRange, Place, Reader, Received, UnknownTopic
from chassis.inbox import RevisionMoved, handle_messages
from chassis.leadership import Leadership
from chassis.message import Handler, MalformedMessage, Message, Subscription, attribute, each, message_of
from chassis.redaction import error_text
from chassis.telemetry import meter

__all__ = [
    "Consumer",
    "Handler",
    "MalformedMessage",
    "Message",
    "OffsetMoved",
    "Subscription",
    "each",
    "handle_messages",
    "message_of",
    "replay",
]

log = structlog.get_logger("consumer")

consumer_offset = sa.table(
    "consumer_offset", *(sa.column(name) for name in ("topic", "partition", "next_offset", "updated_at"))
)

_COLLISIONS_MAX = 5
_MOVE = sa.text(
    "UPDATE consumer_offset AS stored SET next_offset = moved.following, updated_at = now() FROM unnest("
    "CAST(:topics AS text[]), CAST(:partitions AS integer[]), CAST(:expected AS bigint[]), CAST(:following AS bigint[])"
    ") AS moved (topic, partition, expected, following) WHERE stored.topic = moved.topic "
    "AND stored.partition = moved.partition AND stored.next_offset = moved.expected"
)

_consumed = meter.create_counter("consumer_messages", description="messages applied, by topic")
_cut_off = meter.create_counter("consumer_cut_off", description="times the log was found cut behind the consumer")


class OffsetMoved(Exception):
    """Another process has advanced the stored offset: what was read here is stale."""


class Consumer:
    """One per service is active. `group` names it to the log; positions live in the service's own database.

    With `pace_s` it waits so long after a batch that was not full, and had `paced_from` records: who shows figures need
    not look at every scan alone, and under load larger batches cost less a record.
    """

    def __init__(
        self,
        database: Database,
        event_log: EventLog,
        *,
        group: str,
        subscriptions: Sequence[Subscription],
        attempts_max: int = 3,
        records_max: int = 500,
        pace_s: float = 0.0,
        paced_from: int = 1,
    ) -> None:
        self._pace_s, self._paced_from = pace_s, paced_from
        self._database, self._event_log, self._group = database, event_log, group
        self._subscriptions = {subscription.topic: subscription for subscription in subscriptions}
        if len(self._subscriptions) < len(subscriptions):
            raise ValueError("a topic has one subscription, with all its handlers")
        self._attempts_max, self._records_max, self._records_now = attempts_max, records_max, records_max
        self._leadership = Leadership(database.url, "consumer")
        self._reader: Reader | None = None
        self._positions: dict[Place, int] = {}
        self._reported: dict[Place, int] = {}
        self._reported_at = float("-inf")
        self.trouble: str | None = None
        self.is_active = False

    # -- the loop ----------------------------------------------------------------------------------------------------

    def run(self, stop: threading.Event) -> None:
        try:
            while not stop.is_set():
                stop.wait(self._turn_or_trouble())
        finally:
            self._leave()

    def _turn_or_trouble(self) -> float:
        try:
            pause_s = self._turn()
        except OffsetOutOfRange as error:
            return self._stop_at_cut(error)
        except (OffsetMoved, RevisionMoved, EventLogUnavailable, UnknownTopic) as error:
            return self._wait_out(error)
        except Exception as error:
            if not is_passing(error):
                raise
            return self._wait_out(error)
        self.trouble = None
        return pause_s

    def _turn(self) -> float:
        if self._leadership.take() is None:
            return 1.0
        if self._reader is None:
            self._positions = self._stored_positions()
            self._reader = self._event_log.reader(self._group)
            self._reader.seek(self._positions)
            self.is_active = True
        asked = self._records_now
        records = self._reader.poll(wait_s=0.5, records_max=asked)
        if not self._leadership.is_held():
            raise OffsetMoved("the lock was lost")
        if records:
            self.apply(records)
            self._records_now = min(self._records_max, self._records_now * 2)
        self._report()
        return self._pace_s if self._paced_from <= len(records) < asked else 0.0

    def _wait_out(self, error: Exception) -> float:
        """Start again from the stored positions, with smaller batches: the last one may have been too much at once."""
        log.warning("the consumer waits", error=type(error).__name__)
        self.trouble = error_text(error)
        self._records_now = max(1, self._records_now // 4)
        self._leave()
        return 0.3

    def _stop_at_cut(self, error: OffsetOutOfRange) -> float:
        """Nothing is applied until the stored offset lies within the log again; looked at every few seconds."""
        place = f"{error.place[0]}[{error.place[1]}]"
        self.trouble = (
            f"{place} starts at {error.start}, and offset {error.offset} is not in the log: what lay between is "
            f"lost to this consumer; run `guanka republish` of the service that writes it"
        )
        log.error("the log was cut behind the consumer", place=place, offset=error.offset, start=error.start)
        _cut_off.add(1, {"topic": error.place[0]})
        self._leave()
        return 2.0

    def _leave(self) -> None:
        self.is_active = False
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self._leadership.release()

    def _report(self) -> None:
        """Each second when there is news; now and then without, for a log may forget an idle group's positions."""
        waited_s = time.monotonic() - self._reported_at
        if self._reader is not None and (waited_s > 60 or (waited_s > 1 and self._reported != self._positions)):
            self._reported_at, self._reported = time.monotonic(), dict(self._positions)
            self._reader.report(self._reported)

    # -- positions ---------------------------------------------------------------------------------------------------

    def _stored_positions(self) -> dict[Place, int]:
        """Stored offsets; a place seen for the first time starts at the log's first record."""
        starts = {
            (topic, partition): start
            for topic in self._subscriptions
            for partition, (start, _) in self._event_log.bounds(topic).items()
        }
        with self._database.transaction() as tx:
            missing = starts.keys() - _offsets(tx).keys()
            if missing:
                tx.execute(
                    upsert(consumer_offset).on_conflict_do_nothing(),
                    [{"topic": t, "partition": p, "next_offset": starts[t, p]} for t, p in sorted(missing)],
                )
            return {place: offset for place, offset in _offsets(tx).items() if place in starts}

    def lag(self) -> dict[str, int]:
        """Records of each topic that are not applied yet."""
        with self._database.transaction() as tx:
            stored = _offsets(tx)
        return {
            topic: sum(
                max(0, end - stored.get((topic, partition), start))
                for partition, (start, end) in self._event_log.bounds(topic).items()
            )
            for topic in self._subscriptions
        }

    def dead_letters(self) -> int:
        """Dead letters that wait to be replayed."""
        with self._database.transaction() as tx:
            return dead_letters_waiting(tx)

    # -- applying ----------------------------------------------------------------------------------------------------

    def apply(self, records: Sequence[Received]) -> None:
        """Apply a batch: together if that works, else one by one, putting aside what cannot be applied."""
        try:
            self._apply_together(records)
        except (OffsetMoved, RevisionMoved):
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
            except (OffsetMoved, RevisionMoved):
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
        """One transaction, tried again at once when it met another one (a deadlock, a lock held for long)."""
        for attempt in range(1, _COLLISIONS_MAX + 1):
            try:
                return self._apply_once(records)
            except RevisionMoved:
                if attempt == _COLLISIONS_MAX:
                    raise
            except Exception as error:
                if attempt == _COLLISIONS_MAX or not is_collision(error):
                    raise
            time.sleep(0.01 * attempt)
        return None

    def _apply_once(self, records: Sequence[Received]) -> None:
        advanced = {(record.topic, record.partition): record.offset + 1 for record in records}
        with self._database.transaction() as tx:
            self._advance(tx, advanced)
            for topic, group in groupby(records, key=lambda record: record.topic):
                subscription = self._subscriptions[topic]
                taken = [record for record in group if attribute(record, "ce_type") in subscription.handlers]
                handle_messages(tx, subscription, [message_of(record) for record in taken])
        self._positions.update(advanced)
        for topic, count in Counter(record.topic for record in records).items():
            _consumed.add(count, {"topic": topic})

    def _advance(self, tx: Connection, advanced: Mapping[Place, int]) -> None:
        places = sorted(advanced)
        moved = tx.execute(
            _MOVE,
            {
                "topics": [topic for topic, _ in places],
                "partitions": [partition for _, partition in places],
                "expected": [self._positions[place] for place in places],
                "following": [advanced[place] for place in places],
            },
        )
        if moved.rowcount != len(places):
            raise OffsetMoved("another process has advanced the stored offsets")

    def _put_aside(self, record: Received, error: Exception) -> None:
        place = (record.topic, record.partition)
        with self._database.transaction() as tx:
            self._advance(tx, {place: record.offset + 1})
            put_aside(tx, record, error, attempts=self._attempts_max)
        self._positions[place] = record.offset + 1


def _offsets(tx: Connection) -> dict[Place, int]:
    columns = consumer_offset.c
    rows = tx.execute(sa.select(columns.topic, columns.partition, columns.next_offset))
    return {(row.topic, row.partition): row.next_offset for row in rows}
