"""The record of what was destroyed, over HTTP."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from chassis.auth import Bearer, needs
from chassis.collisions import DoneAgain
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.models import DestructionOut, DestructionsOut
from services.checkpoints.store import destructions

router = APIRouter(route_class=DoneAgain, tags=["destructions"])


@router.get("/v1/destructions", response_model=DestructionsOut)
def read(
    _bearer: Annotated[Bearer, Depends(needs("operator", "auditor"))],
    desk: AtDesk,
    cursor: Annotated[int | None, Query(ge=1, lt=1 << 63, description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> DestructionsOut:
    """What was destroyed, when, how many rows and by which rule; the newest first."""
    with desk.database.transaction() as tx:
        rows = destructions.read(tx, before=cursor, limit=limit)
    found = [DestructionOut(**row) for row in rows]
    return DestructionsOut(destructions=found, next_cursor=found[-1].destruction_id if len(found) == limit else None)
