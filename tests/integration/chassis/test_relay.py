"""From the outbox to the event log: nothing lost, order per key, repeats only where a relay died."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import chassis.relay
from chassis import outbox
from chassis.event_log import EventLog, EventLogUnavailable, Publisher, Record, UnknownTopic
from chassis.event_log.local import LocalEventLog
from chassis.relay import Relay
from chassis.telemetry import LINKS_MAX

Running = Callable[..., AbstractContextManager[None]]
Until = Callable[..., None]
Numbered = Callable[[Sequence[Any]], list[tuple[str, int]]]

_RELAY_THAT_DIES = """
import os, signal, sys, threading
from chassis.event_log.local import LocalEventLog
from chassis.relay import Relay

class Dying(LocalEventLog):
    def publisher(self):
        publisher = super().publisher()
        publish = publisher.publish
        def publish_and_die(records):
            publish(records)
            os.kill(os.getpid(), signal.SIGKILL)
        publisher.publish = publish_and_die
        return publisher

Relay(sys.argv[1], Dying(sys.argv[2]), source="/cases", topics={"case": "cases.events.v1"}).run(threading.Event())
"""


class WatchedLog:
    """The log as it is, but each publication is first shown to `before`, which may answer in its place."""

    def __init__(self, event_log: EventLog, before: Callable[[Sequence[Record]], list[bool] | None]) -> None:
        self._event_log, self._before = event_log, before

    def __getattr__(self, name: str) -> Any:
        return getattr(self._event_log, name)

    def publisher(self) -> Publisher:
        publisher, before = self._event_log.publisher(), self._before

        class Watched:
            def publish(self, records: Sequence[Record]) -> list[bool]:
                answered = before(records)
                if answered is None:
                    return publisher.publish(records)
                written = [record for record, is_written in zip(records, answered, strict=True) if is_written]
                publisher.publish(written)
                return answered

            def close(self) -> None:
                publisher.close()

        return Watched()


def test_what_was_written_in_a_transaction_reaches_the_log_with_its_envelope(
    loopback: Any, running: Running, until: Until
) -> None:
    written = loopback.event("a", 1, b"\x00\xff")
    loopback.write(written)
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    (record,) = loopback.in_the_log()
    assert (record.key, record.value) == ("a", b"\x00\xff")
    assert dict(record.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": str(written.id).encode(),
        "ce_type": b"test.CaseConfirmed",
        "ce_source": b"/cases",
        "ce_subject": b"case/a",
        "ce_revision": b"1",
        "ce_time": b"2022-06-28T12:00:00+00:00",
        "content-type": b"application/protobuf",
    }


def test_many_events_written_at_once_keep_their_order_and_every_byte(loopback: Any) -> None:
    events = [loopback.event(f"case {n}", 1, bytes([n % 256, 0, 92, 34])) for n in range(600)]
    loopback.write(*events)
    with loopback.database.transaction() as tx:
        rows = tx.exec_driver_sql("SELECT id, aggregateid, payload, headers->>'ce_subject' FROM outbox ORDER BY seq")
        written = [(row[0], row[1], bytes(row[2]), row[3]) for row in rows]
    assert written == [(each.id, each.aggregateid, each.payload, each.subject) for each in events]


def test_an_event_of_a_transaction_that_was_rolled_back_is_never_told(
    loopback: Any, running: Running, until: Until
) -> None:
    with loopback.database.engine.connect() as tx:
        outbox.append(tx, [loopback.event("a", 1)])
        tx.rollback()
    loopback.write(loopback.event("b", 1))
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    assert [record.key for record in loopback.in_the_log()] == ["b"]


def test_two_thousand_events_whose_writers_commit_late_all_arrive_in_the_order_of_their_key(
    loopback: Any, running: Running, until: Until, numbered: Numbered
) -> None:
    """Writers take `seq` under their case's lock, hold it for a while and commit in any order."""
    cases, rounds = [f"case-{n}" for n in range(40)], 50

    def write(mine: Sequence[str], seed: int) -> None:
        chance = random.Random(seed)
        for revision in range(1, rounds + 1):
            for case in mine:
                with loopback.database.transaction() as tx:
                    tx.execute(sa.text("SELECT pg_advisory_xact_lock(hashtext(:case))"), {"case": case})
                    outbox.append(tx, [loopback.event(case, revision)])
                    threading.Event().wait(chance.choice([0, 0, 0, 0.001, 0.02]))

    writers = [threading.Thread(target=write, args=(cases[n::8], n)) for n in range(8)]
    with running(loopback.relay().run):
        for each in writers:
            each.start()
        for each in writers:
            each.join()
        until(lambda: loopback.waiting() == 0)
    told = numbered(loopback.in_the_log())
    assert len(told) == len(cases) * rounds
    for case in cases:
        assert [revision for subject, revision in told if subject == f"case/{case}"] == list(range(1, rounds + 1))


