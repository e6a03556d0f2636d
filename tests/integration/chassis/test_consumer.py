"""From the event log to the service's database: one effect each, in order, whatever fails meanwhile."""

from __future__ import annotations

import random
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from sqlalchemy import Connection

from chassis import message as message_module
from chassis import outbox
from chassis.consumer import Consumer, Message, Subscription, handle_messages, message_of, replay
from chassis.database import Database
from chassis.event_log import OffsetOutOfRange, Record, Topic
from chassis.event_log.local import LocalEventLog
from guanka.postgres import EmbeddedPostgres

Running = Callable[..., AbstractContextManager[None]]
Until = Callable[..., None]

TOPIC = "cases.events.v1"
KIND = "test.CaseConfirmed"


def headers(revision: int = 1, subject: str = "case/a", **changed: bytes | None) -> tuple[tuple[str, bytes], ...]:
    """A whole envelope, but for what is changed (None leaves it out)."""
    envelope: dict[str, bytes | None] = {
        "ce_specversion": b"1.0",
        "ce_id": str(uuid.uuid4()).encode(),
        "ce_type": KIND.encode(),
        "ce_source": b"/cases",
        "ce_subject": subject.encode(),
        "ce_revision": str(revision).encode(),
        "ce_time": b"2022-06-28T12:00:00+00:00",
        **changed,
    }
    return tuple((name, value) for name, value in envelope.items() if value is not None)


def publish(loopback: Any, *envelopes: tuple[tuple[str, bytes], ...], key: str = "a", topic: str = TOPIC) -> None:
    publisher = loopback.event_log.publisher()
    records = [Record(topic, key, b"", envelope) for envelope in envelopes]
    assert all(publisher.publish(records))
    publisher.close()


def ask(loopback: Any, statement: str, **given: object) -> list[tuple[Any, ...]]:
    with loopback.database.transaction() as tx:
        answer = tx.execute(sa.text(statement), given)
        return [tuple(row) for row in answer] if answer.returns_rows else []


def stored(loopback: Any) -> int:
    """The sum of all stored offsets: how many records are behind the consumer."""
    (row,) = ask(loopback, "SELECT coalesce(sum(next_offset), 0)::int FROM consumer_offset")
    return int(row[0])


# -- one effect --------------------------------------------------------------------------------------------------------


def test_an_event_told_many_times_has_one_effect(loopback: Any, running: Running, until: Until) -> None:
    same = headers(1)
    publish(loopback, same, same)
    with running(loopback.consumer().run):
        until(lambda: loopback.effects() == [("case/a", 1)])
        publish(loopback, same, headers(2), same)
        until(lambda: stored(loopback) == 5)
    assert loopback.effects() == [("case/a", 1), ("case/a", 2)]


@pytest.mark.parametrize("is_one_batch", [True, False])
def test_a_revision_that_is_not_newer_has_no_effect(
    loopback: Any, running: Running, until: Until, is_one_batch: bool
) -> None:
    revisions = [1, 3, 2, 3, 4]
    with running(loopback.consumer(records_max=500 if is_one_batch else 1).run):
        publish(loopback, *(headers(revision) for revision in revisions))
        until(lambda: stored(loopback) == 5)
    assert loopback.effects_of("a") == [1, 3, 4]
    assert ask(loopback, "SELECT revision FROM consumed_revision") == [(4,)]


def test_subjects_have_revisions_of_their_own(loopback: Any, running: Running, until: Until) -> None:
    publish(loopback, headers(7, "case/a"), headers(1, "case/b"), headers(1, "case/a"), headers(2, "case/b"))
    with running(loopback.consumer().run):
        until(lambda: stored(loopback) == 4)
    assert loopback.effects() == [("case/a", 7), ("case/b", 1), ("case/b", 2)]


