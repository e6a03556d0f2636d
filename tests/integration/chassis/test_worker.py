"""A worker process ends by itself at SIGTERM, after its loops have put their work away, and tells how far it is."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from chassis import worker
from chassis.database import Database
from chassis.event_log import EventLogUnavailable, Topic
from chassis.event_log.local import LocalEventLog
from chassis.telemetry import Figures
from chassis.worker import consumer_check, declaring, look, relay_check
from tests.running import ROOT

PROGRAM = """
import sys, time
from chassis.settings import ServiceSettings
from chassis.telemetry import Figures
from chassis.worker import run_worker

def loop(stop):
    time.sleep(0.2)
    print("ready", flush=True)
    stop.wait()
    print("put away", flush=True)

settings = ServiceSettings(database_url="postgresql://x", event_log_url="kafka:127.0.0.1:1", http_port=0,
                           auth_issuer="i", auth_jwks="none", area_file="none")
sys.exit(run_worker("worker", settings, loops={"loop": loop}, checks={}))
"""


def test_sigterm_lets_the_loops_put_their_work_away_and_ends_with_status_0(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            stdout=file,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    deadline = time.monotonic() + 30
    while "ready" not in output.read_text():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert output.read_text().split("\n") == ["ready", "put away", ""]


def told(figures: Figures) -> dict[str, float]:
    """By the value of their label, or by nothing."""
    return {"".join((each.attributes or {}).values()): each.value for each in figures.last}


def test_a_worker_tells_what_waits_in_its_outbox_and_before_its_consumer(
    loopback: Any,
    poison: type[Exception],
    running: Callable[..., AbstractContextManager[None]],
    until: Callable[..., None],
) -> None:
    def refuse(_tx: object, _message: object) -> None:
        raise poison("never")

    consumer = loopback.consumer(refuse)
    checks = {"relay": relay_check(loopback.relay(), loopback.database), "consumer": consumer_check(consumer)}
    loopback.write(loopback.event("a", 1), loopback.event("b", 1))
    look(checks)
    assert told(worker._ready) == {"relay": 1, "consumer": 1}
    assert told(worker._outbox_rows) == {"": 2}
    assert told(worker._outbox_oldest)[""] > 0
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    look(checks)
    assert told(worker._outbox_rows) == told(worker._outbox_oldest) == {"": 0}
    assert told(worker._lag) == {"cases.events.v1": 2}
    assert told(worker._dead_letters) == {"": 0}
    with running(consumer.run):
        until(lambda: len(loopback.dead_letters()) == 2)
    look(checks)
    assert told(worker._lag) == {"cases.events.v1": 0}
    assert told(worker._dead_letters) == {"": 2}


def test_what_cannot_be_read_has_no_figure_and_not_the_last_one(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_topic: str) -> None:
        raise EventLogUnavailable("down")

    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    consumer, relay = consumer_check(loopback.consumer()), loopback.relay()
    look({"relay": relay_check(relay, loopback.database), "consumer": consumer})
    assert all(told(each) for each in (worker._outbox_rows, worker._outbox_oldest, worker._lag))
    monkeypatch.setattr(loopback.event_log, "bounds", away)
    look({"relay": relay_check(relay, nowhere), "consumer": consumer})
    nowhere.close()
    assert told(worker._ready) == {"relay": 0, "consumer": 0}
    assert [*worker._outbox_rows.last, *worker._outbox_oldest.last, *worker._lag.last] == []
    assert told(worker._dead_letters) == {"": 0}, "it stands in the service's own database"


def test_topics_are_declared_once_the_log_can_be_reached(event_log: LocalEventLog) -> None:
    class LateLog:
        calls = 0

        def declare(self, topics: Sequence[Topic]) -> None:
            self.calls += 1
            if self.calls == 1:
                raise EventLogUnavailable("not yet")
            event_log.declare(topics)

    late, topic = LateLog(), Topic("late.events.v1", 3, None)
    declaring(late, [topic])(threading.Event())  # type: ignore[arg-type]
    assert late.calls == 2
    assert set(event_log.bounds(topic.name)) == {0, 1, 2}