def test_an_event_that_is_committed_after_later_ones_were_sent_is_still_sent(
    loopback: Any, running: Running, until: Until
) -> None:
    with running(loopback.relay().run), loopback.database.engine.connect() as late:
        transaction = late.begin()
        outbox.append(late, [loopback.event("late", 1)])
        for revision in range(1, 30):
            loopback.write(loopback.event("prompt", revision))
            until(lambda: loopback.waiting() == 0)
        transaction.commit()
        until(lambda: "late" in [record.key for record in loopback.in_the_log()])
    assert loopback.waiting() == 0


def test_a_relay_killed_between_publishing_and_deleting_repeats_and_loses_nothing(
    loopback: Any, log_url: str, running: Running, until: Until
) -> None:
    loopback.write(*(loopback.event(f"case-{n % 7}", n // 7 + 1) for n in range(70)))
    command = [sys.executable, "-c", _RELAY_THAT_DIES, loopback.database.url, log_url]
    for _ in range(2):
        assert subprocess.run(command, check=False, timeout=60).returncode == -signal.SIGKILL
    assert loopback.waiting() == 70
    with running(loopback.relay().run, loopback.consumer().run):
        until(lambda: loopback.waiting() == 0 and len(loopback.effects()) == 70)
    assert len(loopback.in_the_log()) == 210
    for n in range(7):
        assert loopback.effects_of(f"case-{n}") == list(range(1, 11))


def test_of_two_relays_one_works_and_the_other_takes_over(loopback: Any, running: Running, until: Until) -> None:
    one, other = loopback.relay(), loopback.relay()
    with running(one.run):
        until(lambda: one.is_active)
        with running(other.run):
            loopback.write(*(loopback.event("a", revision) for revision in range(1, 101)))
            until(lambda: loopback.waiting() == 0)
            assert not other.is_active
            terminate(loopback.database.url, "relay (leader)")
            loopback.write(*(loopback.event("a", revision) for revision in range(101, 201)))
            until(lambda: loopback.waiting() == 0)
            assert one.is_active != other.is_active
    assert len(loopback.in_the_log()) == 200


def terminate(url: str, application: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = %s AND datname = current_database()",
            (application,),
        )


def test_relays_that_lose_their_lock_again_and_again_lose_no_event_and_keep_the_order(
    loopback: Any, running: Running, until: Until
) -> None:
    with running(loopback.relay().run, loopback.relay().run, loopback.consumer().run):
        for revision in range(1, 61):
            loopback.write(*(loopback.event(f"case-{n}", revision) for n in range(5)))
            if revision % 10 == 0:
                terminate(loopback.database.url, "relay (leader)")
        until(lambda: loopback.waiting() == 0 and len(loopback.effects()) == 300)
    for n in range(5):
        assert loopback.effects_of(f"case-{n}") == list(range(1, 61))


def test_of_a_key_nothing_is_deleted_after_its_first_unacknowledged_event(
    loopback: Any, event_log: LocalEventLog, running: Running, until: Until, numbered: Numbered
) -> None:
    """The log answers for the third of case a that it does not know; b goes on."""
    shown: list[list[tuple[str, int]]] = []

    def lose_one(records: Sequence[Record]) -> list[bool] | None:
        shown.append(numbered(records))
        if len(shown) == 1:
            return [told != ("case/a", 3) for told in shown[0]]
        return None

    events = [loopback.event(case, revision) for revision in range(1, 6) for case in "ab"]
    loopback.write(*events)
    with running(loopback.relay(WatchedLog(event_log, lose_one)).run):
        until(lambda: len(shown) > 1)
        until(lambda: loopback.waiting() == 0)
    assert shown[1] == [("case/a", 3), ("case/a", 4), ("case/a", 5)]


def test_no_transaction_is_open_while_the_relay_waits_for_the_log(
    loopback: Any, event_log: LocalEventLog, running: Running, until: Until
) -> None:
    states: list[tuple[str, Any]] = []

    def look(_: Sequence[Record]) -> None:
        with psycopg.connect(loopback.database.url) as connection:
            states.extend(
                connection.execute(
                    "SELECT state, backend_xmin FROM pg_stat_activity "
                    "WHERE application_name = 'relay (leader)' AND datname = current_database()"
                ).fetchall()
            )

    loopback.write(loopback.event("a", 1))
    with running(loopback.relay(WatchedLog(event_log, look)).run):
        until(lambda: loopback.waiting() == 0)
    assert states == [("idle", None)]


def test_a_session_after_a_broken_one_has_the_planner_settings_again(
    loopback: Any, event_log: LocalEventLog, running: Running, until: Until
) -> None:
    relay = loopback.relay()
    seen: list[str] = []
    with running(relay.run):
        for revision in (1, 2):
            loopback.write(loopback.event("a", revision))
            until(lambda: loopback.waiting() == 0)
            assert relay._connection is not None
            seen += [str(relay._connection.execute("SHOW enable_seqscan").fetchone())]
            terminate(loopback.database.url, "relay (leader)")
            until(lambda: relay.trouble is not None)
    assert seen == ["('off',)", "('off',)"]


def test_a_log_that_cannot_be_reached_is_waited_for(
    loopback: Any, event_log: LocalEventLog, running: Running, until: Until
) -> None:
    refusals: list[Exception] = [EventLogUnavailable("down"), UnknownTopic("cases.events.v1")]

    def refuse(_: Sequence[Record]) -> None:
        if refusals:
            raise refusals.pop(0)

    relay = loopback.relay(WatchedLog(event_log, refuse))
    loopback.write(loopback.event("a", 1))
    with running(relay.run):
        until(lambda: relay.trouble == "EventLogUnavailable: down")
        until(lambda: loopback.waiting() == 0)
        until(lambda: relay.trouble is None)
    assert len(loopback.in_the_log()) == 1


def test_a_log_that_was_never_declared_is_an_unknown_topic(
    loopback: Any, postgres: Any, fresh_database: str, running: Running, until: Until
) -> None:
    log = LocalEventLog(postgres.create_database("never_declared"))
    relay = Relay(loopback.database.url, log, source="/cases", topics={"case": "cases.events.v1"})
    loopback.write(loopback.event("a", 1))
    with running(relay.run):
        until(lambda: (relay.trouble or "").startswith("UnknownTopic"))
    log.close()
    assert loopback.waiting() == 1


def test_a_batch_is_one_span_that_is_linked_to_what_caused_its_events(
    loopback: Any, running: Running, until: Until, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider(span_limits=SpanLimits(max_links=LINKS_MAX))
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(chassis.relay, "tracer", provider.get_tracer("test"))
    causes = []
    with loopback.database.transaction() as tx:
        for case in range(LINKS_MAX + 20):
            with provider.get_tracer("test").start_as_current_span("cause") as cause:
                outbox.append(tx, [loopback.event(f"case-{case}", 1), loopback.event(f"case-{case}", 2)])
                causes.append(cause.get_span_context())
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    until(lambda: any(span.name == "relay" for span in spans.get_finished_spans()))
    [span] = [span for span in spans.get_finished_spans() if span.name == "relay"]
    assert (span.attributes or {})["messaging.batch.message_count"] == 2 * len(causes)
    linked = [(link.context.trace_id, link.context.span_id) for link in span.links]
    assert linked == [(cause.trace_id, cause.span_id) for cause in causes[:LINKS_MAX]]
    carried = [record.header("traceparent") or b"" for record in loopback.in_the_log()]
    assert {each.decode().split("-")[1] for each in carried} == {f"{cause.trace_id:032x}" for cause in causes}