@pytest.mark.parametrize(
    ("records_max", "paced_from", "pause_s"), [(500, 1, 0.25), (3, 1, 0.0), (500, 3, 0.25), (500, 4, 0.0)]
)
def test_a_consumer_with_a_pace_waits_after_a_batch_that_was_neither_full_nor_small(
    loopback: Any, records_max: int, paced_from: int, pause_s: float
) -> None:
    publish(loopback, headers(1), headers(2), headers(3))
    pauses: list[float] = []

    class OneTurn(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout or 0.0)
            self.set()
            return True

    loopback.consumer(records_max=records_max, pace_s=0.25, paced_from=paced_from).run(OneTurn())
    assert loopback.effects_of("a") == [1, 2, 3]
    assert pauses == [pause_s]


def test_a_topic_without_revisions_takes_every_event_once(loopback: Any, running: Running, until: Until) -> None:
    subscription = Subscription(TOPIC, loopback.subscription().handlers, has_revisions=False)
    consumer = Consumer(loopback.database, loopback.event_log, group="cases", subscriptions=[subscription])
    publish(loopback, headers(2), headers(1))
    with running(consumer.run):
        until(lambda: stored(loopback) == 2)
    assert loopback.effects_of("a") == [2, 1]
    assert ask(loopback, "SELECT * FROM consumed_revision") == []


def test_an_event_of_a_type_that_nobody_takes_is_passed_over(loopback: Any, running: Running, until: Until) -> None:
    publish(loopback, headers(1, ce_type=b"test.Unheard", ce_id=b"no uuid"), headers(1), headers(2, ce_type=b"test.X"))
    consumer = loopback.consumer()
    with running(consumer.run):
        until(lambda: stored(loopback) == 3)
        assert consumer.lag() == {TOPIC: 0}
    assert loopback.effects_of("a") == [1]
    assert loopback.dead_letters() == []


def test_one_topic_has_one_subscription(loopback: Any) -> None:
    with pytest.raises(ValueError, match="one subscription"):
        Consumer(loopback.database, loopback.event_log, group="cases", subscriptions=[loopback.subscription()] * 2)


# -- what cannot be applied --------------------------------------------------------------------------------------------


def refusing(loopback: Any, poison: type[Exception], revisions: set[int]) -> Callable[[Connection, Message], None]:
    """Takes a message, then refuses it: what it wrote must not stay."""

    def handle(tx: Connection, message: Message) -> None:
        loopback.take(tx, message)
        if message.revision in revisions:
            raise poison("cannot be taken: 13800138000\nsecond line")

    return handle


