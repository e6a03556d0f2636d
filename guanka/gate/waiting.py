"""The gate's memory: what the server has not acknowledged, the bundle, whose policies count, how far a file was read.

What `take` and `decide` have returned survives the loss of power (disk.py). A scan or a form is kept before it is sent
anywhere, with its identifier, so that whatever happens next it is sent again as the same one and recorded once. What is
acknowledged is wiped at once, from the log too, for it holds passes, documents and phones.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from guanka.gate.disk import Disk
from guanka.gate.progress import Progress
from services.checkpoints.domain.reuse import UseKey

Body = dict[str, Any]
Uses = Sequence[tuple[UseKey, datetime]]
"""Shown passes, each with the moment of the scan that let somebody in, or did not."""
USES_KEPT_S = 600.0
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC).isoformat()
Order = tuple[int, int, int]
"""(epoch, revision, when it was signed): which of two is the newer."""
Orders = Mapping[str, Order]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A scan or a form that is not acknowledged; `offline` as it is uploaded, None where nothing was decided here."""

    identifier: str
    body: Body
    offline: Body | None

    def for_upload(self) -> Body:
        return self.body if self.offline is None else self.body | {"offline": self.offline}


class _Shelf:
    """What waits, of one kind, in the order in which it came; what was taken last is not given out until `release`."""

    def __init__(self, disk: Disk, table: str, identifier: str) -> None:
        self._disk, self._table, self._identifier = disk, table, identifier
        self._in_hand: str | None = None

    def take(self, body: Body, progress: Progress | None) -> None:
        """Keep it before anything is done about it, and that its file was read so far."""
        with self._disk.transaction() as tx:
            self._in_hand = body[self._identifier]
            self._add(tx, body, None)
            _keep_progress(tx, progress)

    def release(self) -> None:
        """It is decided, or settled."""
        with self._disk.using:
            self._in_hand = None

    def decide(self, identifier: str, offline: Body, uses: Uses = (), *, is_let_in: bool = True) -> None:
        """Keep what was decided here, and which passes it used up; only then may it be shown."""
        with self._disk.transaction() as tx:
            _keep_uses(tx, uses, is_let_in)
            updated = tx.execute(
                f"UPDATE {self._table} SET offline = ? WHERE {self._identifier} = ?",  # noqa: S608 (our own names)
                (json.dumps(offline), identifier),
            )
            assert updated.rowcount == 1, "what is in hand waits for nobody else"

    def settle(self, identifiers: Iterable[str], uses: Uses = (), *, is_let_in: bool = True) -> None:
        """Wipe what the server has acknowledged; keep which passes it has let in with."""
        with self._disk.transaction(is_wiping=True) as tx:
            _keep_uses(tx, uses, is_let_in)
            for each in identifiers:
                self._wipe(tx, each)

    def waiting(self, limit: int) -> list[Waiting]:
        """The oldest that are not acknowledged, without the one in hand."""
        with self._disk.transaction() as tx:
            rows = tx.execute(
                f"SELECT {self._identifier}, body, offline FROM {self._table} "  # noqa: S608 (our own names)
                f"WHERE {self._identifier} IS NOT ? ORDER BY number LIMIT ?",
                (self._in_hand, limit),
            ).fetchall()
        return [_waiting(row) for row in rows]

    def redate(self, identifier: str, body: Body) -> None:
        """Keep a scan that was never sent under another time, with an id of that time."""
        with self._disk.transaction(is_wiping=True) as tx:
            tx.execute(
                f"UPDATE {self._table} SET {self._identifier} = ?, body = ? WHERE {self._identifier} = ?",  # noqa: S608
                (body[self._identifier], json.dumps(body), identifier),
            )

    def count(self) -> int:
        return int(self._disk.read(f"SELECT count(*) FROM {self._table}")[0][0])  # noqa: S608 (our own names)

    def _add(self, tx: sqlite3.Connection, body: Body, offline: Body | None) -> None:
        tx.execute(
            f"INSERT INTO {self._table} ({self._identifier}, body, offline) VALUES (?, ?, ?)",  # noqa: S608
            (body[self._identifier], json.dumps(body), offline and json.dumps(offline)),
        )

    def _wipe(self, tx: sqlite3.Connection, identifier: str) -> None:
        tx.execute(f"DELETE FROM {self._table} WHERE {self._identifier} = ?", (identifier,))  # noqa: S608


class Scans(_Shelf):
    def __init__(self, disk: Disk) -> None:
        super().__init__(disk, "scan", "scan_id")

    def put_aside(self, waiting: Waiting, problem: str) -> None:
        """Give up a scan that the server will never take; what it showed is wiped, that it was there stays."""
        with self._disk.transaction(is_wiping=True) as tx:
            row = (waiting.identifier, waiting.body["scanned_at"], problem)
            tx.execute("INSERT OR REPLACE INTO put_aside VALUES (?, ?, ?)", row)
            self._wipe(tx, waiting.identifier)


