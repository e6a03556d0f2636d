"""Venues over HTTP: how many people one holds, and how many are in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from chassis.auth import Bearer, outside
from chassis.collisions import DoneAgain
from services.checkpoints.api.bound import hiding_from_gates, reaches_any
from services.checkpoints.api.desk import AtDesk, Desk
from services.checkpoints.api.models import In, Text
from services.checkpoints.api.places import Official, Operator
from services.checkpoints.domain.errors import VenueUnknown
from services.checkpoints.domain.venues import Occupancy, Venue
from services.checkpoints.store import venues

router = APIRouter(route_class=DoneAgain, tags=["venues"])
VenueName = Annotated[Text, Path(description="as checkpoints are registered with it")]


class CapacityIn(In):
    capacity: Annotated[int, Field(strict=True, ge=1, le=1_000_000)]


class OccupancyOut(BaseModel):
    """Of the city's `day` so far; `inside` is never below 0. `capacity` is null where nobody has set one."""

    venue: str
    day: date
    entered: int
    departed: int
    inside: int
    capacity: int | None
    full: bool
    at: datetime


@router.put("/v1/venues/{venue}", response_model=OccupancyOut)
def set_capacity(venue: VenueName, body: CapacityIn, bearer: Operator, desk: AtDesk) -> OccupancyOut:
    """Say how many people a venue holds; all its checkpoints lie in the operator's subtree."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        if not all(bearer.can_see_area(area) for _, area in _checkpoints_of(tx, desk, venue, bearer, now)):
            raise outside(bearer)
        occupancy = desk.venues.set_capacity(tx, venue, body.capacity, by=bearer.subject, now=now)
        return _shown(occupancy, venues.find(tx, venue), now)


@router.get("/v1/venues/{venue}/occupancy", response_model=OccupancyOut)
def read_occupancy(venue: VenueName, bearer: Official, desk: AtDesk) -> OccupancyOut:
    """The people who went in and were not stopped, less those who went out, since the city's day began.

    A gate reads it of the venues at which its own checkpoints stand.
    """
    now = desk.clock()
    with desk.database.transaction() as tx:
        if not reaches_any(tx, bearer, _checkpoints_of(tx, desk, venue, bearer, now), now):
            raise outside(bearer)
        return _shown(desk.venues.occupancy(tx, venue, now), venues.find(tx, venue), now)


def _checkpoints_of(
    tx: Connection, desk: Desk, venue: str, bearer: Bearer, now: datetime
) -> Sequence[tuple[UUID, str]]:
    """Raises `VenueUnknown`, a `Problem` (403) to those who may not know it."""
    found = venues.checkpoints_of(tx, venue, now)
    with hiding_from_gates(desk, bearer, VenueUnknown):
        if not found:
            raise VenueUnknown()
    return found


def _shown(occupancy: Occupancy, venue: Venue | None, now: datetime) -> OccupancyOut:
    return OccupancyOut(
        venue=occupancy.venue,
        day=occupancy.day,
        entered=occupancy.entered + occupancy.strangers,
        departed=occupancy.departed,
        inside=occupancy.inside,
        capacity=None if venue is None else venue.capacity,
        full=venue is not None and occupancy.inside >= venue.capacity,
        at=now,
    )
