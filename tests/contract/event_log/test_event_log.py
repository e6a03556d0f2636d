"""What every adapter of the event log promises to relays and consumers."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence

import pytest

from chassis.event_log import (
    EventLog,
    OffsetOutOfRange,
    Place,
    Publisher,
    Reader,
    Received,
    Record,
    Topic,
    UnknownTopic,
)

HEADERS = (("ce_id", b"0190a3f0"), ("ce_type", b"CaseConfirmed"), ("content-type", b"application/protobuf"))

OpenTopic = Callable[..., str]


@pytest.fixture
def declare(event_log: EventLog) -> OpenTopic:
    """Declares a topic of the test's own; its name."""

    def declared(partitions: int = 1, retention_s: int | None = 86_400) -> str:
        name = f"contract.{uuid.uuid4().hex}.v1"
        event_log.declare([Topic(name, partitions, retention_s)])
        return name

    return declared


@pytest.fixture
def publisher(event_log: EventLog) -> Iterator[Publisher]:
    publisher = event_log.publisher()
    yield publisher
    publisher.close()


@pytest.fixture
def reader(event_log: EventLog) -> Iterator[Reader]:
    reader = event_log.reader("contract")
    yield reader
    reader.close()


def record(topic: str, value: bytes, key: str = "case-1") -> Record:
    return Record(topic, key, value, HEADERS)


def beginning(event_log: EventLog, *topics: str) -> dict[Place, int]:
    return {(topic, n): start for topic in topics for n, (start, _) in event_log.bounds(topic).items()}


def read(reader: Reader, count: int, *, within_s: float = 15.0, records_max: int = 500) -> list[Received]:
    """Polls until so many records came or the time is over."""
    deadline = time.monotonic() + within_s
    received: list[Received] = []
    while len(received) < count and time.monotonic() < deadline:
        received += reader.poll(wait_s=0.2, records_max=records_max)
    return received


def values(received: Sequence[Received]) -> list[bytes]:
    return [each.value for each in received]


def publish_numbers(publisher: Publisher, topic: str, numbers: range) -> None:
    acknowledged = publisher.publish([record(topic, str(number).encode()) for number in numbers])
    assert acknowledged == [True] * len(numbers)


def test_records_of_one_key_are_read_in_the_order_in_which_they_were_published(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=6)
    sent = [(f"case-{n % 7}", str(n).encode()) for n in range(700)]
    for start in range(0, len(sent), 100):
        publisher.publish([record(topic, value, key) for key, value in sent[start : start + 100]])
    reader.seek(beginning(event_log, topic))
    received = read(reader, len(sent))
    for key in {key for key, _ in sent}:
        assert [each.value for each in received if each.key == key] == [value for k, value in sent if k == key]


def test_everything_acknowledged_is_read_at_least_once(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=3)
    records = [record(topic, str(n).encode(), key=f"case-{n}") for n in range(1000)]
    acknowledged = publisher.publish(records)
    reader.seek(beginning(event_log, topic))
    expected = {each.value for each, is_acknowledged in zip(records, acknowledged, strict=True) if is_acknowledged}
    assert len(expected) == 1000
    assert expected <= set(values(read(reader, len(expected))))


