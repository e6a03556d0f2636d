"""Venues over HTTP: how many people one holds, and how many are in it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel, Field
from sqlalchemy import Connection

from chassis.auth import Bearer, hiding, outside
from chassis.collisions import DoneAgain
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
        _require_reach(tx, desk, venue, bearer, now, is_all=True)
        occupancy = desk.venues.set_capacity(tx, venue, body.capacity, by=bearer.subject, now=now)
        return _shown(occupancy, venues.find(tx, venue), now)


@router.get("/v1/venues/{venue}/occupancy", response_model=OccupancyOut)
def read_occupancy(venue: VenueName, bearer: Official, desk: AtDesk) -> OccupancyOut:
    """Who went in and was not stopped, less who went out, since the city's day began."""
    now = desk.clock()
    with desk.database.transaction() as tx:
        _require_reach(tx, desk, venue, bearer, now, is_all=False)
        return _shown(desk.venues.occupancy(tx, venue, now), venues.find(tx, venue), now)


def _require_reach(tx: Connection, desk: Desk, venue: str, bearer: Bearer, now: datetime, *, is_all: bool) -> None:
    areas = venues.areas_of(tx, venue, now)
    with hiding(bearer, desk.city, VenueUnknown):
        if not areas:
            raise VenueUnknown()
    seen = [area for area in areas if bearer.can_see_area(area)]
    if not seen or (is_all and len(seen) < len(areas)):
        raise outside(bearer)


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
