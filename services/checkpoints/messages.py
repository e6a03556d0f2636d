"""The words of checkpoints on the wire: domain ↔ protobuf, topics out, subscriptions in; nothing else reads `wire`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection

from chassis.consumer import MalformedMessage, Message, Subscription, each
from chassis.event_log import Received, Topic
from chassis.outbox import Event, append
from chassis.timestamps import moment_of
from services.checkpoints.board import Heartbeat, StandingsChange
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
from services.checkpoints.domain.facts import Destruction, ScanFact, TraceFact, TraceOrder
from services.checkpoints.domain.life import Change
from services.checkpoints.domain.measurement import MeasurementCase
from services.checkpoints.domain.registrations import Registration
from services.checkpoints.domain.scans import Checkpoint, OfflineDecision, Scan
from services.checkpoints.domain.tracing import Grade, Meeting
from services.checkpoints.scan_log import AGGREGATE_TYPE, EVENT_TYPE
from wire.checkpoints.v1 import events_pb2 as wire
from wire.codes.v1 import events_pb2 as codes_wire
from wire.ledger.v1 import events_pb2 as ledger_wire

SOURCE = "/checkpoints"
SCANS_TOPIC, EVENTS_TOPIC = "checkpoints.scans.v1", "checkpoints.events.v1"
STANDINGS_TOPIC, LEDGER_TOPIC = "codes.standings.v1", "ledger.events.v1"
RETENTION_S = 28 * 86_400

TOPICS = {
    AGGREGATE_TYPE: SCANS_TOPIC,
    "finding": EVENTS_TOPIC,
    "trace": EVENTS_TOPIC,
    "checkpoint": EVENTS_TOPIC,
    "registration": EVENTS_TOPIC,
    "measurement": EVENTS_TOPIC,
    "device": EVENTS_TOPIC,
    "venue": EVENTS_TOPIC,
    "destruction": EVENTS_TOPIC,
}
DECLARED = (Topic(SCANS_TOPIC, 12, RETENTION_S), Topic(EVENTS_TOPIC, 12, RETENTION_S))
"""With the default of `HISTORY_DAYS`; see `declared`."""

STANDINGS_CHANGED = "guanka.codes.v1.StandingsChanged"
STANDINGS_HEARTBEAT = "guanka.codes.v1.StandingsHeartbeat"
TRACE_REQUESTED = "guanka.ledger.v1.TraceRequested"
_OURS = "guanka.checkpoints.v1."
_GRADES = {Grade.CLOSE: wire.GRADE_CLOSE, Grade.GENERAL: wire.GRADE_GENERAL}


def declared(history_days: int) -> tuple[Topic, ...]:
    """Our topics, which keep what they hold as long as the table of scans does."""
    return tuple(replace(topic, retention_s=history_days * 86_400) for topic in DECLARED)


# -- out -------------------------------------------------------------------------------------------------------------


def scan_recorded_payload(scan: Scan) -> bytes:
    """ScanRecorded without its person, whom the append statement adds."""
    attempt, place, ruling = scan.attempt, scan.checkpoint, scan.ruling
    message = wire.ScanRecorded(scan_id=str(attempt.scan_id), board_revision=ruling.board_revision)
    _set(message.scanned_at, attempt.scanned_at)
    _set(message.recorded_at, ruling.recorded_at)
    if attempt.direction is not None:
        message.direction = attempt.direction
    if attempt.vehicle_ref is not None:
        message.vehicle_ref = str(attempt.vehicle_ref)
    if attempt.offline is not None:
        message.offline_decision = attempt.offline.decision
    if attempt.is_self_reported:
        message.is_self_reported = True
    if attempt.temperature_c is not None:
        message.temperature_c = attempt.temperature_c
    if scan.entry is not None:
        message.list, message.idx = scan.entry
    ruled = _ruled(
        place.checkpoint_id,
        place.kind,
        place.area,
        ruling.decision,
        ruling.colour,
        ruling.refusal or "",
        ruling.policy_version,
    )
    return ruled + message.SerializeToString()


@lru_cache(maxsize=20_000)
def _ruled(
    checkpoint_id: UUID, kind: str, area: str, decision: str, colour: str, refusal: str, policy_version: str
) -> bytes:
    """What many scans of a checkpoint have in common: parts of a protobuf message may be put one after the other."""
    return wire.ScanRecorded(
        checkpoint_id=str(checkpoint_id),
        kind=kind,
        area=area,
        decision=decision,
        colour=colour,
        refusal=refusal,
        policy_version=policy_version,
    ).SerializeToString()


def _set(message: Timestamp, at: datetime) -> None:
    """Exact to the microsecond."""
    message.seconds = int(at.timestamp() // 1)
    message.nanos = at.microsecond * 1000


def event_of(event: DomainEvent, now: datetime) -> Event:
    """The domain event as it goes into the outbox."""
    match event:
        case ScanCompleted(scan):
            return _scan_completed(scan)
        case PersonStopped(scan):
            return _finding("PersonStopped", f"stop/{scan.scan_id}", scan, _person_stopped(scan))
        case FeverFlagged(scan):
            return _finding("FeverFlagged", f"fever/{scan.scan_id}", scan, _fever_flagged(scan))
        case PassReused(scan):
            return _finding("PassReused", f"reuse/{scan.scan_id}/{event.other.scan_id}", scan, _pass_reused(event))
        case OfflineDecisionDiffered(scan, taken):
            return _finding(
                "OfflineDecisionDiffered", f"difference/{scan.scan_id}", scan, _offline_decision_differed(scan, taken)
            )
        case ContactsTraced(trace, contacts, part):
            return _trace_event("ContactsTraced", trace, _contacts_traced(trace, contacts, part), now)
        case TraceHeld(trace, contacts_count, contacts_max):
            return _trace_event("TraceHeld", trace, _trace_held(trace, contacts_count, contacts_max), now)
        case ArrivalRegistered(registration, checkpoint):
            return _arrival_registered(registration, checkpoint)
        case MeasurementCaseOpened(measured, checkpoint):
            payload = _case_opened(measured, checkpoint)
            return _case_event("MeasurementCaseOpened", measured, checkpoint, payload, measured.opened_at)
        case MeasurementCaseMoved(measured, checkpoint):
            return _case_event("MeasurementCaseMoved", measured, checkpoint, _case_moved(event), event.at)
        case MeasurementCaseOverdue(measured, checkpoint, at):
            return _case_overdue(measured, checkpoint, at)
        case FeverMeasured(measured, checkpoint, at):
            return _fever_measured(measured, checkpoint, at)
        case DeviceSilent() | DeviceDrifted() | DeviceRecovered():
            return _device_event(event)
        case VenueFull() | VenueFree():
            return _venue_event(event)
        case CheckpointRegistered(checkpoint):
            return _checkpoint_event("CheckpointRegistered", checkpoint, _checkpoint_registered(checkpoint), now)
        case CheckpointChangeOrdered(checkpoint, change):
            return _checkpoint_event("CheckpointChangeOrdered", checkpoint, _change_ordered(checkpoint, change), now)
        case ScansDestroyed(destruction):
            return _scans_destroyed(destruction)


def tell(tx: Connection, events: Iterable[DomainEvent], now: datetime) -> None:
    """Write the events into the outbox, in the caller's transaction."""
    append(tx, [event_of(event, now) for event in events])


