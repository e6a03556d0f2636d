"""The processes of a running product: started, watched, started again when they die, and ended without leftovers."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)
_RESTART_PAUSE_S = (0.1, 0.5, 1.0, 2.0, 5.0)
_STEADY_S = 20.0
_TOLD_TIMES_MAX = 5


def die_with_parent() -> None:
    """In the child, before exec: be ended by the kernel when the watching process is killed."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def be_nice(niceness: int) -> None:
    """In the child: let others have the cores first, or with a number below 0, which root may, have them before others.

    A session is a scheduling group of its own (man 7 sched, autogroup), in which a process's niceness says nothing to
    other groups; so the group is told too, where the kernel knows of groups. It hears one a tenth of a second.
    """
    os.nice(niceness)
    for _ in range(_TOLD_TIMES_MAX):
        try:
            with open("/proc/self/autogroup", "w", encoding="ascii") as group:
                group.write(str(niceness))
        except BlockingIOError:
            time.sleep(0.11)
        except OSError:
            return
        else:
            return


@dataclass(slots=True)
class Watched:
    """One process under watch. `log` receives what it prints; `port` is where it listens, None where it does not.

    `niceness` is the kernel's: with 10 it gets a tenth of a core while others want it whole.
    """

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    port: int | None = None
    niceness: int = 0
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    deaths: int = 0
    restart_at: float = 0.0
    restarts: list[float] = field(default_factory=list)

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=self._begin,  # noqa: PLW1509 (a few system calls, started from the main thread)
            )
        self.started_at = time.monotonic()

    def _begin(self) -> None:
        die_with_parent()
        if self.niceness:
            be_nice(self.niceness)

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def has_died(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def plan_restart(self, now: float) -> None:
        """Start again soon; a process that keeps dying is given longer and longer."""
        self.deaths = 0 if now - self.started_at > _STEADY_S else self.deaths + 1
        self.restart_at = now + _RESTART_PAUSE_S[min(self.deaths, len(_RESTART_PAUSE_S) - 1)]

    def signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)


class Watch:
    """Watches processes from one thread; `say` tells people what happens, `changed` is called after every start."""

    def __init__(self, processes: list[Watched], *, say: Callable[[str], None], changed: Callable[[], None]) -> None:
        self.processes = processes
        self._say, self._changed = say, changed

    def turn(self, now: float) -> None:
        """Look once at every process, and start again those whose time has come."""
        for watched in self.processes:
            if not watched.has_died():
                continue
            assert watched.process is not None
            if watched.restart_at <= watched.started_at:
                watched.plan_restart(now)
                self._say(f"{watched.name} died ({_how(watched.process.returncode)}); it is started again")
            if now >= watched.restart_at:
                watched.start()
                watched.restarts.append(now)
                self._changed()

    def stop(self, *, wait_s: float = 15.0) -> None:
        """SIGTERM to all, SIGKILL to whoever has not ended in time."""
        for watched in self.processes:
            watched.signal(signal.SIGTERM)
        deadline = time.monotonic() + wait_s
        for watched in self.processes:
            if watched.process is None:
                continue
            try:
                watched.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{watched.name} did not end in time and is killed")
                watched.process.kill()
                watched.process.wait()


def _how(status: int | None) -> str:
    if status is not None and status < 0:
        return signal.Signals(-status).name
    return f"exit status {status}"
