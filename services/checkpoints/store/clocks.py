"""Gates whose clocks are off: each trouble is told once, until nobody found a clock off there for an hour."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy import Connection

from services.checkpoints.domain.clocks import QUIET
from services.checkpoints.domain.events import GateClockOff
from services.checkpoints.domain.facts import ScanFact

_NOTE = sa.text("""
INSERT INTO clock_trouble AS known (checkpoint_id, since, last_at, scans, off_s, revision)
VALUES (:checkpoint_id, :since, :last_at, :scans, :off_s, 1)
ON CONFLICT (checkpoint_id) DO UPDATE SET
    since = CASE WHEN known.last_at < :quiet_since THEN :since ELSE known.since END,
    scans = CASE WHEN known.last_at < :quiet_since THEN :scans ELSE known.scans + :scans END,
    off_s = CASE WHEN known.last_at < :quiet_since THEN :off_s ELSE known.off_s END,
    revision = CASE WHEN known.last_at < :quiet_since THEN known.revision + 1 ELSE known.revision END,
    last_at = greatest(known.last_at, :last_at)
RETURNING revision, since = :since AND scans = :scans AS is_new
""")


def find_off(tx: Connection, scans: Sequence[ScanFact]) -> list[GateClockOff]:
    """The troubles that begin with these scans; the others go on."""
    by_checkpoint: dict[UUID, list[ScanFact]] = defaultdict(list)
    for scan in sorted(scans, key=lambda scan: scan.recorded_at):
        if scan.gate_said_at is not None and not scan.is_self_reported:
            by_checkpoint[scan.checkpoint_id].append(scan)
    noted = (_note(tx, of_one) for _, of_one in sorted(by_checkpoint.items()))
    return [trouble for trouble in noted if trouble is not None]


def _note(tx: Connection, scans: Sequence[ScanFact]) -> GateClockOff | None:
    first, last = scans[0], scans[-1]
    assert first.gate_said_at is not None
    off_s = (first.gate_said_at - first.recorded_at).total_seconds()
    noted = {
        "checkpoint_id": first.checkpoint_id,
        "since": first.recorded_at,
        "last_at": last.recorded_at,
        "quiet_since": first.recorded_at - QUIET,
        "scans": len(scans),
        "off_s": off_s,
    }
    row = tx.execute(_NOTE, noted).one()
    return GateClockOff(first, off_s, row.revision) if row.is_new else None
