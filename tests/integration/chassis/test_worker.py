"""A worker process ends by itself at SIGTERM, after its loops have put their work away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

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
