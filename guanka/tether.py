"""Ends a process when the one that started it is gone, however that one died.

A shell waits on a pipe that only the starter holds open; its end is the starter's end. (The kernel's own signal at a
parent's death comes when the *thread* that started the process ends, and is lost where the process changes its user.)
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
from pathlib import Path

_WATCH = """
read -r _
stat=$(cat "/proc/$0/stat") || exit
set -- "$@" ${stat##*) }
[ "${22}" = "$1" ] && kill -s "$2" "$0"
"""
"""The process is known by its start (field 22 of its `stat`, the twentieth after its name) as well as by its number."""


class Tether:
    """Between this process and another one, to which `number` is sent when this one has gone."""

    def __init__(self, pid: int, number: signal.Signals = signal.SIGTERM) -> None:
        name = number.name.removeprefix("SIG")
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, str(pid), _started(pid), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )

    def cut(self) -> None:
        """The other process has ended, or is to live on."""
        self._watcher.kill()
        self._watcher.wait()
        with contextlib.suppress(OSError):
            if self._watcher.stdin is not None:
                self._watcher.stdin.close()


def _started(pid: int) -> str:
    """When the process was started, in ticks since the machine was; empty when it has ended already."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[19]
    except OSError:
        return ""