def test_bytes_and_headers_come_back_as_they_were(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    headers = (("ce_id", b"\x00\xff"), ("ce_subject", b""), ("ce_id", b"twice"), ("traceparent", "广州".encode()))
    sent = [
        Record(topic, "case-1", b"", headers),
        Record(topic, "", bytes(range(256)), ()),
        Record(topic, "病例-1", b"\x00" * 100_000, HEADERS),
    ]
    assert publisher.publish(sent) == [True, True, True]
    reader.seek(beginning(event_log, topic))
    received = read(reader, 3)
    assert [(each.topic, each.key, each.value, each.headers) for each in received] == [
        (each.topic, each.key, each.value, each.headers) for each in sent
    ]
    assert received[2].header("ce_type") == b"CaseConfirmed"
    assert received[1].header("ce_type") is None


def test_a_record_carries_the_time_at_which_it_was_appended(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    before_ms = time.time() * 1000
    publish_numbers(publisher, topic, range(1))
    reader.seek(beginning(event_log, topic))
    assert before_ms - 1000 < read(reader, 1)[0].appended_at_ms < time.time() * 1000 + 1000


def test_reading_starts_at_the_offset_that_is_asked_for(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(10))
    reader.seek(beginning(event_log, topic))
    sixth = read(reader, 10)[5]
    reader.seek({(topic, 0): sixth.offset})
    assert values(read(reader, 5)) == [b"5", b"6", b"7", b"8", b"9"]


def test_seeking_back_reads_the_same_records_again(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=3)
    publisher.publish([record(topic, str(n).encode(), key=f"case-{n}") for n in range(50)])
    start = beginning(event_log, topic)
    reader.seek(start)
    first = sorted(read(reader, 50), key=lambda each: (each.partition, each.offset))
    reader.seek(start)
    again = sorted(read(reader, 50), key=lambda each: (each.partition, each.offset))
    assert again == first


def test_offsets_rise_within_a_partition(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=2)
    publisher.publish([record(topic, b"", key=f"case-{n}") for n in range(100)])
    reader.seek(beginning(event_log, topic))
    received = read(reader, 100)
    for partition in (0, 1):
        offsets = [each.offset for each in received if each.partition == partition]
        assert offsets == sorted(set(offsets))


def test_a_poll_answers_no_more_records_than_are_asked_for_and_loses_none(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(25))
    reader.seek(beginning(event_log, topic))
    polls: list[list[Received]] = []
    while sum(map(len, polls)) < 25 and len(polls) < 100:
        polls.append(reader.poll(wait_s=1.0, records_max=10))
    assert max(map(len, polls)) == 10
    assert values([each for poll in polls for each in poll]) == [str(n).encode() for n in range(25)]


def test_a_poll_with_nothing_to_read_answers_empty_when_its_time_is_over(
    event_log: EventLog, declare: OpenTopic, reader: Reader
) -> None:
    topic = declare()
    reader.seek(beginning(event_log, topic))
    reader.poll(wait_s=0.1, records_max=10)
    started = time.monotonic()
    assert reader.poll(wait_s=0.5, records_max=10) == []
    assert 0.4 < time.monotonic() - started < 10.0


def test_a_reader_sees_what_another_publisher_writes(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=3)
    reader.seek(beginning(event_log, topic))
    reader.poll(wait_s=0.2, records_max=10)
    publish_numbers(publisher, topic, range(1))
    assert values(read(reader, 1, within_s=10.0)) == [b"0"]
    other = event_log.publisher()
    assert other.publish([record(topic, b"1", key="case-2")]) == [True]
    assert values(read(reader, 1, within_s=10.0)) == [b"1"]
    other.close()


def test_the_bounds_of_an_empty_topic_enclose_nothing(event_log: EventLog, declare: OpenTopic) -> None:
    bounds = event_log.bounds(declare(partitions=4))
    assert sorted(bounds) == [0, 1, 2, 3]
    assert all(start == end for start, end in bounds.values())


def test_a_reader_that_has_read_everything_stands_at_the_upper_bound(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=3)
    publisher.publish([record(topic, b"", key=f"case-{n}") for n in range(40)])
    reader.seek(beginning(event_log, topic))
    received = read(reader, 40)
    for partition, (_, end) in event_log.bounds(topic).items():
        assert max(each.offset for each in received if each.partition == partition) + 1 == end
    reader.seek({(topic, partition): end for partition, (_, end) in event_log.bounds(topic).items()})
    assert reader.poll(wait_s=0.3, records_max=10) == []


def test_one_call_may_write_to_two_topics(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    one, other = declare(), declare(partitions=2)
    sent = [record(topic, str(n).encode()) for n in range(20) for topic in (one, other)]
    assert publisher.publish(sent) == [True] * 40
    reader.seek(beginning(event_log, one, other))
    received = read(reader, 40)
    for topic in (one, other):
        assert [each.value for each in received if each.topic == topic] == [str(n).encode() for n in range(20)]


def test_a_call_without_records_is_answered_with_nothing(publisher: Publisher) -> None:
    assert publisher.publish([]) == []


def test_keys_spread_over_many_partitions(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=24)
    publisher.publish([record(topic, b"", key=f"case-{n}") for n in range(1000)])
    reader.seek(beginning(event_log, topic))
    assert len({each.partition for each in read(reader, 1000)}) == 24


def test_a_key_stays_in_its_partition_whoever_publishes_it(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=12)
    keys = [f"case-{n}" for n in range(60)]
    publisher.publish([record(topic, b"", key) for key in keys])
    other = event_log.publisher()
    other.publish([record(topic, b"", key) for key in keys])
    other.close()
    reader.seek(beginning(event_log, topic))
    received = read(reader, 120)
    assert len(received) == 120
    assert len({(each.key, each.partition) for each in received}) == len(keys)


def test_an_unknown_topic_is_refused_before_anything_is_sent(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher
) -> None:
    topic = declare()
    before = event_log.bounds(topic)
    with pytest.raises(UnknownTopic):
        publisher.publish([record(topic, b"1"), record("contract.nobody-declared-this.v1", b"2")])
    assert event_log.bounds(topic) == before
    assert publisher.publish([record(topic, b"1")]) == [True]


def test_an_unknown_topic_has_no_bounds(event_log: EventLog) -> None:
    event_log.declare([Topic(f"contract.{uuid.uuid4().hex}.v1", 1, None)])
    with pytest.raises(UnknownTopic):
        event_log.bounds("contract.nobody-declared-this.v1")


def test_declaring_twice_is_harmless(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare(partitions=3)
    publish_numbers(publisher, topic, range(5))
    event_log.declare([Topic(topic, 8, None), Topic(f"contract.{uuid.uuid4().hex}.v1", 1, 60)])
    assert len(event_log.bounds(topic)) == 3
    reader.seek(beginning(event_log, topic))
    assert len(read(reader, 5)) == 5


def test_a_log_that_was_cut_starts_where_it_was_cut(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(10))
    start, end = event_log.bounds(topic)[0]
    event_log.cut((topic, 0), start + 4)
    assert event_log.bounds(topic)[0] == (start + 4, end)
    reader.seek(beginning(event_log, topic))
    assert values(read(reader, 6)) == [b"4", b"5", b"6", b"7", b"8", b"9"]


def test_cutting_everything_keeps_the_next_offset(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(10))
    _, end = event_log.bounds(topic)[0]
    event_log.cut((topic, 0), end)
    assert event_log.bounds(topic)[0] == (end, end)
    publish_numbers(publisher, topic, range(1))
    assert event_log.bounds(topic)[0] == (end, end + 1)


def test_an_offset_that_was_cut_away_is_out_of_range(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(10))
    start, _ = event_log.bounds(topic)[0]
    event_log.cut((topic, 0), start + 4)
    reader.seek({(topic, 0): start})
    for _ in range(2):  # it stays so until the reader seeks
        refused = poll_until_out_of_range(reader)
        assert (refused.place, refused.offset, refused.start) == ((topic, 0), start, start + 4)
    reader.seek({(topic, 0): refused.start})
    assert values(read(reader, 6))[0] == b"4"


def poll_until_out_of_range(reader: Reader) -> OffsetOutOfRange:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        try:
            assert reader.poll(wait_s=0.2, records_max=10) == []
        except OffsetOutOfRange as refused:
            return refused
    raise AssertionError("the reader did not notice that its offset is gone")


def test_trimming_keeps_what_is_within_its_term(event_log: EventLog, declare: OpenTopic, publisher: Publisher) -> None:
    days, for_ever = declare(retention_s=86_400), declare(retention_s=None)
    for topic in (days, for_ever):
        publish_numbers(publisher, topic, range(3))
    before = [event_log.bounds(topic) for topic in (days, for_ever)]
    assert event_log.trim() == 0
    assert [event_log.bounds(topic) for topic in (days, for_ever)] == before


def test_a_report_of_positions_never_disturbs_the_reader(
    event_log: EventLog, declare: OpenTopic, publisher: Publisher, reader: Reader
) -> None:
    topic = declare()
    publish_numbers(publisher, topic, range(3))
    reader.seek(beginning(event_log, topic))
    positions: Mapping[Place, int] = {(topic, 0): read(reader, 3)[-1].offset + 1}
    reader.report(positions)
    publish_numbers(publisher, topic, range(3, 4))
    assert values(read(reader, 1)) == [b"3"]
    reader.report({("contract.nobody-declared-this.v1", 9): 7})
    publish_numbers(publisher, topic, range(4, 5))
    assert values(read(reader, 1)) == [b"4"]
