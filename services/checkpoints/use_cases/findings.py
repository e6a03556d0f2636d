"""What the worker makes of recorded scans: figures, stops and fevers, clocks that are off, late contacts of traces.

A scan that only repeats another is nobody else: nothing is made of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from chassis.clock import Clock
from services.checkpoints.domain.events import DomainEvent, FeverFlagged, PersonStopped
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.keeping import told_still
from services.checkpoints.store import clocks, history
from services.checkpoints.trace import Tell, Tracing

log = structlog.get_logger("findings")


class Findings:
    def __init__(self, tracing: Tracing, zone: ZoneInfo, tell: Tell, clock: Clock) -> None:
        self._tracing, self._zone, self._tell, self._clock = tracing, zone, tell, clock

    def take_scans(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        scans = [scan for scan in scans if scan.repeat_of is None]
        self._count(tx, [scan for scan in scans if scan.revision == 1])
        young = told_still(scans, self._clock())
        if len(young) < len(scans):
            log.warning("nothing is told any more of scans of more than a week ago", scans=len(scans) - len(young))
        events: list[DomainEvent] = [PersonStopped(scan) for scan in young if scan.is_stop_of_someone()]
        events += [FeverFlagged(scan) for scan in young if scan.is_fever()]
        events += clocks.find_off(tx, [scan for scan in young if scan.revision == 1])
        self._tell(tx, events)
        self._tracing.extend_traces(tx, scans)

    def _count(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        """By the city's day of the scan, and by the moment it was recorded."""
        history.add_to_tally(
            tx,
            Counter(
                (scan.scanned_at.astimezone(self._zone).date(), scan.checkpoint_id, scan.decision, scan.colour)
                for scan in scans
            ),
        )
        history.add_to_pulse(
            tx, Counter((_slot(scan.recorded_at), scan.checkpoint_id, scan.decision, scan.colour) for scan in scans)
        )


def _slot(at: datetime) -> datetime:
    seconds = int(at.timestamp())
    return datetime.fromtimestamp(seconds - seconds % history.PULSE_SLOT_S, UTC)
