"""Enrolment: a document becomes a person with an entry in a status list, once, however many ask at the same time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from city.documents import Document, person_ref_of
from services.codes.domain.people import Identity
from services.codes.use_cases.changes import settle
from services.codes.use_cases.ports import Office


def enrol_person(
    tx: Connection, office: Office, document: Document, identity: Identity, area: str, now: datetime
) -> tuple[UUID, bool]:
    """The person, and whether the enrolment is new. A document that is known changes nothing: what was first stays."""
    person_ref = person_ref_of(office.city_key, document)
    office.people.know(tx, [person_ref])
    (person,) = office.people.lock(tx, [person_ref])
    if person.entry is not None:
        return person_ref, False
    listed = replace(person, area=area, entry=office.lists.take_entry(tx))
    office.people.enrol(tx, listed, _sealed(office, person_ref, document, identity), now)
    settle(tx, office, [listed], now, newly_listed={person_ref})
    return person_ref, True


def _sealed(office: Office, person_ref: UUID, document: Document, identity: Identity) -> dict[str, str | bytes | None]:
    texts = {
        "number": document.number,
        "name": identity.name,
        "phone": identity.phone,
        "birth_date": identity.birth_date,
        "address": identity.address,
    }
    sealed = {
        f"{column}_sealed": None if text is None else office.sealer.seal(text, person_ref, column)
        for column, text in texts.items()
    }
    return {"document_type": document.type, "country": document.country, **sealed}
