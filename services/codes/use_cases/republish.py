"""Telling everything again, for a reader whose log was cut behind it: colours at their revision, standings as new."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.codes.domain.colours import standing_value
from services.codes.domain.dossier import DOSSIER_REACH
from services.codes.domain.events import ColourChanged
from services.codes.domain.people import Person
from services.codes.use_cases.changes import tell_standings
from services.codes.use_cases.ports import Office, Told

FIRST = UUID(int=0)


def tell_again(tx: Connection, office: Office, after: UUID, now: datetime, *, people_max: int) -> UUID | None:
    """Tell the next people after a reference; the last of them, None when there are no more."""
    people = office.people.lock_next(tx, after, people_max)
    if not people:
        return None
    files = office.dossiers.read(tx, [person.person_ref for person in people], now - DOSSIER_REACH)
    office.tell(tx, [_as_told(person, files[person.person_ref][1], now) for person in people if person.revision])
    tell_standings(
        tx, office, [(person, standing_value(person.colour, is_void=person.is_void)) for person in people], now
    )
    return people[-1].person_ref


def _as_told(person: Person, told: Told, now: datetime) -> ColourChanged:
    return ColourChanged(
        person_ref=person.person_ref,
        revision=person.revision,
        colour=person.colour,
        previous=person.colour,
        since=person.since or now,
        review_at=person.review_at,
        reasons=told.reasons,
        rule_set=told.rule_set,
        area=person.area,
        at=now,
    )
