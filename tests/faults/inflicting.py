"""The faults, each as something that happens to a scene while gates scan; when it returns the fault is over."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import orjson
import psutil
import psycopg

from chassis.ids import uuid7
from tests.faults.gates import Rush
from tests.faults.journal import PATIENCE_S
from tests.faults.scene import PEOPLE, Scene

WORKER_GROWTH_MB_MAX = 64.0
MARK_C = 30.25
_NEIGHBOURS = 20
_UNDER_WAY_MIN = PEOPLE * 2 // 3
_DROPS_MAX = 20
_DRAINED_PER_S_MIN = 1000


@dataclass(frozen=True, slots=True)
class Fault:
    """`rate` is what is offered, in scans a second.

    Where it `is_graceful`, a process is asked to end: it answers what had been sent to it, and resets no connection.
    """

    name: str
    inflict: Callable[[Scene, Rush], None]
    rate: float = 200.0
    is_graceful: bool = False


def kill_api(scene: Scene, _rush: Rush) -> None:
    scene.kill("checkpoints-api")


def kill_worker(scene: Scene, _rush: Rush) -> None:
    scene.kill("checkpoints-worker")


def kill_postgres(scene: Scene, _rush: Rush) -> None:
    scene.kill("postgres")


def kill_broker(scene: Scene, rush: Rush) -> None:
    _lose_broker(scene)
    rush.wait_for(50)
    _bring_broker_back(scene)


def freeze_postgres(scene: Scene, _rush: Rush) -> None:
    _freeze(scene.postgres(), scene.extent.store_frozen_s)


def freeze_broker(scene: Scene, _rush: Rush) -> None:
    _freeze([psutil.Process(scene.broker.pids[1])], scene.extent.broker_frozen_s)


def terminate_api(scene: Scene, rush: Rush) -> None:
    """Most people have a request under way: scans are held up until the process has begun to end."""
    pid = scene.product.pid_of("checkpoints-api")
    with scene.held_up():
        scene.wait_until(lambda: rush.under_way() >= _UNDER_WAY_MIN)
        rush.journal.strike()
        os.kill(pid, signal.SIGTERM)
        scene.wait_until(lambda: not _takes_connections(pid))
    scene.wait_until(lambda: scene.product.pid_of("checkpoints-api") != pid)


def _takes_connections(pid: int) -> bool:
    try:
        return any(each.status == psutil.CONN_LISTEN for each in psutil.Process(pid).net_connections("tcp"))
    except psutil.NoSuchProcess:
        return False


def refuse_one_of_a_group(scene: Scene, rush: Rush) -> None:
    """A trigger raises for one scan of a batch: that one is refused, its neighbours are recorded."""
    with marked_scans_fail(scene):
        bodies = [orjson.loads(line.body) for line in rush.journal.acknowledged()[:_NEIGHBOURS]]
        scans = [{**body, "scan_id": str(uuid7())} for body in bodies]
        scans[7]["temperature_c"] = MARK_C
        scene.wait_until(lambda: _refused_of(scene, scans) == [7])
        rush.wait_for(200)
    stored = scene.sql(f"SELECT count(*) FROM scan WHERE temperature_c = {MARK_C}")  # noqa: S608
    assert stored == [(0,)]


def _refused_of(scene: Scene, scans: list[dict[str, Any]]) -> list[int]:
    """Which of a batch are not recorded; they are one commit group."""
    headers = {"Authorization": f"Bearer {scene.token}"}
    answer = httpx.post(
        f"{scene.product.address('checkpoints')}/v1/scans/batch", json={"scans": scans}, headers=headers, timeout=60
    )
    results = answer.json().get("results", [])
    assert all(result["problem"]["status"] == 503 for result in results if "problem" in result)
    return [n for n, result in enumerate(results) if "problem" in result]


@contextmanager
def marked_scans_fail(scene: Scene) -> Iterator[None]:
    scene.sql(
        "CREATE FUNCTION refuse_marked() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'this scan cannot be written'; END $$"
    )
    scene.sql(
        f"CREATE TRIGGER refuse_marked BEFORE INSERT ON scan FOR EACH ROW WHEN (NEW.temperature_c = {MARK_C}) "
        "EXECUTE FUNCTION refuse_marked()"
    )
    try:
        yield
    finally:
        _drop(scene, "refuse_marked")


def broker_away(scene: Scene, rush: Rush) -> None:
    """Scans go on, none is refused, and the worker does not take the outbox into its memory."""
    worker = scene.product.pid_of("checkpoints-worker")
    with watched_memory(scene) as grown_mb:
        _lose_broker(scene)
        rush.wait_for(scene.extent.away_scans)
        assert rush.journal.outcomes["200"] > 0.9 * sum(rush.journal.outcomes.values()), rush.journal.outcomes
        _bring_broker_back(scene)
        scene.wait_until(
            lambda: scene.sql("SELECT count(*) < 1000 FROM (SELECT FROM outbox LIMIT 1000) AS w") == [(True,)],
            patience_s=PATIENCE_S + scene.extent.away_scans / _DRAINED_PER_S_MIN,
        )
    assert scene.product.pid_of("checkpoints-worker") == worker
    scene.figures["worker grew by, MB"] = max(scene.figures.get("worker grew by, MB", 0.0), grown_mb[0])
    assert grown_mb[0] <= WORKER_GROWTH_MB_MAX


@contextmanager
def watched_memory(scene: Scene) -> Iterator[list[float]]:
    """By how many MB the worker's resident memory has grown at most, so far."""
    before, grown, is_over = scene.worker_memory_mb(), [0.0], threading.Event()

    def look() -> None:
        while not is_over.wait(0.2):
            grown[0] = max(grown[0], scene.worker_memory_mb() - before)

    watching = threading.Thread(target=look, daemon=True)
    watching.start()
    try:
        yield grown
    finally:
        is_over.set()
        watching.join(5)


