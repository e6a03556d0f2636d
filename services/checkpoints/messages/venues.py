"""A venue that holds no more people, and one that does again: VenueFull, VenueFree."""

from __future__ import annotations

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.events import VenueFree, VenueFull
from services.checkpoints.domain.scans import district_of
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def venue_event(told: VenueFull | VenueFree) -> Event:
    message = getattr(words, type(told).__name__)(
        venue=told.venue.venue,
        area=told.area,
        inside=told.occupancy.inside,
        capacity=told.venue.capacity,
        at=stamp_of(told.at),
    )
    return Event(
        type=OURS + type(told).__name__,
        aggregatetype="venue",
        aggregateid=told.venue.venue,
        subject=f"venue/{told.venue.venue}",
        revision=told.venue.revision,
        time=told.at,
        payload=message.SerializeToString(),
        district=district_of(told.area),
    )
