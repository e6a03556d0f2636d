"""Checkpoints over HTTP."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from chassis.auth import Bearer, needs, require_area
from services.checkpoints.api.desk import AtDesk
from services.checkpoints.api.models import CheckpointIn, CheckpointOut, CheckpointRegisteredOut, PosterOut
from services.checkpoints.domain.scans import Checkpoint
from services.checkpoints.use_cases import find_checkpoint

router = APIRouter(tags=["checkpoints"])
Operator = Annotated[Bearer, Depends(needs("operator"))]
Official = Annotated[
    Bearer, Depends(needs("operator", "gate", "authority", "community", "approver", "auditor", "service"))
]


@router.post(
    "/v1/checkpoints",
    status_code=201,
    response_model=CheckpointRegisteredOut,
    responses={200: {"model": CheckpointRegisteredOut, "description": "registered before, with the same content"}},
)
def register(body: CheckpointIn, bearer: Operator, desk: AtDesk, response: Response) -> CheckpointRegisteredOut:
    """Register a place where scans are taken; its area lies in the operator's own subtree."""
    require_area(bearer, body.area)
    with desk.database.transaction() as tx:
        checkpoint, is_new = desk.places.register_checkpoint(
            tx,
            checkpoint_id=body.checkpoint_id,
            kind=body.kind,
            name=body.name,
            venue=body.venue or "",
            area=body.area,
            registered_by=bearer.subject,
        )
    desk.registry.put([checkpoint])
    response.status_code = 201 if is_new else 200
    return CheckpointRegisteredOut(checkpoint_id=checkpoint.checkpoint_id)


@router.get("/v1/checkpoints/{checkpoint_id}", response_model=CheckpointOut)
def read(checkpoint_id: UUID, bearer: Official, desk: AtDesk) -> CheckpointOut:
    found = _visible(checkpoint_id, bearer, desk)
    return CheckpointOut(
        checkpoint_id=found.checkpoint_id,
        kind=found.kind,  # type: ignore[arg-type]
        name=found.name,
        venue=found.venue or None,
        area=found.area,
    )


@router.get("/v1/checkpoints/{checkpoint_id}/poster", response_model=PosterOut)
def poster(checkpoint_id: UUID, bearer: Operator, desk: AtDesk) -> PosterOut:
    """The code to print: whoever scans it reports a visit of their own."""
    return PosterOut(venue_code=_visible(checkpoint_id, bearer, desk).venue_code)


def _visible(checkpoint_id: UUID, bearer: Bearer, desk: AtDesk) -> Checkpoint:
    with desk.database.transaction() as tx:
        found = find_checkpoint(tx, checkpoint_id)
    require_area(bearer, found.area)
    return found
