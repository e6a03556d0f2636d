"""The count afterwards: what was acknowledged is stored, and what is stored was told; as sets, not only as numbers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

import psycopg

from guanka.tail import open_running_log
from loadtests.stack import LoadStack

SCANS_TOPIC = "checkpoints.scans.v1"
_LOG_PATIENCE_S = 5.0
_SUBJECT_START = len("scan/")


@dataclass(frozen=True, slots=True)
class Reckoning:
    """`told` counts scans with their first event, `told_again` the events that tell such a scan once more."""

    acknowledged: int
    stored: int
    told: int
    told_again: int
    lost: int
    untold: int
    unexplained: int

    def checks(self) -> dict[str, bool]:
        return {
            "acknowledged_is_stored": self.acknowledged > 0 and self.lost == 0,
            "stored_is_acknowledged": self.unexplained == 0,
            "stored_is_told": self.untold == 0 and self.told == self.stored,
            "told_once": self.told_again == 0,
        }


def await_drained(stack: LoadStack, *, patience_s: float) -> float:
    """The moment (Unix seconds) when the outbox of checkpoints was found empty, or when patience was over."""
    started = time.monotonic()
    with psycopg.connect(stack.database("checkpoints"), autocommit=True) as connection:
        while time.monotonic() - started < patience_s:
            if connection.execute("SELECT 1 FROM outbox LIMIT 1").fetchone() is None:
                break
            time.sleep(0.1)
    return time.time()


def reckon(stack: LoadStack, acknowledged: set[bytes], unanswered: set[bytes]) -> Reckoning:
    """Compare the journals with the table `scan` and with the event log, each read from its beginning to its end.

    A scan that is stored without having been acknowledged is explained where its request was never answered.
    """
    stored = set(_stored(stack.database("checkpoints")))
    untold, told_again = set(stored), 0
    for scan_id in _told(stack):
        if scan_id in untold:
            untold.remove(scan_id)
        else:
            told_again += 1
    return Reckoning(
        acknowledged=len(acknowledged),
        stored=len(stored),
        told=len(stored) - len(untold),
        told_again=told_again,
        lost=len(acknowledged - stored),
        untold=len(untold),
        unexplained=len(stored - acknowledged - unanswered),
    )


def _stored(url: str) -> Iterator[bytes]:
    with psycopg.connect(url) as connection, connection.cursor("stored", binary=True) as cursor:
        cursor.itersize = 50_000
        cursor.execute("SELECT uuid_send(scan_id) FROM scan")
        for (scan_id,) in cursor:
            yield bytes(scan_id)


def _told(stack: LoadStack) -> Iterator[bytes]:
    """The scan of every first event; later revisions only complete it."""
    event_log = open_running_log(stack.home)
    bounds = event_log.bounds(SCANS_TOPIC)
    places = {(SCANS_TOPIC, partition): start for partition, (start, end) in bounds.items() if start < end}
    left = sum(end - start for start, end in bounds.values())
    reader = event_log.reader("guanka-load")
    reader.seek(places)
    quiet_since = time.monotonic()
    try:
        while left > 0 and time.monotonic() - quiet_since < _LOG_PATIENCE_S:
            for record in reader.poll(wait_s=0.5, records_max=5000):
                quiet_since, left = time.monotonic(), left - 1
                subject = record.header("ce_subject") or b""
                if record.header("ce_revision") == b"1":
                    yield UUID(subject[_SUBJECT_START:].decode()).bytes
    finally:
        reader.close()
        event_log.close()
