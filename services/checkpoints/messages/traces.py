"""A trace on the wire: TraceRequested by the ledger, and its answer, ContactsTraced in parts or TraceHeld."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from chassis.outbox import Event
from chassis.timestamps import moment_of, stamp_of
from services.checkpoints.domain.events import ContactsTraced, TraceHeld
from services.checkpoints.domain.facts import TraceFact, TraceOrder
from services.checkpoints.domain.tracing import Grade, Meeting
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words
from wire.ledger.v1 import events_pb2 as ledger_words

TRACE_REQUESTED = "guanka.ledger.v1.TraceRequested"
_GRADES = {Grade.CLOSE: words.GRADE_CLOSE, Grade.GENERAL: words.GRADE_GENERAL}


def trace_order(payload: bytes) -> TraceOrder:
    request = ledger_words.TraceRequested.FromString(payload)
    return TraceOrder(
        trace_id=UUID(request.trace_id),
        entry_id=request.entry_id,
        person_ref=UUID(request.person_ref),
        from_at=moment_of(getattr(request, "from")),
        to_at=moment_of(request.to),
        requester=UUID(request.requested_by) if request.requested_by else None,
        area=request.area,
    )


def contacts_traced(told: ContactsTraced, now: datetime) -> Event:
    trace = told.trace
    message = words.ContactsTraced(
        trace_id=str(trace.trace_id),
        entry_id=trace.entry_id,
        person_ref=str(trace.person_ref),
        contacts=[_contact(meeting) for meeting in told.contacts],
        part=told.part,
        parts=trace.parts,
        tracing_rule=trace.tracing_rule,
        contacts_older=told.contacts_older,
    )
    return _trace_event("ContactsTraced", trace, message.SerializeToString(), now, told.forgotten_at)


def trace_held(told: TraceHeld, now: datetime) -> Event:
    trace = told.trace
    message = words.TraceHeld(
        trace_id=str(trace.trace_id),
        entry_id=trace.entry_id,
        person_ref=str(trace.person_ref),
        contacts=told.contacts,
        contacts_max=told.contacts_max,
        area=trace.area,
        bound=told.bound,
    )
    return _trace_event("TraceHeld", trace, message.SerializeToString(), now)


def _contact(meeting: Meeting) -> words.Contact:
    return words.Contact(
        person_ref=str(meeting.person_ref),
        grade=_GRADES[meeting.grade],
        checkpoint_id=str(meeting.checkpoint_id),
        kind=meeting.kind,
        area=meeting.area,
        met_at=stamp_of(meeting.met_at),
        apart_s=meeting.apart_s,
        case_scan_id=str(meeting.case_scan_id),
        contact_scan_id=str(meeting.contact_scan_id),
        vehicle_ref=str(meeting.vehicle_ref or ""),
    )


def _trace_event(
    name: str, trace: TraceFact, payload: bytes, now: datetime, forgotten_at: datetime | None = None
) -> Event:
    return Event(
        type=OURS + name,
        aggregatetype="trace",
        aggregateid=str(trace.trace_id),
        subject=f"trace/{trace.trace_id}",
        revision=trace.revision,
        time=now,
        payload=payload,
        expires_at=forgotten_at,
    )
