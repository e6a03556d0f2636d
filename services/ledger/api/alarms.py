"""GET /v1/alarms: who must turn up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request

from chassis.access_log import log_looks
from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.ledger.api.entries import require_listed_area
from services.ledger.api.forms import AlarmsQuery, Shown
from services.ledger.api.parts import Parts
from services.ledger.store import views

Reader = Annotated[Bearer, Depends(needs("operator", "community", "approver"))]


def routes(parts: Parts) -> APIRouter:
    router = APIRouter(route_class=DoneAgain, tags=["alarms"])

    @router.get("/v1/alarms")
    def read_alarms(query: Annotated[AlarmsQuery, Query()], bearer: Reader, request: Request) -> Shown:
        """Alarms that happened in a subtree or whose owner sits in it, the newest first."""
        area = query.area or bearer.area
        require_listed_area(parts, bearer, area)
        with parts.database.transaction() as tx:
            found = views.alarms(tx, area, query.cursor, query.limit)
            persons = [alarm["person_ref"] for alarm in found if alarm["person_ref"]]
            log_looks(tx, bearer, what="alarms", route=request.scope["route"].path, persons=persons)
        cursor = found[-1]["alarm_id"] if len(found) == query.limit else None
        return {"alarms": found, "next_cursor": cursor}

    return router
