"""What checkpoints tells the others, apart from ScanRecorded, which the append statement writes itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.checkpoints.domain.devices import Device, Trouble
from services.checkpoints.domain.facts import Destruction, ScanFact, TraceFact
from services.checkpoints.domain.life import Change
from services.checkpoints.domain.measurement import CaseStage, MeasurementCase, Step
from services.checkpoints.domain.registrations import Registration
from services.checkpoints.domain.reuse import Sighting
from services.checkpoints.domain.scans import Checkpoint, OfflineDecision
from services.checkpoints.domain.tracing import Meeting
from services.checkpoints.domain.venues import Occupancy, Venue


@dataclass(frozen=True, slots=True)
class CheckpointRegistered:
    """A checkpoint as it holds now: when it was registered, and whenever a change has come to hold."""

    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class CheckpointChangeOrdered:
    """A change that will hold at its moment, or one taken back; `checkpoint` as it holds meanwhile."""

    checkpoint: Checkpoint
    change: Change


@dataclass(frozen=True, slots=True)
class ScanCompleted:
    """A recorded scan was given its person."""

    scan: ScanFact


@dataclass(frozen=True, slots=True)
class PersonStopped:
    scan: ScanFact


@dataclass(frozen=True, slots=True)
class FeverFlagged:
    scan: ScanFact


@dataclass(frozen=True, slots=True)
class PassReused:
    """A pass was shown at two gates that no one can reach in the time between; `other` was recorded before `scan`.

    `apart_s` in seconds; `distance_m` is None where a position is not known.
    """

    scan: ScanFact
    other: Sighting
    apart_s: float
    distance_m: float | None


@dataclass(frozen=True, slots=True)
class OfflineDecisionDiffered:
    """A gate without a network had decided `taken`; the server decides otherwise."""

    scan: ScanFact
    taken: OfflineDecision


@dataclass(frozen=True, slots=True)
class ContactsTraced:
    """One part of a trace's answer; `trace` as it stands after it.

    `contacts_older`: of the whole trace so far, whom the case met too long ago for the log. `forgotten_at`: when the
    first of the meetings may be kept no longer.
    """

    trace: TraceFact
    contacts: Sequence[Meeting]
    part: int
    contacts_older: int
    forgotten_at: datetime | None


@dataclass(frozen=True, slots=True)
class TraceHeld:
    """More contacts than may be told without a second person, of the trace or of its requester's day (`bound`)."""

    trace: TraceFact
    contacts: int
    contacts_max: int
    bound: str


@dataclass(frozen=True, slots=True)
class ScansDestroyed:
    """A day of scans was kept long enough."""

    destruction: Destruction


@dataclass(frozen=True, slots=True)
class ArrivalRegistered:
    """A person without a code was registered in place; where they go must hear of it."""

    registration: Registration
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class MeasurementCaseOpened:
    case: MeasurementCase
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class MeasurementCaseMoved:
    case: MeasurementCase
    checkpoint: Checkpoint
    previous_stage: CaseStage
    step: Step
    at: datetime


@dataclass(frozen=True, slots=True)
class MeasurementCaseOverdue:
    """Nobody has finished with a hot reading in time."""

    case: MeasurementCase
    checkpoint: Checkpoint
    at: datetime


@dataclass(frozen=True, slots=True)
class FeverMeasured:
    """A person who was measured twice and identified has a fever; told as FeverFlagged."""

    case: MeasurementCase
    checkpoint: Checkpoint
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceSilent:
    device: Device
    checkpoint: Checkpoint
    revision: int
    at: datetime


@dataclass(frozen=True, slots=True)
class DeviceDrifted:
    """`deviation_c` from what it should measure."""

    device: Device
    checkpoint: Checkpoint
    revision: int
    at: datetime
    deviation_c: float


@dataclass(frozen=True, slots=True)
class DeviceRecovered:
    device: Device
    checkpoint: Checkpoint
    revision: int
    at: datetime
    trouble: Trouble


@dataclass(frozen=True, slots=True)
class VenueFull:
    """As many people are inside as the venue holds, or more."""

    venue: Venue
    occupancy: Occupancy
    area: str
    at: datetime


@dataclass(frozen=True, slots=True)
class VenueFree:
    venue: Venue
    occupancy: Occupancy
    area: str
    at: datetime


@dataclass(frozen=True, slots=True)
class GateClockOff:
    """Scans of a checkpoint came with a time that is not now; `scan` is the first, `off_s` positive where it is fast.

    Told once a trouble, whose number is `revision`.
    """

    scan: ScanFact
    off_s: float
    revision: int


DomainEvent = (
    VenueFull
    | VenueFree
    | MeasurementCaseOpened
    | MeasurementCaseMoved
    | MeasurementCaseOverdue
    | FeverMeasured
    | DeviceSilent
    | DeviceDrifted
    | DeviceRecovered
    | ArrivalRegistered
    | CheckpointRegistered
    | CheckpointChangeOrdered
    | ScanCompleted
    | PersonStopped
    | FeverFlagged
    | PassReused
    | GateClockOff
    | OfflineDecisionDiffered
    | ContactsTraced
    | TraceHeld
    | ScansDestroyed
)
