"""The event log in Apache Kafka: production, and the tests that need the real one.

Written for kafka-python 3.0.12, whose traps shape this module:

- A batch that passes `delivery_timeout_ms` wedges the idempotent producer for ever, and its buffer has no bound. So
  that timeout is an hour, nothing is queued between two calls of `publish`, and a call that is not acknowledged in time
  closes its producer by force; the next call builds a new one.
- After a batch that the broker refuses, the producer fails everything for ever, or raises its epoch and lets the next
  batch of the partition pass the refused one. So the first failure closes the producer, on the thread that sends and
  before it sends anything more: what is written of a key is a beginning of it.
- The option `allow_auto_create_topics` never reaches the metadata request, and a client that fails to connect leaves
  its network thread running. `connect` mends both.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, OffsetSpec
from kafka.errors import (
    KafkaError,
    MessageSizeTooLargeError,
    OffsetOutOfRangeError,
    TopicAlreadyExistsError,
    UnknownTopicOrPartitionError,
)
from kafka.net.compat import KafkaNetClient

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

_BOOTSTRAP_MS = 2_000
"""How long a new client may look for a broker; also how long anything waits for metadata."""

_PROOF_S = 1.0
"""A reader that receives nothing asks the brokers once in this time whether they are there."""

_REPORT_S = 1.0
"""Positions are committed at most this often: lag is looked at every few seconds, reading happens all the time."""

_DAY_MS = 86_400_000

_CONNECTION = {
    "bootstrap_timeout_ms": _BOOTSTRAP_MS,
    "request_timeout_ms": 10_000,
    "reconnect_backoff_max_ms": 1_000,
}


def connect(kind: Callable[..., Any], **options: Any) -> Any:
    """A client of kafka-python that creates no topics by asking for them, and leaves no thread when it fails."""
    made: list[Any] = []

    def network_client(**configs: Any) -> Any:
        client = KafkaNetClient(**configs)
        client.cluster.config["allow_auto_create_topics"] = False
        made.append(client)
        return client

    try:
        return kind(kafka_client=network_client, **_CONNECTION, **options)
    except (KafkaError, OSError) as error:
        for client in made:
            client.close()
        raise EventLogUnavailable(f"no broker at {options['bootstrap_servers']}") from error


class KafkaEventLog:
    """`bootstrap_servers` is `HOST:PORT[,…]`. Every call to the brokers opens its own client; threads may share this.

    `acknowledgement_s` is what a call of `publish` may take until all its records are acknowledged; the call returns at
    the latest ten seconds later, in which it looks for the broker before and ends its producer afterwards. `security`
    are kafka-python's options of that name (`security_protocol`, `ssl_…`, `sasl_…`).
    """

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        client_id: str = "guanka",
        acknowledgement_s: float = 20.0,
        security: Mapping[str, Any] | None = None,
    ) -> None:
        servers = bootstrap_servers.split(",")
        self._options = {"bootstrap_servers": servers, "client_id": client_id, **(security or {})}
        self._acknowledgement_s = acknowledgement_s

    def declare(self, topics: Sequence[Topic]) -> None:
        if not topics:
            return
        with _admin(self._options) as admin:
            known = _known_topics(admin, [topic.name for topic in topics])
            missing = [topic for topic in topics if topic.name not in known]
            if missing:
                _create(admin, missing)
            existing = [topic for topic in topics if topic.name in known]
            if existing:
                _alter(admin, existing)
            admin.wait_for_topics([topic.name for topic in topics])

    def publisher(self) -> Publisher:
        return _KafkaPublisher(self._options, self._acknowledgement_s)

    def reader(self, group: str) -> Reader:
        return _KafkaReader(self._options, group)

    def bounds(self, topic: str) -> dict[int, tuple[int, int]]:
        with _admin(self._options) as admin:
            partitions = _known_topics(admin, [topic]).get(topic)
            if partitions is None:
                raise UnknownTopic(topic)
            places = [TopicPartition(topic, partition) for partition in partitions]
            starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
            ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        return {place.partition: (starts[place].offset, ends[place].offset) for place in sorted(places)}

    def cut(self, place: Place, before: int) -> None:
        with _admin(self._options) as admin:
            partition = TopicPartition(*place)
            try:
                end = admin.list_partition_offsets({partition: OffsetSpec.LATEST})[partition].offset
            except UnknownTopicOrPartitionError as error:
                raise UnknownTopic(place[0]) from error
            admin.delete_records({partition: min(before, end)})

    def trim(self) -> int:
        """Kafka does that by itself, by each topic's `retention.ms`."""
        return 0

    def close(self) -> None:
        """Publishers and readers are closed by those who asked for them."""


