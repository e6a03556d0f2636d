"""The file in which a gate keeps what it must not lose: SQLite, for one process at a time.

With a write-ahead log and `synchronous=FULL`, what a transaction has written survives the loss of power.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_TABLES = """
CREATE TABLE IF NOT EXISTS scan (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    scan_id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    -- What the gate decided by itself; null while it is not decided, or was sent to the server.
    offline TEXT
);
CREATE TABLE IF NOT EXISTS put_aside (
    scan_id TEXT PRIMARY KEY,
    scanned_at TEXT NOT NULL,
    problem TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS form (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    registration_id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL,
    offline TEXT
);
CREATE TABLE IF NOT EXISTS form_to_correct (
    registration_id TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    offline TEXT,
    problem TEXT NOT NULL
);
-- How far a file was read, with the digest of what was read. (`progress` did not know what it had read.)
CREATE TABLE IF NOT EXISTS file_progress (source TEXT PRIMARY KEY, lines INTEGER NOT NULL, digest TEXT NOT NULL);
DROP TABLE IF EXISTS progress;
CREATE TABLE IF NOT EXISTS bundle (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS status_list (list INTEGER PRIMARY KEY, etag TEXT NOT NULL, token TEXT NOT NULL);
-- Shown passes with which this gate has let somebody in: wiped minutes later.
CREATE TABLE IF NOT EXISTS used_pass (
    list INTEGER NOT NULL, idx INTEGER NOT NULL, iat INTEGER NOT NULL, is_out INTEGER NOT NULL,
    used_at TEXT NOT NULL, kept_at_s REAL NOT NULL, PRIMARY KEY (list, idx, iat, is_out)
);
-- The highest (epoch, revision) that this gate has believed, of policies (`policy`) and of each list (`list/1`).
CREATE TABLE IF NOT EXISTS believed (
    what TEXT PRIMARY KEY, epoch INTEGER NOT NULL, revision INTEGER NOT NULL, signed_at INTEGER NOT NULL
);
-- What time it was at the server when it last told this gate.
CREATE TABLE IF NOT EXISTS told_time (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), at TEXT NOT NULL);
-- The keys under which policies are taken: those of --policy-keys, else those that the first bundle brought.
CREATE TABLE IF NOT EXISTS policy_keys (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), jwks TEXT NOT NULL);
"""


class Disk:
    """One process at a time. Raises OSError when another gate has it."""

    def __init__(self, path: Path) -> None:
        self._own = path.with_suffix(".lock").open("w")
        try:
            fcntl.flock(self._own, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._own.close()
            raise OSError(f"another gate keeps its memory in {path.parent}; give this one its own by --state") from None
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
        self.using = threading.Lock()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.executescript(_TABLES)
        self._truncate()

    @contextmanager
    def transaction(self, *, is_wiping: bool = False) -> Iterator[sqlite3.Connection]:
        """`is_wiping`: what it deletes is in no file afterwards."""
        with self.using:
            with self._file:
                self._file.execute("BEGIN IMMEDIATE")
                yield self._file
            if is_wiping:
                self._truncate()

    def _truncate(self) -> None:
        """What was written ahead goes into the database, where deleted rows are overwritten; the log is empty then."""
        self._file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def read(self, statement: str, *arguments: object) -> list[Any]:
        with self.using:
            return self._file.execute(statement, arguments).fetchall()

    def close(self) -> None:
        with self.using:
            self._file.close()
            self._own.close()
