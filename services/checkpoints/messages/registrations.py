"""ArrivalRegistered: a person without a code was registered in place, and where they go must hear of it."""

from __future__ import annotations

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.registrations import Registration
from services.checkpoints.domain.scans import Checkpoint, district_of
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words


def arrival_registered(registration: Registration, checkpoint: Checkpoint) -> Event:
    message = words.ArrivalRegistered(
        registration_id=str(registration.registration_id),
        person_ref=str(registration.person_ref),
        from_area=registration.from_area,
        to_area=registration.to_area,
        checkpoint_id=str(checkpoint.checkpoint_id),
        kind=checkpoint.kind,
        area=checkpoint.area,
        registered_at=stamp_of(registration.registered_at),
        has_fever=registration.has_fever(),
    )
    return Event(
        type=OURS + "ArrivalRegistered",
        aggregatetype="registration",
        aggregateid=str(registration.person_ref),
        subject=f"registration/{registration.registration_id}",
        revision=1,
        time=registration.registered_at,
        payload=message.SerializeToString(),
        district=district_of(registration.to_area),
    )
