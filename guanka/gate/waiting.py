"""The gate's memory on disk: scans that the server has not acknowledged, the bundle, and how far a file was read.

SQLite with a write-ahead log and `synchronous=FULL`: what `take` and `decide` have returned survives the loss of power.
A scan is kept before it is sent anywhere, with its identifier, so that whatever happens next it is sent again as the
same scan and recorded once. Acknowledged scans are wiped, for they hold passes and documents.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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
CREATE TABLE IF NOT EXISTS progress (source TEXT PRIMARY KEY, lines INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS bundle (only_row INTEGER PRIMARY KEY CHECK (only_row = 1), content TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS status_list (list INTEGER PRIMARY KEY, etag TEXT NOT NULL, token TEXT NOT NULL);
"""

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A scan that is not acknowledged; `offline` as it is uploaded, None where nothing was decided here."""

    scan_id: str
    body: Body
    offline: Body | None

    def for_upload(self) -> Body:
        return self.body if self.offline is None else self.body | {"offline": self.offline}


class GateMemory:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self._file = sqlite3.connect(folder / "gate.db", check_same_thread=False, isolation_level=None, timeout=30)
        self._using = threading.Lock()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.executescript(_TABLES)

    # -- scans -------------------------------------------------------------------------------------------------------

    def take(self, body: Body, source: str | None, lines: int) -> None:
        """Keep a scan before anything is done about it, and that the source was read so far."""
        with self._using, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT INTO scan (scan_id, body) VALUES (?, ?)", (body["scan_id"], json.dumps(body)))
            if source is not None:
                self._file.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (source, lines))

    def decide(self, scan_id: str, offline: Body) -> None:
        """Keep what was decided here; only then may it be shown."""
        self._write("UPDATE scan SET offline = ? WHERE scan_id = ?", json.dumps(offline), scan_id)

    def settle(self, scan_ids: Iterable[str]) -> None:
        """Wipe scans that the server has acknowledged."""
        with self._using, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.executemany("DELETE FROM scan WHERE scan_id = ?", [(each,) for each in scan_ids])

    def put_aside(self, waiting: Waiting, problem: str) -> None:
        """Give up a scan that the server will never take; what it showed is wiped, that it was there stays."""
        with self._using, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            row = (waiting.scan_id, waiting.body["scanned_at"], problem)
            self._file.execute("INSERT OR REPLACE INTO put_aside VALUES (?, ?, ?)", row)
            self._file.execute("DELETE FROM scan WHERE scan_id = ?", (waiting.scan_id,))

    def waiting(self, limit: int, *, but: str | None) -> list[Waiting]:
        """The oldest scans that are not acknowledged, without the one that is being decided just now."""
        rows = self._read(
            "SELECT scan_id, body, offline FROM scan WHERE scan_id IS NOT ? ORDER BY number LIMIT ?", but, limit
        )
        return [Waiting(scan_id, json.loads(body), offline and json.loads(offline)) for scan_id, body, offline in rows]

    def count(self) -> int:
        return int(self._read("SELECT count(*) FROM scan")[0][0])

    def lines_read(self, source: str) -> int:
        """How far a source was read when the gate was cut off; 0 where it was read to its end."""
        rows = self._read("SELECT lines FROM progress WHERE source = ?", source)
        return int(rows[0][0]) if rows else 0

    def finish(self, source: str) -> None:
        self._write("DELETE FROM progress WHERE source = ?", source)

    # -- the bundle --------------------------------------------------------------------------------------------------

    def keep_bundle(self, bundle: Mapping[str, Any], tokens: Mapping[int, tuple[str, str]]) -> None:
        """Keep a bundle with its lists, `(etag, token)` by number."""
        with self._using, self._file:
            self._file.execute("BEGIN IMMEDIATE")
            self._file.execute("INSERT OR REPLACE INTO bundle VALUES (1, ?)", (json.dumps(bundle),))
            self._file.execute("DELETE FROM status_list")
            rows = [(number, etag, token) for number, (etag, token) in tokens.items()]
            self._file.executemany("INSERT INTO status_list VALUES (?, ?, ?)", rows)

    def bundle(self) -> tuple[dict[str, Any], dict[int, tuple[str, str]]] | None:
        rows = self._read("SELECT content FROM bundle")
        lists = self._read("SELECT list, etag, token FROM status_list")
        return (json.loads(rows[0][0]), {row[0]: (row[1], row[2]) for row in lists}) if rows else None

    def close(self) -> None:
        with self._using:
            self._file.close()

    def _write(self, statement: str, *arguments: object) -> None:
        with self._using:
            self._file.execute(statement, arguments)

    def _read(self, statement: str, *arguments: object) -> list[Any]:
        with self._using:
            return self._file.execute(statement, arguments).fetchall()