class Forms(_Shelf):
    def __init__(self, disk: Disk) -> None:
        super().__init__(disk, "form", "registration_id")

    def put_aside(self, waiting: Waiting, problem: str) -> None:
        """Keep a form that the server will not take as it is: somebody is on the way, and nobody else has heard."""
        with self._disk.transaction() as tx:
            row = (waiting.identifier, json.dumps(waiting.body), waiting.offline and json.dumps(waiting.offline))
            tx.execute("INSERT OR REPLACE INTO form_to_correct VALUES (?, ?, ?, ?)", (*row, problem))
            self._wipe(tx, waiting.identifier)

    def to_correct(self) -> list[tuple[Waiting, str]]:
        """Each form that the server did not take, and its problem."""
        rows = self._disk.read("SELECT registration_id, body, offline, problem FROM form_to_correct ORDER BY 1")
        return [(_waiting(row[:3]), row[3]) for row in rows]

    def let_go(self, identifier: str) -> None:
        with self._disk.transaction(is_wiping=True) as tx:
            tx.execute("DELETE FROM form_to_correct WHERE registration_id = ?", (identifier,))

    def correct(self, identifier: str, body: Body, offline: Body | None, progress: Progress | None) -> None:
        """The corrected form waits in the old one's place, with what was decided then."""
        with self._disk.transaction(is_wiping=True) as tx:
            tx.execute("DELETE FROM form_to_correct WHERE registration_id = ?", (identifier,))
            self._add(tx, body, offline)
            _keep_progress(tx, progress)


class GateMemory:
    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        folder.chmod(0o700)
        self._disk = Disk(folder / "gate.db")
        self.scans, self.forms = Scans(self._disk), Forms(self._disk)

    def progress(self, source: str) -> Progress | None:
        """How far a file was read when the gate was cut off; None where it was read to its end."""
        rows = self._disk.read("SELECT source, lines, digest FROM file_progress WHERE source = ?", source)
        return Progress(*rows[0]) if rows else None

    def finish(self, source: str) -> None:
        with self._disk.transaction() as tx:
            tx.execute("DELETE FROM file_progress WHERE source = ?", (source,))

    def keep_bundle(
        self, bundle: Mapping[str, Any], tokens: Mapping[int, tuple[str, str]], orders: Orders | None = None
    ) -> None:
        """Keep a bundle with its lists, `(etag, token)` by number, and that nothing older is believed from now on."""
        with self._disk.transaction() as tx:
            believed = [(what, *order) for what, order in (orders or {}).items()]
            tx.executemany("INSERT OR REPLACE INTO believed VALUES (?, ?, ?, ?)", believed)
            tx.execute("INSERT OR REPLACE INTO bundle VALUES (1, ?)", (json.dumps(bundle),))
            tx.execute("DELETE FROM status_list")
            rows = [(number, etag, token) for number, (etag, token) in tokens.items()]
            tx.executemany("INSERT INTO status_list VALUES (?, ?, ?)", rows)

    def bundle(self) -> tuple[dict[str, Any], dict[int, tuple[str, str]]] | None:
        rows = self._disk.read("SELECT content FROM bundle")
        lists = self._disk.read("SELECT list, etag, token FROM status_list")
        return (json.loads(rows[0][0]), {row[0]: (row[1], row[2]) for row in lists}) if rows else None

    def believed(self) -> Orders:
        rows = self._disk.read("SELECT what, epoch, revision, signed_at FROM believed")
        return {what: (epoch, revision, signed_at) for what, epoch, revision, signed_at in rows}

    def trust(self, policy_jwks: Mapping[str, Any]) -> None:
        """Take policies under these keys alone from now on."""
        with self._disk.transaction() as tx:
            tx.execute("INSERT OR REPLACE INTO policy_keys VALUES (1, ?)", (json.dumps(policy_jwks),))

    def policy_jwks(self) -> dict[str, Any] | None:
        """The keys under which policies are taken; None while no bundle has been."""
        rows = self._disk.read("SELECT jwks FROM policy_keys")
        return dict(json.loads(rows[0][0])) if rows else None

    def used_at(self, key: UseKey) -> datetime | None:
        """When this gate let somebody in with a shown pass; None where it did not, as far as it knows."""
        rows = self._disk.read(
            "SELECT used_at FROM used_pass WHERE list = ? AND idx = ? AND iat = ? AND is_out = ?", *key
        )
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def told_time(self) -> datetime | None:
        rows = self._disk.read("SELECT at FROM told_time")
        return datetime.fromisoformat(rows[0][0]) if rows else None

    def keep_told_time(self, at: datetime) -> None:
        with self._disk.transaction() as tx:
            tx.execute("INSERT OR REPLACE INTO told_time VALUES (1, ?)", (at.isoformat(),))

    def close(self) -> None:
        self._disk.close()


def _keep_uses(tx: sqlite3.Connection, uses: Uses, is_let_in: bool) -> None:
    """Keep the first use of each; what nobody can show any more is forgotten.

    A use after which the gate has not let the pass in is one of long ago: what is read then does not repeat it.
    """
    if not is_let_in:
        ended = [(_LONG_AGO, *key) for key, _ in uses]
        tx.executemany("UPDATE used_pass SET used_at = ? WHERE list = ? AND idx = ? AND iat = ? AND is_out = ?", ended)
    elif uses:
        now_s = time.time()
        tx.execute("DELETE FROM used_pass WHERE kept_at_s NOT BETWEEN ? AND ?", (now_s - USES_KEPT_S, now_s + 1))
        rows = [(*key, at.isoformat(), now_s) for key, at in uses]
        tx.executemany("INSERT OR IGNORE INTO used_pass VALUES (?, ?, ?, ?, ?, ?)", rows)


def _keep_progress(tx: sqlite3.Connection, progress: Progress | None) -> None:
    if progress is not None:
        row = (progress.source, progress.lines, progress.digest)
        tx.execute("INSERT OR REPLACE INTO file_progress VALUES (?, ?, ?)", row)


def _waiting(row: tuple[str, str, str | None]) -> Waiting:
    identifier, body, offline = row
    return Waiting(identifier, json.loads(body), json.loads(offline) if offline else None)
