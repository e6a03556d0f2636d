"""A citizen's own scan of a venue's poster: recorded as self-reported, never evidence by itself.

It is taken of the pass's holder alone, and answered without a colour: a poster is no way to look one up.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Depends

from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import VenueVisitIn, VenueVisitOut
from services.checkpoints.api.problems import problem_of
from services.checkpoints.attempts import read_time
from services.checkpoints.domain.errors import NotTheHolder, Overloaded, VenueNotFound
from services.checkpoints.domain.passes import ReadPass
from services.checkpoints.domain.scans import Attempt, Checkpoint, Entry
from services.checkpoints.store import standings, visits

router = APIRouter(route_class=DoneAgain, tags=["scans"])
HOLDER_KNOWN_WITHIN_S, _LOOK_EVERY_S = 3.0, 0.2
"""The holder of a new pass arrives with codes' events: so long a visit waits for it."""


@router.post("/v1/venue-visits", response_model=VenueVisitOut)
async def record_visit(
    body: VenueVisitIn, bearer: Annotated[Bearer, Depends(needs("citizen"))], desk: AtDesk
) -> VenueVisitOut:
    """Report a visit with a pass of one's own. Asynchronous like the scan path, whose log and admission it shares, on
    that event loop."""
    admission, now_s = desk.admission, time.monotonic()
    refused_for_s = admission.refused_for_s(now_s) if admission.has_room() else admission.turn_s(now_s)
    try:
        if refused_for_s:
            raise Overloaded(refused_for_s)
        attempt, checkpoint = _read(body, desk)
        await _require_holder(attempt, bearer, desk)
        admission.enter()
        try:
            return await _recorded(attempt, checkpoint, bearer, desk)
        finally:
            admission.leave()
    except Exception as error:
        raise problem_of(error) or error from None


def _read(body: VenueVisitIn, desk: Desk) -> tuple[Attempt, Checkpoint]:
    """The visit, and where it is counted. Raises `FieldError`, `VenueNotFound`."""
    now = desk.clock()
    checkpoint = desk.registry.find_venue(body.venue_code, read_time(body.scanned_at, "scanned_at", now))
    if checkpoint is None:
        raise VenueNotFound()
    attempt = desk.attempts.read_visit(body.scan_id, body.pass_, body.scanned_at, checkpoint.checkpoint_id, now)
    return attempt, desk.registry.taker(checkpoint, attempt.scanned_at)


async def _require_holder(attempt: Attempt, bearer: Bearer, desk: Desk) -> None:
    """Raises `NotTheHolder`, whatever it is that the pass is instead."""
    read = desk.key_ring.read(attempt.token or "", attempt.scanned_at)
    if bearer.person_ref is None or not isinstance(read, ReadPass):
        raise NotTheHolder()
    until_s = time.monotonic() + HOLDER_KNOWN_WITHIN_S
    while (holder := await asyncio.to_thread(_holder_of, desk, read.entry)) is None and time.monotonic() < until_s:
        await asyncio.sleep(_LOOK_EVERY_S)
    if holder != bearer.person_ref:
        raise NotTheHolder()


def _holder_of(desk: Desk, entry: Entry) -> object:
    with desk.database.transaction() as tx:
        return standings.holder_of(tx, entry)


async def _recorded(attempt: Attempt, checkpoint: Checkpoint, bearer: Bearer, desk: Desk) -> VenueVisitOut:
    """The answer. Raises what the visit is refused for."""
    ruling = await desk.scan_path.record_scan(attempt, checkpoint)
    # After the scan: an identifier that stands for another scan is refused above, and keeps its own sender.
    await asyncio.to_thread(_keep_sender, desk, attempt.scan_id, bearer, ruling.recorded_at)
    desk.admission.answered(time.monotonic())
    return VenueVisitOut(scan_id=attempt.scan_id, recorded_at=ruling.recorded_at)


def _keep_sender(desk: Desk, scan_id: object, bearer: Bearer, recorded_at: datetime) -> None:
    with desk.database.transaction() as tx:
        visits.add(tx, scan_id, sent_by=bearer.subject, person_ref=bearer.person_ref, recorded_at=recorded_at)
