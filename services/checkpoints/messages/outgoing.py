"""What checkpoints tells: each domain event in its words, as it goes into the outbox."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import Connection

from chassis.outbox import Event, append
from services.checkpoints.domain.events import (
    ArrivalRegistered,
    CheckpointChangeOrdered,
    CheckpointRegistered,
    ContactsTraced,
    DeviceDrifted,
    DeviceRecovered,
    DeviceSilent,
    DomainEvent,
    FeverFlagged,
    FeverMeasured,
    GateClockOff,
    MeasurementCaseMoved,
    MeasurementCaseOpened,
    MeasurementCaseOverdue,
    OfflineDecisionDiffered,
    PassReused,
    PersonStopped,
    ScanCompleted,
    ScansDestroyed,
    TraceHeld,
    VenueFree,
    VenueFull,
)
from services.checkpoints.messages.destructions import scans_destroyed
from services.checkpoints.messages.devices import device_event
from services.checkpoints.messages.findings import (
    fever_flagged,
    fever_measured,
    gate_clock_off,
    offline_decision_differed,
    pass_reused,
    person_stopped,
)
from services.checkpoints.messages.lives import change_ordered, checkpoint_registered
from services.checkpoints.messages.measurement_cases import case_moved, case_opened, case_overdue
from services.checkpoints.messages.registrations import arrival_registered
from services.checkpoints.messages.scans import scan_completed
from services.checkpoints.messages.traces import contacts_traced, trace_held
from services.checkpoints.messages.venues import venue_event


def tell(tx: Connection, events: Iterable[DomainEvent], now: datetime) -> None:
    """Write the events into the outbox, in the caller's transaction."""
    append(tx, [event_of(event, now) for event in events])


def event_of(event: DomainEvent, now: datetime) -> Event:
    match event:
        case ScanCompleted(scan):
            return scan_completed(scan)
        case PersonStopped(scan):
            return person_stopped(scan)
        case FeverFlagged(scan):
            return fever_flagged(scan)
        case FeverMeasured(measured, checkpoint, at):
            return fever_measured(measured, checkpoint, at)
        case PassReused():
            return pass_reused(event)
        case GateClockOff():
            return gate_clock_off(event)
        case OfflineDecisionDiffered(scan, taken):
            return offline_decision_differed(scan, taken)
        case ContactsTraced():
            return contacts_traced(event, now)
        case TraceHeld():
            return trace_held(event, now)
        case ArrivalRegistered(registration, checkpoint):
            return arrival_registered(registration, checkpoint)
        case MeasurementCaseOpened(measured, checkpoint):
            return case_opened(measured, checkpoint)
        case MeasurementCaseMoved():
            return case_moved(event)
        case MeasurementCaseOverdue(measured, checkpoint, at):
            return case_overdue(measured, checkpoint, at)
        case DeviceSilent() | DeviceDrifted() | DeviceRecovered():
            return device_event(event)
        case VenueFull() | VenueFree():
            return venue_event(event)
        case CheckpointRegistered(checkpoint):
            return checkpoint_registered(checkpoint, now)
        case CheckpointChangeOrdered(checkpoint, change):
            return change_ordered(checkpoint, change, now)
        case ScansDestroyed(destruction):
            return scans_destroyed(destruction)
