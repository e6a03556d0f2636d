"""Scans read back over HTTP: of a person, of a checkpoint; every look is logged in the transaction that answers it."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from sqlalchemy import RowMapping

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs, require_area
from chassis.collisions import DoneAgain
from chassis.fields import DateTime
from chassis.problems import Problem
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import HistoryOut, ScanOut
from services.checkpoints.api.places import reached_checkpoint
from services.checkpoints.domain.errors import CursorMalformed
from services.checkpoints.store import history, places

router = APIRouter(route_class=DoneAgain, tags=["history"])
Authority = Annotated[Bearer, Depends(needs("authority"))]
From = Annotated[DateTime | None, Query(alias="from", description="default: as long as scans are kept, 28 days")]
To = Annotated[DateTime | None, Query(alias="to", description="default: now")]
Limit = Annotated[int, Query(ge=1, le=1000)]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before")]

SPAN_DAYS_MAX = 400
_FIRST_YEAR = 2000


@router.get("/v1/people/{person_ref}/scans", response_model=HistoryOut)
def of_person(
    person_ref: UUID,
    bearer: Authority,
    desk: AtDesk,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> HistoryOut:
    """Where and when a person was scanned, within the bearer's subtree; logged."""
    span = _span(desk, bearer, from_, to, cursor, limit)
    with desk.database.transaction() as tx:
        log_looks(tx, bearer, what="scans of a person", route="/v1/people/{person_ref}/scans", persons=[person_ref])
        return _page(history.of_person(tx, person_ref, span), limit)


@router.get("/v1/checkpoints/{checkpoint_id}/scans", response_model=HistoryOut)
def of_checkpoint(
    checkpoint_id: UUID,
    bearer: Authority,
    desk: AtDesk,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = 200,
) -> HistoryOut:
    """Who was scanned at a checkpoint, and when; every person shown is logged."""
    span = _span(desk, bearer, from_, to, cursor, limit)
    with desk.database.transaction() as tx:
        reached_checkpoint(tx, desk, bearer, checkpoint_id)
        page = _page(history.of_checkpoint(tx, checkpoint_id, span), limit)
        shown = {scan.person_ref for scan in page.scans if scan.person_ref is not None}
        places.log_checkpoint_look(tx, bearer, checkpoint_id, persons=shown)
        return page


def _span(
    desk: Desk, bearer: Bearer, from_at: datetime | None, to_at: datetime | None, cursor: str | None, limit: int
) -> history.Span:
    now = desk.clock()
    end = to_at or now + timedelta(minutes=5)
    kept_since = desk.keeping.scans_since(now)
    start = from_at or kept_since
    require_span(start, end, days_max=SPAN_DAYS_MAX, now=now)
    require_area(bearer, bearer.area)
    return history.Span(max(start, kept_since), end, bearer.area, None if cursor is None else _place_of(cursor), limit)


def require_span(start: datetime, end: datetime, *, days_max: int, now: datetime) -> None:
    """Raises a `Problem` with status 422 when a stretch of time makes no sense."""
    if start.year < _FIRST_YEAR or end.year > now.year + 1:
        said = f"must lie between the years {_FIRST_YEAR} and {now.year + 1}"
    elif not timedelta(0) < end - start <= timedelta(days=days_max):
        said = f"must lie before `to`, by at most {days_max} days"
    else:
        return
    problem = {"field": "from", "message": said}
    raise Problem(422, "invalid_request", "The request is not valid: from.", errors=[problem])


def _page(rows: Sequence[RowMapping], limit: int) -> HistoryOut:
    scans = [ScanOut(**row) for row in rows]
    return HistoryOut(scans=scans, next_cursor=_cursor_of(scans[-1]) if len(scans) == limit else None)


def _cursor_of(scan: ScanOut) -> str:
    return base64.urlsafe_b64encode(f"{scan.scanned_at.isoformat()} {scan.scan_id}".encode()).decode()


def _place_of(cursor: str) -> tuple[datetime, UUID]:
    try:
        at, _, scan_id = base64.urlsafe_b64decode(cursor).decode().partition(" ")
        place = datetime.fromisoformat(at), UUID(scan_id)
    except ValueError:
        raise CursorMalformed() from None
    if place[0].tzinfo is None:
        raise CursorMalformed()
    return place
