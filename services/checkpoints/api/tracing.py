"""Traces over HTTP: asked for by an official, and let go of by a second one."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query

from chassis.auth import Bearer, needs, require_area
from chassis.collisions import DoneAgain
from chassis.ids import uuid7
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.history import require_span
from services.checkpoints.api.models import ContactOut, ContactsOut, TraceIn, TraceOut, TraceRequestedOut
from services.checkpoints.domain.errors import TraceNotFound
from services.checkpoints.domain.facts import TraceOrder
from services.checkpoints.domain.tracing import Meeting
from services.checkpoints.store import places, traces

router = APIRouter(route_class=DoneAgain, tags=["traces"])
_SPAN_DAYS_MAX = 60


@router.post("/v1/traces", status_code=202, response_model=TraceRequestedOut)
def request_trace(
    body: TraceIn, bearer: Annotated[Bearer, Depends(needs("authority"))], desk: AtDesk
) -> TraceRequestedOut:
    """Who was near a person between two moments? Told to the ledger in parts; logged."""
    require_span(body.from_, body.to, days_max=_SPAN_DAYS_MAX, now=desk.clock())
    order = TraceOrder(uuid7(), "", body.person_ref, body.from_, body.to, requested_by=bearer.subject)
    with desk.database.transaction() as tx:
        places.log_access(
            tx, subject=bearer.subject, what="trace asked for", route="/v1/traces", person_ref=body.person_ref
        )
        trace = desk.tracing.request_trace(tx, order)
    return TraceRequestedOut(trace_id=trace.trace_id, status=trace.status)


@router.get("/v1/traces/{trace_id}", response_model=TraceOut)
def read_trace(
    trace_id: UUID,
    _bearer: Annotated[Bearer, Depends(needs("authority", "approver", "operator", "service"))],
    desk: AtDesk,
) -> TraceOut:
    with desk.database.transaction() as tx:
        trace = traces.find(tx, trace_id)
        if trace is None:
            raise TraceNotFound()
        grades = traces.count_contacts(tx, trace_id)
    return TraceOut(
        trace_id=trace.trace_id,
        status=trace.status,  # type: ignore[arg-type]
        contacts=sum(grades.values()),
        grades=grades,
        parts=trace.parts,
        tracing_rule=trace.tracing_rule,
        requested_by=trace.requested_by,
        approved_by=trace.approved_by,
    )


@router.get("/v1/traces/{trace_id}/contacts", response_model=ContactsOut)
def read_contacts(
    trace_id: UUID,
    bearer: Annotated[Bearer, Depends(needs("authority"))],
    desk: AtDesk,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> ContactsOut:
    """Who met the case, and how: when, where, how far apart, by which two scans. Nobody of a held trace; logged."""
    require_area(bearer, bearer.area)
    with desk.database.transaction() as tx:
        trace = traces.find(tx, trace_id)
        if trace is None:
            raise TraceNotFound()
        places.log_access(
            tx,
            subject=bearer.subject,
            what="contacts of a trace",
            route="/v1/traces/{trace_id}/contacts",
            person_ref=trace.person_ref,
        )
        since = desk.keeping.scans_since(desk.clock())
        found = traces.told_contacts(tx, trace_id, area=bearer.area, since=since, after=cursor, limit=limit)
    return ContactsOut(
        contacts=[_contact(meeting) for meeting in found],
        next_cursor=found[-1].person_ref if len(found) == limit else None,
    )


def _contact(meeting: Meeting) -> ContactOut:
    return ContactOut(
        person_ref=meeting.person_ref,
        grade=meeting.grade.name.lower(),  # type: ignore[arg-type]
        by="checkpoint" if meeting.vehicle_ref is None else "vehicle",
        checkpoint_id=meeting.checkpoint_id,
        vehicle_ref=meeting.vehicle_ref,
        kind=meeting.kind,  # type: ignore[arg-type]
        area=meeting.area,
        met_at=meeting.met_at,
        apart_s=meeting.apart_s,
        case_scan_id=meeting.case_scan_id,
        contact_scan_id=meeting.contact_scan_id,
    )


@router.post("/v1/traces/{trace_id}/approval", response_model=TraceRequestedOut)
def approve_trace(
    trace_id: UUID, bearer: Annotated[Bearer, Depends(needs("approver"))], desk: AtDesk
) -> TraceRequestedOut:
    """Let the contacts of a held trace be told; whoever asked for it cannot."""
    with desk.database.transaction() as tx:
        trace = desk.tracing.approve_trace(tx, trace_id, bearer.subject)
    return TraceRequestedOut(trace_id=trace.trace_id, status=trace.status)
