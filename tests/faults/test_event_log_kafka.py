"""Kafka frozen, killed and away: nothing acknowledged is lost, no key is reordered, nobody waits for ever."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chassis.event_log import EventLogUnavailable, Place, Reader, Received, Record, Topic
from chassis.event_log.kafka import KafkaEventLog
from guanka.kafka_broker import Cluster

pytestmark = pytest.mark.kafka

ACKNOWLEDGEMENT_S = 3.0
KEYS = 20


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Its own, for it is not treated well."""
    cluster = Cluster(tmp_path_factory.mktemp("kafka-faults"))
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture
def event_log(cluster: Cluster) -> KafkaEventLog:
    return KafkaEventLog(cluster.bootstrap, client_id="faults", acknowledgement_s=ACKNOWLEDGEMENT_S)


@pytest.fixture
def topic(event_log: KafkaEventLog) -> str:
    name = f"faults.{uuid.uuid4().hex}.v1"
    event_log.declare([Topic(name, 4, None)])
    return name


class Relay(threading.Thread):
    """Publishes numbered records as a service's relay does: of a key it forgets only the acknowledged beginning."""

    def __init__(self, event_log: KafkaEventLog, topic: str) -> None:
        super().__init__(daemon=True)
        self._publisher, self._topic = event_log.publisher(), topic
        self._outbox: list[tuple[str, int]] = []
        self._written = 0
        self.written_off = threading.Event()
        self.calls_s: list[float] = []
        self.unacknowledged_calls = 0
        self.acknowledged: dict[str, int] = defaultdict(int)

    def run(self) -> None:
        while self._outbox or not self.written_off.is_set():
            if not self.written_off.is_set():
                self._outbox += [(f"key-{n % KEYS}", n // KEYS) for n in range(self._written, self._written + 100)]
                self._written += 100
            self._turn(self._outbox[:1000])
        self._publisher.close()

    def _turn(self, batch: list[tuple[str, int]]) -> None:
        records = [Record(self._topic, key, str(number).encode(), (("ce_id", b"x"),)) for key, number in batch]
        started = time.monotonic()
        answers = self._publisher.publish(records)
        self.calls_s.append(time.monotonic() - started)
        self.unacknowledged_calls += not all(answers)
        stuck: set[str] = set()
        for (key, number), is_acknowledged in zip(batch, answers, strict=True):
            if is_acknowledged and key not in stuck:
                self._outbox.remove((key, number))
                self.acknowledged[key] = number + 1
            else:
                stuck.add(key)

    def wait_until(self, condition: Callable[[Relay], bool], within_s: float = 20.0) -> None:
        wait_until(lambda: condition(self), within_s)

    def finish(self) -> None:
        self.written_off.set()
        self.join(30)
        assert not self.is_alive(), "the relay is wedged"


def wait_until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def read_everything(event_log: KafkaEventLog, topic: str) -> list[Received]:
    bounds = event_log.bounds(topic)
    missing: dict[Place, int] = {(topic, partition): end for partition, (start, end) in bounds.items() if end > start}
    reader = event_log.reader("faults")
    reader.seek({(topic, partition): start for partition, (start, _) in bounds.items()})
    received: list[Received] = []
    deadline = time.monotonic() + 20
    while missing and time.monotonic() < deadline:
        for record in reader.poll(wait_s=0.5, records_max=2000):
            received.append(record)
            if record.offset + 1 >= missing.get((topic, record.partition), record.offset + 2):
                missing.pop((topic, record.partition), None)
    reader.close()
    assert not missing
    return received


def assert_complete_and_in_order(relay: Relay, received: list[Received]) -> None:
    """Repeats are allowed; without them every key counts from zero, without a gap, to the last acknowledged."""
    seen: dict[str, list[int]] = defaultdict(list)
    for record in received:
        number = int(record.value)
        if number not in seen[record.key][-1:] and number >= len(seen[record.key]):
            seen[record.key].append(number)
    assert set(seen) == set(relay.acknowledged)
    for key, numbers in seen.items():
        assert numbers == list(range(len(numbers))), key
        assert len(numbers) == relay.acknowledged[key], key


def test_a_broker_frozen_beyond_the_watchdog_loses_nothing_and_wedges_nobody(
    cluster: Cluster, event_log: KafkaEventLog, topic: str
) -> None:
    relay = Relay(event_log, topic)
    relay.start()
    relay.wait_until(lambda relay: len(relay.acknowledged) == KEYS)
    os.kill(cluster.pids[1], signal.SIGSTOP)
    try:
        relay.wait_until(lambda relay: relay.unacknowledged_calls >= 2)
    finally:
        os.kill(cluster.pids[1], signal.SIGCONT)
    before = relay.acknowledged["key-0"]
    relay.wait_until(lambda relay: relay.acknowledged["key-0"] > before + 20)
    relay.finish()
    assert max(relay.calls_s) < ACKNOWLEDGEMENT_S + 10
    assert_complete_and_in_order(relay, read_everything(event_log, topic))


def test_a_broker_killed_and_restarted_loses_nothing_and_wedges_nobody(
    cluster: Cluster, event_log: KafkaEventLog, topic: str
) -> None:
    relay = Relay(event_log, topic)
    relay.start()
    relay.wait_until(lambda relay: len(relay.acknowledged) == KEYS)
    os.kill(cluster.pids[1], signal.SIGKILL)
    relay.wait_until(lambda relay: relay.unacknowledged_calls >= 1)
    cluster.start_broker(1)
    cluster.wait_ready()
    before = relay.acknowledged["key-0"]
    relay.wait_until(lambda relay: relay.acknowledged["key-0"] > before + 20)
    relay.finish()
    assert_complete_and_in_order(relay, read_everything(event_log, topic))


def test_a_reader_says_that_the_broker_is_frozen_and_reads_on_afterwards(
    cluster: Cluster, event_log: KafkaEventLog, topic: str
) -> None:
    publisher = event_log.publisher()
    reader = event_log.reader("faults")
    reader.seek({(topic, partition): 0 for partition in range(4)})
    assert publisher.publish([Record(topic, "key-0", b"before", ())]) == [True]
    wait_until(lambda: [each.value for each in reader.poll(wait_s=0.5, records_max=10)] == [b"before"])
    os.kill(cluster.pids[1], signal.SIGSTOP)
    started = time.monotonic()
    try:
        wait_until(lambda: is_unavailable(reader))
        assert time.monotonic() - started < 30
    finally:
        os.kill(cluster.pids[1], signal.SIGCONT)
    wait_until(lambda: publisher.publish([Record(topic, "key-0", b"after", ())]) == [True])
    received: list[bytes] = []
    wait_until(lambda: not is_unavailable(reader, received) and b"after" in received)
    assert set(received) == {b"after"}
    reader.close()
    publisher.close()


def is_unavailable(reader: Reader, received: list[bytes] | None = None) -> bool:
    try:
        records = reader.poll(wait_s=0.3, records_max=10)
    except EventLogUnavailable:
        return True
    if received is not None:
        received += [each.value for each in records]
    return False


def test_a_broker_that_was_never_there_is_answered_in_time_and_found_when_it_comes(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "late")
    cluster.prepare()
    event_log = KafkaEventLog(cluster.bootstrap, client_id="faults", acknowledgement_s=ACKNOWLEDGEMENT_S)
    publisher, reader = event_log.publisher(), event_log.reader("faults")
    reader.seek({("late.v1", 0): 0})
    threads = threading.active_count()
    started = time.monotonic()
    assert publisher.publish([Record("late.v1", "key-0", b"1", ())] * 5) == [False] * 5
    assert is_unavailable(reader)
    with pytest.raises(EventLogUnavailable):
        event_log.bounds("late.v1")
    with pytest.raises(EventLogUnavailable):
        event_log.declare([Topic("late.v1", 1, None)])
    assert time.monotonic() - started < 4 * 4 + 10
    assert threading.active_count() == threads, "a client that failed left its thread"
    try:
        cluster.start()
        event_log.declare([Topic("late.v1", 1, None)])
        assert publisher.publish([Record("late.v1", "key-0", b"1", ())] * 5) == [True] * 5
        received: list[bytes] = []
        wait_until(lambda: not is_unavailable(reader, received) and len(received) == 5)
    finally:
        reader.close()
        publisher.close()
        cluster.stop()
