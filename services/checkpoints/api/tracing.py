"""Traces over HTTP: asked for by an official who reaches the person, and let go of by a second one.

A trace belongs to the area of its case: a bearer reads or approves one only where the bearer's subtree holds that area.
"""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import Connection

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs, outside, require_area
from chassis.collisions import DoneAgain
from chassis.ids import uuid7
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.history import require_span
from services.checkpoints.api.models import ContactOut, ContactsOut, TraceIn, TraceOut, TraceRequestedOut, TracesOut
from services.checkpoints.domain.errors import TraceNotFound
from services.checkpoints.domain.facts import TraceFact, TraceOrder, official_of
from services.checkpoints.domain.tracing import Meeting
from services.checkpoints.store import history, traces

router = APIRouter(route_class=DoneAgain, tags=["traces"])
Authority = Annotated[Bearer, Depends(needs("authority"))]
Reader = Annotated[Bearer, Depends(needs("authority", "approver", "operator", "service", scope="traces"))]
_SPAN_DAYS_MAX = 60
_TRACE, _CONTACTS = "/v1/traces/{trace_id}", "/v1/traces/{trace_id}/contacts"


@router.post("/v1/traces", status_code=202, response_model=TraceRequestedOut)
def request_trace(body: TraceIn, bearer: Authority, desk: AtDesk) -> TraceRequestedOut:
    """Who was near a person between two moments? Asked by an official whose area the person was in; logged."""
    require_span(body.from_, body.to, days_max=_SPAN_DAYS_MAX, now=desk.clock())
    require_area(bearer, bearer.area)
    asking = official_of(desk.city_key, bearer.subject)
    order = TraceOrder(
        uuid7(),
        "",
        body.person_ref,
        body.from_,
        body.to,
        requested_by=asking.subject,
        requester=asking.pseudonym,
        area=bearer.area,
    )
    with desk.database.transaction() as tx:
        is_reached = _reaches_person(tx, desk, bearer, order)
        log_looks(
            tx,
            bearer,
            what="trace asked for",
            route="/v1/traces",
            persons=[order.person_ref],
            is_refused=not is_reached,
        )
        trace = desk.tracing.request_trace(tx, order) if is_reached else None
    if trace is None:
        raise outside(bearer)
    return TraceRequestedOut(trace_id=trace.trace_id, status=trace.status)


def _reaches_person(tx: Connection, desk: Desk, bearer: Bearer, order: TraceOrder) -> bool:
    """Whether the person was scanned in the bearer's area, within the time asked about, or is a case there."""
    if bearer.area == desk.city:
        return True
    since = max(order.from_at, desk.keeping.scans_since(desk.clock()))
    span = history.Span(since, order.to_at, bearer.area, None, limit=1)
    return bool(history.of_person(tx, order.person_ref, span)) or traces.is_case_in(tx, order.person_ref, bearer.area)


@router.get("/v1/traces", response_model=TracesOut)
def list_traces(
    bearer: Reader,
    desk: AtDesk,
    state: Annotated[Literal["held", "answered"] | None, Query(description="all without")] = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> TracesOut:
    """Traces of cases within the bearer's subtree, the newest first; what is held waits for an approver. Logged."""
    require_area(bearer, bearer.area)
    with desk.database.transaction() as tx:
        found = traces.held_or_answered(
            tx,
            area=bearer.area,
            is_whole_city=bearer.area == desk.city,
            status=state,
            before=cursor,
            limit=limit,
        )
        grades = traces.count_contacts_of(tx, [trace.trace_id for trace in found])
        shown = {trace.person_ref for trace in found}
        log_looks(tx, bearer, what="list of traces", route="/v1/traces", persons=shown)
    return TracesOut(
        traces=[_shown(trace, grades[trace.trace_id]) for trace in found],
        next_cursor=found[-1].trace_id if len(found) == limit else None,
    )


@router.get(_TRACE, response_model=TraceOut)
def read_trace(trace_id: UUID, bearer: Reader, desk: AtDesk) -> TraceOut:
    """How a trace of a case in the bearer's subtree stands; logged."""
    with desk.database.transaction() as tx:
        trace = _look_at(tx, desk, bearer, trace_id, "trace", _TRACE)
        grades = {} if trace is None else traces.count_contacts(tx, trace_id)
    if trace is None:
        raise _hidden(desk, bearer)
    return _shown(trace, grades)


def _look_at(tx: Connection, desk: Desk, bearer: Bearer, trace_id: UUID, what: str, route: str) -> TraceFact | None:
    """The trace, unless there is none or its case lies outside the bearer's subtree; the look is logged either way."""
    trace = traces.find(tx, trace_id)
    if trace is None:
        return None
    is_reached = bearer.can_see_area(trace.area or desk.city)
    log_looks(tx, bearer, what=what, route=route, persons=[trace.person_ref], is_refused=not is_reached)
    return trace if is_reached else None


def _hidden(desk: Desk, bearer: Bearer) -> Exception:
    """One refusal for what is not there and for what lies elsewhere: who does not reach it learns nothing."""
    return TraceNotFound() if bearer.area == desk.city else outside(bearer)


def _shown(trace: TraceFact, grades: dict[str, int]) -> TraceOut:
    return TraceOut(
        trace_id=trace.trace_id,
        entry_id=trace.entry_id or None,
        person_ref=trace.person_ref,
        area=trace.area or None,
        status=trace.status,  # type: ignore[arg-type]
        contacts=sum(grades.values()),
        grades=grades,
        parts=trace.parts,
        tracing_rule=trace.tracing_rule,
        requested_at=trace.requested_at,
        requested_by=trace.requested_by,
        is_requester_known=trace.has_requester,
        approved_by=trace.approved_by,
    )


@router.get(_CONTACTS, response_model=ContactsOut)
def read_contacts(
    trace_id: UUID,
    bearer: Authority,
    desk: AtDesk,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 500,
) -> ContactsOut:
    """Who met the case in the bearer's subtree, and how: when, where, how far apart, by which two scans.

    Nobody of a held trace. Every person shown is logged, and the case.
    """
    require_area(bearer, bearer.area)
    with desk.database.transaction() as tx:
        trace = traces.find(tx, trace_id)
        since = desk.keeping.scans_since(desk.clock())
        found = traces.told_contacts(tx, trace_id, area=bearer.area, since=since, after=cursor, limit=limit)
        is_reached = trace is not None and (
            bearer.can_see_area(trace.area or desk.city)
            or bool(found)
            or traces.has_contacts_in(tx, trace_id, bearer.area, since)
        )
        if trace is not None:
            shown = {meeting.person_ref for meeting in found} | {trace.person_ref}
            log_looks(tx, bearer, what="contacts of a trace", route=_CONTACTS, persons=shown, is_refused=not is_reached)
    if not is_reached:
        raise _hidden(desk, bearer)
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
    """Let the contacts of a held trace be told: by an approver who reaches the case and did not ask for the trace."""
    approver = official_of(desk.city_key, bearer.subject)
    with desk.database.transaction() as tx:
        trace = _look_at(tx, desk, bearer, trace_id, "approval of a trace", "/v1/traces/{trace_id}/approval")
    if trace is None:
        raise _hidden(desk, bearer)
    with desk.database.transaction() as tx:
        trace = desk.tracing.approve_trace(tx, trace_id, approver)
    return TraceRequestedOut(trace_id=trace.trace_id, status=trace.status)
