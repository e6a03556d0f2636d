"""A citizen's own scan of a venue's poster: recorded as self-reported, never evidence by itself."""

from __future__ import annotations

import time
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.checkpoints.answers import answer
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import VenueVisitIn
from services.checkpoints.api.problems import problem_of
from services.checkpoints.api.scan_schemas import ScanAnswer
from services.checkpoints.attempts import read_time
from services.checkpoints.domain.errors import Overloaded, VenueNotFound

router = APIRouter(route_class=DoneAgain, tags=["scans"])


@router.post("/v1/venue-visits", response_model=ScanAnswer)
async def record_visit(
    body: VenueVisitIn, _bearer: Annotated[Bearer, Depends(needs("citizen"))], desk: AtDesk
) -> dict[str, Any]:
    """Report a visit. Asynchronous like the scan path, whose log and admission it shares, on that event loop."""
    admission, now_s = desk.admission, time.monotonic()
    refused_for_s = admission.refused_for_s(now_s) if admission.has_room() else admission.turn_s(now_s)
    try:
        if refused_for_s:
            raise Overloaded(refused_for_s)
        admission.enter()
        try:
            return await _recorded(body, desk)
        finally:
            admission.leave()
    except Exception as error:
        raise problem_of(error) or error from None


async def _recorded(body: VenueVisitIn, desk: Desk) -> dict[str, Any]:
    """The answer. Raises what the visit is refused for."""
    now = desk.clock()
    checkpoint = desk.registry.find_venue(body.venue_code, read_time(body.scanned_at, "scanned_at", now))
    if checkpoint is None:
        raise VenueNotFound()
    attempt = desk.attempts.read_visit(body.scan_id, body.pass_, body.scanned_at, checkpoint.checkpoint_id, now)
    checkpoint = desk.registry.taker(checkpoint, attempt.scanned_at)
    ruling = await desk.scan_path.record_scan(attempt, checkpoint)
    desk.admission.answered(time.monotonic())
    return answer(attempt, checkpoint, ruling, desk.policies)
