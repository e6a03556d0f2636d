"""A declaration: what a person says about themselves, and the code that follows from it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection

from services.codes.domain.dossier import Declaration
from services.codes.domain.errors import PersonDead
from services.codes.domain.people import Code
from services.codes.use_cases.changes import settle
from services.codes.use_cases.ports import Decided, Office


def declare(tx: Connection, office: Office, person_ref: UUID, declaration: Declaration, by: str, now: datetime) -> Code:
    """The code after it. The caller has found the person. Raises `PersonDead`."""
    if declaration.stays:
        office.dossiers.hold_risks(tx, changing=False)
    people = office.people.lock(tx, [person_ref])
    if any(person.is_void for person in people):
        raise PersonDead
    office.dossiers.add_declaration(tx, person_ref, declaration, by, now)
    return code_of(settle(tx, office, people, now)[person_ref])


def code_of(decided: Decided) -> Code:
    verdict = decided.verdict
    return Code(verdict.colour, verdict.reasons, decided.since, verdict.review_at, verdict.lifts_when)
