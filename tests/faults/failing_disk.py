"""A disk that fails under PostgreSQL: libfiu's preload library (Debian: fiu-utils), told at run time what to refuse.

PostgreSQL's answer to a failed fsync or a full disk of its write-ahead log is a PANIC; nothing is acknowledged then.
"""

from __future__ import annotations

import errno
import os
import shutil
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from tests.faults.gates import Rush
from tests.faults.inflicting import Fault
from tests.faults.journal import PATIENCE_S
from tests.faults.scene import Scene

_LIBRARIES = Path("/usr/lib/fiu")
_FLAGS = 0x1E
_BIND_NOW, _SYMBOLIC = 8, 2


def bring_fiu() -> bool:
    """Whether it is there; as root on Debian it is installed."""
    if shutil.which("fiu-ctrl") is None and os.geteuid() == 0 and shutil.which("apt-get"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "fiu-utils"]):
            subprocess.run(command, env=environment, capture_output=True, check=False)
    return shutil.which("fiu-ctrl") is not None


_IN_THE_SUPERVISOR = """
import os
import subprocess

class Popen(subprocess.Popen):
    def __init__(self, command, **options):
        if str(command[0]).endswith("/postgres"):
            options["env"] = {{**os.environ, **{preload!r}}}
        super().__init__(command, **options)

subprocess.Popen = Popen
"""
"""Only PostgreSQL gets the library: in one that is forked by a process that has it, the pipes of control fail."""


class Disk:
    """Of the PostgreSQL of a supervisor with this environment, which runs it as `fiu-run -x -f` would.

    PostgreSQL and the library both have a function `hash_create`, and the library would call PostgreSQL's. So it is
    copied and marked to prefer its own (DF_SYMBOLIC in the flags of its dynamic section).
    """

    def __init__(self, folder: Path) -> None:
        """Opens the folder to the system user that PostgreSQL runs as."""
        folder.chmod(0o755)
        pipes, copy = folder / "pipes", folder / "fiu_posix_preload.so"
        pipes.mkdir()
        pipes.chmod(0o777)
        flags = struct.pack("<QQ", _FLAGS, _BIND_NOW)
        library = (_LIBRARIES / "fiu_posix_preload.so").read_bytes()
        assert library.count(flags) == 1, "another build of libfiu than this was written for"
        copy.write_bytes(library.replace(flags, struct.pack("<QQ", _FLAGS, _BIND_NOW | _SYMBOLIC)))
        copy.chmod(0o644)
        self._folder, self._control = folder, pipes / "fiu"
        preload = {"FIU_CTRL_FIFO": str(self._control), "LD_PRELOAD": f"{_LIBRARIES / 'fiu_run_preload.so'} {copy}"}
        (folder / "sitecustomize.py").write_text(_IN_THE_SUPERVISOR.format(preload=preload))

    def environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(self._folder)}

    def faults(self) -> tuple[Fault, ...]:
        return (
            Fault("fsync fails", _failing("posix/io/sync/fdatasync", errno.EIO, self._control)),
            Fault("the disk is full", _failing("posix/io/rw/pwrite", errno.ENOSPC, self._control)),
        )


def _failing(point: str, number: int, control: Path) -> Callable[[Scene, Rush], None]:
    """From now on every process of PostgreSQL meets the error, those that are started later too, until it is over."""

    def inflict(scene: Scene, rush: Rush) -> None:
        log = scene.product.home / "logs" / "postgres.log"
        panics = log.read_text().count("PANIC:")
        server, *others = scene.postgres()
        for process in (server, *others):
            _tell(control, process.pid, f"enable name={point},failnum=-1,failinfo={number}")
        failing_since = time.monotonic()
        _, alive = psutil.wait_procs(others, timeout=PATIENCE_S)
        ended_at = time.monotonic()
        _tell(control, server.pid, f"disable name={point}")
        assert alive == []
        assert log.read_text().count("PANIC:") > panics
        early = [line for line in rush.journal.acknowledged() if line.sent_at > failing_since]
        assert [line.scan_id for line in early if (line.acknowledged_at or 0.0) < ended_at] == []

    return inflict


def _tell(control: Path, pid: int, command: str) -> None:
    """What `fiu-ctrl` does, but for a process that may end at any moment and then hears nothing."""
    deadline = time.monotonic() + PATIENCE_S
    answer = b""
    while not answer and psutil.pid_exists(pid):
        assert time.monotonic() < deadline, "PostgreSQL does not hear libfiu"
        try:
            asked = os.open(f"{control}-{pid}.in", os.O_WRONLY | os.O_NONBLOCK)
            os.write(asked, command.encode() + b"\n")
            os.close(asked)
            answer = _answer(control, pid, deadline)
        except OSError:
            time.sleep(0.02)
    assert not answer.startswith(b"-1"), command


def _answer(control: Path, pid: int, deadline: float) -> bytes:
    pipe = os.open(f"{control}-{pid}.out", os.O_RDONLY | os.O_NONBLOCK)
    try:
        while psutil.pid_exists(pid) and time.monotonic() < deadline:
            try:
                if answer := os.read(pipe, 64):
                    return answer
            except BlockingIOError:
                pass
            time.sleep(0.005)
    finally:
        os.close(pipe)
    return b""
