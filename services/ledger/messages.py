"""The ledger's words on the wire: what it tells as protobuf, and what it takes from the others' topics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import Connection

from chassis import outbox
from chassis.clock import Clock
from chassis.event_log import Topic
from chassis.forgetting import LOG_SHORTER
from chassis.message import Handler, Message, Subscription, each
from chassis.timestamps import moment_of, stamp_of
from city.areas import district_of
from services.ledger.domain.alarms import AlarmKind, PostTrouble, Stop
from services.ledger.domain.checks import Words
from services.ledger.domain.city import City
from services.ledger.domain.colours import ColourChange, Reason
from services.ledger.domain.contacts import Grade, HeldTrace, Meeting, TracePart
from services.ledger.domain.definition import Definition
from services.ledger.domain.entries import Entry
from services.ledger.domain.happenings import (
    AlarmRaised,
    EntryClosed,
    EntryMoved,
    EntryOpened,
    EvidenceFound,
    Happening,
    LedgerDefined,
    TaskCompleted,
    TaskOpened,
    TraceRequested,
)
from services.ledger.domain.tasks import Arrival, Task
from services.ledger.use_cases.alarms import alarm_for_stops, alarm_for_troubles
from services.ledger.use_cases.book import Book
from services.ledger.use_cases.colours import follow_colours
from services.ledger.use_cases.keeping import Actor
from services.ledger.use_cases.tasks import take_arrivals
from services.ledger.use_cases.tracing import take_contacts, take_held
from wire.checkpoints.v1 import events_pb2 as checkpoints
from wire.codes.v1 import events_pb2 as codes
from wire.ledger.v1 import events_pb2 as words

SOURCE = "/ledger"
EVENTS = "ledger.events.v1"
TOPICS = {"entry": EVENTS, "evidence": EVENTS, "trace": EVENTS, "alarm": EVENTS, "task": EVENTS, "definition": EVENTS}

_COLOURS = {
    codes.COLOUR_GREEN: "green",
    codes.COLOUR_YELLOW: "yellow",
    codes.COLOUR_RED: "red",
    codes.COLOUR_LAPSED: "lapsed",
}
_GRADES = {checkpoints.GRADE_CLOSE: Grade.CLOSE, checkpoints.GRADE_GENERAL: Grade.GENERAL}


def declared(history_days: int) -> list[Topic]:
    """Our topic, from which an alarm about a scan is gone by the time that scan may be kept no longer."""
    return [Topic(EVENTS, 12, int((timedelta(days=history_days) - LOG_SHORTER).total_seconds()))]


DECLARED = declared(28)
"""With the default of `HISTORY_DAYS`."""


# -- out -------------------------------------------------------------------------------------------------------------


def tell(tx: Connection, happenings: Sequence[Happening]) -> None:
    """Put what happened into the outbox."""
    outbox.append(tx, [event_of(happening) for happening in happenings])


def event_of(happening: Happening) -> outbox.Event:
    match happening:
        case EntryOpened(entry):
            return _entry_event("EntryOpened", entry, entry.opened_at, _opened(entry))
        case EntryMoved(entry, move, previous_stage, at):
            return _entry_event("EntryMoved", entry, at, _moved(entry, move, previous_stage, at))
        case EntryClosed(entry):
            return _entry_event("EntryClosed", entry, entry.closed_at or entry.opened_at, _closed(entry))
        case EvidenceFound():
            return _evidence_event(happening)
        case TraceRequested():
            return _trace_event(happening)
        case AlarmRaised():
            return _alarm_event(happening)
        case TaskOpened(task):
            return _event("TaskOpened", "task", task.task_id, 1, task.opened_at, _task_opened(task), task.area)
        case TaskCompleted(task):
            at = task.completed_at or task.opened_at
            return _event("TaskCompleted", "task", task.task_id, task.version, at, _task_completed(task), task.area)
        case LedgerDefined(definition, revision, at):
            return _event("LedgerDefined", "definition", definition.name, revision, at, _defined(definition), "")


def _entry_event(name: str, entry: Entry, at: datetime, payload: bytes) -> outbox.Event:
    return _event(name, "entry", entry.entry_id, entry.version, at, payload, entry.area)


def _event(
    name: str, aggregate: str, identifier: UUID | str, revision: int, at: datetime, payload: bytes, area: str
) -> outbox.Event:
    return outbox.Event(
        type=f"guanka.ledger.v1.{name}",
        aggregatetype=aggregate,
        aggregateid=str(identifier),
        subject=f"{aggregate}/{identifier}",
        revision=revision,
        time=at,
        payload=payload,
        district=district_of(area),
    )


def _opened(entry: Entry) -> bytes:
    return words.EntryOpened(
        entry_id=str(entry.entry_id),
        ledger=entry.ledger,
        definition=entry.definition,
        person_ref=str(entry.person_ref),
        area=entry.area,
        stage=entry.stage,
        owner=entry.owner,
        opened_at=stamp_of(entry.opened_at),
        next_deadline=_stamp_or_none(entry.next_deadline),
        caused_by_entry=_text(entry.cause.entry_id),
        caused_by_event=_text(entry.cause.event_id),
    ).SerializeToString()


def _moved(entry: Entry, move: str, previous_stage: str, at: datetime) -> bytes:
    return words.EntryMoved(
        entry_id=str(entry.entry_id),
        ledger=entry.ledger,
        person_ref=str(entry.person_ref),
        area=entry.area,
        move=move,
        stage=entry.stage,
        previous_stage=previous_stage,
        owner=entry.owner,
        moved_at=stamp_of(at),
        next_deadline=_stamp_or_none(entry.next_deadline),
    ).SerializeToString()


def _closed(entry: Entry) -> bytes:
    return words.EntryClosed(
        entry_id=str(entry.entry_id),
        ledger=entry.ledger,
        person_ref=str(entry.person_ref),
        area=entry.area,
        stage=entry.stage,
        outcome=entry.outcome or "",
        closed_at=_stamp_or_none(entry.closed_at),
    ).SerializeToString()


def _evidence_event(happening: EvidenceFound) -> outbox.Event:
    evidence = happening.evidence
    payload = words.EvidenceFound(
        evidence_id=str(evidence.evidence_id),
        person_ref=str(evidence.person_ref),
        kind=evidence.kind,
        entry_id=str(evidence.entry_id),
        observed_at=stamp_of(evidence.observed_at),
        ended_at=_stamp_or_none(evidence.ended_at),
        outcome=evidence.outcome or "",
        area=evidence.area,
        succeeded_by=_text(evidence.succeeded_by),
    ).SerializeToString()
    return _event(
        "EvidenceFound", "evidence", evidence.evidence_id, evidence.revision, happening.at, payload, evidence.area
    )


def _trace_event(happening: TraceRequested) -> outbox.Event:
    trace = happening.trace
    payload = words.TraceRequested(
        trace_id=str(trace.trace_id),
        entry_id=str(trace.entry_id),
        person_ref=str(trace.person_ref),
        to=stamp_of(trace.to),
        requested_by=_text(trace.requested_by),
        area=happening.area,
    )
    getattr(payload, "from").CopyFrom(stamp_of(trace.from_))
    return _event(
        "TraceRequested", "trace", trace.trace_id, trace.revision, trace.to, payload.SerializeToString(), happening.area
    )


def _alarm_event(happening: AlarmRaised) -> outbox.Event:
    alarm = happening.alarm
    payload = words.AlarmRaised(
        alarm_id=str(alarm.alarm_id),
        kind=alarm.kind,
        person_ref=_text(alarm.person_ref),
        entry_id=_text(alarm.entry_id),
        owner=alarm.owner,
        area=alarm.area,
        checkpoint_id=alarm.checkpoint_id,
        scan_id=alarm.scan_id,
        about=alarm.about,
        raised_at=stamp_of(alarm.raised_at),
    ).SerializeToString()
    return _event("AlarmRaised", "alarm", alarm.alarm_id, 1, alarm.raised_at, payload, alarm.area)


def _task_opened(task: Task) -> bytes:
    return words.TaskOpened(
        task_id=str(task.task_id),
        kind=task.kind,
        person_ref=str(task.person_ref),
        owner=task.owner,
        area=task.area,
        opened_at=stamp_of(task.opened_at),
        due_at=stamp_of(task.due_at),
        caused_by=str(task.cause_id),
        registration_id=str(task.facts.get("registration_id", task.cause_id)),
    ).SerializeToString()


def _task_completed(task: Task) -> bytes:
    return words.TaskCompleted(
        task_id=str(task.task_id),
        kind=task.kind,
        person_ref=str(task.person_ref),
        owner=task.owner,
        area=task.area,
        outcome=task.outcome or "",
        completed_at=_stamp_or_none(task.completed_at),
        to_area=task.to_area or "",
        followed_by=str(task.facts.get("followed_by", "")),
    ).SerializeToString()


def _defined(definition: Definition) -> bytes:
    return words.LedgerDefined(
        definition=definition.name,
        ledger=definition.ledger,
        version=definition.version,
        valid_from=stamp_of(definition.valid_from),
        strength=definition.strength,
        title=_title(definition.title),
        stages=[
            words.DefinedStage(stage=name, title=_title(stage.title), is_final=stage.is_final)
            for name, stage in definition.stages.items()
        ],
    ).SerializeToString()


def _title(text: Words) -> words.Title:
    return words.Title(zh=text.zh, en=text.en)


def _stamp_or_none(at: datetime | None) -> Timestamp | None:
    return None if at is None else stamp_of(at)


def _text(identifier: UUID | None) -> str:
    return str(identifier) if identifier else ""


# -- in --------------------------------------------------------------------------------------------------------------


def subscriptions(city: City, open_book: Callable[[Connection], Book], clock: Clock) -> list[Subscription]:
    """What the ledger takes: contacts, stops and fevers from checkpoints, colours from codes."""

    def contacts_traced(tx: Connection, message: Message) -> None:
        take_contacts(open_book(tx), city, trace_part_of(message), _actor(message), clock())

    def stops(of: Callable[[Message], Stop | None]) -> Handler:
        def handle(tx: Connection, messages: Sequence[Message]) -> None:
            told = [stop for message in messages if (stop := of(message)) is not None]
            alarm_for_stops(open_book(tx), city, told, _actor(messages[0]), clock())

        return handle

    def colours_changed(tx: Connection, messages: Sequence[Message]) -> None:
        changes = [colour_change_of(message) for message in messages]
        follow_colours(open_book(tx), city, changes, _actor(messages[0]), clock())

    def troubles(of: Callable[[Message], PostTrouble]) -> Handler:
        def handle(tx: Connection, messages: Sequence[Message]) -> None:
            told = [of(message) for message in messages]
            alarm_for_troubles(open_book(tx), city, told, _actor(messages[0]), clock())

        return handle

    def arrivals_registered(tx: Connection, messages: Sequence[Message]) -> None:
        arrivals = [arrival_of(message) for message in messages]
        take_arrivals(open_book(tx), city, arrivals, _actor(messages[0]), clock())

    def trace_held(tx: Connection, message: Message) -> None:
        take_held(open_book(tx), city, held_trace_of(message), _actor(message), clock())

    contacts = {"guanka.checkpoints.v1.ContactsTraced": each(contacts_traced)}
    return [
        Subscription(
            "checkpoints.events.v1",
            {
                **contacts,  # told there before traces had a topic of their own, and kept for as long as others there
                "guanka.checkpoints.v1.ArrivalRegistered": arrivals_registered,
                "guanka.checkpoints.v1.DeviceSilent": troubles(silence_of),
                "guanka.checkpoints.v1.DeviceDrifted": troubles(drift_of),
                "guanka.checkpoints.v1.MeasurementCaseOverdue": troubles(delay_of),
                "guanka.checkpoints.v1.GateClockOff": troubles(wrong_clock_of),
                "guanka.checkpoints.v1.PersonStopped": stops(stop_of),
                "guanka.checkpoints.v1.FeverFlagged": stops(fever_of),
                "guanka.checkpoints.v1.OfflineDecisionDiffered": stops(let_in_of),
            },
        ),
        Subscription("checkpoints.traces.v1", {**contacts, "guanka.checkpoints.v1.TraceHeld": each(trace_held)}),
        Subscription("codes.events.v1", {"guanka.codes.v1.ColourChanged": colours_changed}),
    ]


def trace_part_of(message: Message) -> TracePart:
    told = checkpoints.ContactsTraced.FromString(message.payload)
    return TracePart(
        trace_id=UUID(told.trace_id),
        event_id=message.id,
        meetings=[_meeting_of(contact) for contact in told.contacts],
        part=told.part,
        parts=told.parts,
        tracing_rule=told.tracing_rule,
        contacts_older=told.contacts_older,
    )


def held_trace_of(message: Message) -> HeldTrace:
    told = checkpoints.TraceHeld.FromString(message.payload)
    return HeldTrace(UUID(told.trace_id), UUID(told.person_ref), told.contacts, told.area)


def _meeting_of(contact: checkpoints.Contact) -> Meeting:
    return Meeting(
        person_ref=UUID(contact.person_ref),
        grade=_GRADES.get(contact.grade, Grade.PROPOSED),
        checkpoint_id=contact.checkpoint_id,
        kind=contact.kind,
        area=contact.area,
        met_at=moment_of(contact.met_at),
        apart_s=contact.apart_s,
        case_scan_id=contact.case_scan_id,
        contact_scan_id=contact.contact_scan_id,
    )


def stop_of(message: Message) -> Stop:
    told = checkpoints.PersonStopped.FromString(message.payload)
    person = UUID(told.person_ref) if told.person_ref else None
    at = moment_of(told.scanned_at)
    return Stop(AlarmKind.PERSON_STOPPED, told.scan_id, person, told.checkpoint_id, told.area, at)


def fever_of(message: Message) -> Stop:
    told = checkpoints.FeverFlagged.FromString(message.payload)
    person = UUID(told.person_ref) if told.person_ref else None
    is_completion = message.revision > 1
    at = moment_of(told.scanned_at)
    return Stop(AlarmKind.FEVER, told.scan_id, person, told.checkpoint_id, told.area, at, is_completion)


def let_in_of(message: Message) -> Stop | None:
    """A gate without a network let somebody in whom the server stops; None for other differences: whom it checked, a
    guard has looked at."""
    told = checkpoints.OfflineDecisionDiffered.FromString(message.payload)
    if not told.person_ref or told.decision != "stop" or told.taken_decision != "pass":
        return None
    at = moment_of(told.scanned_at)
    return Stop(AlarmKind.LET_IN_OFFLINE, told.scan_id, UUID(told.person_ref), told.checkpoint_id, told.area, at)


def silence_of(message: Message) -> PostTrouble:
    told = checkpoints.DeviceSilent.FromString(message.payload)
    return PostTrouble(AlarmKind.DEVICE_SILENT, f"device/{told.device_id}", told.checkpoint_id, told.area)


def drift_of(message: Message) -> PostTrouble:
    told = checkpoints.DeviceDrifted.FromString(message.payload)
    return PostTrouble(AlarmKind.DEVICE_DRIFTED, f"device/{told.device_id}", told.checkpoint_id, told.area)


def delay_of(message: Message) -> PostTrouble:
    told = checkpoints.MeasurementCaseOverdue.FromString(message.payload)
    return PostTrouble(AlarmKind.MEASUREMENT_OVERDUE, f"measurement/{told.case_id}", told.checkpoint_id, told.area)


def wrong_clock_of(message: Message) -> PostTrouble:
    told = checkpoints.GateClockOff.FromString(message.payload)
    return PostTrouble(AlarmKind.CLOCK_OFF, f"clock/{told.checkpoint_id}", told.checkpoint_id, told.area)


def arrival_of(message: Message) -> Arrival:
    told = checkpoints.ArrivalRegistered.FromString(message.payload)
    return Arrival(
        registration_id=UUID(told.registration_id),
        person_ref=UUID(told.person_ref),
        from_area=told.from_area,
        to_area=told.to_area,
        checkpoint_id=told.checkpoint_id,
        area=told.area,
        registered_at=moment_of(told.registered_at),
        has_fever=told.has_fever,
    )


def colour_change_of(message: Message) -> ColourChange:
    told = codes.ColourChanged.FromString(message.payload)
    return ColourChange(
        event_id=message.id,
        person_ref=UUID(told.person_ref),
        colour=_COLOURS.get(told.colour, ""),
        since=moment_of(told.since),
        area=told.area,
        reasons=tuple(map(_reason_of, told.reasons)),
    )


def _reason_of(told: codes.Reason) -> Reason:
    ends_at = moment_of(told.ends_at) if told.HasField("ends_at") else None
    return Reason(_COLOURS.get(told.colour, ""), frozenset(told.evidence_ids), ends_at)


def _actor(message: Message) -> Actor:
    return Actor(f"event:{message.type}")