@contextmanager
def _admin(options: Mapping[str, Any]) -> Iterator[Any]:
    admin = connect(KafkaAdminClient, **options)
    try:
        yield admin
    except KafkaError as error:
        raise EventLogUnavailable(str(error)) from error
    finally:
        admin.close()


def _known_topics(admin: Any, names: Sequence[str]) -> dict[str, list[int]]:
    """The partitions of those topics that exist."""
    return {
        topic["name"]: [partition["partition_index"] for partition in topic["partitions"]]
        for topic in admin.describe_topics(list(names))
        if topic["error_code"] == 0
    }


def _create(admin: Any, topics: Sequence[Topic]) -> None:
    """Up to three copies; an acknowledgement waits for all but one. Another process may be creating them too."""
    copies = min(3, len(admin.describe_cluster()["brokers"]))
    created = admin.create_topics(
        {
            topic.name: {
                "num_partitions": topic.partitions,
                "replication_factor": copies,
                "configs": {**retention_of(topic), "min.insync.replicas": str(max(1, copies - 1))},
            }
            for topic in topics
        },
        raise_errors=False,
    )
    for answer in created["topics"]:
        if answer["error_code"] not in (0, TopicAlreadyExistsError.errno):
            raise EventLogUnavailable(f"topic {answer['name']} was not created: {answer['error_message']}")


def _alter(admin: Any, topics: Sequence[Topic]) -> None:
    try:
        answers = admin.alter_configs([ConfigResource("TOPIC", topic.name, retention_of(topic)) for topic in topics])
    except ValueError as error:  # the client knows no setting of a topic that it may not look into
        names = ", ".join(topic.name for topic in topics)
        raise EventLogUnavailable(f"there is no right to set the retention of {names}") from error
    for name, answer in answers["topic"].items():
        if answer != "OK":
            raise EventLogUnavailable(f"the retention of {name} was not set: {answer}")


