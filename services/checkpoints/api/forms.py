"""A form: who comes without a code, as a guard writes it down. A gate without a network reads it as the server does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from chassis.fields import PersonName
from city.documents import Document
from services.checkpoints.api.models import DocumentIn, In
from services.checkpoints.attempts import (
    TEMPERATURE_C_MAX,
    TEMPERATURE_C_MIN,
    AttemptReader,
    read_document,
    read_scan_id,
    read_time,
)
from services.checkpoints.domain.registrations import Registration

Phone = Annotated[str, StringConstraints(pattern=r"^\+?[0-9 \-]{3,20}$")]
Origin = Annotated[str, StringConstraints(pattern=r"^([0-9]{2,18}|[A-Z]{2})$")]
Destination = Annotated[str, StringConstraints(pattern=r"^[0-9]{4,18}$")]


class OfflineRegistrationIn(In):
    """What the guard had done without a network, and by which policy."""

    decision: Literal["pass", "check", "stop"]
    policy_version: str = Field(pattern=r"^[A-Za-z0-9._@-]{1,64}$")


class RegistrationIn(In):
    registration_id: str = Field(max_length=36, description="a UUID of version 7, made when the person was registered")
    checkpoint_id: UUID
    document: DocumentIn
    name: Annotated[PersonName, Field(max_length=120)] | None = None
    phone: Phone
    from_area: Origin = Field(description="a division code, or the country (ISO 3166-1 alpha-2) from abroad")
    to_area: Destination = Field(description="a node of the area tree; its community gets a task")
    temperature_c: float | None = Field(default=None, strict=True, ge=TEMPERATURE_C_MIN, le=TEMPERATURE_C_MAX)
    plate: str | None = Field(default=None, max_length=32)
    registered_at: str = Field(
        max_length=40, description="RFC 3339 with offset, between 7 days ago and 5 minutes ahead"
    )
    offline: OfflineRegistrationIn | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """A form as read: the registration at the checkpoint that it names, and what is only kept sealed."""

    registration: Registration
    document: Document
    name: str | None
    phone: str


def read_form(given: RegistrationIn, reader: AttemptReader, now: datetime) -> Form:
    """Raises `FieldError` that names the field."""
    registered_at = read_time(given.registered_at, "registered_at", now)
    registration_id = read_scan_id(given.registration_id, "registration_id", registered_at, beside="registered_at")
    document = read_document(given.document.model_dump(), "document")
    vehicle_ref = None if given.plate is None else reader.vehicle_ref(given.plate, "plate")
    offline = (given.offline.decision, given.offline.policy_version) if given.offline else (None, None)
    person_ref = reader.person_ref(document)
    told = (given.checkpoint_id, person_ref, given.name, given.phone, given.from_area, given.to_area)
    content = (*told, given.temperature_c, vehicle_ref, registered_at)
    registration = Registration(
        registration_id=registration_id,
        checkpoint_id=given.checkpoint_id,
        person_ref=person_ref,
        from_area=given.from_area,
        to_area=given.to_area,
        temperature_c=given.temperature_c,
        vehicle_ref=vehicle_ref,
        registered_at=registered_at,
        offline_decision=offline[0],
        offline_policy_version=offline[1],
        digest=reader.digest((*content, *offline)),
        digest_online=None if given.offline is None else reader.digest((*content, None, None)),
    )
    return Form(registration, document, given.name, given.phone)