def _scan_completed(scan: ScanFact) -> Event:
    """ScanRecorded once more, with the person who arrived later: revision 2."""
    message = wire.ScanRecorded(
        scan_id=str(scan.scan_id),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=timestamp(scan.scanned_at),
        recorded_at=timestamp(scan.recorded_at),
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
        direction=scan.direction,
        temperature_c=scan.temperature_c,
        list=scan.list,
        idx=scan.idx,
        person_ref=str(scan.person_ref or ""),
        vehicle_ref=str(scan.vehicle_ref or ""),
        offline_decision=scan.offline_decision,
        is_self_reported=scan.is_self_reported,
    )
    return Event(
        type=EVENT_TYPE,
        aggregatetype=AGGREGATE_TYPE,
        aggregateid=str(scan.person_ref),
        subject=f"scan/{scan.scan_id}",
        revision=2,
        time=scan.scanned_at,
        payload=message.SerializeToString(),
        district=district(scan.area),
    )


def _person_stopped(scan: ScanFact) -> bytes:
    return wire.PersonStopped(
        scan_id=str(scan.scan_id),
        person_ref=str(scan.person_ref),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=timestamp(scan.scanned_at),
        colour=scan.colour,
        refusal=scan.refusal,
    ).SerializeToString()


def _fever_flagged(scan: ScanFact) -> bytes:
    return wire.FeverFlagged(
        scan_id=str(scan.scan_id),
        person_ref=str(scan.person_ref or ""),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=timestamp(scan.scanned_at),
        temperature_c=scan.temperature_c or 0.0,
    ).SerializeToString()


