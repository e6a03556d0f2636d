"""A worker process ends by itself at SIGTERM, after its loops have put their work away, and tells how far it is."""

from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from chassis import worker as worker_module
from chassis.database import Database
from chassis.event_log import EventLogUnavailable
from chassis.worker import consumer_check, look, relay_check
from tests.running import ROOT

PROGRAM = """
import sys, time
from chassis.settings import ServiceSettings
from chassis.worker import run_worker

def loop(stop):
    time.sleep(0.2)
    print("ready", flush=True)
    stop.wait()
    print("put away", flush=True)

settings = ServiceSettings(database_url="postgresql://x", event_log_url="kafka:x:1", http_port=0,
                           auth_issuer="i", auth_jwks="none", area_file="none")
sys.exit(run_worker("worker", settings, loops={"loop": loop}, checks={}))
"""


def test_sigterm_lets_the_loops_put_their_work_away_and_ends_with_status_0(tmp_path: Path) -> None:
    output = tmp_path / "out"
    with output.open("wb") as file:
        worker = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(PROGRAM)],
            stdout=file,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    deadline = time.monotonic() + 30
    while "ready" not in output.read_text():
        assert worker.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(30) == 0
    assert output.read_text().split("\n") == ["ready", "put away", ""]


class Gauge:
    """Keeps what it is told, by the values of its labels."""

    def __init__(self) -> None:
        self.told: dict[tuple[str, ...], float] = {}

    def set(self, amount: float, attributes: Mapping[str, str] | None = None) -> None:
        self.told[tuple((attributes or {}).values())] = amount


@pytest.fixture
def gauges(monkeypatch: pytest.MonkeyPatch) -> dict[str, Gauge]:
    """The worker's gauges by their names in the module."""
    found = {name: Gauge() for name in ("_ready", "_outbox_rows", "_outbox_oldest_s", "_lag", "_dead_letters")}
    for name, gauge in found.items():
        monkeypatch.setattr(worker_module, name, gauge)
    return found


def test_a_worker_tells_what_waits_in_its_outbox_and_before_its_consumer(
    loopback: Any,
    gauges: dict[str, Gauge],
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
    assert gauges["_ready"].told == {("relay",): 1, ("consumer",): 1}
    assert gauges["_outbox_rows"].told == {(): 2}
    assert gauges["_outbox_oldest_s"].told[()] > 0
    with running(loopback.relay().run):
        until(lambda: loopback.waiting() == 0)
    look(checks)
    assert gauges["_outbox_rows"].told == gauges["_outbox_oldest_s"].told == {(): 0}
    assert gauges["_lag"].told == {("cases.events.v1",): 2}
    assert gauges["_dead_letters"].told == {(): 0}
    with running(consumer.run):
        until(lambda: len(loopback.dead_letters()) == 2)
    look(checks)
    assert gauges["_lag"].told == {("cases.events.v1",): 0}
    assert gauges["_dead_letters"].told == {(): 2}


def test_a_figure_that_cannot_be_read_is_no_figure_and_not_the_last_one(
    loopback: Any, gauges: dict[str, Gauge], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_topic: str) -> None:
        raise EventLogUnavailable("down")

    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    checks = {"relay": relay_check(loopback.relay(), nowhere), "consumer": consumer_check(loopback.consumer())}
    look(checks)
    monkeypatch.setattr(loopback.event_log, "bounds", away)
    look(checks)
    nowhere.close()
    assert gauges["_ready"].told == {("relay",): 0, ("consumer",): 0}
    for name in ("_outbox_rows", "_outbox_oldest_s", "_lag"):
        assert all(math.isnan(amount) for amount in gauges[name].told.values()), name
    assert gauges["_dead_letters"].told == {(): 0}, "it stands in the service's own database"