@contextmanager
def early_acknowledgement(scene: Scene) -> Iterator[None]:
    """Scans are acknowledged before they are durable, as with `synchronous_commit=off`: the journals must notice."""
    scene.sql(
        "CREATE FUNCTION commit_early() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM set_config('synchronous_commit', 'off', true); RETURN NULL; END $$"
    )
    scene.sql("CREATE TRIGGER commit_early BEFORE INSERT ON scan FOR EACH STATEMENT EXECUTE FUNCTION commit_early()")
    scene.sql("ALTER SYSTEM SET wal_writer_delay = '10s'")
    scene.sql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        scene.sql("ALTER SYSTEM RESET wal_writer_delay")
        scene.sql("SELECT pg_reload_conf()")
        _drop(scene, "commit_early")


def _drop(scene: Scene, function: str) -> None:
    """With its trigger, while scans are written: they lock the table and its day in another order than this does."""
    for _ in range(_DROPS_MAX):
        with suppress(psycopg.errors.DeadlockDetected):
            scene.sql(f"DROP FUNCTION IF EXISTS {function} CASCADE")
            return
    raise AssertionError(f"{function} could not be dropped")


def _lose_broker(scene: Scene) -> None:
    os.kill(scene.broker.pids[1], signal.SIGKILL)


def _bring_broker_back(scene: Scene) -> None:
    scene.wait_until(lambda: not scene.broker.pids)
    scene.broker.start_broker(1)
    scene.broker.wait_ready(timeout_s=180)


def _freeze(processes: list[psutil.Process], seconds: float) -> None:
    """The first is the parent: once it is stopped there are no new ones. One that has just ended needs no freezing."""
    try:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.suspend()
        time.sleep(seconds)
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


AWAY = Fault("the broker is away", broker_away, rate=500.0)
FAULTS = (
    Fault("SIGKILL of checkpoints-api", kill_api),
    Fault("SIGKILL of checkpoints-worker", kill_worker),
    Fault("SIGKILL of PostgreSQL, all its processes", kill_postgres),
    Fault("SIGKILL of the broker", kill_broker),
    Fault("SIGSTOP of PostgreSQL", freeze_postgres),
    Fault("SIGSTOP of the broker", freeze_broker),
    Fault("SIGTERM to checkpoints-api", terminate_api, is_graceful=True),
    Fault("one INSERT of a group fails", refuse_one_of_a_group),
    AWAY,
)
