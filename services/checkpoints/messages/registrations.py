"""ArrivalRegistered: a person without a code was registered in place, and where they go must hear of it."""

from __future__ import annotations

from uuid import UUID

from chassis.outbox import Event
from chassis.timestamps import stamp_of
from services.checkpoints.domain.registrations import Registration
from services.checkpoints.domain.scans import Checkpoint, district_of
from services.checkpoints.messages.topics import OURS
from wire.checkpoints.v1 import events_pb2 as words
from wire.ledger.v1 import events_pb2 as ledger_words

TASK_OPENED = "guanka.ledger.v1.TaskOpened"


def destination(payload: bytes) -> tuple[UUID, str] | None:
    """(registration, area) of a task that follows another one: where a registered person has gone on to."""
    task = ledger_words.TaskOpened.FromString(payload)
    if not task.registration_id or task.registration_id == task.caused_by:
        return None
    return UUID(task.registration_id), task.area


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
