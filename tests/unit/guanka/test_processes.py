"""The watch over processes: what dies is started again, sooner at first and later when it keeps dying."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import psutil
import pytest

from guanka.processes import Watch, Watched


@pytest.fixture
def sleeper(tmp_path: Path) -> Watched:
    return Watched("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], {}, tmp_path / "sleeper.log")


def test_a_killed_process_is_started_again_and_said_so(sleeper: Watched) -> None:
    said: list[str] = []
    changes: list[bool] = []
    watch = Watch([sleeper], say=said.append, changed=lambda: changes.append(True))
    sleeper.start()
    pid = sleeper.pid
    sleeper.signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while not changes:
        assert time.monotonic() < deadline
        watch.turn(time.monotonic())
        time.sleep(0.01)
    assert said == ["sleeper died (SIGKILL); it is started again"]
    assert sleeper.pid != pid
    watch.stop()
    assert not psutil.pid_exists(sleeper.pid)


def test_a_process_that_keeps_dying_is_given_longer_pauses(sleeper: Watched) -> None:
    sleeper.started_at = 100.0
    pauses = []
    for _ in range(6):
        sleeper.plan_restart(101.0)
        pauses.append(round(sleeper.restart_at - 101.0, 1))
    assert pauses == sorted(pauses)
    assert pauses[0] < pauses[-1] == 5.0
    sleeper.plan_restart(1000.0)
    assert round(sleeper.restart_at - 1000.0, 1) == 0.1


def test_a_process_that_ignores_sigterm_is_killed_in_the_end(tmp_path: Path) -> None:
    program = (
        "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(600)"
    )
    stubborn = Watched("stubborn", [sys.executable, "-c", program], {}, tmp_path / "log")
    stubborn.start()
    deadline = time.monotonic() + 10
    while "on" not in stubborn.log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    said: list[str] = []
    Watch([stubborn], say=said.append, changed=lambda: None).stop(wait_s=0.3)
    assert not psutil.pid_exists(stubborn.pid)
    assert said == ["stubborn did not end in time and is killed"]


def test_a_process_that_stands_back_lets_other_sessions_go_first(tmp_path: Path) -> None:
    group = "open('/proc/self/autogroup').read() if os.path.exists('/proc/self/autogroup') else ''"
    program = f"import os; print(os.nice(0), {group})"
    behind = Watched("behind", [sys.executable, "-c", program], {}, tmp_path / "log", niceness=10)
    behind.start()
    assert behind.process is not None
    assert behind.process.wait(30) == 0
    own, _, group = behind.log.read_text().strip().partition(" ")
    assert int(own) == min(19, os.nice(0) + 10)
    assert not group or group.split()[-1] == "10"
