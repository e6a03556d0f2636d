"""What the Kafka adapter promises without a broker: settings of topics, and clients that leave nothing behind."""

from __future__ import annotations

from typing import Any

import kafka
import pytest
from kafka.errors import KafkaTimeoutError
from kafka.producer.sender import Sender

from chassis.event_log import EventLogUnavailable, Topic
from chassis.event_log.kafka import connect, retention_of

DAY_MS = 86_400_000


def test_the_client_library_is_the_one_whose_traps_are_known() -> None:
    assert kafka.__version__ == "3.0.12"
    assert callable(Sender.force_close)


@pytest.mark.parametrize(
    ("retention_s", "retention_ms", "segment_ms"),
    [(None, -1, 7 * DAY_MS), (28 * 86_400, 28 * DAY_MS, DAY_MS), (86_400, DAY_MS, DAY_MS // 28), (60, 60_000, 60_000)],
)
def test_a_record_outlives_its_term_by_no_more_than_a_segment(
    retention_s: int | None, retention_ms: int, segment_ms: int
) -> None:
    settings = retention_of(Topic("codes.events.v1", 12, retention_s))
    assert settings["retention.ms"] == str(retention_ms)
    assert settings["segment.ms"] == str(segment_ms)
    assert settings["message.timestamp.type"] == "LogAppendTime"


def test_a_client_creates_no_topic_by_asking_for_it() -> None:
    client = connect(
        lambda **options: options["kafka_client"](bootstrap_servers=options["bootstrap_servers"]), **SERVERS
    )
    client.cluster._topics.add("codes.events.v1")
    assert client.cluster.metadata_request().allow_auto_topic_creation is False
    client.close()


def test_a_client_that_finds_no_broker_is_closed() -> None:
    made: list[Any] = []

    def fail(**options: Any) -> None:
        made.append(options["kafka_client"](bootstrap_servers=options["bootstrap_servers"]))
        raise KafkaTimeoutError

    with pytest.raises(EventLogUnavailable):
        connect(fail, **SERVERS)
    assert made[0]._manager.closed


SERVERS = {"bootstrap_servers": ["127.0.0.1:1"]}
