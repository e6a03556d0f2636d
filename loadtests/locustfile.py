"""What Locust runs: the clients of the scenario that the plan names, and the end of the run when they are done.

`loadtests/run.py` starts it, once or as one master and several workers on this machine; each process writes its journal
beside the plan. Locust counts, draws and writes its CSV and HTML; moments and retries are ours (scenarios/turns.py).
"""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

from loadtests.journal import Journal
from loadtests.locust_statistics import LocustStatistics
from loadtests.plan import PLAN_VARIABLE, part_of_this_process, read_plan
from loadtests.scenarios.concentrators import Concentrator
from loadtests.scenarios.gates import Gate
from loadtests.scenarios.riders import Rider

_DONE = "load_done"
_TOLD_S = 0.1
_PLAN = read_plan(Path(os.environ[PLAN_VARIABLE]))
_JOURNAL = Journal()


class Client({"gates": Gate, "concentrators": Concentrator, "riders": Rider}[_PLAN.shape.scenario]):  # type: ignore[misc]
    """The scenario's client, with its plan."""


_ended = False


@events.init.add_listener
def prepare(environment: Environment, **_: Any) -> None:
    runner = environment.runner
    if isinstance(runner, MasterRunner):
        _end_with_the_last_worker(runner)
        return

    def ended() -> None:
        """The last client tells; quitting ends all clients, so it is another's work."""
        global _ended
        if _ended:
            return
        _ended = True
        statistics.tell()
        if isinstance(runner, WorkerRunner):
            runner.send_message(_DONE)
        elif runner is not None:
            gevent.spawn(runner.quit)

    def tell() -> None:
        while not _ended:
            statistics.tell()
            gevent.sleep(_TOLD_S)

    gc.disable()  # a storm's looks at everybody who waits took a tenth of a second each; cycles are few
    statistics = LocustStatistics(_JOURNAL, environment.stats)
    events.test_stop.add_listener(lambda **_: statistics.tell())
    gevent.spawn(tell)
    Client.prepare(_PLAN, _JOURNAL)
    Client.ended = staticmethod(ended)


def _end_with_the_last_worker(runner: MasterRunner) -> None:
    left = part_of_this_process()[1]

    def one_is_done(**_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            gevent.spawn(runner.quit)

    runner.register_message(_DONE, one_is_done)


_used_s = 0.0


@events.test_start.add_listener
def start_counting(**_: Any) -> None:
    global _used_s
    _used_s = time.process_time()


@events.quitting.add_listener
def keep_journal(environment: Environment, **_: Any) -> None:
    if not isinstance(environment.runner, MasterRunner):
        part, _parts = part_of_this_process()
        used_s = time.process_time() - _used_s
        _JOURNAL.write(_PLAN.folder / f"part-{part}", generator_cpu_s=used_s, cut_short=not _ended)