def _pass_reused(event: PassReused) -> bytes:
    scan, other = event.scan, event.other
    return wire.PassReused(
        scan_id=str(scan.scan_id),
        person_ref=str(scan.person_ref or ""),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=timestamp(scan.scanned_at),
        decision=scan.decision,
        other_scan_id=str(other.scan_id),
        other_checkpoint_id=str(other.place.checkpoint_id),
        other_scanned_at=timestamp(datetime.fromtimestamp(other.at_s, UTC)),
        apart_s=event.apart_s,
        distance_m=event.distance_m,
    ).SerializeToString()


def _offline_decision_differed(scan: ScanFact, taken: OfflineDecision) -> bytes:
    return wire.OfflineDecisionDiffered(
        scan_id=str(scan.scan_id),
        person_ref=str(scan.person_ref or ""),
        checkpoint_id=str(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=timestamp(scan.scanned_at),
        taken_decision=taken.decision,
        taken_refusal=taken.refusal or "",
        taken_policy_version=taken.policy_version,
        taken_list_revision=taken.list_revision,
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
    ).SerializeToString()


def _finding(name: str, subject: str, scan: ScanFact, payload: bytes) -> Event:
    return Event(
        type=_OURS + name,
        aggregatetype="finding",
        aggregateid=str(scan.person_ref or scan.scan_id),
        subject=subject,
        revision=1,
        time=scan.scanned_at,
        payload=payload,
        district=district(scan.area),
    )


def _contacts_traced(trace: TraceFact, contacts: Sequence[Meeting], part: int) -> bytes:
    return wire.ContactsTraced(
        trace_id=str(trace.trace_id),
        entry_id=trace.entry_id,
        person_ref=str(trace.person_ref),
        contacts=[_contact(meeting) for meeting in contacts],
        part=part,
        parts=trace.parts,
        tracing_rule=trace.tracing_rule,
    ).SerializeToString()


def _trace_held(trace: TraceFact, contacts: int, contacts_max: int) -> bytes:
    return wire.TraceHeld(
        trace_id=str(trace.trace_id),
        entry_id=trace.entry_id,
        person_ref=str(trace.person_ref),
        contacts=contacts,
        contacts_max=contacts_max,
    ).SerializeToString()


def _trace_event(name: str, trace: TraceFact, payload: bytes, now: datetime) -> Event:
    return Event(
        type=_OURS + name,
        aggregatetype="trace",
        aggregateid=str(trace.trace_id),
        subject=f"trace/{trace.trace_id}",
        revision=trace.revision,
        time=now,
        payload=payload,
    )


def _contact(meeting: Meeting) -> wire.Contact:
    return wire.Contact(
        person_ref=str(meeting.person_ref),
        grade=_GRADES[meeting.grade],
        checkpoint_id=str(meeting.checkpoint_id),
        kind=meeting.kind,
        area=meeting.area,
        met_at=timestamp(meeting.met_at),
        apart_s=meeting.apart_s,
        case_scan_id=str(meeting.case_scan_id),
        contact_scan_id=str(meeting.contact_scan_id),
        vehicle_ref=str(meeting.vehicle_ref or ""),
    )


def _case_event(name: str, case: MeasurementCase, checkpoint: Checkpoint, payload: bytes, at: datetime) -> Event:
    return Event(
        type=_OURS + name,
        aggregatetype="measurement",
        aggregateid=str(case.case_id),
        subject=f"measurement/{case.case_id}",
        revision=case.version,
        time=at,
        payload=payload,
        district=checkpoint.district,
    )


def _case_opened(case: MeasurementCase, checkpoint: Checkpoint) -> bytes:
    return wire.MeasurementCaseOpened(
        case_id=str(case.case_id),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        device_id=case.device_id,
        temperature_c=case.temperature_c,
        opened_at=timestamp(case.opened_at),
        due_at=timestamp(case.due_at),
    ).SerializeToString()


def _case_moved(moved: MeasurementCaseMoved) -> bytes:
    case = moved.case
    return wire.MeasurementCaseMoved(
        case_id=str(case.case_id),
        checkpoint_id=str(case.checkpoint_id),
        area=moved.checkpoint.area,
        step=moved.step.value,
        stage=case.stage.value,
        previous_stage=moved.previous_stage.value,
        moved_at=timestamp(moved.at),
        remeasured_c=case.remeasured_c,
        person_ref=str(case.person_ref or ""),
        clinic_id=case.clinic_id or "",
    ).SerializeToString()


def _case_overdue(case: MeasurementCase, checkpoint: Checkpoint, at: datetime) -> Event:
    payload = wire.MeasurementCaseOverdue(
        case_id=str(case.case_id),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        stage=case.stage.value,
        due_at=timestamp(case.due_at),
    ).SerializeToString()
    event = _case_event("MeasurementCaseOverdue", case, checkpoint, payload, at)
    return replace(event, subject=f"overdue/{case.case_id}", revision=1)


def _fever_measured(case: MeasurementCase, checkpoint: Checkpoint, at: datetime) -> Event:
    """As of a scan with a fever; the measurement case stands for the scan."""
    message = wire.FeverFlagged(
        scan_id=str(case.case_id),
        person_ref=str(case.person_ref or ""),
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        scanned_at=timestamp(at),
        temperature_c=case.remeasured_c or case.temperature_c,
    )
    return Event(
        type=_OURS + "FeverFlagged",
        aggregatetype="finding",
        aggregateid=str(case.person_ref or case.case_id),
        subject=f"fever/{case.case_id}",
        revision=1,
        time=at,
        payload=message.SerializeToString(),
        district=checkpoint.district,
    )


def _device_event(told: DeviceSilent | DeviceDrifted | DeviceRecovered) -> Event:
    shared = {
        "device_id": told.device.device_id,
        "device_kind": told.device.kind.value,
        "checkpoint_id": str(told.checkpoint.checkpoint_id),
        "area": told.checkpoint.area,
    }
    message: wire.DeviceSilent | wire.DeviceDrifted | wire.DeviceRecovered
    match told:
        case DeviceSilent():
            message = wire.DeviceSilent(**shared, since=timestamp(told.at))
        case DeviceDrifted():
            message = wire.DeviceDrifted(**shared, since=timestamp(told.at), deviation_c=told.deviation_c)
        case DeviceRecovered():
            message = wire.DeviceRecovered(**shared, trouble=told.trouble.value, at=timestamp(told.at))
    return Event(
        type=_OURS + type(told).__name__,
        aggregatetype="device",
        aggregateid=told.device.device_id,
        subject=f"device/{told.device.device_id}",
        revision=told.revision,
        time=told.at,
        payload=message.SerializeToString(),
        district=told.checkpoint.district,
    )


def _venue_event(told: VenueFull | VenueFree) -> Event:
    message = getattr(wire, type(told).__name__)(
        venue=told.venue.venue,
        area=told.area,
        inside=told.occupancy.inside,
        capacity=told.venue.capacity,
        at=timestamp(told.at),
    )
    return Event(
        type=_OURS + type(told).__name__,
        aggregatetype="venue",
        aggregateid=told.venue.venue,
        subject=f"venue/{told.venue.venue}",
        revision=told.venue.revision,
        time=told.at,
        payload=message.SerializeToString(),
        district=district(told.area),
    )


def _arrival_registered(registration: Registration, checkpoint: Checkpoint) -> Event:
    message = wire.ArrivalRegistered(
        registration_id=str(registration.registration_id),
        person_ref=str(registration.person_ref),
        from_area=registration.from_area,
        to_area=registration.to_area,
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        registered_at=timestamp(registration.registered_at),
        has_fever=registration.has_fever(),
    )
    return Event(
        type=_OURS + "ArrivalRegistered",
        aggregatetype="registration",
        aggregateid=str(registration.person_ref),
        subject=f"registration/{registration.registration_id}",
        revision=1,
        time=registration.registered_at,
        payload=message.SerializeToString(),
        district=district(registration.to_area),
    )


def _checkpoint_registered(checkpoint: Checkpoint) -> bytes:
    return wire.CheckpointRegistered(
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        name=checkpoint.name,
        venue=checkpoint.venue,
        area=checkpoint.area,
        stage=checkpoint.stage.value,
        successor_id=str(checkpoint.successor or ""),
        holds_from=timestamp(checkpoint.holds_from),
    ).SerializeToString()


def _change_ordered(checkpoint: Checkpoint, change: Change) -> bytes:
    return wire.CheckpointChangeOrdered(
        checkpoint_id=str(checkpoint.checkpoint_id),
        number=change.number,
        change=change.change.value,
        holds_from=timestamp(change.holds_from),
        kind=change.kind or "",
        name=change.name or "",
        venue=change.venue or "",
        area=change.area or "",
        successor_id=str(change.successor or ""),
        withdraws=change.withdraws or 0,
    ).SerializeToString()


def _checkpoint_event(name: str, checkpoint: Checkpoint, payload: bytes, now: datetime) -> Event:
    return Event(
        type=_OURS + name,
        aggregatetype="checkpoint",
        aggregateid=str(checkpoint.checkpoint_id),
        subject=f"checkpoint/{checkpoint.checkpoint_id}",
        revision=checkpoint.revision,
        time=now,
        payload=payload,
        district=checkpoint.district,
    )


def _scans_destroyed(destruction: Destruction) -> Event:
    message = wire.ScansDestroyed(
        day=destruction.day.isoformat(),
        scans=destruction.rows,
        destroyed_at=timestamp(destruction.destroyed_at),
        rule=destruction.rule,
    )
    return Event(
        type=_OURS + "ScansDestroyed",
        aggregatetype="destruction",
        aggregateid=destruction.day.isoformat(),
        subject=f"destruction/{destruction.day}",
        revision=1,
        time=destruction.destroyed_at,
        payload=message.SerializeToString(),
    )


def timestamp(at: datetime) -> Timestamp:
    """Exact to the microsecond, and three times as fast as the library's own."""
    seconds = at.timestamp()
    return Timestamp(seconds=int(seconds // 1), nanos=at.microsecond * 1000)


def district(area: str) -> str:
    return area[:6] if len(area) >= 6 else ""


# -- in --------------------------------------------------------------------------------------------------------------


def standing_of_record(record: Received) -> StandingsChange | Heartbeat | None:
    """A record of codes.standings.v1 for the board; None for what the board has no use for."""
    kind = (record.header("ce_type") or b"").decode()
    if kind == STANDINGS_CHANGED:
        return standings_change(record.value)
    if kind == STANDINGS_HEARTBEAT:
        heartbeat = codes_wire.StandingsHeartbeat.FromString(record.value)
        return Heartbeat({each.list: each.revision for each in heartbeat.lists}, moment_of(heartbeat.at))
    return None


def standings_change(payload: bytes) -> StandingsChange:
    """Raises `MalformedMessage` when the columns differ in length."""
    change = codes_wire.StandingsChanged.FromString(payload)
    if not len(change.idx) == len(change.colours) == len(change.person_refs) // 16:
        raise MalformedMessage("the columns differ in length")
    return StandingsChange(change.list, change.revision, tuple(change.idx), change.colours, change.person_refs)


def scan_fact(message: Message) -> ScanFact:
    scan = wire.ScanRecorded.FromString(message.payload)
    return ScanFact(
        scan_id=UUID(scan.scan_id),
        checkpoint_id=UUID(scan.checkpoint_id),
        kind=scan.kind,
        area=scan.area,
        scanned_at=moment_of(scan.scanned_at),
        recorded_at=moment_of(scan.recorded_at),
        decision=scan.decision,
        colour=scan.colour,
        refusal=scan.refusal,
        policy_version=scan.policy_version,
        board_revision=scan.board_revision,
        direction=scan.direction,
        temperature_c=scan.temperature_c if scan.HasField("temperature_c") else None,
        list=scan.list,
        idx=scan.idx,
        person_ref=UUID(scan.person_ref) if scan.person_ref else None,
        vehicle_ref=UUID(scan.vehicle_ref) if scan.vehicle_ref else None,
        offline_decision=scan.offline_decision,
        is_self_reported=scan.is_self_reported,
        revision=message.revision,
    )


def trace_order(payload: bytes) -> TraceOrder:
    request = ledger_wire.TraceRequested.FromString(payload)
    return TraceOrder(
        trace_id=UUID(request.trace_id),
        entry_id=request.entry_id,
        person_ref=UUID(request.person_ref),
        from_at=moment_of(getattr(request, "from")),
        to_at=moment_of(request.to),
    )


def subscriptions(
    *,
    on_standings: Callable[[Connection, Sequence[StandingsChange]], None],
    on_scans: Callable[[Connection, Sequence[ScanFact]], None],
    on_trace: Callable[[Connection, TraceOrder], object],
) -> tuple[Subscription, ...]:
    """What the worker takes: colours' holders, its own scans, the ledger's requests."""

    def take_order(tx: Connection, message: Message) -> None:
        on_trace(tx, trace_order(message.payload))

    return (
        Subscription(
            STANDINGS_TOPIC,
            {
                STANDINGS_CHANGED: lambda tx, messages: on_standings(
                    tx, [standings_change(message.payload) for message in messages]
                )
            },
        ),
        Subscription(
            SCANS_TOPIC,
            {EVENT_TYPE: lambda tx, messages: on_scans(tx, [scan_fact(message) for message in messages])},
            has_revisions=False,
        ),
        Subscription(LEDGER_TOPIC, {TRACE_REQUESTED: each(take_order)}),
    )
