"""`guanka stop`: end the running product by its process, and wait for it."""

from __future__ import annotations

import os
import signal
import time

import psutil

from guanka.home import AlreadyRunning, Home

_WAIT_S = 60.0


def run(home: Home) -> int:
    try:
        home.lock().close()
    except AlreadyRunning:
        pid = int(home.lock_file.read_text())
    else:
        print(f"Guanka is not running here ({home.path}).")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _WAIT_S
    while psutil.pid_exists(pid) and time.monotonic() < deadline:
        time.sleep(0.1)
    if psutil.pid_exists(pid):
        print(f"Process {pid} has not ended after {_WAIT_S:.0f} s; see {home.logs}.")
        return 1
    print("Guanka has stopped; the state is kept.")
    return 0