def test_a_message_that_cannot_be_applied_is_put_aside_and_the_rest_goes_on(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    publish(loopback, *(headers(revision) for revision in range(1, 11)))
    with running(loopback.consumer(refusing(loopback, poison, {4, 7})).run):
        until(lambda: stored(loopback) == 10)
    assert loopback.effects_of("a") == [1, 2, 3, 5, 6, 8, 9, 10]
    assert [(error, attempts) for _, error, attempts in loopback.dead_letters()] == [
        ("Poison: cannot be taken: [redacted]", 3)
    ] * 2


def test_a_dead_letter_is_replayed_once(loopback: Any, running: Running, until: Until, poison: type[Exception]) -> None:
    publish(loopback, headers(1))
    with running(loopback.consumer(refusing(loopback, poison, {1})).run):
        until(loopback.dead_letters)
    ((dead_letter_id, _, _),) = loopback.dead_letters()
    assert replay(loopback.database, [loopback.subscription()], dead_letter_id)
    assert loopback.effects_of("a") == [1]
    assert loopback.dead_letters() == []
    assert not replay(loopback.database, [loopback.subscription()], dead_letter_id)
    assert not replay(loopback.database, [loopback.subscription()], dead_letter_id + 1)
    assert loopback.effects_of("a") == [1]


def test_a_dead_letter_that_newer_revisions_have_overtaken_has_no_effect_when_replayed(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    publish(loopback, headers(1), headers(2), headers(3))
    with running(loopback.consumer(refusing(loopback, poison, {2})).run):
        until(lambda: stored(loopback) == 3)
    ((dead_letter_id, _, _),) = loopback.dead_letters()
    assert replay(loopback.database, [loopback.subscription()], dead_letter_id)
    assert loopback.effects_of("a") == [1, 3]


def test_a_replay_that_is_refused_again_leaves_the_dead_letter(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    publish(loopback, headers(1))
    handler = refusing(loopback, poison, {1})
    with running(loopback.consumer(handler).run):
        until(loopback.dead_letters)
    ((dead_letter_id, _, _),) = loopback.dead_letters()
    refused = Subscription(TOPIC, {KIND: lambda tx, messages: [handler(tx, each) for each in messages] and None})
    with pytest.raises(poison):
        replay(loopback.database, [refused], dead_letter_id)
    with pytest.raises(LookupError):
        replay(loopback.database, [], dead_letter_id)
    assert len(loopback.dead_letters()) == 1
    assert loopback.effects() == []


def test_a_replay_and_the_consumer_cannot_both_be_the_newer_one(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    """The replay of revision 2 holds its subject while it works; revision 3 comes after it, not beside it."""
    publish(loopback, headers(1), headers(2))
    with running(loopback.consumer(refusing(loopback, poison, {2})).run):
        until(lambda: stored(loopback) == 2)
    ((dead_letter_id, _, _),) = loopback.dead_letters()
    is_working, may_end = threading.Event(), threading.Event()

    def slowly(tx: Connection, messages: Any) -> None:
        is_working.set()
        may_end.wait(30)
        for each in messages:
            loopback.take(tx, each)

    replaying = threading.Thread(
        target=replay, args=(loopback.database, [Subscription(TOPIC, {KIND: slowly})], dead_letter_id)
    )
    replaying.start()
    assert is_working.wait(30)
    publish(loopback, headers(3))
    with running(loopback.consumer().run):
        until(lambda: ask(loopback, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        may_end.set()
        until(lambda: stored(loopback) == 3)
        replaying.join(30)
    assert loopback.effects_of("a") == [1, 2, 3]


def test_a_replay_beside_a_newer_revision_that_is_not_committed_yet_comes_too_late(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    publish(loopback, headers(1), headers(2))
    with running(loopback.consumer(refusing(loopback, poison, {2})).run):
        until(lambda: stored(loopback) == 2)
    ((dead_letter_id, _, _),) = loopback.dead_letters()
    is_working, may_end = threading.Event(), threading.Event()

    def slowly(tx: Connection, message: Message) -> None:
        is_working.set()
        may_end.wait(30)
        loopback.take(tx, message)

    publish(loopback, headers(3))
    replaying = threading.Thread(target=replay, args=(loopback.database, [loopback.subscription()], dead_letter_id))
    with running(loopback.consumer(slowly).run):
        assert is_working.wait(30)
        replaying.start()
        until(lambda: ask(loopback, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"))
        may_end.set()
        replaying.join(30)
        until(lambda: stored(loopback) == 3)
    assert loopback.effects_of("a") == [1, 3]
    assert loopback.dead_letters() == []


WRONG = {
    "no id": headers(ce_id=None),
    "an id that is no UUID": headers(ce_id=b"not-a-uuid"),
    "an id that is no text": headers(ce_id=b"\xff"),
    "no type": headers(ce_type=None),
    "a type that is no text": headers(ce_type=b"\xff\xfe"),
    "no source": headers(ce_source=None),
    "a source that no text column can hold": headers(ce_source=b"a\x00b"),
    "no subject": headers(ce_subject=None),
    "a revision that is no number": headers(ce_revision=b"many"),
    "revision nought": headers(ce_revision=b"0"),
    "a negative revision": headers(ce_revision=b"-3"),
    "a revision without end": headers(ce_revision=b"9" * 40),
    "a revision of more digits than Python reads": headers(ce_revision=b"9" * 5000),
    "no time": headers(ce_time=None),
    "nothing at all": (),
}


def test_a_record_without_a_proper_envelope_is_put_aside_and_the_rest_goes_on(
    loopback: Any, running: Running, until: Until
) -> None:
    publish(loopback, headers(1), *WRONG.values(), headers(2))
    with running(loopback.consumer(attempts_max=1).run):
        until(lambda: stored(loopback) == len(WRONG) + 2)
    assert loopback.effects_of("a") == [1, 2]
    errors = [error for _, error, _ in loopback.dead_letters()]
    assert len(errors) == len(WRONG)
    assert all(error.startswith("MalformedMessage: ") for error in errors)


def test_a_header_that_is_none_of_the_envelope_may_hold_any_bytes(
    loopback: Any, running: Running, until: Until
) -> None:
    publish(loopback, (*headers(1), ("x-other", b"\xff\x00")))
    with running(loopback.consumer().run):
        until(lambda: loopback.effects_of("a") == [1])


def test_an_error_that_no_text_column_can_hold_is_put_aside_all_the_same(
    loopback: Any, running: Running, until: Until
) -> None:
    def handle(tx: Connection, message: Message) -> None:
        raise ValueError("a\0b\ud800")

    publish(loopback, headers(1))
    with running(loopback.consumer(handle).run):
        until(loopback.dead_letters)
    assert loopback.dead_letters()[0][1] == "ValueError: a\ufffdb?"


# -- trouble that passes -----------------------------------------------------------------------------------------------


def test_a_lock_that_is_held_for_long_is_waited_for_and_counts_towards_no_dead_letter(
    loopback: Any, running: Running, until: Until
) -> None:
    def handle(tx: Connection, message: Message) -> None:
        tx.execute(sa.text("SET LOCAL lock_timeout = '20ms'"))
        tx.execute(sa.text("LOCK TABLE effect IN EXCLUSIVE MODE"))
        loopback.take(tx, message)

    publish(loopback, *(headers(revision) for revision in range(1, 4)))
    consumer = loopback.consumer(handle)
    with psycopg.connect(loopback.database.url) as holder:
        holder.execute("LOCK TABLE effect IN ACCESS EXCLUSIVE MODE")
        with running(consumer.run):
            until(lambda: consumer.trouble is not None)
            assert consumer.trouble == "OperationalError: canceling statement due to lock timeout"
            holder.rollback()
            until(lambda: stored(loopback) == 3)
            until(lambda: consumer.trouble is None)
    assert loopback.effects_of("a") == [1, 2, 3]
    assert loopback.dead_letters() == []


def test_trouble_in_the_middle_of_messages_that_are_tried_alone_repeats_none_of_them(
    loopback: Any, running: Running, until: Until, poison: type[Exception]
) -> None:
    """2 is poison, so all are tried alone; at 4 the connection is lost once; 1 and 3 were applied by then."""
    losses = [1]

    def handle(tx: Connection, message: Message) -> None:
        if message.revision == 2:
            raise poison
        if message.revision == 4 and loopback.effects_of("a") == [1, 3] and losses:
            losses.pop()
            pid = tx.execute(sa.text("SELECT pg_backend_pid()")).scalar_one()
            ask(loopback, "SELECT pg_terminate_backend(:pid)", pid=pid)
        loopback.take(tx, message)

    publish(loopback, *(headers(revision) for revision in range(1, 6)))
    with running(loopback.consumer(handle).run):
        until(lambda: stored(loopback) == 5)
    assert losses == []
    assert loopback.effects_of("a") == [1, 3, 4, 5]
    assert len(loopback.dead_letters()) == 1


def test_a_batch_that_is_too_much_for_one_transaction_comes_again_in_smaller_ones(
    loopback: Any, running: Running, until: Until
) -> None:
    sizes: list[int] = []

    def handle_all(tx: Connection, messages: Any) -> None:
        sizes.append(len(messages))
        tx.execute(sa.text("SET LOCAL statement_timeout = '50ms'"))
        tx.execute(sa.text("SELECT pg_sleep(:seconds)"), {"seconds": 0.2 if len(messages) > 30 else 0})
        for each in messages:
            loopback.take(tx, each)

    publish(loopback, *(headers(revision) for revision in range(1, 201)))
    subscription = Subscription(TOPIC, {KIND: handle_all})
    consumer = Consumer(loopback.database, loopback.event_log, group="cases", subscriptions=[subscription])
    with running(consumer.run):
        until(lambda: stored(loopback) == 200)
    assert loopback.effects_of("a") == list(range(1, 201))
    assert sizes[0] == 200


def test_a_consumer_whose_offsets_were_moved_by_another_reads_again_from_where_they_are(
    loopback: Any, running: Running, until: Until
) -> None:
    publish(loopback, *(headers(revision) for revision in range(1, 4)))
    with running(loopback.consumer().run):
        until(lambda: stored(loopback) == 3)
        ask(loopback, "UPDATE consumer_offset SET next_offset = 0")
        publish(loopback, headers(4))
        until(lambda: stored(loopback) == 4)
    assert loopback.effects_of("a") == [1, 2, 3, 4]


def test_a_consumer_that_lost_its_lock_in_the_middle_of_a_batch_does_not_apply_it_beside_the_next_one(
    loopback: Any, running: Running, until: Until
) -> None:
    is_working, may_end = threading.Event(), threading.Event()

    def slowly(tx: Connection, message: Message) -> None:
        is_working.set()
        may_end.wait(30)
        loopback.take(tx, message)

    first, second = loopback.consumer(slowly), loopback.consumer()
    publish(loopback, *(headers(revision) for revision in range(1, 4)))
    with running(first.run):
        assert is_working.wait(30)
        ask(
            loopback,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'consumer (leader)' "
            "AND datname = current_database()",
        )
        with running(second.run):
            until(lambda: second.is_active)
            may_end.set()
            publish(loopback, headers(4))
            until(lambda: stored(loopback) == 4)
    assert loopback.effects_of("a") == [1, 2, 3, 4]


def test_a_consumer_that_waits_for_another_to_end_is_in_no_trouble(
    loopback: Any, running: Running, until: Until
) -> None:
    first, second = loopback.consumer(), loopback.consumer()
    with running(first.run):
        until(lambda: first.is_active)
        second.trouble = "the database was away"
        with running(second.run):
            until(lambda: second.trouble is None)
            assert not second.is_active
    assert not first.is_active


def test_a_topic_that_nobody_has_declared_yet_is_waited_for(loopback: Any, running: Running, until: Until) -> None:
    later = Subscription("later.events.v1", loopback.subscription().handlers)
    consumer = Consumer(
        loopback.database, loopback.event_log, group="cases", subscriptions=[loopback.subscription(), later]
    )
    with running(consumer.run):
        until(lambda: consumer.trouble == "UnknownTopic: later.events.v1")
        loopback.event_log.declare([Topic("later.events.v1", 2, None)])
        publish(loopback, headers(1), topic="later.events.v1")
        until(lambda: loopback.effects_of("a") == [1])
    assert consumer.trouble is None


# -- the log was cut ---------------------------------------------------------------------------------------------------


def test_a_log_cut_behind_the_consumer_stops_it_until_its_offset_lies_in_the_log_again(
    loopback: Any, running: Running, until: Until
) -> None:
    publish(loopback, headers(1))
    consumer = loopback.consumer()
    with running(consumer.run):
        until(lambda: stored(loopback) == 1)
    publish(loopback, *(headers(revision) for revision in range(2, 6)))
    ((partition,),) = ask(loopback, "SELECT partition FROM consumer_offset WHERE next_offset = 1")
    loopback.event_log.cut((TOPIC, partition), 3)
    with running(consumer.run):
        until(lambda: consumer.trouble is not None)
        assert f"{TOPIC}[{partition}] starts at 3, and offset 1 is not in the log" in (consumer.trouble or "")
        assert "guanka republish" in (consumer.trouble or "")
        assert loopback.effects_of("a") == [1]
        ask(
            loopback, "UPDATE consumer_offset SET next_offset = 3 WHERE next_offset < 3 AND partition = :p", p=partition
        )
        until(lambda: loopback.effects_of("a") == [1, 4, 5])
        until(lambda: consumer.trouble is None)


def test_an_offset_beyond_the_end_of_a_log_that_was_made_anew_stops_the_consumer_too(
    loopback: Any, running: Running, until: Until
) -> None:
    publish(loopback, headers(1), headers(2))
    consumer = loopback.consumer()
    with running(consumer.run):
        until(lambda: stored(loopback) == 2)
    ask(loopback, "UPDATE consumer_offset SET next_offset = 1000 WHERE next_offset = 2")
    publish(loopback, headers(3))
    with running(consumer.run):
        until(lambda: "offset 1000 is not in the log" in (consumer.trouble or ""))
    assert loopback.effects_of("a") == [1, 2]


def test_no_record_is_passed_over_in_silence_while_the_log_is_cut_again_and_again(loopback: Any, until: Until) -> None:
    """A reader either sees the next offset or is told that it is gone."""
    log, stop = loopback.event_log, threading.Event()
    log.declare([Topic("cut.v1", 1, None)])

    def write() -> None:
        publisher = log.publisher()
        while not stop.is_set():
            publisher.publish([Record("cut.v1", "a", b"", ())] * 5)
        publisher.close()

    def cut() -> None:
        cutter = LocalEventLog(log._dsn)
        chance = random.Random(1)
        while not stop.wait(chance.uniform(0, 0.03)):
            ((_, (_, end)),) = cutter.bounds("cut.v1").items()
            cutter.cut(("cut.v1", 0), end - chance.randint(1, 15))
        cutter.close()

    threads = [threading.Thread(target=write), threading.Thread(target=cut)]
    for each in threads:
        each.start()
    reader, expected, cuts, reads, deadline = log.reader("test"), 0, 0, 0, time.monotonic() + 60
    reader.seek({("cut.v1", 0): 0})
    try:
        while (cuts < 8 or reads < 300) and time.monotonic() < deadline:
            if reads >= 40 * (cuts + 1):  # it keeps up so well that no cut reaches it: let one
                until(lambda least=expected: log.bounds("cut.v1")[0][0] > least)
            try:
                records = reader.poll(wait_s=1, records_max=4)
            except OffsetOutOfRange as error:
                cuts, expected = cuts + 1, error.start
                reader.seek({("cut.v1", 0): expected})
                continue
            assert [record.offset for record in records] == list(range(expected, expected + len(records)))
            expected, reads = expected + len(records), reads + len(records)
    finally:
        stop.set()
        for each in threads:
            each.join()
        reader.close()
    assert cuts >= 8
    assert reads >= 300


def test_a_partition_that_is_full_does_not_keep_the_others_waiting(loopback: Any) -> None:
    for key in ("busy", "a", "b", "c"):
        publish(loopback, *(headers(n, f"case/{key}") for n in range(1, 101 if key == "busy" else 2)), key=key)
    bounds = loopback.event_log.bounds(TOPIC)
    reader = loopback.event_log.reader("test")
    reader.seek({(TOPIC, partition): start for partition, (start, _) in bounds.items()})
    first = [reader.poll(wait_s=1, records_max=10) for _ in range(len(bounds))]
    reader.close()
    assert {record.key for batch in first for record in batch} == {"busy", "a", "b", "c"}


# -- the database is killed --------------------------------------------------------------------------------------------


@pytest.fixture
def own_postgres() -> Iterator[EmbeddedPostgres]:
    with tempfile.TemporaryDirectory(prefix="guanka-postgres-") as folder:
        server = EmbeddedPostgres(Path(folder))
        server.prepare()
        server.start()
        yield server
        server.stop()


def test_a_database_killed_under_relay_and_consumer_loses_nothing_and_repeats_nothing(
    own_postgres: EmbeddedPostgres,
    event_log: LocalEventLog,
    loopback_elsewhere: Callable[..., Any],
    running: Running,
    until: Until,
) -> None:
    loopback = loopback_elsewhere(own_postgres.create_database("cases"), event_log)
    consumer = loopback.consumer()
    with running(loopback.relay().run, consumer.run):
        for kills in range(1, 4):
            loopback.write(*(loopback.event(f"case-{n % 5}", (kills - 1) * 40 + n // 5 + 1) for n in range(200)))
            until(lambda: event_log.bounds(TOPIC))
            own_postgres.kill()
            until(lambda: consumer.trouble is not None)
            own_postgres.start()
            until(loopback.database.is_ready)
        until(lambda: count(loopback.database, "SELECT count(*) FROM effect") == 600)
        until(lambda: count(loopback.database, "SELECT count(*) FROM outbox") == 0)
        until(lambda: consumer.trouble is None)
    for n in range(5):
        assert loopback.effects_of(f"case-{n}") == list(range(1, 121))
    assert loopback.dead_letters() == []
    loopback.database.close()


def count(database: Database, statement: str) -> int:
    with database.transaction() as tx:
        return int(tx.execute(sa.text(statement)).scalar_one())


def test_a_batch_that_is_handled_together_is_linked_to_every_cause_and_leads_on_in_its_own_trace(
    loopback: Any, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood under its first message's trace, and the traces of all others ended there."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(message_module, "tracer", provider.get_tracer("consumer"))
    causes, carried = [], []
    for case in range(20):
        with provider.get_tracer("test").start_as_current_span("confirm case") as span:
            loopback.write(loopback.event(f"case-{case}", 1))
            causes.append((span.get_span_context().trace_id, span.get_span_context().span_id))
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    together = Subscription(TOPIC, {KIND: lambda tx, messages: carried.append(outbox.trace_headers()["traceparent"])})
    with loopback.database.transaction() as tx:
        handle_messages(tx, together, [message_of(record) for record in loopback.in_the_log()])
    [span] = [span for span in exporter.get_finished_spans() if span.name == f"process {KIND}"]
    assert span.parent is None
    assert sorted((link.context.trace_id, link.context.span_id) for link in span.links) == sorted(causes)
    assert [each[:52] for each in carried] == [f"00-{span.context.trace_id:032x}-{span.context.span_id:016x}"]


# -- traces ------------------------------------------------------------------------------------------------------------


def test_the_span_of_the_handler_joins_the_span_that_wrote_the_event(
    loopback: Any, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(message_module, "tracer", provider.get_tracer("consumer"))
    with provider.get_tracer("test").start_as_current_span("confirm case") as span:
        loopback.write(loopback.event("a", 1))
    loopback.write(loopback.event("b", 1))
    with running(loopback.relay().run, loopback.consumer().run):
        until(lambda: len(loopback.effects()) == 2)
    spans = {each.name: each for each in exporter.get_finished_spans() if each.name != f"process {KIND}"}
    handled = [each for each in exporter.get_finished_spans() if each.name == f"process {KIND}"]
    (joined,) = [each for each in handled if each.parent is not None]
    (alone,) = [each for each in handled if each.parent is None]
    assert joined.parent.span_id == spans["confirm case"].context.span_id
    assert joined.context.trace_id == span.get_span_context().trace_id
    assert alone.context.trace_id != joined.context.trace_id
    carried = {dict(record.headers).get("traceparent", b"")[:52].decode() for record in loopback.in_the_log()}
    assert carried == {"", f"00-{joined.context.trace_id:032x}-{joined.parent.span_id:016x}"}
