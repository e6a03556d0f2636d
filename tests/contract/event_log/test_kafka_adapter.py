"""What only the Kafka adapter can be asked: settings of topics, positions under the group's name, refused batches."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource
from kafka.errors import CoordinatorLoadInProgressError, CoordinatorNotAvailableError, NotCoordinatorError

from chassis.event_log import EventLogUnavailable, Publisher, Record, Topic, UnknownTopic
from chassis.event_log.kafka import KafkaEventLog

pytestmark = pytest.mark.kafka


@pytest.fixture
def event_log(kafka_bootstrap: str) -> KafkaEventLog:
    return KafkaEventLog(kafka_bootstrap, client_id="adapter")


@pytest.fixture
def publisher(event_log: KafkaEventLog) -> Iterator[Publisher]:
    publisher = event_log.publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def admin(kafka_bootstrap: str) -> Iterator[Any]:
    with KafkaAdminClient(bootstrap_servers=kafka_bootstrap) as admin:
        yield admin


@pytest.fixture
def topic() -> str:
    return f"adapter.{uuid.uuid4().hex}.v1"


def settings_of(admin: Any, topic: str) -> dict[str, str]:
    described = admin.describe_configs([ConfigResource("TOPIC", topic)], config_filter="all")
    return {name: setting["value"] for name, setting in described["topic"][topic].items()}


def limit_batches(admin: Any, topic: str, size_max: int) -> None:
    admin.alter_configs([ConfigResource("TOPIC", topic, {"max.message.bytes": str(size_max)})])
    deadline = time.monotonic() + 5
    while settings_of(admin, topic)["max.message.bytes"] != str(size_max):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_declaration_sets_the_retention_and_a_later_one_changes_it(
    event_log: KafkaEventLog, admin: Any, topic: str
) -> None:
    event_log.declare([Topic(topic, 1, 28 * 86_400)])
    settings = settings_of(admin, topic)
    assert settings["retention.ms"] == str(28 * 86_400_000)
    assert settings["segment.ms"] == str(86_400_000)
    assert settings["message.timestamp.type"] == "LogAppendTime"
    event_log.declare([Topic(topic, 1, None)])
    assert settings_of(admin, topic)["retention.ms"] == "-1"


def test_reported_positions_stand_under_the_name_of_the_group(
    event_log: KafkaEventLog, admin: Any, publisher: Publisher, topic: str
) -> None:
    event_log.declare([Topic(topic, 1, 60)])
    publisher.publish([Record(topic, "case-1", b"", ())] * 7)
    group = f"group-{uuid.uuid4().hex}"
    reader = event_log.reader(group)
    reader.seek({(topic, 0): 0})
    deadline = time.monotonic() + 15
    position = None
    while position != 7 and time.monotonic() < deadline:
        reader.poll(wait_s=0.2, records_max=10)
        reader.report({(topic, 0): 7})
        position = committed(admin, group)
    assert position == 7
    reader.report({(topic, 0): 5})
    reader.close()
    assert committed(admin, group) == 5


def committed(admin: Any, group: str) -> int | None:
    try:
        positions = admin.list_group_offsets(group)[group]
    except (  # the first group of a new broker makes a topic first
        CoordinatorLoadInProgressError,
        CoordinatorNotAvailableError,
        NotCoordinatorError,
    ):
        return None
    return next((position.offset for position in positions.values()), None)


def test_asking_for_a_topic_does_not_create_it(
    event_log: KafkaEventLog, admin: Any, publisher: Publisher, topic: str
) -> None:
    reader = event_log.reader("adapter")
    reader.seek({(topic, 0): 0})
    with pytest.raises(UnknownTopic):
        publisher.publish([Record(topic, "case-1", b"", ())])
    with pytest.raises(EventLogUnavailable):
        reader.poll(wait_s=0.5, records_max=1)
    reader.close()
    assert topic not in admin.list_topics()


def test_a_record_that_is_too_large_holds_back_only_its_own_key(
    event_log: KafkaEventLog, publisher: Publisher, topic: str
) -> None:
    event_log.declare([Topic(topic, 3, 60)])
    sent = [
        Record(topic, "large", b"1", ()),
        Record(topic, "large", bytes(2 << 20), ()),
        Record(topic, "small", b"1", ()),
        Record(topic, "large", b"3", ()),
        Record(topic, "small", b"2", ()),
    ]
    assert publisher.publish(sent) == [True, False, True, False, True]
    assert publisher.publish(sent[2:3]) == [True]


def test_nothing_of_a_key_is_written_after_a_record_that_the_broker_refuses(
    event_log: KafkaEventLog, admin: Any, publisher: Publisher, topic: str
) -> None:
    event_log.declare([Topic(topic, 1, 60)])
    limit_batches(admin, topic, 68_000)
    sent = [Record(topic, "case-1", str(n).encode().ljust(70_000 if n == 150 else 500), ()) for n in range(600)]
    answers = publisher.publish(sent)
    assert answers == [True] * 150 + [False] * 450
    assert written(event_log, topic) == list(range(150))
    assert publisher.publish(sent[:3]) == [True] * 3, "the publisher did not recover"


def test_no_batch_passes_one_whose_sequence_the_broker_does_not_accept(
    event_log: KafkaEventLog, publisher: Publisher, topic: str
) -> None:
    """kafka-python raises its epoch then, and would send the next batch of the partition under the new one."""
    event_log.declare([Topic(topic, 1, 60)])
    sent = [Record(topic, "case-1", str(n).encode().ljust(500), ()) for n in range(1200)]
    assert publisher.publish(sent[:1]) == [True]
    sequences = publisher._producer._transaction_manager  # type: ignore[attr-defined]
    sequences.set_sequence_number(TopicPartition(topic, 0), 99)
    assert publisher.publish(sent[1:]) == [False] * 1199
    assert written(event_log, topic) == [0]
    assert publisher.publish(sent[1:]) == [True] * 1199
    assert written(event_log, topic) == list(range(1200))


def written(event_log: KafkaEventLog, topic: str) -> list[int]:
    """The numbers in the topic's only partition."""
    start, end = event_log.bounds(topic)[0]
    reader = event_log.reader("adapter")
    reader.seek({(topic, 0): start})
    numbers: list[int] = []
    deadline = time.monotonic() + 10
    while len(numbers) < end - start and time.monotonic() < deadline:
        numbers += [int(record.value) for record in reader.poll(wait_s=0.5, records_max=1000)]
    reader.close()
    return numbers


def test_a_key_that_is_no_text_stops_no_reader(event_log: KafkaEventLog, topic: str, kafka_bootstrap: str) -> None:
    """Somebody else's program may write to the topic; the record is read, and its consumer puts it aside."""
    event_log.declare([Topic(topic, 1, None)])
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap)
    producer.send(topic, key=b"\xff\xfe", value=b"x").get(timeout=20)
    producer.close()
    reader = event_log.reader("adapter")
    reader.seek({(topic, 0): 0})
    found = reader.poll(wait_s=10, records_max=10)
    reader.close()
    assert [(record.key, record.value) for record in found] == [("\ufffd\ufffd", b"x")]