def retention_of(topic: Topic) -> dict[str, str]:
    """Kafka forgets whole segments: one closes at the latest after a day, or a record would outlive its term by a week.

    The broker's clock dates a record, so that a publisher's cannot shorten or lengthen the term.
    """
    retention_ms = -1 if topic.retention_s is None else topic.retention_s * 1000
    segment_ms = 7 * _DAY_MS if topic.retention_s is None else min(_DAY_MS, max(60_000, retention_ms // 28))
    return {
        "cleanup.policy": "delete",
        "retention.ms": str(retention_ms),
        "segment.ms": str(segment_ms),
        "message.timestamp.type": "LogAppendTime",
    }


class _KafkaPublisher:
    def __init__(self, options: Mapping[str, Any], acknowledgement_s: float) -> None:
        self._options, self._acknowledgement_s = options, acknowledgement_s
        self._producer: Any = None
        self._known: set[str] = set()

    def publish(self, records: Sequence[Record]) -> list[bool]:
        give_up_at = time.monotonic() + self._acknowledgement_s
        try:
            self._refuse_unknown({record.topic for record in records} - self._known)
            producer = self._producer = self._producer or self._connect()
        except EventLogUnavailable:
            return [False] * len(records)
        sending = _Sending(producer)
        sending.send(records)
        if not sending.wait(give_up_at):
            self._abandon()
        return sending.acknowledged()

    def close(self) -> None:
        self._abandon()

    def _refuse_unknown(self, unknown: set[str]) -> None:
        """Asked of the brokers before anything is sent; a topic just created may take a moment to be known to all."""
        deadline = time.monotonic() + 1.0
        while unknown:
            with _admin(self._options) as admin:
                self._known |= _known_topics(admin, sorted(unknown)).keys()
            unknown -= self._known
            if unknown and time.monotonic() > deadline:
                raise UnknownTopic(", ".join(sorted(unknown)))
            time.sleep(0.1 if unknown else 0.0)

    def _connect(self) -> Any:
        return connect(
            KafkaProducer,
            enable_idempotence=True,
            acks="all",
            retries=float("inf"),
            delivery_timeout_ms=3_600_000,
            max_in_flight_requests_per_connection=5,
            max_block_ms=_BOOTSTRAP_MS,
            linger_ms=5,
            batch_size=65_536,
            metrics_enabled=False,
            **self._options,
        )

    def _abandon(self) -> None:
        """End the producer without sending what it holds; the thread is waited for, so that nothing is under way."""
        producer, self._producer = self._producer, None
        self._known.clear()
        if producer is None:
            return
        producer._sender.force_close()
        producer._sender.join(5.0)
        with contextlib.suppress(KafkaError):
            producer.close(timeout=0)


class _Sending:
    """One call's records on their way. The first failure stops the producer before it sends anything more."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._futures: list[Any] = []
        self._failed = threading.Event()

    def send(self, records: Sequence[Record]) -> None:
        refused: set[tuple[str, str]] = set()
        for record in records:
            key = (record.topic, record.key)
            if self._failed.is_set() or key in refused:
                self._futures.append(None)
                continue
            try:
                future = self._producer.send(
                    record.topic, key=record.key.encode(), value=record.value, headers=list(record.headers)
                )
            except MessageSizeTooLargeError:
                logging.getLogger(__name__).exception("a record for %s is too large", record.topic)
                refused.add(key)
                self._futures.append(None)
            except KafkaError:
                self._failed.set()
                self._futures.append(None)
            else:
                self._futures.append(future.add_errback(self._stop))

    def _stop(self, _: BaseException) -> None:
        """Runs on the producer's own thread while it handles the failed batch."""
        if not self._failed.is_set():
            self._failed.set()
            self._producer._sender.force_close()

    def wait(self, give_up_at: float) -> bool:
        """Wait until all is acknowledged or `give_up_at` (monotonic seconds) is over; whether the producer is sound."""
        for future in self._futures:
            while future is not None and not future.is_done and not self._failed.is_set():
                remaining_s = give_up_at - time.monotonic()
                if remaining_s <= 0:
                    return False
                with contextlib.suppress(KafkaError):
                    future.get(timeout=min(remaining_s, 0.5))
        return not self._failed.is_set()

    def acknowledged(self) -> list[bool]:
        return [future is not None and bool(future.succeeded()) for future in self._futures]


class _KafkaReader:
    def __init__(self, options: Mapping[str, Any], group: str) -> None:
        self._options, self._group = options, group
        self._consumer: Any = None
        self._positions: dict[Place, int] = {}
        self._has_moved = False
        self._proven_at = 0.0
        self._lag = _LagReport(options, group)

    def seek(self, positions: Mapping[Place, int]) -> None:
        self._positions = dict(positions)
        self._has_moved = True

    def poll(self, *, wait_s: float, records_max: int) -> list[Received]:
        if not self._positions:
            time.sleep(wait_s)
            return []
        try:
            received = self._received(self._poll(wait_s, records_max))
        except KafkaError as error:
            self._drop()
            raise EventLogUnavailable(str(error)) from error
        self._lag.send_when_due()
        return received

    def _poll(self, wait_s: float, records_max: int) -> Mapping[Any, Sequence[Any]]:
        if self._consumer is None:
            self._consumer, self._has_moved = self._connect(), True
        if self._has_moved:
            self._consumer.assign([TopicPartition(*place) for place in self._positions])
            for place, offset in self._positions.items():
                self._consumer.seek(TopicPartition(*place), offset)
            self._has_moved = False
        polled: Mapping[Any, Sequence[Any]] = {}
        try:
            polled = self._consumer.poll(timeout_ms=wait_s * 1000, max_records=records_max)
        except OffsetOutOfRangeError as error:
            self._raise_out_of_range(error)
        if polled:
            self._proven_at = time.monotonic()
        elif time.monotonic() - self._proven_at > _PROOF_S:
            # An empty answer does not tell a quiet topic from a dead broker.
            self._consumer.end_offsets(self._consumer.assignment(), timeout_ms=_BOOTSTRAP_MS)
            self._proven_at = time.monotonic()
        return polled

    def _received(self, polled: Mapping[Any, Sequence[Any]]) -> list[Received]:
        received = [
            Received(
                record.topic,
                record.partition,
                record.offset,
                (record.key or b"").decode(errors="replace"),
                record.value or b"",
                tuple(record.headers),
                record.timestamp,
            )
            for records in polled.values()
            for record in records
        ]
        for record in received:
            self._positions[record.topic, record.partition] = record.offset + 1
        return received

    def _raise_out_of_range(self, error: OffsetOutOfRangeError) -> None:
        """Unless the offset is there again: a new leader may not know yet how far the log reaches."""
        for place, offset in error.args[0].items():
            start = self._consumer.beginning_offsets([place], timeout_ms=_BOOTSTRAP_MS)[place]
            end = self._consumer.end_offsets([place], timeout_ms=_BOOTSTRAP_MS)[place]
            if not start <= offset <= end:
                raise OffsetOutOfRange((place.topic, place.partition), offset, start) from error

    def report(self, positions: Mapping[Place, int]) -> None:
        """Committed to Kafka under the group's name within a second, while the reader goes on polling or is closed."""
        self._lag.note(positions)

    def close(self) -> None:
        self._drop()
        self._lag.close()

    def _connect(self) -> Any:
        """No group: reading must not depend on the group's coordinator; `_LagReport` speaks to it."""
        return connect(
            KafkaConsumer,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=100,  # one request a broker is under way: a partition that was drained waits this long
            fetch_max_bytes=8 << 20,
            metrics_enabled=False,
            **self._options,
        )

    def _drop(self) -> None:
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            consumer.close(autocommit=False, timeout_ms=500)


class _LagReport:
    """Commits a group's positions, so that lag dashboards and autoscaling (KEDA) see them; nothing depends on it."""

    def __init__(self, options: Mapping[str, Any], group: str) -> None:
        self._options, self._group = options, group
        self._consumer: Any = None
        self._positions: dict[Place, int] = {}
        self._has_news = False
        self._due_at = 0.0

    def note(self, positions: Mapping[Place, int]) -> None:
        self._positions.update(positions)
        self._has_news = True

    def send_when_due(self) -> None:
        if not self._has_news or time.monotonic() < self._due_at:
            return
        self._due_at = time.monotonic() + _REPORT_S
        with contextlib.suppress(KafkaError, EventLogUnavailable):
            committing = self._connected().commit_async(self._offsets())
            self._has_news = False
            committing.add_errback(self._send_again)

    def _send_again(self, _: BaseException) -> None:
        self._has_news = True

    def close(self) -> None:
        with contextlib.suppress(KafkaError, EventLogUnavailable):
            if self._positions:
                self._connected().commit(self._offsets(), timeout_ms=1_000)
        if self._consumer is not None:
            self._consumer.close(autocommit=False, timeout_ms=500)
            self._consumer = None

    def _connected(self) -> Any:
        """A consumer that never polls; its coordinator is looked for in the background."""
        if self._consumer is None:
            self._consumer = connect(
                KafkaConsumer, group_id=self._group, enable_auto_commit=False, metrics_enabled=False, **self._options
            )
        return self._consumer

    def _offsets(self) -> dict[Any, Any]:
        return {TopicPartition(*place): OffsetAndMetadata(offset, "", -1) for place, offset in self._positions.items()}
