"""Checkpoints over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy import Connection

from chassis.auth import Bearer, needs, outside, require_area
from chassis.collisions import DoneAgain
from chassis.problems import Problem
from city.areas import NODE
from services.checkpoints.api.bound import bound_ids, hiding_from_gates, reaches_any
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import (
    CheckpointIn,
    CheckpointOut,
    CheckpointRegisteredOut,
    CheckpointsIn,
    CheckpointsOut,
    CheckpointsRegisteredOut,
    Kind,
    PosterOut,
)
from services.checkpoints.api.problems import naming
from services.checkpoints.domain.errors import CheckpointNotFound, CheckpointRegisteredOtherwise, VenueRefused
from services.checkpoints.domain.scans import EVER, Checkpoint
from services.checkpoints.store import lives
from services.checkpoints.use_cases.places import Registration, find_checkpoint

router = APIRouter(route_class=DoneAgain, tags=["checkpoints"])
AHEAD_MAX = timedelta(days=366)
Operator = Annotated[Bearer, Depends(needs("operator"))]
Official = Annotated[
    Bearer,
    Depends(needs("operator", "gate", "authority", "community", "approver", "auditor", "service", scope="places")),
]


@router.post(
    "/v1/checkpoints",
    status_code=201,
    response_model=CheckpointRegisteredOut,
    responses={200: {"model": CheckpointRegisteredOut, "description": "registered before, with the same content"}},
)
def register(body: CheckpointIn, bearer: Operator, desk: AtDesk, response: Response) -> CheckpointRegisteredOut:
    """Register a place where scans are taken; its area lies in the operator's own subtree.

    A venue at which checkpoints stand already is joined by those who reach one of them.
    """
    now = desk.clock()
    registration = _registration(body, bearer, desk, "", now)
    with desk.database.transaction() as tx, _hiding_taken_ids(bearer):
        found = desk.places.register_checkpoints(
            tx, [registration], reaches=bearer.can_see_area, registered_by=bearer.subject, now=now
        )
    [(versions, is_new)] = found
    desk.registry.put([versions])
    response.status_code = 201 if is_new else 200
    return CheckpointRegisteredOut(checkpoint_id=versions[0].checkpoint_id)


@router.post(
    "/v1/checkpoints/batch",
    status_code=201,
    response_model=CheckpointsRegisteredOut,
    responses={200: {"model": CheckpointsRegisteredOut, "description": "all registered before, with the same content"}},
)
def register_many(body: CheckpointsIn, bearer: Operator, desk: AtDesk, response: Response) -> CheckpointsRegisteredOut:
    """Register up to 1,000 places in one transaction: all or none."""
    now = desk.clock()
    given = []
    for n, each in enumerate(body.checkpoints):
        with naming(f"checkpoints.{n}"):
            given.append(_registration(each, bearer, desk, f"checkpoints.{n}.", now))
    with desk.database.transaction() as tx:
        try:
            found = desk.places.register_checkpoints(
                tx, given, reaches=bearer.can_see_area, registered_by=bearer.subject, now=now
            )
        except (CheckpointRegisteredOtherwise, VenueRefused) as error:
            with naming(f"checkpoints.{error.position}"), _hiding_taken_ids(bearer):
                raise
    desk.registry.put(versions for versions, _ in found)
    registered = sum(is_new for _, is_new in found)
    response.status_code = 201 if registered else 200
    return CheckpointsRegisteredOut(checkpoint_ids=[each[0].checkpoint_id for each, _ in found], registered=registered)


@contextmanager
def _hiding_taken_ids(bearer: Bearer) -> Iterator[None]:
    """Refuse the id of a checkpoint that lies elsewhere as reading that one is refused."""
    try:
        yield
    except CheckpointRegisteredOtherwise as error:
        if not bearer.can_see_area(error.area):
            raise outside(bearer) from None
        raise


def _registration(body: CheckpointIn, bearer: Bearer, desk: Desk, path: str, now: datetime) -> Registration:
    require_area(bearer, body.area)
    desk.places.require_area(body.area)
    if body.opens_at is not None:
        require_moment(body.opens_at, f"{path}opens_at", not_before=EVER, now=now)
    return Registration(body.checkpoint_id, body.kind, body.name, body.venue or "", body.area, body.opens_at)


@router.get("/v1/checkpoints", response_model=CheckpointsOut)
def list_checkpoints(
    bearer: Official,
    desk: AtDesk,
    area: Annotated[str | None, Query(pattern=r"^[0-9]{2,18}$", description="a part of the bearer's subtree")] = None,
    kind: Kind | None = None,
    cursor: Annotated[UUID | None, Query(description="`next_cursor` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> CheckpointsOut:
    """The checkpoints of a subtree as they hold now, by identifier; a gate sees those that its token names."""
    asked = bearer.area if area is None else area
    _require_listed_area(desk, bearer, asked)
    only = bound_ids(bearer) if bearer.has_role("gate") else None
    with desk.database.transaction() as tx:
        found = lives.listed(tx, area=asked, kind=kind, only=only, after=cursor, at=desk.clock(), limit=limit)
    return CheckpointsOut(
        checkpoints=[_shown(each) for each in found],
        next_cursor=found[-1].checkpoint_id if len(found) == limit else None,
    )


def _require_listed_area(desk: Desk, bearer: Bearer, area: str) -> None:
    """Raises a `Problem`: 422 for an area that is not in the tree, 403 for one out of reach; as the ledger does."""
    if not bearer.area:
        raise outside(bearer)
    if not desk.areas.has(area):
        raise _invalid("area", NODE)
    require_area(bearer, area)


@router.get("/v1/checkpoints/{checkpoint_id}", response_model=CheckpointOut)
def read(checkpoint_id: UUID, bearer: Official, desk: AtDesk) -> CheckpointOut:
    """The checkpoint as it holds now."""
    return _shown(_visible(checkpoint_id, bearer, desk))


def _shown(found: Checkpoint) -> CheckpointOut:
    return CheckpointOut(
        checkpoint_id=found.checkpoint_id,
        kind=found.kind,  # type: ignore[arg-type]
        name=found.name,
        venue=found.venue or None,
        area=found.area,
        stage=found.stage.value,
        revision=found.revision,
        holds_from=None if found.holds_from == EVER else found.holds_from,
        successor_id=found.successor,
    )


@router.get("/v1/checkpoints/{checkpoint_id}/poster", response_model=PosterOut)
def poster(checkpoint_id: UUID, bearer: Operator, desk: AtDesk) -> PosterOut:
    """The code to print: whoever scans it reports a visit of their own."""
    return PosterOut(venue_code=_visible(checkpoint_id, bearer, desk).venue_code)


def _visible(checkpoint_id: UUID, bearer: Bearer, desk: AtDesk) -> Checkpoint:
    with desk.database.transaction() as tx:
        return reached_checkpoint(tx, desk, bearer, checkpoint_id)


def reached_checkpoint(tx: Connection, desk: Desk, bearer: Bearer, checkpoint_id: UUID) -> Checkpoint:
    """The checkpoint as it holds now. Raises `CheckpointNotFound`, a `Problem` (403) for what is not reached."""
    now = desk.clock()
    with hiding_from_gates(desk, bearer, CheckpointNotFound):
        found = find_checkpoint(tx, checkpoint_id, now)
    if not reaches_any(tx, bearer, [(checkpoint_id, found.area)], now):
        raise outside(bearer)
    return found


def require_moment(at: datetime, field: str, *, not_before: datetime, now: datetime) -> None:
    """Raises a `Problem` with status 422 when a moment at which something is to hold makes no sense."""
    if not_before <= at <= now + AHEAD_MAX:
        return
    raise _invalid(field, f"must lie between {not_before:%Y-%m-%dT%H:%MZ} and {AHEAD_MAX.days} days ahead")


def _invalid(field: str, message: str) -> Problem:
    named = {"field": field, "message": message}
    return Problem(422, "invalid_request", f"The request is not valid: {field}.", errors=[named])
