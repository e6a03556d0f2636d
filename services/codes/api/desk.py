"""What the endpoints work with, and the question they all ask: may this bearer reach this person?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlalchemy import Connection

from chassis.access_log import log_looks
from chassis.auth import Bearer, outside
from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from city.areas import AreaTree
from services.codes.domain.errors import PersonNotFound
from services.codes.domain.people import Person
from services.codes.use_cases.ports import Identities, Office, Press, PublicKeys, Published, Seal


@dataclass(frozen=True, slots=True)
class Desk:
    """Put together in main.py; one per application."""

    database: Database
    office: Office
    identities: Identities
    sealer: Seal
    published: Published
    press: Press
    keys: PublicKeys
    areas: AreaTree
    clock: Clock
    appeal_url: str


async def _desk_of(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


AtDesk = Annotated[Desk, Depends(_desk_of)]


def require_own(bearer: Bearer, person_ref: UUID, *officials: str) -> None:
    """A citizen reaches only their own data; said before anything is looked up."""
    if not bearer.has_role(*officials) and not bearer.is_person(person_ref):
        raise Problem(403, "person_refused", "Your token does not reach this person.")


def reaches(desk: Desk, bearer: Bearer, person: Person) -> bool:
    """An official reaches their own subtree; a person without residence belongs to the city."""
    return bearer.is_person(person.person_ref) or bearer.can_see_area(person.area or desk.office.city_root)


def look_at(tx: Connection, desk: Desk, bearer: Bearer, person_ref: UUID, what: str, request: Request) -> Person | None:
    """The person, if there is one whom the bearer reaches. A look by anybody else is logged, also when it is refused.

    What follows a refusal is `unreached`, raised when the transaction is over: else the log would be lost with it.
    """
    try:
        person = desk.office.people.find(tx, person_ref)
    except PersonNotFound:
        person = None
    is_reached = person is not None and reaches(desk, bearer, person)
    log_look(tx, bearer, person_ref, what, request, is_refused=not is_reached)
    return person if is_reached else None


def unreached(desk: Desk, bearer: Bearer, person_ref: UUID) -> Exception:
    """One refusal for a stranger and for a person who lives elsewhere; a bearer of the whole city is told which."""
    if bearer.is_person(person_ref) or bearer.can_see_area(desk.office.city_root):
        return PersonNotFound()
    return outside(bearer)


def log_look(
    tx: Connection, bearer: Bearer, person_ref: UUID, what: str, request: Request, *, is_refused: bool = False
) -> None:
    """A look by anybody but the person is logged."""
    if not bearer.is_person(person_ref):
        route = getattr(request.scope.get("route"), "path", request.method)
        log_looks(tx, bearer, what=what, route=route, persons=[person_ref], is_refused=is_refused)
