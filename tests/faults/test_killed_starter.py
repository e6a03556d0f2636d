"""SIGKILL the process that started a server: the server ends too, and what was started afterwards is left alone."""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from guanka.postgres import EmbeddedPostgres
from guanka.tether import Tether
from tests.running import ROOT

STARTER = """
import pathlib, sys, threading, time
from guanka.postgres import EmbeddedPostgres
server = EmbeddedPostgres(pathlib.Path(sys.argv[1]))
server.prepare()
starting = threading.Thread(target=server.start)
starting.start()
starting.join()
print(server.process.pid, flush=True)
time.sleep(600)
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="guanka-starter-") as folder:
        yield Path(folder)


def test_an_embedded_postgresql_ends_with_a_starter_that_is_killed(home: Path) -> None:
    command = [sys.executable, "-c", STARTER, str(home)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as starter:
        assert starter.stdout is not None
        server = psutil.Process(int(starter.stdout.readline()))
        family = [server, *server.children(recursive=True)]
        starter.kill()
    assert psutil.wait_procs(family, timeout=30)[1] == []
    again = EmbeddedPostgres(home)
    again.start()
    assert again.answers()
    again.stop()


def test_a_tether_that_was_cut_ends_nothing() -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        Tether(sleeper.pid).cut()
        assert sleeper.poll() is None
        end_starter(Tether(sleeper.pid, signal.SIGKILL))
        assert sleeper.wait(30) == -signal.SIGKILL


def test_a_tether_leaves_a_stranger_alone_that_has_the_number_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "600"]) as sleeper:
        monkeypatch.setattr("guanka.tether._started", lambda _: "1")
        end_starter(Tether(sleeper.pid, signal.SIGKILL))
        assert sleeper.poll() is None
        sleeper.kill()


def end_starter(tether: Tether) -> None:
    """What the kernel does for a process that ends: its end of the pipe is closed."""
    assert tether._watcher.stdin is not None
    tether._watcher.stdin.close()
    tether._watcher.wait(30)
