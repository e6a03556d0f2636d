"""A worker process: loops in threads (relay, consumer, timers), with probes and metrics on a port beside them.

A loop that ends with an error ends the process: whoever watches it starts it again, and a half-working worker is worse
than a restarted one. What the checks find is in the metrics too: each few seconds they are made in a loop of their own,
for a check may wait for a log that is away, and whoever reads the metrics must not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence

import psycopg
import structlog
from opentelemetry.metrics import Observation

from chassis.app import (
    Readiness,
    ReadinessCheck,
    create_app,
    rest_garbage_collector,
    run_until_signalled,
    server_of,
)
from chassis.consumer import Consumer
from chassis.database import Database, is_passing
from chassis.event_log import EventLog, EventLogUnavailable, Topic, UnknownTopic
from chassis.relay import Relay
from chassis.settings import ServiceSettings
from chassis.telemetry import Figures

log = structlog.get_logger("worker")

_LOOK_S = 10.0
_DECLARED_AGAIN_S = 0.5

_ready = Figures("worker_ready", "1 while a check of the worker's /readyz says yes, by check")
_outbox_rows = Figures("outbox_rows", "outbox rows that wait for the event log, at most 100,000")
_outbox_oldest = Figures("outbox_oldest_seconds", "seconds that the oldest outbox row has waited")
_lag = Figures("consumer_lag", "records that are not applied yet, by topic")
_dead_letters = Figures("consumer_dead_letters_waiting", "dead letters that nobody replayed yet")

Loop = Callable[[threading.Event], None]


def every(seconds: float, action: Callable[[], object], *, name: str, first_s: float | None = None) -> Loop:
    """A timer: runs `action` each so many seconds; trouble of the store or the log is waited out, other ends it.

    `first_s` is the wait before the first run, where a process may live too short for the others.
    """

    def run(stop: threading.Event) -> None:
        pause_s = seconds if first_s is None else first_s
        while not stop.wait(pause_s):
            pause_s = seconds
            try:
                action()
            except (EventLogUnavailable, UnknownTopic, psycopg.OperationalError) as error:
                log.warning("a timer waits", timer=name, error=type(error).__name__)
            except Exception as error:
                if not is_passing(error):
                    raise
                log.warning("a timer waits", timer=name, error=type(error).__name__)

    return run


def declaring(event_log: EventLog, topics: Sequence[Topic]) -> Loop:
    """Declares a service's topics once the log can be reached; other work goes on, and the relay waits for them."""

    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                return event_log.declare(topics)
            except EventLogUnavailable:
                stop.wait(_DECLARED_AGAIN_S)
        return None

    return run


def relay_check(relay: Relay, database: Database) -> ReadinessCheck:
    """Ready while the outbox can be read; the detail tells how many rows wait and how long the oldest has waited."""

    def check() -> Readiness:
        try:
            with database.transaction() as tx:
                rows, oldest_s = tx.exec_driver_sql(
                    "SELECT count(*), coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float8 "
                    "FROM (SELECT created_at FROM outbox ORDER BY seq LIMIT 100000) AS waiting"
                ).one()
        except Exception as error:
            _outbox_rows.last = _outbox_oldest.last = ()
            return Readiness(False, {"error": type(error).__name__})
        _outbox_rows.last, _outbox_oldest.last = [Observation(rows)], [Observation(oldest_s)]
        return Readiness(True, {"active": relay.is_active, "rows": rows, "oldest_s": round(oldest_s, 3)})

    return check


def consumer_check(consumer: Consumer) -> ReadinessCheck:
    """Ready while nothing stops the consumer; the detail tells its lag per topic in records."""

    def check() -> Readiness:
        waiting: list[Observation] = []
        behind: list[Observation] = []
        try:
            waiting.append(Observation(consumer.dead_letters()))
            lag = consumer.lag()
            behind += [Observation(records, {"topic": topic}) for topic, records in lag.items()]
        except Exception as error:
            return Readiness(False, {"error": type(error).__name__})
        finally:
            _dead_letters.last, _lag.last = waiting, behind
        return Readiness(
            consumer.trouble is None, {"active": consumer.is_active, "lag": lag, "trouble": consumer.trouble}
        )

    return check


def look(checks: Mapping[str, ReadinessCheck]) -> None:
    """Make every check once; what they found is in the metrics until the next time."""
    _ready.last = [Observation(int(check().is_ready), {"check": name}) for name, check in checks.items()]


def run_worker(
    title: str, settings: ServiceSettings, *, loops: Mapping[str, Loop], checks: Mapping[str, ReadinessCheck]
) -> int:
    """Run the loops until SIGTERM or SIGINT, or until one of them fails; the exit status of the process."""
    app = create_app(title, settings, checks=checks, problems={})
    probes = server_of(app, settings)
    rest_garbage_collector()
    stop, failed = threading.Event(), threading.Event()

    def guarded(name: str, loop: Loop) -> None:
        try:
            loop(stop)
        except Exception as error:
            log.error("a loop failed, the worker ends", loop=name, error=type(error).__name__, exc_info=error)
            failed.set()
            probes.should_exit = True

    watched = {**loops, "look": every(_LOOK_S, lambda: look(checks), name="look", first_s=0.0)}
    threads = [threading.Thread(target=guarded, args=item, name=item[0], daemon=True) for item in watched.items()]
    for thread in threads:
        thread.start()
    run_until_signalled(probes)
    stop.set()
    deadline = time.monotonic() + 10
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return 1 if failed.is_set() else 0
