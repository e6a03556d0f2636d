"""What checkpoints does besides scanning and tracing: registering places, counting, and finding whom a gate stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from services.checkpoints.areas import Areas
from services.checkpoints.domain.errors import AreaUnknown, CheckpointNotFound, CheckpointRegisteredOtherwise
from services.checkpoints.domain.events import CheckpointRegistered, DomainEvent, FeverFlagged, PersonStopped
from services.checkpoints.domain.facts import ScanFact
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.store import history, places
from services.checkpoints.trace import Tell, Tracing
from services.checkpoints.venue_codes import venue_code


class Places:
    """Registers checkpoints."""

    def __init__(self, areas: Areas, city_key: bytes, tell: Tell) -> None:
        self._areas, self._city_key, self._tell = areas, city_key, tell

    def register_checkpoint(
        self,
        tx: Connection,
        *,
        checkpoint_id: UUID | None,
        kind: str,
        name: str,
        venue: str,
        area: str,
        registered_by: str,
    ) -> tuple[Checkpoint, bool]:
        """(the checkpoint, whether it is new). Raises `AreaUnknown`, `CheckpointRegisteredOtherwise`."""
        if not self._areas.has(area):
            raise AreaUnknown()
        identifier = checkpoint_id or uuid4()
        checkpoint = Checkpoint(identifier, kind, name, venue, area, venue_code(self._city_key, identifier))
        if places.add(tx, checkpoint, registered_by=registered_by):
            self._tell(tx, [CheckpointRegistered(checkpoint)])
            return checkpoint, True
        if places.find(tx, identifier) != checkpoint:
            raise CheckpointRegisteredOtherwise()
        return checkpoint, False


def find_checkpoint(tx: Connection, checkpoint_id: UUID) -> Checkpoint:
    """Raises `CheckpointNotFound`."""
    checkpoint = places.find(tx, checkpoint_id)
    if checkpoint is None:
        raise CheckpointNotFound()
    return checkpoint


class Findings:
    """What the worker makes of recorded scans: figures, stops and fevers, and late contacts of traces."""

    def __init__(self, tracing: Tracing, zone: ZoneInfo, tell: Tell) -> None:
        self._tracing, self._zone, self._tell = tracing, zone, tell

    def take_scans(self, tx: Connection, scans: Sequence[ScanFact]) -> None:
        self._count(tx, [scan for scan in scans if scan.revision == 1])
        events: list[DomainEvent] = [PersonStopped(scan) for scan in scans if scan.is_stop_of_someone()]
        events += [FeverFlagged(scan) for scan in scans if scan.is_new_fever()]
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
